"""The two baselines: a mask that stays, and the nearest embedding."""

import types

import numpy as np
import pytest
import tensorflow as tf

from feelvos_tf.errors import InputError
from feelvos_tf.evaluation import baselines
from feelvos_tf.ops import resize


def every_fourth_pixel(images):
    """A stand-in for a network: the colors at stride 4 are the embedding."""
    h, w = ((side - 1) // 4 + 1 for side in images.shape[1:3])
    small = resize.resize_nearest(tf.constant(images), (h, w))
    return small, small


@pytest.fixture
def nearest():
    return baselines.NearestNeighbor(types.SimpleNamespace(embed=every_fourth_pixel))


def scene(offset=0, colors=((200, 0, 0), (0, 200, 0))):
    """A dark frame of 33x49 with two bright squares, and its mask with the ids 3 and 9."""
    frame, mask = np.full((33, 49, 3), 20, np.uint8), np.zeros((33, 49), np.uint8)
    for object_id, top, color in ((3, 2, colors[0]), (9, 18, colors[1])):
        where = slice(top, top + 13), slice(6 + offset, 19 + offset)
        frame[where], mask[where] = color, object_id
    return frame, mask


def test_first_mask_stays_and_takes_new_objects():
    frame, mask = scene()
    copy = baselines.FirstMask()
    copy.reset(frame, mask)
    np.testing.assert_array_equal(copy.step(frame), mask)
    new = np.zeros_like(mask)
    new[0:5, 8:12] = 7
    copy.add_objects(new)
    np.testing.assert_array_equal(copy.step(frame), np.where(new > 0, new, mask))
    assert copy.step(frame).dtype == np.uint8


def test_nearest_neighbor_follows_colors_wherever_they_go(nearest):
    nearest.reset(*scene())
    frame, truth = scene(offset=20)
    labels = nearest.step(frame)
    assert labels.shape == truth.shape and labels.dtype == np.uint8
    assert set(np.unique(labels)) == {0, 3, 9}
    # At the embedding's own pixels (corners aligned, stride 4) the winner is exact.
    np.testing.assert_array_equal(labels[::4, ::4], truth[::4, ::4])
    assert np.mean(labels == truth) > 0.9


def test_nearest_neighbor_equals_a_search_by_hand(nearest):
    rng = np.random.default_rng(3)
    first, second = rng.integers(0, 256, (2, 17, 21, 3)).astype(np.uint8)
    mask = rng.integers(0, 4, (17, 21)).astype(np.uint8)
    nearest.reset(first, mask)
    labels = nearest.step(second)
    reference, ids = first[::4, ::4].reshape(-1, 3).astype(float), mask[::4, ::4].ravel()
    for y, x in np.ndindex(5, 6):
        distances = ((reference - second[4 * y, 4 * x]) ** 2).sum(axis=1)
        best = min(range(4), key=lambda i: distances[ids == i].min())
        assert labels[4 * y, 4 * x] == best


def test_far_embeddings_do_not_tie(nearest):
    # Squashed by 2 * sigmoid(d) - 1 both distances here are exactly 1.
    frame, mask = scene()
    nearest.reset(frame, mask)
    other, truth = scene(colors=((150, 0, 0), (0, 150, 0)))
    np.testing.assert_array_equal(nearest.step(other)[::4, ::4], truth[::4, ::4])


def test_an_object_added_later_is_found_by_its_own_frame(nearest):
    nearest.reset(*scene())
    frame, truth = scene(offset=4)
    frame[24:33, 32:45] = (0, 0, 250)
    nearest.step(frame)
    new = np.zeros_like(truth)
    new[24:33, 32:45] = 4
    nearest.add_objects(new)
    labels = nearest.step(frame)
    expected = np.where(new > 0, new, truth)
    np.testing.assert_array_equal(labels[::4, ::4], expected[::4, ::4])


def test_a_mask_that_fills_the_frame_leaves_no_background(nearest):
    frame, _ = scene()
    nearest.reset(frame, np.full((33, 49), 5, np.uint8))
    assert np.unique(nearest.step(frame)).tolist() == [5]


def test_a_mask_of_another_size_is_an_input_error(nearest):
    frame, mask = scene()
    with pytest.raises(InputError, match=r"\[33, 48\], expected the frame's \[33, 49\]"):
        nearest.reset(frame, mask[:, :-1])
