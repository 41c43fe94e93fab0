"""Logits at stride 4 brought to a frame's size along the frame's own edges: a guided filter.

In every window of a few pixels at stride 4 the logits are fitted by a linear function of the color;
the function is then read at the colors of the full frame. Outlines so lie where the color changes,
not where interpolation puts them. K. He, J. Sun, X. Tang: Guided image filtering, 2013; fitted
on a reduced frame as in K. He, J. Sun: Fast guided filter, 2015. The released network has nothing
of the kind.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from feelvos_tf.ops import resize

RADIUS = 3  # pixels at stride 4, of the windows
# Of colors in 0..1: variance of a color below which it explains nothing.
EPSILON = 1e-5
CLIP = 7.0  # a surer logit than this teaches the fit nothing more
# A window's fit counts by the root of the share of the logits' variance that it explains; less
# variance than this is none.
_LEAST_VARIANCE = 0.1
_LEAST_SHARE = 1e-12  # the root has no gradient at 0


def refine(logits: tf.Tensor, image: tf.Tensor) -> tf.Tensor:
    """Logits at the size of a frame whose edges lie on those of the frame.

    Where colors do not tell the objects apart the result is that of bilinear interpolation.

    Args:
      logits: float32 [h, w, N].
      image: uint8 or floats [H, W, 3], RGB 0..255.

    Returns:
      float32 [H, W, N], half of each channel's margin over the best of the others, at most little
      more than CLIP / 2. So the softmax of two channels is that of their logits.
    """
    margins = tf.clip_by_value(_margins(logits), -CLIP, CLIP)
    colors = tf.cast(image, tf.float32) / 255.0 - 0.5
    slopes, offsets = _fitted(margins, resize.shrink_smoothly(colors, tf.shape(margins)[:2]))
    size = tf.shape(image)[:2]

    def at_full_size(channel: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        slope, offset = channel
        joined = tf.concat([slope, offset[:, :, tf.newaxis]], axis=-1)
        full = resize.resize_bilinear(joined[tf.newaxis], size)[0]
        slope, offset = tf.split(full, [3, 1], axis=-1)  # its gradient is faster than a slice's
        return tf.reduce_sum(slope * colors, axis=-1) + offset[:, :, 0]

    # One channel after the other: all slopes at the frame's size would be three times the logits.
    channels = tf.map_fn(
        at_full_size,
        (tf.transpose(slopes, [2, 0, 1, 3]), tf.transpose(offsets, [2, 0, 1])),
        fn_output_signature=tf.TensorSpec(image.shape[:2], tf.float32),
        parallel_iterations=1,
    )
    return 0.5 * tf.transpose(channels, [1, 2, 0])


def _margins(logits: tf.Tensor) -> tf.Tensor:
    """What each channel has more than the best of the others, [h, w, N]; inf for a single one."""
    best = tf.argmax(logits, axis=-1, output_type=tf.int32)
    is_best = best[:, :, tf.newaxis] == tf.range(tf.shape(logits)[-1])
    second = tf.reduce_max(tf.where(is_best, -float("inf"), logits), axis=-1, keepdims=True)
    return logits - tf.where(is_best, second, tf.reduce_max(logits, axis=-1, keepdims=True))


def _fitted(values: tf.Tensor, colors: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Linear functions of the color that stand for values.

    Args:
      values: float32 [h, w, N].
      colors: float32 [h, w, 3].

    Returns:
      slopes float32 [h, w, N, 3] and offsets float32 [h, w, N]: of each pixel, the mean of the
      functions fitted to the windows that it is in, with its own value for what they do not
      explain.
    """
    pairs = [(0, 0), (1, 0), (2, 0), (1, 1), (2, 1), (2, 2)]
    products = [(colors[:, :, i] * colors[:, :, j])[:, :, tf.newaxis] for i, j in pairs]
    moments = [colors[:, :, i : i + 1] * values for i in range(3)]
    means = _window_means([colors, *products, values, values**2, *moments])
    color, product = means[0], [mean[:, :, 0] for mean in means[1:7]]
    value, square, moment = means[7], means[8], means[9:]
    covariance = {
        (i, j): product[at] - color[:, :, i] * color[:, :, j] + (EPSILON if i == j else 0.0)
        for at, (i, j) in enumerate(pairs)
    }
    shared = [moment[i] - color[:, :, i : i + 1] * value for i in range(3)]
    slopes = _solved(covariance, shared)
    variance = tf.maximum(square - value**2, 0.0)
    explained = tf.add_n([slope * own for slope, own in zip(slopes, shared)])
    explained_share = explained / (variance + _LEAST_VARIANCE)
    weight = tf.sqrt(tf.clip_by_value(explained_share, _LEAST_SHARE, 1.0))
    offset = value - tf.add_n([slope * color[:, :, i : i + 1] for i, slope in enumerate(slopes)])
    *slopes, offset, trusted = _window_means(
        [*[weight * slope for slope in slopes], weight * offset, weight]
    )
    return tf.stack(slopes, axis=-1), offset + (1.0 - trusted) * values


def _solved(
    matrix: dict[tuple[int, int], tf.Tensor], right: Sequence[tf.Tensor]
) -> list[tf.Tensor]:
    """Solves 3x3 systems, positive definite, by their LDL' factors.

    Args:
      matrix: float32 [h, w] each, the lower triangle by row and column.
      right: three float32 [h, w, N].

    Returns:
      three float32 [h, w, N].
    """
    first = matrix[0, 0]
    low_10, low_20 = matrix[1, 0] / first, matrix[2, 0] / first
    second = tf.maximum(matrix[1, 1] - low_10 * matrix[1, 0], 0.5 * EPSILON)
    rest = matrix[2, 1] - low_20 * matrix[1, 0]
    low_21 = rest / second
    third = tf.maximum(matrix[2, 2] - low_20 * matrix[2, 0] - low_21 * rest, 0.5 * EPSILON)
    factors = (low_10, low_20, low_21, first, second, third)
    low_10, low_20, low_21, first, second, third = (x[:, :, tf.newaxis] for x in factors)
    one = right[0]
    two = right[1] - low_10 * one
    three = (right[2] - low_20 * one - low_21 * two) / third
    two = two / second - low_21 * three
    return [one / first - low_10 * two - low_20 * three, two, three]


def _window_means(images: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """The mean of every window, of what of it lies within the image; each [h, w, any]."""
    joined = tf.concat(images, axis=-1)[tf.newaxis]
    for side in ([2 * RADIUS + 1, 1], [1, 2 * RADIUS + 1]):
        joined = tf.nn.avg_pool2d(joined, side, 1, "SAME")
    return tf.split(joined[0], [tf.shape(image)[-1] for image in images], axis=-1)
