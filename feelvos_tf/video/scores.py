"""What a method says beside its labels: how sure it is, for mattes and confidences."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import numpy as np

from feelvos_tf.errors import InputError
from feelvos_tf.video.tracker import Segmenter


class Scores(NamedTuple):
    """Of one frame that was computed; h and w are the size at stride 4, N counts background.

    Attributes:
      labels: uint8 [H, W], ids, before a mask given with the frame was laid over them.
      object_ids: int32 [N], the id of each channel below; the first is 0.
      probabilities: float32 [h, w, N].
      soft_masks: gives the probabilities at the frame's size, uint8 [N, H, W], 0..255 for 0..1;
        the largest is that of the label.
    """

    labels: np.ndarray
    object_ids: np.ndarray
    probabilities: np.ndarray
    soft_masks: Callable[[], np.ndarray]


class _Scored:
    """A segmenter that keeps the scores of its latest step until they are taken."""

    def __init__(self, segmenter: Segmenter) -> None:
        self._segmenter = segmenter
        self._scores: Scores | None = None

    def step(self, frame: np.ndarray) -> np.ndarray:
        result = cast(Any, self._segmenter).step(frame, return_details=True)
        self._scores = Scores(
            result.labels, result.object_ids, result.probabilities, result.soft_masks
        )
        return result.labels

    def take(self) -> Scores | None:
        scores, self._scores = self._scores, None
        return scores

    def __getattr__(self, name: str) -> Any:
        return getattr(self._segmenter, name)


def with_scores(
    segmenter: Segmenter, *, needed: bool = False
) -> tuple[Segmenter, Callable[[], Scores | None]]:
    """Wraps a method so that the scores of its steps are at hand.

    Args:
      segmenter: one whose `step` takes `return_details`, as `VideoSegmenter` does, or any other.
      needed: whether something is to be made of the scores.

    Returns:
      segmenter: what to call in its place; labels stay the same.
      take: returns the scores of the latest step, once; None where there was no step since, as
        for a frame whose mask was given.

    A method whose `step` has no `return_details` gives no scores and comes back as it is.

    Raises:
      InputError: it gives none and they are needed.
    """
    if "return_details" not in inspect.signature(segmenter.step).parameters:
        if needed:
            raise InputError(
                "the method gives no probabilities, which mattes and pictures of confidence need"
            )
        return segmenter, lambda: None
    scored = _Scored(segmenter)
    return cast(Segmenter, scored), scored.take
