"""Masks made worse on purpose, as a network's own predictions are: shifted, scaled, turned, grown
or shrunk.

The amounts are those of the release (utils/mask_damaging.py), which runs NumPy and SciPy on the
host; here it is graph operations. The three motions are applied as one map, so that an object is
resampled once. Scaling is about the middle of the object: the release takes the half size of its
bounding box for that middle, which also moves objects that do not lie in the corner.

The release always grows masks, by 5 pixels. A network that is told nothing but grown masks learns
to shrink what it is told, and at inference, where it is told its own results, every object melts
away within a few frames. Here an object grows or shrinks at random, by up to those 5 pixels. And
some objects lose all that lies beyond a random straight line, which the release does not do: a
network that never sees parts missing does not take back what an occlusion has cost it.

The style "release" is the release's, step by step: shift, scale about half the box's size, turn,
each resampled on its own, and growth by 5 pixels; nothing is cut.
"""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

from feelvos_tf.triplets.draws import Draws
from feelvos_tf.triplets.label_maps import IGNORE

# Shift: share of the square root of the bounding box's height times width.
_MAX_SHIFT = 0.05
_MAX_SCALE = 0.025
_MAX_DEGREES = 3.0
_CUT_PROBABILITY = 0.3
# The line passes the object's middle at up to this share of its extent.
_CUT_REACH = 0.4
_GROWTH_RADIUS = 5  # largest, of growing and of shrinking


def damage_labels(
    labels: tf.Tensor, max_objects: int, draws: Draws, style: str = "varied"
) -> tf.Tensor:
    """Damages each object of a label map on its own and stacks them in random order of depth.

    Args:
      labels: int32 [H, W], 0..max_objects-1 and 255; 255 stays where no object moves onto it.
      max_objects: number of channels, background included.
      draws: random numbers of this element.
      style: "varied" or "release", see above.

    Returns:
      int32 [H, W].
    """
    ids = tf.range(1, max_objects)
    masks = labels[tf.newaxis] == ids[:, tf.newaxis, tf.newaxis]
    damaged = _damaged_as_released(masks, draws) if style == "release" else _varied(masks, draws)
    # 1 and up, larger is nearer; 0 is not there.
    depth = 1 + draws.permutation("depth", max_objects - 1)
    depths = tf.where(damaged, depth[:, tf.newaxis, tf.newaxis], 0)
    nearest = tf.reduce_max(depths, axis=0)
    found = tf.gather(ids, tf.argmax(depths, axis=0))
    unlabeled = tf.where(labels == IGNORE, IGNORE, 0)
    return tf.where(nearest > 0, found, unlabeled)


def _varied(masks: tf.Tensor, draws: Draws) -> tf.Tensor:
    """Cuts, moves, grows or shrinks objects, bool [N, H, W]."""
    masks = _cut(masks, draws)
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.cast(masks, tf.uint8)[..., tf.newaxis],
        transforms=_transforms(masks, draws),
        output_shape=tf.shape(masks)[1:],
        fill_value=0.0,
        interpolation="NEAREST",
        fill_mode="CONSTANT",
    )
    # How much of a disk around a pixel has to belong to an object for the pixel to belong to it:
    # from any of it, which is dilation, to all of it, which is erosion.
    covered = _covered(tf.cast(moved[..., 0], tf.float32))
    share = draws.uniform("growth", 0.0, 1.0, (masks.shape[0], 1, 1))
    return covered > 0.5 + share * (float(_disk().sum()) - 1.0)


def _damaged_as_released(masks: tf.Tensor, draws: Draws) -> tf.Tensor:
    """Shifts, scales, turns and grows objects as the release does, bool [N, H, W]."""
    count = masks.shape[0]
    top, bottom, left, right = _box(masks)
    reach = _MAX_SHIFT * tf.sqrt((bottom - top) * (right - left))
    shift_y = reach * draws.uniform("shift_y", -1.0, 1.0, (count,))
    shift_x = reach * draws.uniform("shift_x", -1.0, 1.0, (count,))
    ones = tf.ones_like(reach)
    moved = _resampled(masks, ones, 0.0 * ones, -shift_x, -shift_y, "NEAREST")
    top, bottom, left, right = _box(moved)
    zoom = draws.uniform("scale", 1.0 - _MAX_SCALE, 1.0 + _MAX_SCALE, (count,))
    # About a point as far from the corner of the image as the object's middle is from its own.
    middle_y, middle_x = 0.5 * (bottom - top), 0.5 * (right - left)
    scaled = _resampled(
        moved, 1.0 / zoom, 0.0 * ones, middle_x * (1.0 - 1.0 / zoom), middle_y * (1.0 - 1.0 / zoom)
    )
    angle = draws.uniform("angle", -_MAX_DEGREES, _MAX_DEGREES, (count,)) * (math.pi / 180.0)
    cosine, sine = tf.cos(angle), tf.sin(angle)
    center_y, center_x = (0.5 * tf.cast(n, tf.float32) for n in masks.shape[1:])
    turned = _resampled(
        scaled,
        cosine,
        sine,
        center_x - cosine * center_x - sine * center_y,
        center_y + sine * center_x - cosine * center_y,
    )
    return _covered(tf.cast(turned, tf.float32)) > 0.5


