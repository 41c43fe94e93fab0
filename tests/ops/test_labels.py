import numpy as np
import pytest
import tensorflow as tf

from feelvos_tf.ops import labels, resize


def test_ids_become_channels_and_strangers_nothing():
    ids = tf.constant([[0, 7, 255], [3, 200, 7]], tf.uint8)
    channels = labels.ids_to_channels(ids, tf.constant([0, 7, 200]))
    np.testing.assert_array_equal(channels, [[0, 1, -1], [-1, 2, 1]])
    outside = labels.ids_to_channels(tf.constant([-3, 256, 7]), tf.constant([0, 7]))
    np.testing.assert_array_equal(outside, [-1, -1, 1])


def test_one_hot_of_nothing_is_zero():
    np.testing.assert_array_equal(labels.one_hot_mask(tf.constant([1, -1]), 2), [[0, 1], [0, 0]])


def naive_nearest(array, size):
    """Corners aligned, halves away from zero."""

    def indices(full, small):
        scale = (full - 1) / (small - 1) if small > 1 else 0
        return np.floor(np.arange(small) * scale + 0.5).astype(int)

    return array[np.ix_(indices(array.shape[0], size[0]), indices(array.shape[1], size[1]))]


@pytest.mark.parametrize("full", [(1, 1), (1, 17), (97, 161), (96, 130), (13, 5)])
def test_shrink_is_nearest_where_nothing_is_lost(full):
    size = tuple(resize.scale_dimension(d, 0.25) for d in full)
    array = (np.random.RandomState(0).rand(*full) > 2).astype(np.int32)
    array[:, : full[1] // 2] = 1
    small = labels.shrink(tf.constant(array), size, 2)
    np.testing.assert_array_equal(small, naive_nearest(array, size))


def test_shrink_keeps_one_pixel_objects_near_their_place():
    array = np.zeros((41, 61), np.int32)
    array[18, 30], array[22, 3], array[40, 60] = 1, 2, 3
    small = labels.shrink(tf.constant(array), (11, 16), 4).numpy()
    assert [tuple(np.argwhere(small == n)[0]) for n in (1, 2, 3)] == [(4, 8), (6, 1), (10, 15)]
    assert (small > 0).sum() == 3


def test_shrink_does_not_take_the_last_pixel_of_another_object():
    array = np.zeros((9, 9), np.int32)
    array[1, 1:5] = [1, 2, 3, 4]  # all nearest to the first two small pixels
    small = labels.shrink(tf.constant(array), (3, 3), 5).numpy()
    assert sorted(small[small > 0]) == [1, 2, 3, 4]


def test_shrink_keeps_ignored_pixels_and_works_on_a_single_pixel():
    assert labels.shrink(tf.constant([[255]]), (1, 1), 2).numpy().item() == 255
    assert labels.shrink(tf.constant([[1]]), (1, 1), 2).numpy().item() == 1
    array = np.full((5, 5), 255, np.int32)
    array[2, 2] = 1
    small = labels.shrink(tf.constant(array), (2, 2), 2).numpy()
    assert (small == 1).sum() == 1 and (small == 255).sum() == 3


@pytest.mark.parametrize("shape,size", [((5, 7), (9, 13)), ((1, 1), (4, 3)), ((6, 9), (2, 1))])
def test_bilinear_aligns_corners(shape, size):
    array = np.random.RandomState(1).rand(*shape).astype(np.float32)

    def weights(full, new):
        matrix = np.zeros((new, full))
        for i in range(new):
            place = i * (full - 1) / (new - 1) if new > 1 else 0.0
            low = min(int(place), full - 1)
            matrix[i, low] += 1 - (place - low)
            matrix[i, min(low + 1, full - 1)] += place - low
        return matrix

    expected = weights(shape[0], size[0]) @ array @ weights(shape[1], size[1]).T
    actual = resize.resize_bilinear(array[np.newaxis, :, :, np.newaxis], size)[0, :, :, 0]
    np.testing.assert_allclose(actual, expected, atol=1e-5)


@pytest.mark.parametrize("size,small", [(1, 1), (4, 1), (5, 2), (97, 25), (480, 120), (854, 214)])
def test_scale_dimension_of_numbers_and_tensors(size, small):
    assert resize.scale_dimension(size, 1 / 4) == small
    assert int(resize.scale_dimension(tf.constant(size), 1 / 4)) == small
