"""What a method says beside its labels: how sure it is, for mattes and confidences."""

from __future__ import annotations

import functools
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
    """A segmenter that keeps the scores of what it labeled last until they are taken."""

    def __init__(self, segmenter: Segmenter) -> None:
        self._segmenter = segmenter
        self._scores: Scores | None = None

    def reset(self, frame: np.ndarray, mask: np.ndarray) -> None:
        self._scores = None  # of a step on another way through the video
        self._segmenter.reset(frame, mask)

    def step(self, frame: np.ndarray, return_details: bool = False) -> Any:
        result = cast(Any, self._segmenter).step(frame, return_details=True)
        self._scores = Scores(
            result.labels, result.object_ids, result.probabilities, result.soft_masks
        )
        return result if return_details else result.labels

    def take(self) -> Scores | None:
        scores, self._scores = self._scores, None
        return scores

    def __getattr__(self, name: str) -> Any:
        return getattr(self._segmenter, name)


class _ScoredMerging(_Scored):
    """One that labels frames by given logits too; see `VideoSegmenter.labels_of`."""

    def labels_of(
        self, frame: np.ndarray, logits: np.ndarray, object_ids: np.ndarray
    ) -> np.ndarray:
        """Labels a frame, uint8 [H, W], and keeps the scores that the logits say."""
        method = cast(Any, self._segmenter)
        labels: np.ndarray = method.labels_of(frame, logits, object_ids)
        shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
        shares /= shares.sum(axis=-1, keepdims=True)
        soft = functools.partial(method.soft_masks_of, frame, logits)
        self._scores = Scores(labels, object_ids, shares, soft)
        return labels


def with_scores(
    segmenter: Segmenter, *, needed: bool = False, merged: bool = False
) -> tuple[Segmenter, Callable[[], Scores | None]]:
    """Wraps a method so that the scores of the labels it gives are at hand.

    Args:
      segmenter: one whose `step` takes `return_details`, as `VideoSegmenter` does, or any other.
      needed: whether something is to be made of the scores.
      merged: whether two passes over a frame are merged, see `between`: then the method must have
        `labels_of` and `soft_masks_of` as well.

    Returns:
      segmenter: what to call in its place; labels stay the same.
      take: returns the scores of the latest labels, once; None where there were none since, as
        for a frame whose mask was given.

    A method that lacks what it must have gives no scores and comes back as it is.

    Raises:
      InputError: it gives none and they are needed.
    """
    merges = hasattr(segmenter, "labels_of") and hasattr(segmenter, "soft_masks_of")
    details = "return_details" in inspect.signature(segmenter.step).parameters
    if not details or (merged and not merges):
        if needed:
            raise InputError(
                "the method gives no probabilities, which mattes and pictures of confidence need"
            )
        return segmenter, lambda: None
    scored = _ScoredMerging(segmenter) if merges else _Scored(segmenter)
    return cast(Segmenter, scored), scored.take
