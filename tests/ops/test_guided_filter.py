"""Logits along the edges of a frame, against a form that goes window by window."""

import numpy as np
import pytest
import tensorflow as tf

from feelvos_tf.ops import guided_filter, resize

pytestmark = pytest.mark.compat


def drawn(size, small, num_channels, seed=0):
    """A frame of two colors with noise, and logits at a small size that follow them."""
    rng = np.random.default_rng(seed)
    image = np.full((*size, 3), 60.0)
    image[size[0] // 3 :, size[1] // 4 :] = [200, 120, 40]
    image = np.clip(image + rng.normal(0, 9, image.shape), 0, 255).astype(np.uint8)
    logits = rng.normal(0, 3, (*small, num_channels)).astype(np.float32)
    return logits, image


def aligned(values, size):
    """Bilinear with aligned corners, float64 [h, w, ...] -> [H, W, ...]."""
    for axis, length in enumerate(size):
        last = values.shape[axis] - 1
        places = [i * last / max(1, length - 1) for i in range(length)]
        rows = []
        for place in places:
            low = min(int(place), last)
            high, share = min(low + 1, last), place - low
            rows.append(
                np.take(values, low, axis) * (1 - share) + np.take(values, high, axis) * share
            )
        values = np.stack(rows, axis)
    return values


def smoothed(image, small):
    """Gaussians of half the distance of the small pixels around each of them."""
    weights = []
    for length, target in zip(image.shape, small):
        apart = (length - 1) / max(1, target - 1)
        rows = [
            np.exp(-0.5 * ((np.arange(length) - i * apart) / (0.5 * max(apart, 0.1))) ** 2)
            for i in range(target)
        ]
        weights.append([row / row.sum() for row in rows])
    return np.einsum("hH,HWc,wW->hwc", weights[0], image, weights[1])


def naive(logits, image):
    """A linear function of the color in each window, in float64 and by a library's solver."""
    h, w, n = logits.shape
    margins = np.empty((h, w, n))
    for k in range(n):
        others = np.delete(logits, k, axis=-1).max(axis=-1, initial=-np.inf)
        margins[..., k] = np.clip(logits[..., k] - others, -guided_filter.CLIP, guided_filter.CLIP)
    colors = image / 255 - 0.5
    small = smoothed(colors, (h, w))
    radius = guided_filter.RADIUS
    windows = {
        (y, x): (
            slice(max(0, y - radius), y + radius + 1),
            slice(max(0, x - radius), x + radius + 1),
        )
        for y in range(h)
        for x in range(w)
    }
    slopes, offsets, weights = np.empty((h, w, n, 3)), np.empty((h, w, n)), np.empty((h, w, n))
    for (y, x), window in windows.items():
        seen, values = small[window].reshape(-1, 3), margins[window].reshape(-1, n)
        covariance = np.cov(seen.T, bias=True) + guided_filter.EPSILON * np.eye(3)
        shared = (seen - seen.mean(axis=0)).T @ (values - values.mean(axis=0)) / len(seen)
        slope = np.linalg.solve(covariance, shared)
        share = np.clip((slope * shared).sum(axis=0) / (values.var(axis=0) + 0.1), 0, 1)
        weights[y, x] = np.sqrt(share)
        slopes[y, x] = slope.T
        offsets[y, x] = values.mean(axis=0) - seen.mean(axis=0) @ slope
    slope, offset = np.empty_like(slopes), np.empty_like(offsets)
    for (y, x), window in windows.items():
        weight = weights[window]
        slope[y, x] = (weight[..., np.newaxis] * slopes[window]).mean(axis=(0, 1))
        offset[y, x] = (weight * offsets[window]).mean(axis=(0, 1))
        offset[y, x] += (1 - weight.mean(axis=(0, 1))) * margins[y, x]
    full = (aligned(slope, image.shape[:2]) * colors[:, :, np.newaxis]).sum(axis=-1)
    return 0.5 * (full + aligned(offset, image.shape[:2]))


@pytest.mark.parametrize(
    "size, small, num_channels",
    [
        ((33, 47), (9, 12), 2),
        ((45, 30), (11, 7), 4),
        ((33, 47), (9, 12), 31),  # 30 objects
        ((33, 47), (9, 12), 1),  # no object
        ((1, 29), (1, 8), 3),
        ((1, 1), (1, 1), 2),
        ((64, 90), (9, 13), 3),  # computed at reduced size
    ],
)
def test_same_as_window_by_window(size, small, num_channels):
    logits, image = drawn(size, small, num_channels)
    found = guided_filter.refine(tf.constant(logits), tf.constant(image)).numpy()
    assert found.dtype == np.float32 and found.shape == (*size, num_channels)
    np.testing.assert_allclose(found, naive(logits, image), atol=2e-2)


def test_without_colors_it_interpolates():
    logits, image = drawn((33, 47), (9, 12), 2)
    margin = np.clip(logits[..., 1] - logits[..., 0], -guided_filter.CLIP, guided_filter.CLIP)
    found = guided_filter.refine(tf.constant(logits), tf.constant(np.full_like(image, 77)))
    expected = resize.resize_bilinear(margin[np.newaxis, :, :, np.newaxis], (33, 47))[0, :, :, 0]
    np.testing.assert_allclose(found[:, :, 1] - found[:, :, 0], expected, atol=1e-4)


def test_one_pixel_objects_stay_where_colors_tell_nothing():
    logits = np.zeros((9, 12, 3), np.float32)
    logits[..., 0] = 3
    logits[4, 5] = [0, 9, 0]
    image = np.full((33, 45, 3), 128, np.uint8)
    labels = np.argmax(guided_filter.refine(tf.constant(logits), tf.constant(image)), axis=-1)
    assert labels[16, 20] == 1 and set(np.unique(labels)) == {0, 1}


def test_outlines_lie_where_the_color_changes():
    """A disk that is known at stride 4 alone comes back almost whole."""
    y, x = np.mgrid[:97, :129]
    disk = (y - 47) ** 2 + (x - 61) ** 2 < 30**2
    rng = np.random.default_rng(1)
    image = np.where(disk[..., np.newaxis], [190, 60, 40], [50, 90, 160])
    image = np.clip(image + rng.normal(0, 8, image.shape), 0, 255).astype(np.uint8)
    logits = np.where(disk[::4, ::4, np.newaxis], [0.0, 5.0], [5.0, 0.0]).astype(np.float32)
    plain = resize.resize_bilinear(logits[np.newaxis], disk.shape)[0]
    refined = guided_filter.refine(tf.constant(logits), tf.constant(image))
    wrong = [
        np.sum((value[:, :, 1] > value[:, :, 0]).numpy() != disk) for value in (plain, refined)
    ]
    assert wrong[1] < wrong[0] / 4


def test_gray_pictures_are_solved():
    """Three equal colors give a matrix of rank one and the little that is added."""
    logits, image = drawn((33, 47), (9, 12), 2)
    gray = np.repeat(image[:, :, :1], 3, axis=2)
    found = guided_filter.refine(tf.constant(logits), tf.constant(gray)).numpy()
    np.testing.assert_allclose(found, naive(logits, gray), atol=2e-2)


def test_two_channels_keep_their_odds():
    logits, image = drawn((33, 47), (9, 12), 2, seed=4)
    found = guided_filter.refine(tf.constant(logits), tf.constant(image)).numpy()
    np.testing.assert_allclose(found[..., 0], -found[..., 1], atol=1e-5)
    shifted = guided_filter.refine(tf.constant(logits + 50), tf.constant(image)).numpy()
    np.testing.assert_allclose(shifted, found, atol=1e-3)


def test_compiles_by_xla():
    logits, image = drawn((33, 47), (9, 12), 3)
    compiled = tf.function(guided_filter.refine, jit_compile=True, autograph=False)
    found = compiled(tf.constant(logits), tf.constant(image))
    np.testing.assert_allclose(found, guided_filter.refine(logits, image), atol=1e-3)
