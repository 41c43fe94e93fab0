"""What is known of each frame of a project: painted, computed from what, out of date.

A computed frame follows from the painted frame that comes next in the direction it was computed
from, and from whatever that one follows from. A key sums that up. A frame is stale where its key
is not today's: nothing has to be marked, and a stroke that is undone leaves nothing stale.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Iterable, Mapping

import numpy as np

from feelvos_tf.video.given_masks import tells_all

EMPTY, COMPUTED, STALE, PAINTED = range(4)
NOWHERE = -1  # in the place of the painted frame that another one follows from


@dataclasses.dataclass(frozen=True)
class Painted:
    """What a mask painted by a person holds.

    Attributes:
      ids: the objects in it.
      checksum: CRC-32 of its pixels, uint8 [H, W].
    """

    ids: tuple[int, ...]
    checksum: int

    @classmethod
    def of(cls, labels: np.ndarray) -> Painted:
        """Of the ids uint8 [H, W] of a frame."""
        ids = np.flatnonzero(np.bincount(labels.ravel(), minlength=256))
        return cls(tuple(int(i) for i in ids if i), zlib.crc32(labels.tobytes()))


@dataclasses.dataclass(frozen=True)
class Sources:
    """What the frames of one direction follow from today.

    Attributes:
      frames: int32 [count], the painted frame next to each, itself left out; NOWHERE for none.
      keys: uint32 [count], what that one stands for.
      anchors: int32 [count], the painted frame that tells all of its frame, from which a run may
        start; NOWHERE for none.
    """

    frames: np.ndarray
    keys: np.ndarray
    anchors: np.ndarray


class FrameRecords:
    """The records of a video's frames, in memory.

    Attributes:
      count: number of frames.
      painted: index -> what is painted there.
      margins: index -> object -> (area in pixels, mean margin 0..1) of a computed frame.
    """

    def __init__(self, count: int) -> None:
        """Begins with nothing known."""
        self.count = count
        self.painted: dict[int, Painted] = {}
        self.margins: dict[int, dict[int, tuple[int, float]]] = {}
        self._has_mask = np.zeros(count, bool)
        self._from = np.full(count, NOWHERE, np.int32)
        self._keys = np.zeros(count, np.uint32)
        self._sources: tuple[Sources, Sources] | None = None

    def paint(self, index: int, painted: Painted | None) -> None:
        """Notes what a person painted, or that it is taken back."""
        if painted is None:
            self.painted.pop(index, None)
        else:
            self.painted[index] = painted
        self._sources = None

    def compute(self, index: int, source: int, key: int) -> None:
        """Notes that a frame has a mask that follows from a painted frame; NOWHERE: unknown."""
        self._has_mask[index] = True
        self._from[index], self._keys[index] = source, key

    def has_mask(self, index: int) -> bool:
        """Whether there is a mask of a frame that is not painted as a whole."""
        return bool(self._has_mask[index])

    def source_of(self, index: int) -> tuple[int, int]:
        """(painted frame, key) that a computed frame was noted with."""
        return int(self._from[index]), int(self._keys[index])

    def adopt(self, indices: Iterable[int]) -> None:
        """Takes masks of unknown origin for such that follow from what is painted today."""
        forward, backward = self.sources(1), self.sources(-1)
        for index in indices:
            sources = forward if forward.frames[index] != NOWHERE else backward
            self.compute(index, int(sources.frames[index]), int(sources.keys[index]))

    def tells_all(self) -> dict[int, bool]:
        """Painted frame -> whether its mask is the whole truth about it, in order of frames."""
        found: dict[int, bool] = {}
        seen: set[int] = set()
        for index, painted in sorted(self.painted.items()):
            found[index] = tells_all(painted.ids, seen)
            seen.update(painted.ids)
        return found

    def sources(self, direction: int) -> Sources:
        """What each frame follows from, computed forward (1) or backward (-1)."""
        if self._sources is None:
            self._sources = self._find_sources(1), self._find_sources(-1)
        return self._sources[0 if direction > 0 else 1]

    def fresh(self, direction: int | None = None) -> np.ndarray:
        """Bool [count]: masks that follow from what is painted today; None: from either side."""
        if direction is None:
            return self.fresh(1) | self.fresh(-1)
        today = self.sources(direction)
        same = (self._from == today.frames) & (self._keys == today.keys)
        return self._has_mask & same & (today.frames != NOWHERE)

    def settled(self) -> np.ndarray:
        """Bool [count]: frames that need no computing: fresh, or painted as a whole."""
        settled = self.fresh()
        for index, whole in self.tells_all().items():
            if whole:
                settled[index] = True
        return settled

    def statuses(self) -> np.ndarray:
        """uint8 [count]: EMPTY, COMPUTED, STALE or PAINTED."""
        found = np.where(self._has_mask, STALE, EMPTY).astype(np.uint8)
        found[self.fresh()] = COMPUTED
        found[list(self.painted)] = PAINTED
        return found

    def least_margins(self) -> np.ndarray:
        """float32 [count]: the margin of the least sure object of each computed frame, else 1."""
        least = np.ones(self.count, np.float32)
        for index, objects in self.margins.items():
            if objects and index not in self.painted:
                least[index] = min(margin for _, margin in objects.values())
        return least

    def _find_sources(self, direction: int) -> Sources:
        frames = np.full(self.count, NOWHERE, np.int32)
        anchors, keys = frames.copy(), np.zeros(self.count, np.uint32)
        whole = self.tells_all()
        key, anchor = 0, NOWHERE
        for index in list(whole)[::direction]:
            painted = self.painted[index]
            starts = whole[index] and bool(painted.ids)
            if starts:
                anchor = index
            if anchor == NOWHERE:
                continue  # nothing is tracked before it
            key = _chained(0 if starts else key, index, painted.checksum)
            after = slice(index + 1, None) if direction > 0 else slice(0, index)
            frames[after], keys[after], anchors[after] = index, key, anchor
        return Sources(frames, keys, anchors)


def _chained(key: int, index: int, checksum: int) -> int:
    return zlib.crc32(f"{key} {index} {checksum}".encode())


def run_lengths(values: np.ndarray) -> list[list[int]]:
    """[[how many, value], ...] of integers [N], for JSON."""
    if not len(values):
        return []
    starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])
    lengths = np.diff(np.r_[starts, len(values)])
    return [[int(n), int(v)] for n, v in zip(lengths, values[starts])]


def margins_by_object(
    margins: Mapping[int, Mapping[int, tuple[int, float]]],
) -> dict[int, list[tuple[int, float]]]:
    """Object -> [(frame, margin), ...] in order of frames."""
    found: dict[int, list[tuple[int, float]]] = {}
    for index, objects in sorted(margins.items()):
        for object_id, (_, margin) in objects.items():
            found.setdefault(object_id, []).append((index, round(margin, 3)))
    return found
