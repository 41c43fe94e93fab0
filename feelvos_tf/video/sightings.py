"""In which frames each object of a video is seen, and where it was lost."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

MAX_RANGES = 100  # kept of one object, so that memory does not grow with the video
_MAX_LINES = 10


@dataclasses.dataclass
class _Object:
    """Names of the first and last frame of each range, and what is beyond MAX_RANGES of them."""

    ranges: list[list[str]] = dataclasses.field(default_factory=list)
    num_frames: int = 0
    ranges_left_out: int = 0
    lost_from: str | None = None  # name of the first frame without it since it was last seen


class Sightings:
    """Watches the masks of a video go by, in their order."""

    def __init__(self, given: Mapping[str, Iterable[int]]) -> None:
        """Args as follows.

        Args:
          given: name of a frame -> ids of the objects that come in with it.
        """
        self._given = given
        self._objects: dict[int, _Object] = {}

    def add(self, name: str, labels: np.ndarray) -> None:
        """Takes the next mask, uint8 [H, W] with 0 for background, of the frame called `name`."""
        for object_id in self._given.get(name, ()):
            self._objects.setdefault(object_id, _Object(lost_from=name))
        present = set(np.flatnonzero(np.bincount(labels.ravel(), minlength=256)[1:]) + 1)
        for object_id in present:
            self._see(self._objects.setdefault(int(object_id), _Object(lost_from=name)), name)
        for object_id, seen in self._objects.items():
            if object_id not in present and seen.lost_from is None:
                seen.lost_from = name

    @staticmethod
    def _see(seen: _Object, name: str) -> None:
        seen.num_frames += 1
        again, seen.lost_from = seen.lost_from is not None, None
        if again and len(seen.ranges) == MAX_RANGES:
            seen.ranges_left_out += 1
        elif again:
            seen.ranges.append([name, name])
        elif not seen.ranges_left_out:
            seen.ranges[-1][1] = name

    def to_dict(self) -> dict[str, Any]:
        """Plain values as JSON has them: object id -> where it is seen and from where on lost."""
        return {str(i): dataclasses.asdict(seen) for i, seen in sorted(self._objects.items())}

    def lines(self) -> list[str]:
        """Says which objects the last mask lacks, for people; empty where it lacks none."""
        lost = {i: seen for i, seen in sorted(self._objects.items()) if seen.lost_from is not None}
        lines = [
            f"object {i} is in no mask from frame {seen.lost_from} on"
            if seen.num_frames
            else f"object {i} is in no mask"
            for i, seen in lost.items()
        ]
        if len(lines) > _MAX_LINES:
            lines[_MAX_LINES:] = [f"and {len(lines) - _MAX_LINES} more objects are lost"]
        return lines
