"""A frame with its mask and all else that is known of it, as whatever is written of it needs."""

from __future__ import annotations

import bisect
import dataclasses
from collections.abc import Sequence

import numpy as np

from feelvos_tf.video.frame_source import Frame
from feelvos_tf.video.given_masks import GivenMask
from feelvos_tf.video.scores import Scores


@dataclasses.dataclass(frozen=True)
class LabeledFrame:
    """A frame whose mask is finished.

    Attributes:
      frame: the frame.
      labels: uint8 [H, W], ids, 0 for background.
      ids: the objects that came in up to here, ascending; some may be in no pixel.
      kept: whether an earlier run computed it.
      scores: how sure the method was; None where it computed nothing (a frame whose mask was
        given, or one before that) or gives none, and where an earlier run computed it.
    """

    frame: Frame
    labels: np.ndarray
    ids: tuple[int, ...]
    kept: bool
    scores: Scores | None

    @property
    def set_by_hand(self) -> np.ndarray | None:
        """Bool [H, W]: where a given mask was laid over what was computed; None where nowhere."""
        if self.scores is None or self.labels is self.scores.labels:
            return None
        differs = self.labels != self.scores.labels
        return differs if differs.any() else None


class KnownIds:
    """Which objects have come in up to a frame."""

    def __init__(self, entries: Sequence[GivenMask], everywhere: bool = False) -> None:
        """Args as follows.

        Args:
          entries: the masks that bring in objects, by frame.
          everywhere: every object counts in every frame, as where frames are computed backwards.
        """
        self._starts = [entry.index for entry in entries]
        self._ids: list[tuple[int, ...]] = [()]
        for entry in entries:
            self._ids.append(tuple(sorted({*self._ids[-1], *entry.ids})))
        if everywhere:
            self._ids = self._ids[-1:] * len(self._ids)

    def up_to(self, index: int) -> tuple[int, ...]:
        """Ids, ascending, of the objects of the frame at `index` and of those before it."""
        return self._ids[bisect.bisect_right(self._starts, index)]
