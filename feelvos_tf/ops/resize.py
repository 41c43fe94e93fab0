"""Resizing with aligned corners, as every resize of the original network does it.

The corner pixels of input and output coincide: output pixel i lies at input coordinate
i * (in - 1) / (out - 1). `tf.image.resize` places pixels by their centers instead, which shifts
feature maps by up to half a stride.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf


def scale_dimension(dimension: int | tf.Tensor, scale: float) -> int | tf.Tensor:
    """Returns the size of a feature map: int((dimension - 1) * scale + 1).

    Args:
      dimension: Python integer or int32 tensor, pixels.
      scale: reciprocal of the stride, such as 1 / 4.

    Returns:
      The same kind as `dimension`.
    """
    if isinstance(dimension, int):
        return int((float(dimension) - 1.0) * scale + 1.0)
    return tf.cast((tf.cast(dimension, tf.float32) - 1.0) * scale + 1.0, tf.int32)


def resize_bilinear(images: tf.Tensor, size: Sequence[int | tf.Tensor] | tf.Tensor) -> tf.Tensor:
    """Resizes [B, H, W, C] of any number type to float32 [B, size[0], size[1], C]."""
    return tf.raw_ops.ResizeBilinear(images=images, size=size, align_corners=True)


def resize_nearest(images: tf.Tensor, size: Sequence[int | tf.Tensor] | tf.Tensor) -> tf.Tensor:
    """Resizes [B, H, W, C] to [B, size[0], size[1], C] by the nearest pixel; the type stays."""
    return tf.raw_ops.ResizeNearestNeighbor(images=images, size=size, align_corners=True)


def shrink_smoothly(image: tf.Tensor, size: Sequence[int | tf.Tensor] | tf.Tensor) -> tf.Tensor:
    """Resizes float32 [H, W, C] to [size[0], size[1], C] with a Gaussian around each pixel.

    Its standard deviation is half the distance between the pixels of the result.
    """
    rows = _gaussians(tf.shape(image)[0], size[0])
    columns = _gaussians(tf.shape(image)[1], size[1])
    return tf.einsum("hH,HWc,wW->hwc", rows, image, columns)


def _gaussians(length: tf.Tensor, target: int | tf.Tensor) -> tf.Tensor:
    """Weights float32 [target, length] of the pixels around each pixel of a smaller row."""
    last, target_last = tf.cast(length - 1, tf.float32), tf.cast(target - 1, tf.float32)
    distance = last / tf.maximum(target_last, 1.0)
    centers = tf.range(target_last + 1.0) * distance
    apart = tf.range(last + 1.0) - centers[:, tf.newaxis]
    return tf.nn.softmax(-2.0 * (apart / tf.maximum(distance, 0.1)) ** 2)
