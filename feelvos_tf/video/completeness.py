"""Tell a video file that was cut off from one that is whole.

A demuxer reports the end of a cut file as it reports any other end. What gives the cut away is
what the file says of itself at its front: MP4 and MOV list every packet, Matroska states how long
the streams last.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

_INDEXED = "mov,mp4"  # how FFmpeg's name of that demuxer begins
_MATROSKA = "matroska"


class Completeness:
    """Watches the packets of a file as they are read; says at the end how many frames are missing.

    Whole files never look cut, whatever their frame rate does: where a packet does not say how
    long it lasts, the longest step between two of its stream is allowed for.
    """

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        """Takes an open PyAV container and the video stream whose frames are wanted."""
        self._container = container
        self._stream = stream
        self._count = 0  # packets of the stream
        self._starts: dict[int, list[float]] = {}  # stream -> first, latest start in seconds
        self._ends: dict[int, float] = {}
        self._longest: dict[int, float] = {}  # step between packets where durations are not known

    def add(self, packet: Packet) -> None:
        """Takes the next packet of any stream of the container."""
        if not packet.size or packet.is_corrupt:  # a packet that the end of the file cuts
            return
        index = packet.stream.index
        self._count += index == self._stream.index
        if packet.pts is None:
            return
        start = float(packet.pts * packet.time_base)
        duration = float((packet.duration or 0) * packet.time_base)
        self._ends[index] = max(self._ends.get(index, start), start + duration)
        first_latest = self._starts.setdefault(index, [start, start])
        if not duration:
            step = start - first_latest[1]
            self._longest[index] = max(self._longest.get(index, 0.0), step)
        first_latest[1] = max(first_latest[1], start)

    def expected(self, found: int) -> int | None:
        """Number of frames of the whole file where it is cut off, None where it is whole.

        To be called after the last packet.

        Args:
          found: number of frames decoded; a cut file has one more at least.
        """
        name = self._container.format.name
        if name.startswith(_INDEXED):
            promised = self._promised()
            return max(promised, found + 1) if promised > self._count else None
        if name.startswith(_MATROSKA):
            missing = self._missing_seconds()
            rate = float(self._stream.average_rate or self._stream.guessed_rate or 25)
            return found + max(1, round(missing * rate)) if missing else None
        return None

    def listed(self) -> int | None:
        """Number of frames that the index of another container lists, where fewer came.

        An index of AVI and its like also counts frames that were dropped on purpose, so this is
        a reason to warn and none to stop. To be called after the last packet.
        """
        known = self._container.format.name.startswith((_INDEXED, _MATROSKA))
        return None if known or self._stream.frames <= self._count else self._stream.frames

    def _promised(self) -> int:
        """Number of packets that MP4 or MOV lists, without those that an edit list hides."""
        # A fragmented file lists the packets of each fragment at its front.
        entries = getattr(self._stream, "index_entries", None)  # absent before PyAV 17
        if entries is not None:
            return len(entries)
        duration, time_base = self._stream.duration, self._stream.time_base
        if duration is None or time_base is None or self._stream.index not in self._ends:
            return 0
        first = self._starts[self._stream.index][0]
        shown = self._ends[self._stream.index] - first
        edited = shown >= float(duration * time_base) - self._half_frame()
        return 0 if edited else self._stream.frames

    def _missing_seconds(self) -> float:
        """How much shorter the packets are than what the file says, 0 where they are not."""
        declared = _tagged_duration(self._stream.metadata)
        indices = list(self._ends)
        if declared is not None:
            indices = [self._stream.index] if self._stream.index in self._ends else []
        elif self._container.duration is not None:
            declared = self._container.duration / 1e6  # PyAV counts it in microseconds
        else:
            return 0.0
        end = max((self._ends[i] + self._longest.get(i, 0.0) for i in indices), default=0.0)
        missing = declared - end
        return missing if missing > self._half_frame() else 0.0

    def _half_frame(self) -> float:
        return 0.5 / float(self._stream.average_rate or self._stream.guessed_rate or 25)


def _tagged_duration(metadata: Mapping[str, str]) -> float | None:
    """Seconds of the tag by which FFmpeg and mkvmerge say how long one stream lasts."""
    for key, value in metadata.items():
        found = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", value)
        if found and (key == "DURATION" or key.startswith("DURATION-")):
            hours, minutes, seconds = found.groups()
            total = 3600 * int(hours) + 60 * int(minutes) + float(seconds)
            return total if math.isfinite(total) else None
    return None
