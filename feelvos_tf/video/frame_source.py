"""What a source of frames is, wherever they come from."""

from __future__ import annotations

import abc
import dataclasses
import fractions
import itertools
import logging
import pathlib
from collections.abc import Iterator

import numpy as np

from feelvos_tf.errors import InputError
from feelvos_tf.video.images import describe_size

_logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Frame:
    """One frame of a video.

        for frame in open_frames("clip.mp4"):
            print(frame.name, frame.image.shape, float(frame.time))

    Attributes:
      index: position in the video from 0; a skipped frame leaves a gap in a folder.
      name: the file's name without extension, or the index as five digits in a video file.
      image: uint8 [H, W, 3], RGB.
      time: seconds at which it is shown; a video file counts them from any start.
    """

    index: int
    name: str
    image: np.ndarray
    time: fractions.Fraction


class FrameSource(abc.ABC):
    """A video that can be read any number of times, each time from its files, frame by frame.

        source = open_frames("frames")  # a folder or a video file
        first, later = next(iter(source)), source.iterate(start=1)

    Attributes:
      path: what was opened.
      on_error: "stop" or "skip", what an unreadable frame does.
      names: the frames' names in order, or None while they are not known (a video file that
        has not been read to its end).
      size: (H, W) of every frame, in pixels.
      frame_rate: frames per second, the mean of them where it varies.
      time_base: seconds of which the frames' times are whole multiples.
      pixel_aspect: width of a pixel over its height, as players show it.
      sound: file whose sound belongs to the frames, or None.
      live: whether frames come as they happen, once, and nobody knows how many.
    """

    path: pathlib.Path
    on_error: str
    names: list[str] | None
    frame_rate: float
    time_base: fractions.Fraction
    pixel_aspect: fractions.Fraction = fractions.Fraction(1)
    sound: pathlib.Path | None = None
    live: bool = False

    @property
    @abc.abstractmethod
    def size(self) -> tuple[int, int]:
        """(H, W) in pixels of the first readable frame, which every other must match."""

    @abc.abstractmethod
    def __len__(self) -> int:
        """Number of frames; for a video file what its index says until it has been read."""

    @abc.abstractmethod
    def iterate(self, start: int = 0) -> Iterator[Frame]:
        """Yields the frames from index `start` on; earlier ones cost little or nothing."""

    def first_frame(self) -> Frame:
        """The first frame that can be read.

        Raises:
          InputError: there is none.
        """
        for frame in self.iterate():
            return frame
        raise InputError(f"{self.path}: holds no frame from there on")

    def exact_length(self) -> int:
        """Number of frames that `iterate` comes to; may have to read the video once."""
        return len(self)

    def chunk(self, first: int, last: int) -> list[Frame]:
        """The readable frames from index `first` to `last`, both included, in their order."""
        frames = self.iterate(first)
        return list(itertools.takewhile(lambda frame: frame.index <= last, frames))

    def __iter__(self) -> Iterator[Frame]:
        return self.iterate()

    def _check_size(self, name: str, size: tuple[int, int]) -> None:
        if size != self.size:
            raise InputError(
                f"{name}: frame of {describe_size(size)}, expected "
                f"{describe_size(self.size)} like the first frame of {self.path}"
            )

    def _unreadable(self, error: InputError) -> None:
        """Ends the reading, or notes the skipped frame in the log and lets it go on."""
        if self.on_error == "stop":
            raise error
        _logger.warning("skipped: %s", error)
