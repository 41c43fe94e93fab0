import numpy as np
import pytest
import tensorflow as tf

from feelvos_tf.ops import resize
from feelvos_tf.triplets import augment
from feelvos_tf.triplets.draws import Draws


def window(size, offset, flip):
    return augment.Window(tf.constant(size), tf.constant(offset), tf.constant(flip))


def step_by_step(images, labels, cut, crop):
    """The same as four plain steps: resize, pad, cut, flip."""
    images = resize.resize_bilinear(images, cut.size).numpy()
    labels = resize.resize_nearest(labels[..., np.newaxis], cut.size).numpy()[..., 0]
    missing = [max(0, c - s) for c, s in zip(crop, labels.shape[1:])]
    pads = [(0, 0), (0, missing[0]), (0, missing[1])]
    images = np.pad(images, pads + [(0, 0)], constant_values=127.5)
    labels = np.pad(labels.astype(np.int32), pads, constant_values=255)
    top, left = cut.offset.numpy()
    at = (slice(None), slice(top, top + crop[0]), slice(left, left + crop[1]))
    images, labels = images[at], labels[at]
    return (images[:, :, ::-1], labels[:, :, ::-1]) if cut.flip else (images, labels)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize(
    "size,offset,crop",
    [
        ((37, 53), (0, 0), (37, 53)),  # as it is
        ((48, 69), (3, 8), (33, 41)),  # larger, cut
        ((30, 40), (0, 0), (33, 41)),  # smaller on both sides, padded
        ((61, 40), (20, 0), (33, 41)),  # padded on one side
    ],
)
def test_fused_form_equals_the_steps(size, offset, crop, flip):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2, 37, 53, 3)).astype(np.uint8)
    labels = rng.integers(0, 256, (2, 37, 53)).astype(np.uint8)
    cut = window(size, offset, flip)
    expected_images, expected_labels = step_by_step(images, labels, cut, crop)
    np.testing.assert_allclose(augment.crop_images(images, cut, crop), expected_images, atol=1e-4)
    np.testing.assert_array_equal(augment.crop_labels(labels, cut, crop), expected_labels)


@pytest.mark.parametrize("scaled", range(20, 120, 7))
def test_label_lookup_rounds_like_the_resize(scaled):
    labels = np.arange(53, dtype=np.uint8)[np.newaxis, np.newaxis].repeat(4, axis=1)
    expected = resize.resize_nearest(labels[..., np.newaxis], [4, scaled])[..., 0]
    got = augment.crop_labels(labels, window((4, scaled), (0, 0), False), (4, scaled))
    np.testing.assert_array_equal(got, expected)


def test_windows_cover_the_range_and_stay_inside():
    flips, scales = [], []
    for index in range(200):
        draws = Draws(3, tf.constant(index, tf.int64))
        cut = augment.draw_window(draws, tf.constant([60, 80]), (50, 90), (1.0, 1.3), 0.5)
        height, width = cut.size.numpy()
        scales.append(height / 60)
        flips.append(bool(cut.flip))
        assert 0 <= cut.offset[0] <= height - 50
        assert 0 <= cut.offset[1] <= max(width - 90, 0)
    assert 0.98 <= min(scales) < 1.05 and 1.25 < max(scales) <= 1.3
    assert 70 < sum(flips) < 130


def test_colors_change_within_range():
    images = tf.random.stateless_uniform((2, 9, 9, 3), (0, 1), 0, 255)
    colors = augment.draw_colors(Draws(0, 5), 0.4)
    changed = augment.jitter_colors(images, colors)
    assert float(tf.reduce_min(changed)) >= 0 and float(tf.reduce_max(changed)) <= 255
    assert float(tf.reduce_mean(tf.abs(changed - images))) > 1
    np.testing.assert_allclose(augment.jitter_colors(images, tf.ones(3)), images, atol=1e-3)
