"""All that a step computes, for those who want more than labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np


@dataclasses.dataclass(frozen=True)
class StepResult:
    """All that a step computes; h and w are the size at stride 4, N counts background.

    Attributes:
      labels: uint8 [H, W], ids.
      object_ids: int32 [N], the id of each channel below; the first is 0.
      logits: float32 [h, w, N].
      probabilities: float32 [h, w, N], softmax of the logits.
      embeddings: float32 [h, w, C] of the frame.
      global_distance: float32 [h, w, N] in 0..1, to the reference; up to `matching.FARTHEST` with
        normalized_distances off, None where switched off.
      previous_distance: float32 [h, w, N] in 0..1, to the previous frame; None where switched off.
      previous_labels: int32 [h, w], channels of the previous frame, -1 for none.
      soften: see `soft_masks`.
      reference_frame: int32 [h, w, N], where the nearest reference pixel comes from: 0 for a given
        frame, t for the t-th frame stepped, which the memory holds; None without a memory.
    """

    labels: np.ndarray
    object_ids: np.ndarray
    logits: np.ndarray
    probabilities: np.ndarray
    embeddings: np.ndarray
    global_distance: np.ndarray | None
    previous_distance: np.ndarray | None
    previous_labels: np.ndarray
    reference_frame: np.ndarray | None
    soften: Callable[[], np.ndarray] = dataclasses.field(repr=False)

    def soft_masks(self) -> np.ndarray:
        """Probabilities at the frame's size, uint8 [N, H, W], 0..255 for 0..1.

        Computed when they are asked for. The largest is that of the label.
        """
        return self.soften()
