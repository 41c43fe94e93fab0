"""Takes a segmenter through a video: where it begins, and what later masks tell it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Protocol

import numpy as np

from feelvos_tf.errors import InputError
from feelvos_tf.video.frame_source import Frame, FrameSource
from feelvos_tf.video.given_masks import GivenMask, GivenMasks


class Segmenter(Protocol):
    """What is asked of a method; see `feelvos_tf.streaming.segmenter.VideoSegmenter`."""

    def reset(self, frame: np.ndarray, mask: np.ndarray) -> None: ...

    def step(self, frame: np.ndarray) -> np.ndarray: ...

    def add_objects(self, mask: np.ndarray) -> np.ndarray: ...

    def correct(self, mask: np.ndarray) -> np.ndarray: ...

    def add_reference(
        self, frame: np.ndarray, mask: np.ndarray, *, objects_only: bool = False
    ) -> None: ...

    @property
    def labels_hold_all(self) -> bool: ...

    def resume(self, frame: np.ndarray, labels: np.ndarray) -> None: ...

    def state(self) -> dict[str, np.ndarray]: ...

    def restore(self, state: Mapping[str, np.ndarray]) -> None: ...


class Tracker:
    """Takes a segmenter through a video whose first frames may have their masks already.

    Attributes:
      start: index of the frame of the first mask, with which segmenting begins.
    """

    def __init__(self, segmenter: Segmenter, given: GivenMasks) -> None:
        self._segmenter = segmenter
        self._given = given
        self.start = given.entries[0].index
        self._waiting = list(given.entries)
        self._known: set[int] = {0}
        # A frame with its stored mask that the segmenter has not been told of.
        self._last: tuple[Frame, np.ndarray] | None = None

    def segment(self, frame: Frame) -> np.ndarray:
        """Computes the labels of the next frame, uint8 [H, W]."""
        if frame.index < self.start:
            return np.zeros(frame.image.shape[:2], np.uint8)
        entry = self._entry_of(frame)
        if entry is self._given.entries[0]:
            return self._begin(frame, entry)
        self._catch_up()
        labels = self._segmenter.step(frame.image)
        return labels if entry is None else self._tell(entry)

    def is_given(self, frame: Frame) -> bool:
        """Whether a frame's labels are those of its mask, so that nothing is computed of it."""
        return frame.index == self.start

    @property
    def labels_hold_all(self) -> bool:
        """Whether `restore` goes on as if never stopped; else `skip` and `restore_state` do."""
        return self._segmenter.labels_hold_all

    def state(self) -> dict[str, np.ndarray] | None:
        """Everything kept between frames; None before the first mask."""
        begun = len(self._waiting) < len(self._given.entries)
        return self._segmenter.state() if begun else None

    def restore_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Goes on from a state, after `skip` with all frames up to it."""
        self._segmenter.restore(state)

    def skip(self, frame: Frame, labels: np.ndarray) -> None:
        """Passes the next frame with the labels that `segment` once returned for it."""
        if frame.index >= self.start:
            self._know(frame, labels)

    def restore(self, frame: Frame, labels: np.ndarray) -> None:
        """Takes the next frame with the labels that `segment` once returned for it."""
        if frame.index < self.start:
            return
        entry = self._know(frame, labels)
        if entry is self._given.entries[0]:
            self._begin(frame, entry)
        elif entry is not None:
            # The reference takes in this frame's embedding.
            self._segmenter.resume(frame.image, labels)
            self._tell(entry)
            self._last = None
        else:
            self._last = frame, labels

    def _know(self, frame: Frame, labels: np.ndarray) -> GivenMask | None:
        """Checks finished labels; returns the mask given with their frame, if there is one."""
        entry = self._entry_of(frame)
        if entry is not None:
            self._known.update(entry.ids)
        check_known(frame, labels, self._known)
        return entry

    def finish(self, source: FrameSource) -> None:
        """Raises InputError where a given mask's frame never came."""
        if self._waiting:
            raise InputError(frame_missing(self._waiting[0], f"{source.path} has no such frame"))

    def _entry_of(self, frame: Frame) -> GivenMask | None:
        if not self._waiting or frame.index < self._waiting[0].index:
            return None
        if frame.index > self._waiting[0].index:
            raise InputError(frame_missing(self._waiting[0], "that frame cannot be read"))
        return self._waiting.pop(0)

    def _begin(self, frame: Frame, entry: GivenMask) -> np.ndarray:
        mask = self._given.read(entry)
        with named(entry):
            self._segmenter.reset(frame.image, mask)
        self._known.update(entry.ids)
        return np.where(np.isin(mask, entry.ids), mask, 0).astype(np.uint8)

    def _tell(self, entry: GivenMask) -> np.ndarray:
        """Tells the segmenter what a later mask says of the frame just stepped."""
        tell = self._segmenter.correct if entry.whole else self._segmenter.add_objects
        with named(entry):
            return tell(self._given.read(entry))

    def _catch_up(self) -> None:
        if self._last is not None:
            frame, labels = self._last
            self._segmenter.resume(frame.image, labels)
            self._last = None


def check_known(frame: Frame, labels: np.ndarray, known: set[int]) -> None:
    """InputError where a finished mask, uint8 [H, W], holds an id that is not among `known`."""
    strangers = set(np.unique(labels).tolist()) - known
    if strangers:
        raise InputError(
            f"the finished mask of frame {frame.name} holds id "
            f"{min(strangers)}, which no mask given has up to there"
        )


def frame_missing(entry: GivenMask, reason: str) -> str:
    """Says that the frame of a mask is not there."""
    return f"{entry.path}: is the mask of frame {entry.name}, but {reason}"


@contextlib.contextmanager
def named(entry: GivenMask) -> Iterator[None]:
    """Puts the file of a mask in front of what the segmenter has against it."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{entry.path}: {error}") from error
