"""Which frames follow from what, and which of them a run computes."""

import numpy as np
import pytest

from feelvos_tf.annotate.frame_records import (
    COMPUTED,
    EMPTY,
    NOWHERE,
    PAINTED,
    STALE,
    FrameRecords,
    Painted,
    run_lengths,
)
from feelvos_tf.annotate.planning import GOALS, plan
from feelvos_tf.errors import InputError


def records(count, painted):
    found = FrameRecords(count)
    for index, (ids, checksum) in painted.items():
        found.paint(index, Painted(tuple(ids), checksum))
    return found


def compute(found, goal, current=0):
    """Notes all frames of a run as computed; returns them in their order."""
    done = []
    for stretch in plan(found, goal, current):
        sources = found.sources(stretch.direction)
        for index in list(stretch.frames)[stretch.known :]:
            done.append(index)
            if not found.tells_all().get(index, False):
                found.compute(index, int(sources.frames[index]), int(sources.keys[index]))
    return done


def statuses(found):
    return "".join("·cs#"[status] for status in found.statuses())


def test_statuses_follow_from_what_is_painted():
    found = records(8, {2: ([1, 2], 11)})
    assert statuses(found) == "··#·····"
    assert compute(found, "forward", 2) == [3, 4, 5, 6, 7]
    assert statuses(found) == "··#ccccc"
    assert compute(found, "backward", 2) == [1, 0]
    assert statuses(found) == "cc#ccccc"
    found.paint(5, Painted((1, 2), 12))
    assert statuses(found) == "cc#cc#ss"
    assert compute(found, "stale") == [6, 7]
    assert statuses(found) == "cc#cc#cc"
    found.paint(2, Painted((1, 2), 13))
    assert statuses(found) == "ss#ss#cc"


def test_a_stroke_that_is_taken_back_leaves_nothing_stale():
    found = records(6, {0: ([1], 11)})
    compute(found, "both")
    found.paint(3, Painted((1,), 5))
    assert statuses(found) == "#cc#ss"
    found.paint(3, None)
    assert statuses(found) == "#ccccc"


def test_new_objects_alone_leave_the_others_tracked():
    found = records(6, {0: ([1], 11), 3: ([2], 12)})
    assert compute(found, "forward") == [1, 2, 3, 4, 5]
    assert statuses(found) == "#cc#cc"
    found.paint(0, Painted((1,), 99))  # object 1 of frames 4 and 5 follows from it, too
    assert statuses(found) == "#ss#ss"


def test_a_frame_without_objects_is_no_place_to_begin():
    found = records(4, {0: ([], 1), 2: ([1], 2)})
    assert found.sources(1).anchors.tolist() == [NOWHERE, NOWHERE, NOWHERE, 2]
    with pytest.raises(InputError, match="no object is painted yet"):
        plan(records(4, {1: ([], 1)}), "both", 0)
    with pytest.raises(InputError, match="no object is painted yet"):
        plan(records(4, {}), "both", 0)


def test_frames_are_computed_from_the_nearest_painted_one():
    found = records(9, {2: ([1], 11), 7: ([1], 12)})
    stretches = plan(found, "both", 0)
    assert [(s.anchor, list(s.frames)) for s in stretches] == [
        (2, [3, 4]),
        (7, [8]),
        (7, [6, 5]),
        (2, [1, 0]),
    ]


def test_what_is_on_the_way_is_computed_too():
    found = records(9, {0: ([1], 11)})
    assert compute(found, "here", 4) == [1, 2, 3, 4]
    assert compute(records(9, {0: ([1], 11)}), "forward", 6) == list(range(1, 9))
    assert compute(found, "forward", 7) == [5, 6, 7, 8]
    (stretch,) = plan(records(9, {0: ([1], 11)}), "here", 3)
    assert not stretch.known and stretch.num_computed == 3


def test_a_run_goes_on_behind_what_is_there():
    found = records(9, {0: ([1], 11)})
    compute(found, "here", 4)
    (stretch,) = plan(found, "forward", 0)
    assert (stretch.anchor, stretch.begin, stretch.known, stretch.last) == (0, 4, True, 8)
    assert stretch.num_computed == 4


@pytest.mark.parametrize(
    ("goal", "current", "line"),
    [
        ("forward", 1, "no painted frame comes before"),
        ("backward", 3, "no painted frame comes after"),
        ("sideways", 0, "the goal is 'sideways'"),
        ("stale", 0, "up to date"),
    ],
)
def test_runs_that_cannot_be(goal, current, line):
    with pytest.raises(InputError, match=line):
        plan(records(5, {2: ([1], 11)}), goal, current)


def naive_source(painted, index, direction):
    """The painted frame that a frame follows from, and all that this one follows from."""
    chain = []
    order = sorted(painted) if direction > 0 else sorted(painted, reverse=True)
    seen_by_frame, seen = {}, set()
    for frame in sorted(painted):
        seen_by_frame[frame] = set(seen)
        seen |= set(painted[frame][0])
    started = False
    for frame in order:
        if (frame - index) * direction >= 0:
            break
        ids, before = set(painted[frame][0]), seen_by_frame[frame]
        whole = not before or not ids or bool(ids & before)
        if whole and ids:
            chain, started = [frame], True
        elif started:
            chain.append(frame)
    return tuple(chain)


@pytest.mark.parametrize("seed", range(20))
def test_sources_agree_with_a_naive_twin(seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 12))
    painted = {
        int(i): (sorted({int(v) for v in rng.integers(1, 4, rng.integers(0, 3))}), int(i) + 100)
        for i in rng.integers(0, count, rng.integers(0, 5))
    }
    found = records(count, painted)
    keys = {}
    for direction in (1, -1):
        sources = found.sources(direction)
        for index in range(count):
            chain = naive_source(painted, index, direction)
            assert sources.frames[index] == (chain[-1] if chain else NOWHERE)
            assert sources.anchors[index] == (chain[0] if chain else NOWHERE)
            if chain:
                assert keys.setdefault(chain, sources.keys[index]) == sources.keys[index]
    assert len(set(keys.values())) == len(keys)


@pytest.mark.parametrize("seed", range(10))
def test_after_both_ways_all_is_up_to_date(seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 30))
    painted = {int(i): ([1], int(i)) for i in rng.integers(0, count, 3)}
    found = records(count, painted)
    done = compute(found, "both")
    assert sorted({*done, *painted}) == list(range(count)) and len(set(done)) == len(done)
    assert set(found.statuses().tolist()) <= {COMPUTED, PAINTED}
    assert EMPTY not in found.statuses() and STALE not in found.statuses()
    for goal in GOALS:
        with pytest.raises(InputError):
            plan(found, goal, 0)


def test_run_lengths():
    assert run_lengths(np.array([], np.uint8)) == []
    assert run_lengths(np.array([2, 2, 0, 1], np.uint8)) == [[2, 2], [1, 0], [1, 1]]
