"""Frames between two given ones, computed from both: backwards first, then merged on the way forth.

A pass knows best what is near the frame it began with. So each pixel's probabilities are the mean
of those of both passes, weighted by how near each one's given frame is: where one is unsure the
other decides, and nothing jumps in the middle between two masks. What the way back says is kept in
a temporary file, at stride 4, so memory does not grow with the distance.
"""

from __future__ import annotations

import tempfile
from typing import Any, Protocol, runtime_checkable

import numpy as np

from feelvos_tf.errors import InputError
from feelvos_tf.video.frame_source import Frame
from feelvos_tf.video.tracker import Segmenter

# Probabilities below it are all alike: their logarithm would outweigh all else at an outline.
_LEAST_PROBABILITY = 1e-6


@runtime_checkable
class _Labeling(Protocol):
    """What is asked of a method besides; see `feelvos_tf.streaming.segmenter.VideoSegmenter`."""

    def step(self, frame: np.ndarray, return_details: bool = False) -> Any: ...

    def labels_of(
        self, frame: np.ndarray, logits: np.ndarray, object_ids: np.ndarray
    ) -> np.ndarray: ...


class Between:
    """The frames between two given ones.

    A method without probabilities has each frame's labels from the nearer given frame, from the
    earlier of two as near.

    Args:
      segmenter: the method; it is begun anew between `back` and `forth`.
      first: index of the given frame before.
      last: index of the one after.
    """

    def __init__(self, segmenter: Segmenter, first: int, last: int) -> None:
        self._segmenter, self._first, self._last = segmenter, first, last
        self._kept = _KeptArrays()

    def back(self, frame: Frame) -> np.ndarray:
        """Computes a frame on the way back; returns its labels, uint8 [H, W]."""
        if not isinstance(self._segmenter, _Labeling):
            labels = self._segmenter.step(frame.image)
            self._kept.put(frame.index, labels)
            return labels
        result = self._segmenter.step(frame.image, return_details=True)
        self._kept.put(frame.index, result.object_ids, result.probabilities.astype(np.float16))
        return result.labels

    def forth(self, frame: Frame) -> np.ndarray:
        """Computes a frame on the way forth; returns its merged labels, uint8 [H, W].

        The next frame follows from the labels of the way forth alone.
        """
        kept = self._kept.get(frame.index)
        share = (frame.index - self._first) / (self._last - self._first)
        if not isinstance(self._segmenter, _Labeling):
            labels = self._segmenter.step(frame.image)
            return kept[0] if kept is not None and share > 0.5 else labels
        result = self._segmenter.step(frame.image, return_details=True)
        if kept is None:  # a frame that could not be read on the way back
            return result.labels
        ids, later = kept
        logits, object_ids = merged(
            result.probabilities, result.object_ids, later.astype(np.float32), ids, share
        )
        return self._segmenter.labels_of(frame.image, logits, object_ids)


def merged(
    probabilities: np.ndarray,
    object_ids: np.ndarray,
    others: np.ndarray,
    other_ids: np.ndarray,
    share: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Merges what two passes say of a frame; an object that one does not know it rules out.

    Args:
      probabilities: float32 [h, w, N], of one pass.
      object_ids: int32 [N], the id of each channel; the first is 0.
      others: float32 [h, w, M], of the other pass.
      other_ids: int32 [M].
      share: weight of the other, 0 to 1.

    Returns:
      logits: float32 [h, w, K].
      object_ids: int32 [K], those of either pass.
    """
    new = other_ids[~np.isin(other_ids, object_ids)]
    ids = np.concatenate([object_ids, new])
    total = np.zeros([*probabilities.shape[:2], len(ids)], np.float32)
    total[..., : len(object_ids)] = (1.0 - share) * probabilities
    place = {one: channel for channel, one in enumerate(ids.tolist())}
    for channel, one in enumerate(other_ids.tolist()):
        total[..., place[one]] += share * others[..., channel]
    return np.log(np.maximum(total, _LEAST_PROBABILITY)), ids


class _KeptArrays:
    """Arrays by number, in a temporary file that is gone with the process."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()
        self._places: dict[int, int] = {}

    def put(self, number: int, *arrays: np.ndarray) -> None:
        """Keeps arrays under a number.

        Raises:
          InputError: the file cannot be written.
        """
        try:
            self._places[number] = self._file.seek(0, 2)
            np.save(self._file, np.int64(len(arrays)))
            for array in arrays:
                np.save(self._file, array)
        except OSError as error:
            raise InputError(
                f"{tempfile.gettempdir()}: what a pass backwards says cannot be kept there "
                f"({error.strerror or error}); the environment's TMPDIR names another folder"
            ) from error

    def get(self, number: int) -> tuple[np.ndarray, ...] | None:
        """The arrays kept under a number; None for none."""
        if number not in self._places:
            return None
        self._file.seek(self._places[number])
        return tuple(np.load(self._file) for _ in range(int(np.load(self._file))))
