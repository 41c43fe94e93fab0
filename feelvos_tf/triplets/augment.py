"""Random scale, crop, flip and colors of frames and their labels, alike for a whole clip.

The fused form of what the release does step by step (deeplab preprocess_utils: scale, pad, crop,
flip): images are resized whole and cut, labels are looked up for the cut alone.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from feelvos_tf.ops import resize
from feelvos_tf.triplets.draws import Draws
from feelvos_tf.triplets.label_maps import IGNORE

# The middle of 0..255, which the network's input scaling maps to 0.
MEAN_PIXEL = 127.5


class Window(NamedTuple):
    """One draw of the geometry.

    Attributes:
      size: int32 [2], height and width of the scaled frame.
      offset: int32 [2], top left corner of the crop in the scaled and padded frame.
      flip: bool scalar, mirror left and right.
    """

    size: tf.Tensor
    offset: tf.Tensor
    flip: tf.Tensor


def draw_window(
    draws: Draws,
    size: tf.Tensor,
    crop_size: tuple[int, int],
    scale_range: tuple[float, float],
    flip_probability: float,
    resize_min: int = 0,
) -> Window:
    """Draws scale, crop and flip for frames of `size` (int32 [2]); see Window.

    The scale is on top of `resize_min`, pixels of the shorter side, where that is not 0; frames are
    resampled once.
    """
    low, high = scale_range
    size = tf.cast(size, tf.float32)
    if resize_min:
        size = tf.round(size * (resize_min / tf.reduce_min(size)))
    scaled = tf.maximum(tf.cast(size * draws.uniform("scale", low, high), tf.int32), 2)
    room = tf.maximum(scaled - tf.constant(crop_size), 0) + 1
    offset = tf.stack([draws.integer("top", room[0]), draws.integer("left", room[1])])
    return Window(scaled, offset, draws.chance("flip", flip_probability))


def _source_indices(
    length: tf.Tensor, scaled: tf.Tensor, offset: tf.Tensor, crop: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the nearest source index of each crop position and whether the frame covers it.

    Rounds as the nearest-neighbor resize with aligned corners does: ties away from zero.
    """
    place = offset + tf.range(crop)
    step = tf.cast(length - 1, tf.float32) / tf.cast(scaled - 1, tf.float32)
    nearest = tf.cast(tf.floor(tf.cast(place, tf.float32) * step + 0.5), tf.int32)
    return tf.minimum(nearest, length - 1), place < scaled


def crop_labels(labels: tf.Tensor, window: Window, crop_size: tuple[int, int]) -> tf.Tensor:
    """Scales, pads with 255, cuts and flips labels.

    Args:
      labels: integer [T, H, W].
      window: a draw of draw_window.
      crop_size: (height, width) of the result.

    Returns:
      int32 [T, crop height, crop width].
    """
    shape = tf.shape(labels)
    rows, row_covered = _source_indices(shape[1], window.size[0], window.offset[0], crop_size[0])
    columns, column_covered = _source_indices(
        shape[2], window.size[1], window.offset[1], crop_size[1]
    )
    columns = tf.where(window.flip, columns[::-1], columns)
    column_covered = tf.where(window.flip, column_covered[::-1], column_covered)
    cut = tf.cast(tf.gather(tf.gather(labels, rows, axis=1), columns, axis=2), tf.int32)
    covered = row_covered[:, tf.newaxis] & column_covered
    cut = tf.where(covered, cut, IGNORE)
    return tf.ensure_shape(cut, [None, *crop_size])


def crop_images(
    images: tf.Tensor, window: Window, crop_size: tuple[int, int], colors: tf.Tensor | None = None
) -> tf.Tensor:
    """Scales, recolors, pads with 127.5, cuts and flips images.

    Args:
      images: [T, H, W, 3] of any number type, 0..255.
      window: a draw of draw_window.
      crop_size: (height, width) of the result.
      colors: a draw of draw_colors, or None to leave the colors alone.

    Returns:
      float32 [T, crop height, crop width, 3].
    """
    resized = resize.resize_bilinear(images, window.size)
    top, left = window.offset[0], window.offset[1]
    cut = resized[:, top : top + crop_size[0], left : left + crop_size[1]]
    if colors is not None:
        cut = jitter_colors(cut, colors)
    missing = tf.constant(crop_size) - tf.shape(cut)[1:3]
    cut = tf.cond(
        tf.reduce_any(missing > 0),
        lambda: tf.pad(
            cut, [[0, 0], [0, missing[0]], [0, missing[1]], [0, 0]], constant_values=MEAN_PIXEL
        ),
        lambda: cut,
    )
    cut = tf.cond(window.flip, lambda: tf.reverse(cut, [2]), lambda: cut)
    return tf.ensure_shape(cut, [None, *crop_size, 3])


def draw_colors(draws: Draws, strength: float) -> tf.Tensor:
    """Draws float32 [3]: factors of brightness, contrast and saturation in 1 +- strength."""
    return draws.uniform("colors", 1.0 - strength, 1.0 + strength, shape=(3,))


def jitter_colors(images: tf.Tensor, colors: tf.Tensor) -> tf.Tensor:
    """Changes brightness, then contrast about the clip's mean, then saturation; keeps 0..255."""
    images = images * colors[0]
    mean = tf.reduce_mean(images)
    images = mean + (images - mean) * colors[1]
    gray = tf.reduce_mean(images, axis=-1, keepdims=True)
    return tf.clip_by_value(gray + (images - gray) * colors[2], 0.0, 255.0)
