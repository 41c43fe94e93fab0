"""Which frames a run computes, and from which painted frame each."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np

from feelvos_tf.annotate.frame_records import NOWHERE, STALE, FrameRecords
from feelvos_tf.errors import InputError

GOALS = ("forward", "backward", "both", "here", "stale")


@dataclasses.dataclass(frozen=True)
class Stretch:
    """Frames computed one after the other, away from a painted frame.

    Attributes:
      anchor: the painted frame that the network begins with.
      begin: the first frame that it takes; one that is not computed but known, unless it is next
        to the anchor.
      known: whether `begin` is such a frame, whose mask is there.
      last: the last frame, computed.
      direction: 1 or -1.
    """

    anchor: int
    begin: int
    known: bool
    last: int
    direction: int

    @property
    def frames(self) -> range:
        """All frames that the network takes, in their order."""
        return range(self.begin, self.last + self.direction, self.direction)

    @property
    def num_computed(self) -> int:
        """Number of frames that get a mask."""
        return len(self.frames) - self.known


def plan(records: FrameRecords, goal: str, current: int) -> list[Stretch]:
    """The stretches of a run; frames that are up to date are left as they are.

    Args:
      records: of the project.
      goal: "forward" or "backward": the frames after or before `current`; "both": all, each from
        the nearest painted one; "here": those between the painted frame before `current` (or else
        after it) and it; "stale": those that follow from what has changed since.
      current: the frame that a person looks at.

    Raises:
      InputError: another goal; no frame is painted where the run would begin; or nothing is left
        to compute.
    """
    if goal not in GOALS:
        raise InputError(f"the goal is {goal!r}, expected one of {', '.join(GOALS)}")
    if not any(painted.ids for painted in records.painted.values()):
        raise InputError("no object is painted yet: paint one in any frame first")
    needed = ~records.settled()
    frames = np.arange(records.count)
    ahead, behind = records.sources(1).anchors, records.sources(-1).anchors
    if goal == "forward":
        forward, backward = needed & (frames > current), np.zeros(records.count, bool)
        if current not in records.painted and ahead[current] == NOWHERE:
            raise InputError("no painted frame comes before this one: paint it, or go backward")
    elif goal == "backward":
        forward, backward = np.zeros(records.count, bool), needed & (frames < current)
        if current not in records.painted and behind[current] == NOWHERE:
            raise InputError("no painted frame comes after this one: paint it, or go forward")
    elif goal == "here":
        before = ahead[current] != NOWHERE
        start = (ahead if before else behind)[current]
        low, high = sorted((int(start), current))
        between = needed & (frames >= low) & (frames <= high)
        nothing = np.zeros(records.count, bool)
        forward, backward = (between, nothing) if before else (nothing, between)
    else:
        if goal == "stale":
            needed &= records.statuses() == STALE
        nearer = _nearer_ahead(frames, ahead, behind)
        forward, backward = needed & nearer, needed & ~nearer
    unsettled = ~records.settled()
    found = [
        *_stretches(_with_way(forward, unsettled, ahead, 1), records, ahead, 1),
        *_stretches(_with_way(backward, unsettled, behind, -1), records, behind, -1),
    ]
    if not found:
        raise InputError("every frame there is up to date: nothing is left to compute")
    return found


def _nearer_ahead(frames: np.ndarray, ahead: np.ndarray, behind: np.ndarray) -> np.ndarray:
    """Where the painted frame before is at least as near as the one after."""
    far = len(frames) * 2
    before = np.where(ahead == NOWHERE, far, frames - ahead)
    after = np.where(behind == NOWHERE, far, behind - frames)
    return before <= after


def _with_way(
    wanted: np.ndarray, unsettled: np.ndarray, anchors: np.ndarray, direction: int
) -> np.ndarray:
    """Wanted frames that can be computed, and those on the way to them from the painted one."""
    wanted = wanted & (anchors != NOWHERE)
    for index in np.flatnonzero(wanted).tolist():
        on_way = index - direction
        while on_way != anchors[index] and unsettled[on_way] and not wanted[on_way]:
            wanted[on_way] = True
            on_way -= direction
    return wanted


def _stretches(
    wanted: np.ndarray, records: FrameRecords, anchors: np.ndarray, direction: int
) -> Iterable[Stretch]:
    """Runs of wanted frames; painted ones in between are passed, and told on the way."""
    whole = records.tells_all()
    indices = np.flatnonzero(wanted)[::direction].tolist()
    while indices:
        begin = last = indices.pop(0)
        while indices:
            between = range(last + direction, indices[0], direction)
            if not all(whole.get(index, False) for index in between):
                break
            last = indices.pop(0)
        anchor = int(anchors[begin])
        known = begin - direction != anchor
        yield Stretch(anchor, begin - direction * known, known, last, direction)
