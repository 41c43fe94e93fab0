"""A part of a video: from one frame to another, by name or by number."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

from feelvos_tf.errors import InputError
from feelvos_tf.video.frame_source import Frame, FrameSource


class FrameRange(FrameSource):
    """The frames of a source from one to another; their indices count from the first of them.

    Names and times stay the frames' own. The sound, which belongs to the whole, is left out.

    Args:
      source: the whole video.
      names: of its frames.
      first: index of the first frame wanted.
      last: index of the last one, or None for all that come.
    """

    def __init__(
        self, source: FrameSource, names: Sequence[str], first: int, last: int | None
    ) -> None:
        self.whole = source
        self.path, self.on_error = source.path, source.on_error
        self.frame_rate, self.time_base = source.frame_rate, source.time_base
        self.pixel_aspect = source.pixel_aspect
        self.first, self._last = first, last
        self.names = list(names[first : None if last is None else last + 1])

    @property
    def size(self) -> tuple[int, int]:
        return self.whole.size

    def __len__(self) -> int:
        return (len(self.whole) if self._last is None else self._last + 1) - self.first

    def exact_length(self) -> int:
        """See FrameSource.exact_length."""
        whole = self.whole.exact_length()
        return (whole if self._last is None else min(whole, self._last + 1)) - self.first

    def chunk(self, first: int, last: int) -> list[Frame]:
        """See FrameSource.chunk."""
        frames = self.whole.chunk(self.first + first, self.first + last)
        return [dataclasses.replace(frame, index=frame.index - self.first) for frame in frames]

    def iterate(self, start: int = 0) -> Iterator[Frame]:
        """See FrameSource.iterate."""
        frames = self.whole.iterate(self.first + start)
        if self._last is not None:
            last = self._last
            frames = itertools.takewhile(lambda frame: frame.index <= last, frames)
        for frame in frames:
            yield dataclasses.replace(frame, index=frame.index - self.first)


def find_frame(name: str, value: str | int, names: Sequence[str]) -> int:
    """The index of the frame that a user means.

    Args:
      name: of the argument, for the message.
      value: the name of a frame, or else its number, from 0.
      names: of all frames.

    Raises:
      InputError: there is no such frame.
    """
    text = str(value)
    if isinstance(value, str) and value in names:
        return names.index(value)
    if text.isdecimal() and text.isascii() and len(text) < 10 and int(text) < len(names):
        return int(text)
    raise InputError(
        f"{name} is {text!r}, expected the name of a frame, {names[0]} to {names[-1]}, or its "
        f"number, 0 to {len(names) - 1}"
    )


def frame_range(
    source: FrameSource, names: Sequence[str], start: str | int | None, end: str | int | None
) -> FrameSource:
    """The source from `start` to `end` (included), each None for as far as it goes.

    Raises:
      InputError: there is no such frame, or the end comes before the start.
    """
    if start is None and end is None:
        return source
    first = 0 if start is None else find_frame("start", start, names)
    last = None if end is None else find_frame("end", end, names)
    if last is not None and last < first:
        raise InputError(f"end is frame {names[last]}, which comes before start, {names[first]}")
    return FrameRange(source, names, first, last)
