"""The frames of one run on their way to masks and to all that is written of them, counted."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from feelvos_tf.errors import InputError
from feelvos_tf.process_memory import peak_memory
from feelvos_tf.video.frame_source import Frame, FrameSource
from feelvos_tf.video.frames import prefetch
from feelvos_tf.video.kept_state import Kept
from feelvos_tf.video.labeled_frame import KnownIds, LabeledFrame
from feelvos_tf.video.outputs import Outputs
from feelvos_tf.video.pass_tracker import PassTracker
from feelvos_tf.video.pictures import Pictures
from feelvos_tf.video.scores import Scores
from feelvos_tf.video.segment_output import SegmentOutput
from feelvos_tf.video.sightings import Sightings
from feelvos_tf.video.summary import Summary
from feelvos_tf.video.tracker import Tracker

_WARM_UP = 2  # computed frames that are left out of the rate: the first ones compile


class SegmentRun:
    """Takes frames to masks, and counts."""

    def __init__(
        self,
        output: SegmentOutput,
        tracker: Tracker | PassTracker,
        pictures: Pictures,
        outputs: Outputs,
        sightings: Sightings,
        known: KnownIds,
        scores: Callable[[], Scores | None],
        in_order: bool,
    ) -> None:
        self._in_order = in_order
        self._output = output
        self._tracker = tracker
        self._pictures = pictures
        self._outputs = outputs
        self._known, self._scores = known, scores
        self._sightings = sightings
        self._resume = False
        self._kept_state: Kept | None = None
        self.kept = self.computed = 0
        self._segmented = self._first = 0
        self._began: float | None = None
        self._warm: float | None = None

    @property
    def is_warm(self) -> bool:
        """Whether the network is compiled, so that frames take their usual time from now on."""
        return self._warm is not None

    def resume(self, names: Sequence[str], say: Callable[[str], None]) -> None:
        """Looks at what an earlier run left, if anything; to be called before the first frame.

        Args:
          names: of the frames, in their order.
          say: takes a line where nothing can be taken over.
        """
        self._resume = any(self._output.stored(name) is not None for name in names)
        if self._resume and not (self._tracker.labels_hold_all or self._output.is_finished(names)):
            try:
                self._kept_state = self._output.kept_state(names)
            except InputError as error:
                say(f"{error}; all frames are computed again")
                self._resume = False

    def look_through(self, source: FrameSource) -> None:
        """Takes finished masks, which came in another order, to pictures and sightings."""
        self._output.flush()
        with contextlib.closing(prefetch(source)) as frames:
            for frame in frames:
                labels = self._output.mask(frame.name)
                if labels is not None:
                    self._finished(frame, labels, kept=True, scores=None)

    def _finished(
        self, frame: Frame, labels: np.ndarray, kept: bool, scores: Scores | None
    ) -> None:
        """Takes a frame to all that is written of it beside its mask; frames come in order."""
        self._sightings.add(frame.name, labels)
        self._pictures.add(frame, labels)
        self._outputs.add(self._labeled(frame, labels, kept, scores))

    def _labeled(
        self, frame: Frame, labels: np.ndarray, kept: bool, scores: Scores | None
    ) -> LabeledFrame:
        return LabeledFrame(frame, labels, self._known.up_to(frame.index), kept, scores)

    def frames(self, source: Iterable[Frame], live: bool = False) -> Iterator[Frame]:
        """Yields every frame when its mask is on the way to its file.

        Args:
          source: the frames.
          live: whether they come as they happen; else they are read ahead.
        """
        frames = (frame for frame in source) if live else prefetch(source)
        with contextlib.closing(frames):
            for frame in frames:
                labels = self._output.stored(frame.name) if self._resume else None
                kept = labels is not None
                if labels is None:
                    if self._resume and not self._tracker.labels_hold_all:
                        raise InputError(
                            f"{self._output.folder}: frame {frame.name} has come to "
                            "the video since it was finished; --overwrite starts "
                            "anew"
                        )
                    # From here on every mask follows from this one; two that were written side
                    # by side may have been finished in another order.
                    self._resume = False
                    labels = self._compute(frame)
                    self._output.write(frame.name, labels)
                else:
                    self._take_over(frame, labels)
                scores = None if kept else self._scores()
                # What is said of a frame by hand needs no earlier run.
                by_hand = self._tracker.is_given(frame)
                if self._in_order:
                    self._finished(frame, labels, kept and not by_hand, scores)
                elif by_hand or not kept:
                    self._outputs.add_early(self._labeled(frame, labels, False, scores))
                if not kept:
                    self._keep_state(frame)
                yield frame

    def _take_over(self, frame: Frame, labels: np.ndarray) -> None:
        self.kept += 1
        if self._tracker.labels_hold_all:
            self._tracker.restore(frame, labels)
            return
        self._tracker.skip(frame, labels)
        if self._kept_state is not None and frame.name == self._kept_state.frame:
            self._tracker.restore_state(self._kept_state.state)
            self._kept_state, self._resume = None, False

    def _keep_state(self, frame: Frame) -> None:
        """Leaves the state for a later run, where it is needed and it is time."""
        if self._tracker.labels_hold_all or not self._output.state.due():
            return
        state = self._tracker.state()
        if state is not None:
            self._outputs.flush()
            self._output.keep_state(Kept(frame.name, self.kept + self.computed, state))

    def _compute(self, frame: Frame) -> np.ndarray:
        if self._began is None:
            self._began = time.perf_counter()
        labels = self._tracker.segment(frame)
        self.computed += 1
        # Frames before the first mask cost nothing and compile nothing.
        self._segmented += frame.index >= self._tracker.start
        if self._warm is None and self._segmented == _WARM_UP:
            self._warm, self._first = time.perf_counter(), self.computed
        return labels

    def summary(self, num_frames: int) -> Summary:
        """Describes the run, of a video of so many frames; to be called when all is written."""
        now = time.perf_counter()
        began = now if self._began is None else self._began
        rate, warm = None, now
        first = self.computed
        if self._warm is not None and self.computed > self._first:
            warm, first = self._warm, self._first
            rate = (self.computed - first) / (now - warm)
        return Summary(
            masks=self.kept + self.computed,
            kept=self.kept,
            skipped=num_frames - self.kept - self.computed,
            seconds=now - began,
            first_frames=first,
            first_seconds=warm - began,
            frames_per_second=rate,
            peak_memory=peak_memory(),
            files=(*self._pictures.files, *self._outputs.files),
        )
