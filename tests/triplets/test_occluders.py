"""Poles and leaves in front of clips: what they cover, how they move, what they leave alone."""

import numpy as np
import pytest
import tensorflow as tf

from feelvos_tf.triplets import occluders
from feelvos_tf.triplets.draws import Draws

SIZE = (47, 83)


def occluded(index, images, labels, seed=2):
    draws = Draws(seed, tf.constant(index, tf.int64))
    return [x.numpy() for x in occluders.occlude(tf.constant(images), tf.constant(labels), draws)]


def covers(index):
    """Where a clip of one object all over is covered by more than half, bool [4, H, W]."""
    shape = (4, *SIZE)
    _, labels = occluded(index, np.zeros((*shape, 3), np.float32), np.ones(shape, np.int32))
    assert set(np.unique(labels)) <= {0, 1}
    return labels == 0


def test_what_is_covered_is_background_and_what_is_unknown_stays_so():
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (4, *SIZE, 3)).astype(np.float32)
    labels = rng.choice([0, 1, 2, 255], (4, *SIZE)).astype(np.int32)
    for index in range(6):
        cover = covers(index)
        found, found_labels = occluded(index, images, labels)
        np.testing.assert_array_equal(found_labels, np.where(cover & (labels != 255), 0, labels))
        assert found.min() >= 0 and found.max() <= 255
        changed = (found != images).any(axis=-1)
        assert changed[cover].all()
        assert changed.mean() < cover.mean() + 0.3  # and outlines, which are soft


def test_they_move_as_one_and_differ_between_clips():
    ways = set()
    for index in range(12):
        _, first, second, third = covers(index)
        if not (first.any() and second.any() and third.any()):
            continue
        early, late = shift(first, second), shift(second, third)
        assert np.abs(np.subtract(early, late)).max() <= 1  # whole pixels of one straight path
        ways.add(early)
    assert len(ways) > 3


def shift(before, after):
    """The step down and right that leads from one mask to the other, which fits exactly."""
    way = round(min(SIZE) * 0.12) + 1
    steps = [(y, x) for y in range(-way, way + 1) for x in range(-way, way + 1)]
    apart = [(overlap(before, *s) != overlap(after, -s[0], -s[1])).mean() for s in steps]
    assert min(apart) == 0
    return steps[int(np.argmin(apart))]


def overlap(mask, down, right):
    """The part of a mask that is still in sight after it has moved."""
    rows = slice(max(0, -down), SIZE[0] - max(0, down))
    columns = slice(max(0, -right), SIZE[1] - max(0, right))
    return mask[rows, columns]


def test_they_are_now_and_then_thin_often_apart_in_the_reference():
    shares = np.array([covers(index).mean(axis=(1, 2)) for index in range(40)])
    assert 0.25 < (shares[:, 0] == 0).mean() < 0.75
    assert (shares[:, 1] > 0).mean() > 0.8
    assert np.median(shares[:, 1:]) < 0.5  # objects are seen between them


@pytest.mark.parametrize("shape", [(3, 5, 5), (3, 5, 61), (6, 33, 9)])
def test_any_size(shape):
    images, labels = np.full((*shape, 3), 99, np.float32), np.ones(shape, np.int32)
    for index in range(4):
        found, found_labels = occluded(index, images, labels)
        assert found.shape == (*shape, 3) and found_labels.shape == shape
        assert np.isfinite(found).all()


def test_an_element_is_always_the_same():
    images, labels = np.zeros((3, 9, 11, 3), np.float32), np.ones((3, 9, 11), np.int32)
    first, again, other = (occluded(index, images, labels)[0] for index in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
