"""From a video and its first mask to a mask for every frame: the engine of `feelvos-segment`."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np

from feelvos_tf.errors import InputError
from feelvos_tf.video.frames import Frame, FrameSource, open_frames, prefetch
from feelvos_tf.video.given_masks import GivenMask, GivenMasks
from feelvos_tf.video.pictures import Pictures
from feelvos_tf.video.progress import progress_shown, warnings_to
from feelvos_tf.video.segment_output import SegmentOutput

_WARM_UP = 2  # computed frames that are left out of the rate: the first ones compile


class Segmenter(Protocol):
    """What is asked of a method; see `feelvos_tf.streaming.segmenter.VideoSegmenter`."""

    def reset(self, frame: np.ndarray, mask: np.ndarray) -> None: ...

    def step(self, frame: np.ndarray) -> np.ndarray: ...

    def add_objects(self, mask: np.ndarray) -> np.ndarray: ...

    def resume(self, frame: np.ndarray, labels: np.ndarray) -> None: ...


@dataclasses.dataclass(frozen=True)
class Summary:
    """What a run did.

    Attributes:
      masks: number of masks in the folder, those of an earlier run included.
      kept: number of masks that an earlier run had finished.
      skipped: number of frames without a mask because they could not be read.
      seconds: wall time from the first frame computed to the last file written.
      first_frames: how many of the frames computed had the network compiled.
      first_seconds: the part of `seconds` that these took.
      frames_per_second: of the other frames in the rest of `seconds`, reading and writing
        included; None where there are no others.
      peak_memory: largest resident size of this process so far, in bytes; None where the system
        does not say.
      files: pictures written.
    """

    masks: int
    kept: int
    skipped: int
    seconds: float
    first_frames: int
    first_seconds: float
    frames_per_second: float | None
    peak_memory: int | None
    files: tuple[pathlib.Path, ...]


def segment_video(
    video: str | os.PathLike[str],
    mask: str | os.PathLike[str],
    output: str | os.PathLike[str],
    make_segmenter: Callable[[], Segmenter],
    *,
    settings: Mapping[str, Any] | None = None,
    overlay: bool = False,
    contact_sheet: bool = True,
    resume: bool = False,
    overwrite: bool = False,
    on_error: str = "stop",
    ignore_label: int | None = None,
    progress: bool = False,
    say: Callable[[str], None] = print,
) -> Summary:
    """Labels every frame and writes one palette PNG for each, named like it.

    Reading, computing and writing overlap, and memory does not grow with the video. The masks
    given are copied for their objects; frames before the first one get empty masks.

    Args:
      video: folder of JPEG/PNG images, or a video file.
      mask: the first frame's mask, or a folder of masks, see `GivenMasks`.
      output: folder for masks and pictures, made where absent.
      make_segmenter: returns the method; called once the input has been checked.
      settings: plain values, as JSON has them, that tell this method from others: masks made with
        other ones are not resumed.
      overlay: also write overlay.mp4, the frames with their labels drawn in.
      contact_sheet: also write contact_sheet.jpg, frames from all over the video.
      resume: go on after the masks that `output` holds. The result is the same as that of a run
        that was never stopped.
      overwrite: start anew where `output` holds masks.
      on_error: "stop" or "skip", what an unreadable frame does; a skipped frame gets no mask.
      ignore_label: id in masks that means "unknown"; the segmenter must know it too.
      progress: show frames/s and time left, as a bar on stderr where that is a terminal, else as
        a line to `say` now and then.
      say: takes lines for people.

    Returns:
      a Summary.

    Raises:
      InputError: something given cannot be used, see `open_frames`, `GivenMasks`,
        `SegmentOutput` and the segmenter. Masks finished before stay.
    """
    with warnings_to(say):
        source = open_frames(video, on_error=on_error)
        size = source.size
        # A video file's names are known beforehand, its exact length is not.
        names = source.names or [f"{index:05d}" for index in range(len(source))]
        say(f"video {source.path}: {len(names)} frames of {size[1]}x{size[0]} (width x height)")
        given = GivenMasks(mask, names, size, ignore_label)
        for line in given.notes:
            say(line)
        folder = SegmentOutput(
            output, names, size, _identity(size, given, settings), resume=resume,
            overwrite=overwrite, inputs=[source.path, pathlib.Path(mask)])
        tracker = _Tracker(make_segmenter(), given)
        run = None
        try:
            with folder, Pictures(
                    folder.folder, len(names), overlay=overlay, contact_sheet=contact_sheet,
                    frame_rate=source.frame_rate) as pictures:
                run = _Run(folder, tracker, pictures, resume)
                frames = run.frames(source)
                if progress:
                    frames = progress_shown(frames, len(names), lambda: run.is_warm, say)
                for _ in frames:
                    pass
                tracker.finish(source)
        except BaseException:
            if run is not None and run.kept + run.computed:
                say(f"finished masks stay in {folder.folder}; the same command with --resume "
                    "goes on after them")
            raise
    return run.summary(len(source))


class _Tracker:
    """Takes a segmenter through a video whose first frames may have their masks already.

    Attributes:
      start: index of the frame of the first mask, with which segmenting begins.
    """

    def __init__(self, segmenter: Segmenter, given: GivenMasks):
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
        return labels if entry is None else self._add(entry)

    def restore(self, frame: Frame, labels: np.ndarray) -> None:
        """Takes the next frame with the labels that `segment` once returned for it."""
        if frame.index < self.start:
            return
        entry = self._entry_of(frame)
        if entry is not None:
            self._known.update(entry.ids)
        strangers = set(np.unique(labels).tolist()) - self._known
        if strangers:
            raise InputError(f"the finished mask of frame {frame.name} holds id "
                             f"{min(strangers)}, which no mask given has up to there")
        if entry is self._given.entries[0]:
            self._begin(frame, entry)
        elif entry is not None:
            # The reference takes in this frame's embedding.
            self._segmenter.resume(frame.image, labels)
            self._add(entry)
            self._last = None
        else:
            self._last = frame, labels

    def finish(self, source: FrameSource) -> None:
        """Raises InputError where a given mask's frame never came."""
        if self._waiting:
            raise InputError(_frame_missing(self._waiting[0], f"{source.path} has no such frame"))

    def _entry_of(self, frame: Frame) -> GivenMask | None:
        if not self._waiting or frame.index < self._waiting[0].index:
            return None
        if frame.index > self._waiting[0].index:
            raise InputError(_frame_missing(self._waiting[0], "that frame cannot be read"))
        return self._waiting.pop(0)

    def _begin(self, frame: Frame, entry: GivenMask) -> np.ndarray:
        mask = self._given.read(entry)
        with _named(entry):
            self._segmenter.reset(frame.image, mask)
        self._known.update(entry.ids)
        return np.where(np.isin(mask, entry.ids), mask, 0).astype(np.uint8)

    def _add(self, entry: GivenMask) -> np.ndarray:
        with _named(entry):
            return self._segmenter.add_objects(self._given.read(entry))

    def _catch_up(self) -> None:
        if self._last is not None:
            frame, labels = self._last
            self._segmenter.resume(frame.image, labels)
            self._last = None


