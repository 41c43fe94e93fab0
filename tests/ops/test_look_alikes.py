"""Look-alikes taken from objects, against a form that walks from pixel to pixel."""

import numpy as np
import pytest
import tensorflow as tf

from feelvos_tf.ops import look_alikes

pytestmark = pytest.mark.compat


def linked(seeds, own, radius):
    """What of a set of pixels a chain of steps of at most a radius links to some of it."""
    found, todo = set(seeds), list(seeds)
    while todo:
        y, x = todo.pop()
        near = {p for p in own - found if max(abs(p[0] - y), abs(p[1] - x)) <= radius}
        found |= near
        todo.extend(near)
    return found


def apart(own, gap):
    """What is not linked to the densest place, the first one in the order of reading."""
    if not own:
        return set()

    def density(p):
        return sum(max(abs(p[0] - q[0]), abs(p[1] - q[1])) <= gap for q in own)

    densest = min(own, key=lambda p: (-density(p), p))
    return own - linked({densest}, own, gap)


def pixels(mask):
    return {(int(y), int(x)) for y, x in np.argwhere(mask)}


def naive(logits, previous, given, reach):
    """Searches from pixel to pixel, one object after the other."""
    logits, labels = logits.copy(), logits.argmax(-1)
    height, width, num_channels = logits.shape
    # To the nearest, and to the even one of two, as TensorFlow rounds.
    radius = max(1, int(np.rint(np.float32(reach) * max(height, width))))
    gap = max(1, int(np.rint(np.float32(reach / 2) * max(height, width))))
    least = logits.min(-1) - 20
    for channel in range(1, num_channels):
        own, before = pixels(labels == channel), np.argwhere(previous == channel)
        near = {p for p in own if any(np.abs(before - p).max(axis=1) <= radius)}
        kept = linked(near or own, own, 1)
        pieces = apart(kept, gap)
        small = len(pieces) <= 0.1 * len(kept)
        if not small or apart(pixels(given[..., channel]), gap):
            pieces = set()
        for y, x in own - (kept - pieces):
            logits[y, x, channel] = least[y, x]
    return logits


def removed(logits, previous, reach, given=None):
    if given is None:
        given = np.zeros(logits.shape, bool)
    found = look_alikes.removed(
        tf.constant(logits), tf.constant(previous, tf.int32), tf.constant(given), reach
    )
    return found.numpy()


def blobs(*places, size=(13, 29), channel=1, num_channels=3):
    """Logits where `channel` wins in the given rectangles, background elsewhere."""
    logits = np.zeros((*size, num_channels), np.float32)
    logits[..., 0] = 2
    for place in places:
        logits[(*place, channel)] = 5
    return logits


@pytest.mark.parametrize("size", [(13, 29), (31, 7), (1, 23), (23, 1), (1, 1)])
@pytest.mark.parametrize("num_channels,reach", [(1, 0.2), (2, 0.1), (4, 0.2), (31, 1e-3), (3, 1.0)])
def test_against_the_walk(size, num_channels, reach):
    rng = np.random.default_rng(3)
    logits = rng.normal(size=(*size, num_channels)).astype(np.float32)
    logits[..., 0] += 1.0
    previous = rng.integers(-1, num_channels, size) * (rng.random(size) < 0.1)
    given = rng.random((*size, num_channels)) < 0.05
    found = removed(logits, previous, reach, given)
    np.testing.assert_array_equal(found, naive(logits, previous, given, reach))


@pytest.mark.parametrize("seed", range(8))
def test_bodies_and_pieces_against_the_walk(seed):
    """Objects of a body and pieces of all sizes, some in pieces in the given masks as well."""
    rng = np.random.default_rng(seed)
    size, num_channels = (27, 41), 4
    logits = rng.normal(size=(*size, num_channels)).astype(np.float32)
    logits[..., 0] += 5
    previous, given = np.zeros(size, np.int32), np.zeros((*size, num_channels), bool)
    for channel in range(1, num_channels):
        for side in (9, 2, 1):
            y, x = rng.integers(0, size[0] - side), rng.integers(0, size[1] - side)
            logits[y : y + side, x : x + side, channel] += 12
            previous[y : y + side, x : x + side] = channel
            given[y : y + side, x : x + side, channel] = side == 9 or rng.random() < 0.4
    found = removed(logits, previous, 0.2, given)
    np.testing.assert_array_equal(found, naive(logits, previous, given, 0.2))


BODY, PIECE = np.s_[2:11, 1:10], np.s_[5:7, 23:26]


def test_a_small_piece_far_from_the_body_is_left_out():
    """Though it was there in the frame before: what has crept away does not stay."""
    logits = blobs(BODY, PIECE)
    previous = logits.argmax(-1)
    labels = removed(logits, previous, 0.5).argmax(-1)
    assert (labels[BODY] == 1).all() and (labels[PIECE] == 0).all()
    near = removed(logits, previous, 1.0)  # half of the longer side, 14 pixels: the gap is as wide
    np.testing.assert_array_equal(near, logits)


def test_an_object_given_in_pieces_keeps_them():
    logits = blobs(BODY, PIECE)
    previous = logits.argmax(-1)
    given = previous[..., np.newaxis] == np.arange(3)
    np.testing.assert_array_equal(removed(logits, previous, 0.5, given), logits)


def test_a_large_piece_stays():
    large = np.s_[2:11, 24:28]
    logits = blobs(BODY, large)
    np.testing.assert_array_equal(removed(logits, logits.argmax(-1), 0.5), logits)


def test_a_long_arm_is_followed_and_a_look_alike_is_not():
    arm, other = np.s_[2, 1:18], np.s_[6:9, 24:27]
    previous = np.zeros((13, 29), np.int32)
    previous[1:4, 1:3] = 1
    labels = removed(blobs(arm, other), previous, 0.1).argmax(-1)
    assert (labels[arm] == 1).all() and (labels[other] == 0).all()
    farther = removed(blobs(arm, other), previous, 0.9)
    np.testing.assert_array_equal(farther, blobs(arm, other))


@pytest.mark.parametrize("before", [np.s_[0:0, 0:0], np.s_[11:13, 0:2]])
def test_what_has_gone_or_jumped_is_found_everywhere(before):
    previous = np.zeros((13, 29), np.int32)
    previous[before] = 1
    logits = blobs(np.s_[1:3, 20:24], np.s_[5:7, 26:28])
    np.testing.assert_array_equal(removed(logits, previous, 0.1), logits)


def test_objects_are_apart():
    """The neighbor of one object is not led to through another."""
    logits = blobs(np.s_[4:6, 3:5], np.s_[4:6, 12:14])
    logits[4:6, 5:12, 2] = 5
    previous = np.zeros((13, 29), np.int32)
    previous[4:6, 3:5], previous[4:6, 5:12] = 1, 2
    labels = removed(logits, previous, 0.05).argmax(-1)
    assert (labels[4:6, 3:5] == 1).all() and (labels[4:6, 5:12] == 2).all()
    assert (labels[4:6, 12:14] == 0).all()


def test_it_compiles_by_xla():
    rng = np.random.default_rng(5)
    logits = rng.normal(size=(9, 14, 3)).astype(np.float32)
    previous = rng.integers(0, 3, (9, 14)).astype(np.int32) * (rng.random((9, 14)) < 0.1)
    given = rng.random((9, 14, 3)) < 0.05
    compiled = tf.function(look_alikes.removed, jit_compile=True)
    found = compiled(tf.constant(logits), tf.constant(previous, tf.int32), tf.constant(given), 0.1)
    np.testing.assert_array_equal(found, removed(logits, previous, 0.1, given))
