import numpy as np
import pytest
import tensorflow as tf

from feelvos_tf.ops import resize
from feelvos_tf.triplets.label_maps import remap_to_reference


def naive(labels, min_pixels):
    """Remapping and filter for enough channels, pixel by pixel."""
    height, width = labels.shape[1:]
    rows = np.floor(np.arange((height - 1) // 4 + 1) * (height - 1) / ((height - 1) // 4) + 0.5)
    columns = np.floor(np.arange((width - 1) // 4 + 1) * (width - 1) / ((width - 1) // 4) + 0.5)
    small = labels[0][np.ix_(rows.astype(int), columns.astype(int))]
    ids = sorted(set(small.ravel()) - {0, 255})
    out = np.zeros_like(labels)
    for channel, value in enumerate(ids, start=1):
        out[labels == value] = channel
    out[labels == 255] = 255
    enough = all((small == value).sum() >= min_pixels for value in [0, *ids])
    return out, len(ids) + 1, enough and bool(ids)


@pytest.mark.parametrize("seed", range(8))
def test_equals_a_naive_twin(seed):
    rng = np.random.default_rng(seed)
    labels = np.zeros((3, 49, 66), np.int32)
    for frame in labels:
        for value in rng.choice([1, 3, 7, 40, 200, 254, 255], 5, replace=False):
            top, left = rng.integers(0, 45), rng.integers(0, 60)
            frame[top : top + rng.integers(1, 25), left : left + rng.integers(1, 30)] = value
    expected, count, usable = naive(labels, 5)
    got, got_count, got_usable = remap_to_reference(tf.constant(labels), 12, 5)
    np.testing.assert_array_equal(got, expected)
    assert int(got_count) == count and bool(got_usable) == usable


def make(reference, later=None):
    return tf.constant(np.stack([reference, reference if later is None else later]))


def test_objects_absent_from_the_reference_become_background():
    reference, later = np.zeros((2, 41, 41), np.int32)
    reference[5:30, 5:30] = 9
    later[0:20], later[20:30], later[30:] = 9, 4, 255
    labels, count, usable = remap_to_reference(make(reference, later), 4, 10)
    assert int(count) == 2 and bool(usable)
    assert np.unique(labels[0]).tolist() == [0, 1]
    assert (labels[1].numpy()[:20] == 1).all() and (labels[1].numpy()[20:30] == 0).all()
    assert (labels[1].numpy()[30:] == 255).all()


def test_filter_needs_enough_of_every_object_and_of_background():
    plain = np.zeros((41, 41), np.int32)
    assert not remap_to_reference(make(plain), 4, 10)[2]  # no object

    full = np.full((41, 41), 3, np.int32)
    assert not remap_to_reference(make(full), 4, 10)[2]  # no background

    def with_small(pixels):
        reference = plain.copy()
        reference[20:, 20:] = 1
        size = resize.scale_dimension(41, 1 / 4)
        assert size == 11
        for number in range(pixels):  # stride-4 positions are multiples of 4
            reference[4 * (number // 5), 4 * (number % 5)] = 2
        return remap_to_reference(make(reference), 4, 10)[2]

    assert not with_small(9)
    assert with_small(10)


def test_an_object_that_vanishes_at_stride_4_is_background():
    reference = np.zeros((41, 41), np.int32)
    reference[8:30, 8:30] = 5
    reference[1:4, 1:4] = 2  # no multiple of 4 inside
    labels, count, usable = remap_to_reference(make(reference), 4, 10)
    assert int(count) == 2 and bool(usable)
    assert (labels.numpy()[:, 1:4, 1:4] == 0).all()


def test_more_objects_than_channels_are_ignored_smallest_first():
    reference = np.zeros((81, 81), np.int32)
    reference[0:20, :], reference[24:36, :], reference[40:70, :] = 11, 12, 13
    labels, count, usable = remap_to_reference(make(reference), 3, 10)
    assert int(count) == 3 and bool(usable)
    values = [int(labels[0, row, 5]) for row in (10, 30, 50, 75)]
    assert values == [1, 255, 2, 0]
