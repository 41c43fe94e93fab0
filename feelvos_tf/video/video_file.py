"""Frames of a video file, decoded as a stream through PyAV."""

from __future__ import annotations

import contextlib
import fractions
import logging
import os
import pathlib
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from feelvos_tf.errors import InputError
from feelvos_tf.video.completeness import Completeness
from feelvos_tf.video.frame_source import Frame, FrameSource
from feelvos_tf.video.images import size_of

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_logger = logging.getLogger(__name__)

# Demuxers that would take a text file or a single image for a video.
_NOT_VIDEOS = ("image2", "tty")
# Frames up to here are decoded from the beginning rather than have the whole file listed.
_NEAR = 64


def import_av() -> ModuleType:
    """Returns the PyAV module; InputError that names the extra where it is not installed."""
    try:
        import av
    except ImportError as error:
        raise InputError(
            "video files need PyAV, which is not installed: pip install 'feelvos_tf[video]'"
        ) from error
    return av


class VideoFileFrames(FrameSource):
    """The first video stream of a file, in order of presentation; memory stays constant.

    Frames are numbered 00000, 00001, ... as they are decoded; a variable rate makes no difference
    to names and number. A rotation stored by a phone in multiples of 90 degrees is applied, as
    players do. `len()` is what the file's index says, or its number of packets; it is corrected
    once the file has been read to its end.
    """

    def __init__(self, path: str | os.PathLike[str], on_error: str = "stop") -> None:
        self.path = pathlib.Path(path)
        self.on_error = on_error
        self.names = None
        self._av = import_av()
        self._length: int | None = None
        self._size: tuple[int, int] | None = None
        self._stamps: list[int | None] | None = None
        self._listed: list[int] | None = None
        self._probe()

    @property
    def size(self) -> tuple[int, int]:
        assert self._size is not None  # set by the probe
        return self._size

    def __len__(self) -> int:
        if self._length is None:
            self._length = self._count()
        return self._length

    def iterate(self, start: int = 0) -> Iterator[Frame]:
        """See FrameSource.iterate."""
        index = 0
        with self._open() as (container, stream):
            for decoded in self._decode(container, stream):
                if index >= start:
                    name = f"{index:05d}"
                    image = self._to_rgb(decoded, name)
                    self._check_size(f"{self.path}, frame {name}", size_of(image))
                    yield Frame(index, name, image, self._time(decoded, index))
                index += 1
        self._length = index
        self.names = [f"{i:05d}" for i in range(index)]

    def exact_length(self) -> int:
        """Decodes the file once and keeps a number for each frame; see FrameSource."""
        return len(self._all_stamps())

    def chunk(self, first: int, last: int) -> list[Frame]:
        """Seeks to the keyframe before `first` and decodes from there on; see FrameSource.

        Where time stamps do not tell the frames apart, or what comes is not what was asked for,
        the file is decoded from its beginning.
        """
        if self._stamps is None and last < _NEAR:
            return super().chunk(first, last)
        listed = self._listed_stamps() if self._stamps is None else []
        stamps = (listed or self._ascending_stamps())[first : last + 1]
        count = len((listed or self._all_stamps())[first : last + 1])
        found: dict[int, Frame] = {}
        if stamps:
            with contextlib.suppress(InputError, self._av.FFmpegError), self._open() as opened:
                container, stream = opened
                container.seek(stamps[0], stream=stream)
                index_of = {stamp: first + place for place, stamp in enumerate(stamps)}
                for decoded in self._decode(container, stream, whole=False):
                    index = None if decoded.pts is None else index_of.get(decoded.pts)
                    if index is not None:
                        name = f"{index:05d}"
                        image = self._to_rgb(decoded, name)
                        found[index] = Frame(index, name, image, self._time(decoded, index))
                    if decoded.pts is None or decoded.pts >= stamps[-1]:
                        break
        if len(found) == count:
            return [found[index] for index in sorted(found)]
        if listed:
            self._listed = []  # what it says does not hold
            return self.chunk(first, last)
        return super().chunk(first, last)

    def glimpse(self, index: int) -> np.ndarray:
        """The keyframe before a frame, which needs no other to be decoded; see FrameSource."""
        with contextlib.suppress(InputError, self._av.FFmpegError), self._open() as opened:
            container, stream = opened
            seconds = fractions.Fraction(index) / fractions.Fraction(self.frame_rate)
            begin = stream.start_time or 0
            container.seek(begin + int(seconds / self.time_base), stream=stream)
            for decoded in self._decode(container, stream, whole=False):
                return self._to_rgb(decoded, f"{index:05d}")
        return super().glimpse(index)

    def _listed_stamps(self) -> list[int]:
        """As `_ascending_stamps`, from packets alone, which are not decoded; nothing if in doubt.

        A packet for each frame, all with times: so it is in nearly every file. Where it is not,
        frames that are asked for do not come, and `chunk` notices.
        """
        if self._listed is None:
            with self._open() as (container, stream):
                try:
                    packets = [packet for packet in container.demux(stream) if packet.size]
                except self._av.FFmpegError:
                    packets = []
                stamps = [packet.pts for packet in packets if packet.pts is not None]
                doubtful = len(stamps) != len(packets) or len(set(stamps)) != len(stamps)
                doubtful |= any(packet.is_corrupt or packet.is_discard for packet in packets)
                self._listed = [] if doubtful else sorted(stamps)
            if self._listed and self._first_stamp != self._listed[0]:
                self._listed = []
        return self._listed

    def _all_stamps(self) -> list[int | None]:
        """The presentation time of every frame, in the stream's time base."""
        if self._stamps is None:
            with self._open() as (container, stream):
                self._stamps = [decoded.pts for decoded in self._decode(container, stream)]
            self._length = len(self._stamps)
        return self._stamps

    def _ascending_stamps(self) -> list[int]:
        """The same where they tell the frames apart and their order, else nothing."""
        stamps = [stamp for stamp in self._all_stamps() if stamp is not None]
        ascending = all(a < b for a, b in zip(stamps, stamps[1:]))
        return stamps if ascending and len(stamps) == len(self._all_stamps()) else []

    def _probe(self) -> None:
        """Decodes the first frame for its size and how it is to be shown."""
        with self._open() as (container, stream):
            if container.streams.audio:
                self.sound = self.path
            for decoded in self._decode(container, stream):
                self._size = size_of(self._to_rgb(decoded, "00000"))
                self._first_stamp = decoded.pts
                rate = stream.average_rate or stream.guessed_rate or 25
                self.frame_rate = float(rate)
                self.time_base = stream.time_base or 1 / fractions.Fraction(rate)
                aspect = stream.sample_aspect_ratio or fractions.Fraction(1)
                upright = _quarter_turns(decoded) % 2 == 0
                self.pixel_aspect = aspect if upright else 1 / aspect
                return
        raise InputError(f"{self.path}: video stream without frames")

    def _count(self) -> int:
        with self._open() as (container, stream):
            if stream.frames:
                return stream.frames
            count = 0
            try:
                for packet in container.demux(stream):
                    count += packet.size > 0
            except self._av.FFmpegError as error:
                _logger.warning("%s: counted %d frames up to: %s", self.path, count, error)
            return count

    @contextlib.contextmanager
    def _open(self) -> Iterator[tuple[InputContainer, VideoStream]]:
        """Yields (container, video stream); InputError where the file holds none."""
        try:
            # The prefix keeps FFmpeg from reading "a:b.mp4" as a network address.
            container = self._av.open(f"file:{self.path}", **self._options())
        except (self._av.FFmpegError, OSError, ValueError) as error:
            raise InputError(f"{self.path}: is not a readable video ({_text(error)})") from error
        with container:
            if container.format.name in _NOT_VIDEOS or container.format.name.endswith("_pipe"):
                raise InputError(
                    f"{self.path}: is not a video but a single image or text, expected a video "
                    "file or a folder of images"
                )
            covers = self._av.stream.Disposition.attached_pic
            streams = [s for s in container.streams.video if not s.disposition & covers]
            if not streams:
                raise InputError(f"{self.path}: holds no video stream")
            streams[0].thread_type = "AUTO"
            yield container, streams[0]

    def _options(self) -> dict[str, str]:
        # Titles that are no UTF-8 must not matter; from PyAV 19 on they never do.
        old = int(self._av.__version__.split(".")[0]) < 19
        return {"metadata_errors": "replace"} if old else {}

    def _decode(
        self, container: InputContainer, stream: VideoStream, whole: bool = True
    ) -> Iterator[VideoFrame]:
        """Yields decoded frames; damaged packets and frames stop or are skipped as asked.

        Args:
          container: positioned at its beginning, or anywhere else where not `whole`.
          stream: of the frames.
          whole: whether to check at the end that nothing was missing.
        """
        packets = container.demux()  # of all streams: the longest one says where the file ends
        complete = Completeness(container, stream)
        count = 0
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    break
                complete.add(packet)
                if packet.stream.index != stream.index:
                    continue
                frames = stream.decode(packet)
            except (self._av.FFmpegError, ValueError) as error:
                self._damaged(count, _text(error), error)
                continue  # a failed demuxer ends with the next call
            for frame in frames:
                if frame.is_corrupt:
                    self._damaged(count, "the decoder marks it as corrupt")
                    continue
                count += 1
                yield frame
        if not whole:
            return
        expected = complete.expected(count)
        if expected is not None:
            cut = InputError(f"{self.path}: is cut off, found {count} frames, expected {expected}")
            if self.on_error == "stop":
                raise cut
            _logger.warning("%s", cut)
        elif complete.listed() is not None:
            _logger.warning(
                "%s: found %d frames, its index lists %d", self.path, count, complete.listed()
            )

    def _damaged(self, index: int, reason: str, cause: BaseException | None = None) -> None:
        error = InputError(f"{self.path}, frame {index:05d}: cannot be decoded ({reason})")
        error.__cause__ = cause
        self._unreadable(error)

    def _time(self, frame: VideoFrame, index: int) -> fractions.Fraction:
        if frame.pts is None or not frame.time_base:  # raw streams and damaged files
            return index / fractions.Fraction(self.frame_rate)
        return frame.pts * frame.time_base

    def _to_rgb(self, frame: VideoFrame, name: str) -> np.ndarray:
        try:
            image = frame.to_ndarray(format="rgb24")
            quarter_turns = _quarter_turns(frame)
        except (self._av.FFmpegError, ValueError) as error:
            raise InputError(
                f"{self.path}, frame {name}: cannot be converted to RGB ({_text(error)})"
            ) from error
        return np.ascontiguousarray(np.rot90(image, quarter_turns)) if quarter_turns else image


def _quarter_turns(frame: VideoFrame) -> int:
    """Counterclockwise quarter turns, 0..3, by which players turn a frame."""
    return round(frame.rotation / 90) % 4


def _text(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split())
