"""Takes a segmenter through a video pass by pass, each away from a given frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from feelvos_tf.errors import InputError
from feelvos_tf.video.between import Between
from feelvos_tf.video.frame_source import Frame, FrameSource
from feelvos_tf.video.given_masks import GivenMask, GivenMasks
from feelvos_tf.video.passes import FramesInPasses, Pass
from feelvos_tf.video.tracker import Segmenter, check_known, frame_missing, named


class PassTracker:
    """Does what Tracker does, for frames that come in the order of passes.

    Every pass begins anew with its given frame, and knows all others by `add_reference`. Masks
    met on the way that begin no pass (of new objects alone, or of none) are told as in Tracker.

    Args:
      segmenter: the method.
      given: the masks.
      passes: as from `passes.plan`.
      source: the frames, to read some out of order.
      watch: passes on the frames of a way back (see `between`), of which there are so many, and
        may show how far it is.

    Attributes:
      start: 0, every frame may have to be computed.
    """

    start = 0

    def __init__(
        self,
        segmenter: Segmenter,
        given: GivenMasks,
        passes: Sequence[Pass],
        source: FrameSource,
        watch: Callable[[Iterator[Frame], int], Iterator[Frame]] = lambda frames, count: frames,
    ) -> None:
        self._segmenter, self._given, self._source = segmenter, given, source
        self._passes = passes
        self._entries = {entry.index: entry for entry in given.entries}
        self._known = {0}.union(*(entry.ids for entry in given.entries))
        self._watch = watch
        self._begun: Pass | None = None
        self._between: tuple[Pass, Between] | None = None
        self._tracked: set[int] = set()  # ids that the segmenter tracks
        # A frame with its stored mask that the segmenter has not been told of.
        self._last: tuple[Frame, np.ndarray] | None = None

    def segment(self, frame: Frame) -> np.ndarray:
        """Computes the labels of the next frame, uint8 [H, W]."""
        one = self._pass_of(frame)
        if one.anchor is None:
            return np.zeros(frame.image.shape[:2], np.uint8)
        self._catch_up(one)
        if frame.index == one.anchor.index:
            mask = self._given.read(one.anchor)
            return np.where(np.isin(mask, one.anchor.ids), mask, 0).astype(np.uint8)
        between = self._looked_back(one)
        labels = self._segmenter.step(frame.image) if between is None else between.forth(frame)
        entry = self._entries.get(frame.index)
        return labels if entry is None else self._tell(entry, labels)

    def is_given(self, frame: Frame) -> bool:
        """See Tracker."""
        anchor = self._pass_of(frame).anchor
        return anchor is not None and frame.index == anchor.index

    @property
    def labels_hold_all(self) -> bool:
        """See Tracker; merged labels are not those that the next frame follows from."""
        return self._segmenter.labels_hold_all and not any(one.back for one in self._passes)

    def state(self) -> dict[str, np.ndarray] | None:
        """Everything kept between frames; None before the first mask."""
        return None if self._begun is None else self._segmenter.state()

    def restore_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Goes on from a state, after `skip` with all frames up to it."""
        self._segmenter.restore(state)

    def skip(self, frame: Frame, labels: np.ndarray) -> None:
        """Passes the next frame with the labels that `segment` once returned for it."""
        check_known(frame, labels, self._known)
        one = self._pass_of(frame)
        if one is not self._begun:
            self._begun, self._tracked = one, self._tracked_at_first(one)
        if frame.index in self._entries:
            self._tracked.update(self._entries[frame.index].ids)

    def restore(self, frame: Frame, labels: np.ndarray) -> None:
        """Takes the next frame with the labels that `segment` once returned for it."""
        check_known(frame, labels, self._known)
        one, entry = self._pass_of(frame), self._entries.get(frame.index)
        if one.anchor is None:
            return
        if entry is not None and entry is not one.anchor:
            self._catch_up(one)
            self._segmenter.resume(frame.image, labels)
            self._tell(entry, labels)
        else:
            self._last = frame, labels

    def finish(self, source: FrameSource) -> None:
        """Nothing is left to do: each pass has read the frames of all masks."""

    def _pass_of(self, frame: Frame) -> Pass:
        return next(one for one in self._passes if frame.index in one.frames)

    def _catch_up(self, one: Pass) -> None:
        """Brings the segmenter to where a pass is."""
        last, self._last = self._last, None
        if self._begun is not one:
            self._begin(one)
        if last is not None:
            frame, labels = last
            assert one.anchor is not None
            if frame.index in one.frames and frame.index != one.anchor.index:
                self._segmenter.resume(frame.image, labels)

    def _looked_back(self, one: Pass) -> Between | None:
        """What a pass backwards said of the frames of this one; None where there is none."""
        if one.until is None:
            return None
        if self._between is None or self._between[0] is not one:  # a state was restored
            state, tracked = self._segmenter.state(), self._tracked
            self._between = one, self._look_back(one, one.until)
            self._segmenter.restore(state)
            self._tracked = tracked
        return self._between[1]

    def _look_back(self, one: Pass, until: GivenMask) -> Between:
        """Computes the frames of a pass backwards, from the mask after its last."""
        assert one.anchor is not None  # as in `plan`
        self._start(until, range(0))
        self._tracked = set(self._known)
        between = Between(self._segmenter, one.anchor.index, until.index)
        frames = iter(FramesInPasses(self._source, [Pass(until, one.back)]))
        for frame in self._watch(frames, len(one.back)):
            labels = between.back(frame)
            if frame.index in self._entries:
                self._tell(self._entries[frame.index], labels)
        return between

    def _begin(self, one: Pass) -> None:
        assert one.anchor is not None  # frames without one are not segmented
        if one.until is not None:
            self._between = one, self._look_back(one, one.until)
        self._start(one.anchor, one.frames)
        self._begun, self._tracked = one, self._tracked_at_first(one)

    def _start(self, anchor: GivenMask, frames: range) -> None:
        """Begins at a mask, and tells all others but those met on the way through `frames`."""
        with named(anchor):
            self._segmenter.reset(self._image(anchor), self._given.read(anchor))
        for entry in self._given.entries:
            if entry is anchor or entry.index in frames:
                continue
            with named(entry):
                self._segmenter.add_reference(
                    self._image(entry), self._given.read(entry), objects_only=not entry.whole
                )

    def _tracked_at_first(self, one: Pass) -> set[int]:
        """Ids that the segmenter tracks where a pass begins."""
        return {
            object_id
            for entry in self._given.entries
            if entry is one.anchor or entry.index not in one.frames
            for object_id in entry.ids
        }

    def _tell(self, entry: GivenMask, labels: np.ndarray) -> np.ndarray:
        """Tells what a mask met on the way says of the frame just stepped, uint8 [H, W] labels."""
        mask = self._given.read(entry)
        new = self._tracked.isdisjoint(entry.ids)
        self._tracked.update(entry.ids)
        with named(entry):
            if entry.whole:
                return self._segmenter.correct(mask)
            if new:
                return self._segmenter.add_objects(mask)
            # Its objects are known already, from a given frame that comes after it.
            return self._segmenter.correct(np.where(np.isin(mask, entry.ids), mask, labels))

    def _image(self, entry: GivenMask) -> np.ndarray:
        frames = self._source.chunk(entry.index, entry.index)
        if not frames:
            raise InputError(frame_missing(entry, "that frame cannot be read"))
        return frames[0].image