def _resampled(
    masks: tf.Tensor,
    cosine: tf.Tensor,
    sine: tf.Tensor,
    offset_x: tf.Tensor,
    offset_y: tf.Tensor,
    interpolation: str = "BILINEAR",
) -> tf.Tensor:
    """Masks bool [N, H, W] at (cosine x + sine y + offset_x, cosine y - sine x + offset_y)."""
    zeros = tf.zeros_like(cosine)
    rows = [cosine, sine, offset_x, -sine, cosine, offset_y, zeros, zeros]
    sampled = tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.cast(masks, tf.float32)[..., tf.newaxis],
        transforms=tf.stack(rows, axis=1),
        output_shape=tf.shape(masks)[1:],
        fill_value=0.0,
        interpolation=interpolation,
        fill_mode="CONSTANT",
    )
    return sampled[..., 0] > 0.5


def _cut(masks: tf.Tensor, draws: Draws) -> tf.Tensor:
    """Takes what lies beyond a random line from some of the objects, bool [N, H, W]."""
    count = masks.shape[0]
    top, bottom = _extent(tf.reduce_any(masks, axis=2))
    left, right = _extent(tf.reduce_any(masks, axis=1))
    angle = draws.uniform("cut_angle", -math.pi, math.pi, (count,))
    place = draws.uniform("cut_place", -_CUT_REACH, _CUT_REACH, (count,))
    down, across = tf.sin(angle), tf.cos(angle)
    # Width of the bounding box in the direction of the line's normal.
    reach = tf.abs(down) * (bottom - top) + tf.abs(across) * (right - left)

    def column(values: tf.Tensor) -> tf.Tensor:
        return values[:, tf.newaxis, tf.newaxis]

    rows = tf.range(masks.shape[1], dtype=tf.float32)[tf.newaxis, :, tf.newaxis]
    columns = tf.range(masks.shape[2], dtype=tf.float32)[tf.newaxis, tf.newaxis, :]
    ahead = column(down) * (rows - column((top + bottom) / 2.0)) + column(across) * (
        columns - column((left + right) / 2.0)
    )
    is_cut = draws.uniform("cut", 0.0, 1.0, (count,)) < _CUT_PROBABILITY
    return masks & ~(column(is_cut) & (ahead > column(place * reach)))


def _transforms(masks: tf.Tensor, draws: Draws) -> tf.Tensor:
    """Returns float32 [N, 8]: for each output pixel (x, y) of each object its input pixel."""
    count = masks.shape[0]
    size = tf.cast(tf.shape(masks)[1:], tf.float32)
    top, bottom, left, right = _box(masks)
    reach = _MAX_SHIFT * tf.sqrt((bottom - top) * (right - left))
    shift_y = reach * draws.uniform("shift_y", -1.0, 1.0, (count,))
    shift_x = reach * draws.uniform("shift_x", -1.0, 1.0, (count,))
    zoom = draws.uniform("scale", 1.0 - _MAX_SCALE, 1.0 + _MAX_SCALE, (count,))
    angle = draws.uniform("angle", -_MAX_DEGREES, _MAX_DEGREES, (count,)) * (math.pi / 180.0)
    # Forward: shift, scale about the shifted object's middle, turn about the image's middle.
    # Backward, in this order: turn back, scale back, shift back.
    middle_y, middle_x = (top + bottom) / 2.0 + shift_y, (left + right) / 2.0 + shift_x
    center_y, center_x = 0.5 * size[0], 0.5 * size[1]
    cosine, sine = tf.cos(angle) / zoom, tf.sin(angle) / zoom
    # input = R/zoom * (output - center) + (center - middle)/zoom + middle - shift
    offset_x = (center_x - middle_x) / zoom + middle_x - shift_x
    offset_y = (center_y - middle_y) / zoom + middle_y - shift_y
    zeros = tf.zeros_like(zoom)
    return tf.stack(
        [
            cosine,
            sine,
            offset_x - cosine * center_x - sine * center_y,
            -sine,
            cosine,
            offset_y + sine * center_x - cosine * center_y,
            zeros,
            zeros,
        ],
        axis=1,
    )


def _box(masks: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Returns top, bottom, left and right, each float32 [N], of bool [N, H, W]."""
    rows, columns = tf.reduce_any(masks, axis=2), tf.reduce_any(masks, axis=1)
    return (*_extent(rows), *_extent(columns))


def _extent(hits: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Returns float32 [N], first and last true position of bool [N, L]; 0 and 0 for none."""
    numbers = tf.cast(hits, tf.int32)
    first = tf.argmax(numbers, axis=1)
    last = hits.shape[1] - 1 - tf.argmax(numbers[:, ::-1], axis=1)
    found = tf.reduce_any(hits, axis=1)
    return tuple(tf.where(found, tf.cast(x, tf.float32), 0.0) for x in (first, last))


def _covered(masks: tf.Tensor) -> tf.Tensor:
    """Returns float32 [N, H, W], how many pixels of the disk around each pixel are 1 in `masks`.

    A disk is one run of pixels in each of its rows, and a run is the difference of two running
    sums: several times faster than a convolution, and exact, as all numbers are whole.
    """
    radius = _GROWTH_RADIUS
    height, width = masks.shape[1:]
    padded = tf.pad(masks, [[0, 0], [radius, radius], [radius + 1, radius]])
    sums = tf.cumsum(padded, axis=2)
    covered = tf.zeros([])
    for row, run in enumerate(_disk().sum(axis=1)):
        half = int(run) // 2
        rows = sums[:, row : row + height]
        ends = rows[:, :, radius + 1 + half : radius + 1 + half + width]
        covered += ends - rows[:, :, radius - half : radius - half + width]
    return covered


def _disk() -> np.ndarray:
    """Returns bool [2 * radius + 1, 2 * radius + 1]."""
    reach = np.arange(-_GROWTH_RADIUS, _GROWTH_RADIUS + 1)
    return reach[:, np.newaxis] ** 2 + reach**2 <= _GROWTH_RADIUS**2
