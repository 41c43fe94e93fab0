"""Where objects are seen, against a twin that remembers everything."""

import numpy as np
import pytest

from feelvos_tf.video.sightings import MAX_RANGES, Sightings


def mask(*ids):
    labels = np.zeros((3, 5), np.uint8)
    labels.flat[: len(ids)] = ids
    return labels


def watched(masks, given):
    sightings = Sightings(given)
    for i, ids in enumerate(masks):
        sightings.add(f"f{i}", mask(*ids))
    return sightings


def test_ranges_counts_and_where_an_object_is_lost():
    masks = [(), (1, 2), (1, 2), (2,), (1, 255), (1, 255)]
    sightings = watched(masks, {"f1": (1, 2), "f4": (255,)})
    assert sightings.to_dict() == {
        "1": {
            "ranges": [["f1", "f2"], ["f4", "f5"]],
            "num_frames": 4,
            "ranges_left_out": 0,
            "lost_from": None,
        },
        "2": {"ranges": [["f1", "f3"]], "num_frames": 3, "ranges_left_out": 0, "lost_from": "f4"},
        "255": {"ranges": [["f4", "f5"]], "num_frames": 2, "ranges_left_out": 0, "lost_from": None},
    }
    assert sightings.lines() == ["object 2 is in no mask from frame f4 on"]


def test_an_object_that_no_mask_has():
    assert watched([(1,), (1,)], {"f0": (1, 3)}).lines() == ["object 3 is in no mask"]


def test_nothing_lost_nothing_said():
    assert watched([(1,), (), (1,)], {"f0": (1,)}).lines() == []
    assert watched([], {}).to_dict() == {}


@pytest.mark.parametrize("seed", range(4))
def test_random_masks_against_a_naive_twin(seed):
    rng = np.random.default_rng(seed)
    masks = [tuple(np.flatnonzero(rng.random(6) < 0.6) + 1) for _ in range(40)]
    found = watched(masks, {}).to_dict()
    for i in range(1, 7):
        there = [k for k, ids in enumerate(masks) if i in ids]
        ranges = [[k, k] for k in there if k - 1 not in there]
        for one in ranges:
            while one[1] + 1 in there:
                one[1] += 1
        last = max(there)
        assert found[str(i)] == {
            "ranges": [[f"f{a}", f"f{b}"] for a, b in ranges],
            "num_frames": len(there),
            "ranges_left_out": 0,
            "lost_from": None if last == 39 else f"f{last + 1}",
        }


def test_memory_is_bounded():
    n = MAX_RANGES + 50
    sightings = watched([(1,) if i % 2 == 0 else () for i in range(2 * n)], {"f0": (1,)})
    (one,) = sightings.to_dict().values()
    assert (len(one["ranges"]), one["ranges_left_out"], one["num_frames"]) == (MAX_RANGES, 50, n)
    assert one["ranges"][-1] == [f"f{2 * MAX_RANGES - 2}"] * 2
    assert one["lost_from"] == f"f{2 * n - 1}"
    many = watched([tuple(range(1, 16)), ()], {})
    assert len(many.lines()) == 11 and many.lines()[-1] == "and 5 more objects are lost"
