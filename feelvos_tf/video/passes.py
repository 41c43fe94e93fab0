"""In which order the frames of a video are computed, from which given frame each.

Each frame follows from one given frame: with "backward" the next one after it, with "both" the one
before it, and what a pass backwards from the next one says is merged in (see `between`). Frames
come once, whatever the direction.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence

from feelvos_tf.errors import InputError
from feelvos_tf.video.frame_source import Frame, FrameSource
from feelvos_tf.video.given_masks import GivenMask

DIRECTIONS = ("forward", "backward", "both")
_CHUNK_BYTES = 64 << 20  # of frames held at once


@dataclasses.dataclass(frozen=True)
class Pass:
    """Frames computed one after the other, away from a given frame.

    Attributes:
      anchor: the mask that it begins with; None for frames that get empty masks.
      frames: indices in the order in which they are computed; they may begin with the anchor's.
      until: the mask given for the frame after the last of `frames`, from which all but the
        anchor's are computed backwards as well; None where there is none.
    """

    anchor: GivenMask | None
    frames: range
    until: GivenMask | None = None

    @property
    def back(self) -> range:
        """The frames that are computed backwards first, in that order."""
        return range(0) if self.until is None else self.frames[:0:-1]


def planned(
    direction: str | None, entries: Sequence[GivenMask], source: FrameSource
) -> tuple[str, list[Pass] | None]:
    """The direction, None for the default, and its passes; None where frames come in order.

    By default it is "both" where frames come before the first mask, else "forward".

    Raises:
      InputError: another direction.
    """
    if direction is None:
        direction = "both" if entries[0].index > 0 else "forward"
    if direction not in DIRECTIONS:
        raise InputError(f"direction is {direction!r}, expected one of {', '.join(DIRECTIONS)}")
    if direction == "forward":
        return direction, None
    return direction, plan(entries, source.exact_length(), direction)


def plan(entries: Sequence[GivenMask], count: int, direction: str) -> list[Pass]:
    """The passes over a video.

    Args:
      entries: the masks given, by frame.
      count: number of frames.
      direction: "backward" or "both".
    """
    anchors = [entry for entry in entries if entry.whole and entry.ids and entry.index < count]
    if direction == "backward":
        passes = [Pass(None, range(anchors[-1].index + 1, count))] if anchors else []
        before = [-1, *(anchor.index for anchor in anchors)]
        passes += [
            Pass(anchor, range(anchor.index, stop, -1)) for anchor, stop in zip(anchors, before)
        ][::-1]
    else:
        passes = []
        for anchor, until in zip(anchors, [*anchors[1:], None]):
            stop = count if until is None else until.index
            passes.append(Pass(anchor, range(anchor.index, stop), until))
            if anchor is anchors[0]:
                passes.append(Pass(anchor, range(anchor.index - 1, -1, -1)))
    return [one for one in passes if one.frames]


def names_in_order(names: Sequence[str], passes: Iterable[Pass]) -> list[str]:
    """Names of frames in the order of passes; a video may have other numbers than were known."""
    return [
        names[index] if index < len(names) else f"{index:05d}"
        for one in passes
        for index in one.frames
    ]


class FramesInPasses:
    """The frames of a video in the order of passes, in bounded memory.

    Args:
      source: the video.
      passes: as from `plan`.
    """

    def __init__(self, source: FrameSource, passes: Sequence[Pass]) -> None:
        self._source, self._passes = source, passes
        height, width = source.size
        self._chunk = max(1, min(64, _CHUNK_BYTES // (3 * height * width)))

    def __iter__(self) -> Iterator[Frame]:
        for one in self._passes:
            for start in range(0, len(one.frames), self._chunk):
                part = one.frames[start : start + self._chunk]
                frames = self._source.chunk(min(part), max(part))
                while frames:
                    yield frames.pop(0 if one.frames.step > 0 else -1)