class _Run:
    """Takes frames to masks, and counts."""

    def __init__(self, output: SegmentOutput, tracker: _Tracker, pictures: Pictures, resume: bool):
        self._output = output
        self._tracker = tracker
        self._pictures = pictures
        self._resume = resume
        self.kept = self.computed = 0
        self._segmented = self._first = 0
        self._began = self._warm = None

    @property
    def is_warm(self) -> bool:
        """Whether the network is compiled, so that frames take their usual time from now on."""
        return self._warm is not None

    def frames(self, source: FrameSource) -> Iterator[Frame]:
        """Yields every frame when its mask is on the way to its file."""
        frames = prefetch(source)
        with contextlib.closing(frames):
            for frame in frames:
                labels = self._output.stored(frame.name) if self._resume else None
                if labels is None:
                    # From here on every mask follows from this one; two that were written side
                    # by side may have been finished in another order.
                    self._resume = False
                    labels = self._compute(frame)
                    self._output.write(frame.name, labels)
                else:
                    self._tracker.restore(frame, labels)
                    self.kept += 1
                self._pictures.add(frame.index, frame.name, frame.image, labels)
                yield frame

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
            masks=self.kept + self.computed, kept=self.kept,
            skipped=num_frames - self.kept - self.computed,
            seconds=now - began, first_frames=first,
            first_seconds=warm - began,
            frames_per_second=rate, peak_memory=_peak_memory(), files=tuple(self._pictures.files))


def _identity(size, given: GivenMasks, settings) -> dict[str, Any]:
    """What the masks of a run depend on, as JSON gives it back; the frames are taken on trust."""
    masks = {entry.name: [*entry.ids, f"{entry.checksum:08x}"] for entry in given.entries}
    return {"size": list(size), "masks": masks, **(settings or {})}


def _frame_missing(entry: GivenMask, reason: str) -> str:
    return f"{entry.path}: brings in objects in frame {entry.name}, but {reason}"


@contextlib.contextmanager
def _named(entry: GivenMask) -> Iterator[None]:
    """Puts the file of a mask in front of what the segmenter has against it."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{entry.path}: {error}") from error


def _peak_memory() -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
