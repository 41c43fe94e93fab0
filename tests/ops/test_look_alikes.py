"""Look-alikes taken from objects, against a form that walks from pixel to pixel."""

import numpy as np
import pytest
import tensorflow as tf

from feelvos_tf.ops import look_alikes

pytestmark = pytest.mark.compat


def naive(logits, previous, reach):
    """A search in breadth, one object after the other."""
    logits, labels = logits.copy(), logits.argmax(-1)
    height, width, num_channels = logits.shape
    radius = max(1, round(reach * max(height, width)))
    least = logits.min(-1) - 20
    for channel in range(1, num_channels):
        own = {(int(y), int(x)) for y, x in np.argwhere(labels == channel)}
        before = np.argwhere(previous == channel)
        near = {p for p in own if any(np.abs(before - p).max(axis=1) <= radius)}
        todo = list(near) if near else list(own)
        near = set(todo)
        while todo:
            y, x = todo.pop()
            around = {(y + i, x + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & own - near
            near |= around
            todo.extend(around)
        for y, x in own - near:
            logits[y, x, channel] = least[y, x]
    return logits


def removed(logits, previous, reach):
    return look_alikes.removed(tf.constant(logits), tf.constant(previous, tf.int32), reach).numpy()


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
    found = removed(logits, previous, reach)
    np.testing.assert_array_equal(found, naive(logits, previous, reach))


def test_a_long_arm_is_followed_and_a_look_alike_is_not():
    arm, other = np.s_[2, 1:20], np.s_[6:9, 24:27]
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
    compiled = tf.function(look_alikes.removed, jit_compile=True)
    found = compiled(tf.constant(logits), tf.constant(previous, tf.int32), 0.1)
    np.testing.assert_array_equal(found, removed(logits, previous, 0.1))
