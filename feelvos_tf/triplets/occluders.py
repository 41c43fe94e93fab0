"""Thin things in front of a clip: poles, fences, leaves, through which objects are seen in parts.

What they cover is background in the labels. They move as one, on a straight path, and lie elsewhere
in the reference or are not in it at all, so an object is told whole and found in pieces.
"""

from __future__ import annotations

import math

import tensorflow as tf

from feelvos_tf.ops import resize
from feelvos_tf.triplets.draws import Draws
from feelvos_tf.triplets.label_maps import IGNORE

_MOST_BARS = 6
_THICKNESS = (2.0, 20.0)  # pixels, of a bar
_LEAF = (3.0, 14.0)  # pixels, about the size of a leaf
_SPREAD = (0.15, 0.5)  # radius of a crown of leaves, as a share of the frame's shorter side
_WAY = 0.12  # share of the frame's shorter side that they move from one frame to the next, at most
_PLACE = 0.25  # so too, how far the path's start and the place in the reference are from the middle
_IN_REFERENCE = 0.5


def occlude(images: tf.Tensor, labels: tf.Tensor, draws: Draws) -> tuple[tf.Tensor, tf.Tensor]:
    """Puts bars or leaves in front of all frames.

    Args:
      images: float32 [T, H, W, 3], 0..255, the reference first; of static shape.
      labels: int32 [T, H, W].
      draws: random numbers of this element.

    Returns:
      images and labels: 0 where most of a pixel is covered, but what is 255 stays 255.
    """
    count, height, width = labels.shape
    side = min(height, width)
    margin = math.ceil(side * (_PLACE + _WAY * (count - 2))) + 1
    size = (height + 2 * margin, width + 2 * margin)
    cover = tf.cond(
        draws.chance("leaves", 0.5), lambda: _leaves(size, side, draws), lambda: _bars(size, draws)
    )
    cover = tf.nn.avg_pool2d(cover[tf.newaxis, :, :, tf.newaxis], 3, 1, "SAME")[0]
    layer = tf.concat([cover, cover * _colors(size, draws)], axis=-1)

    way = draws.uniform("way", -_WAY, _WAY, (2,))
    start, apart = (draws.uniform(name, -_PLACE, _PLACE, (2,)) for name in ("start", "reference"))
    places = [apart, *[start + number * way for number in range(count - 1)]]
    shifts = tf.cast(tf.round(side * tf.stack(places)), tf.int32) + margin
    over = tf.stack(
        [layer[y : y + height, x : x + width] for y, x in map(tf.unstack, tf.unstack(shifts))]
    )
    shown = tf.cast(draws.chance("in_reference", _IN_REFERENCE), tf.float32)
    over *= tf.concat([[shown], tf.ones([count - 1])], axis=0)[
        :, tf.newaxis, tf.newaxis, tf.newaxis
    ]
    covered = (over[..., 0] > 0.5) & (labels != IGNORE)
    images = over[..., 1:] + (1.0 - over[..., :1]) * images
    return tf.ensure_shape(images, [count, height, width, 3]), tf.where(covered, 0, labels)


def _bars(size: tuple[int, int], draws: Draws) -> tf.Tensor:
    """Parallel bars, now and then crossed by others: float32 [h, w], 0 or 1."""
    down, right = (tf.range(length, dtype=tf.float32) - length / 2 for length in size)
    angle = draws.uniform("angle", -math.pi / 2, math.pi / 2)
    crossing = angle + draws.uniform("crossing", math.pi / 4, 3 * math.pi / 4)
    distance = draws.uniform("distance", 0.1, 0.5) * min(size)
    thickness = _drawn("thickness", _THICKNESS, draws, (_MOST_BARS,))
    numbers = tf.range(_MOST_BARS)
    wanted = 1 + draws.integer("bars", _MOST_BARS)
    first = draws.integer("along", _MOST_BARS + 1)  # so many of them run along, the rest across
    found = tf.zeros(size)
    for number in range(_MOST_BARS):
        turn = tf.where(number < first, angle, crossing)
        place = (number - (_MOST_BARS - 1) / 2) * distance
        away = tf.sin(turn) * down[:, tf.newaxis] + tf.cos(turn) * right - place
        bar = (tf.abs(away) < thickness[number] / 2) & (numbers[number] < wanted)
        found = tf.maximum(found, tf.cast(bar, tf.float32))
    return found


def _leaves(size: tuple[int, int], side: int, draws: Draws) -> tf.Tensor:
    """A crown of leaves with gaps between them: float32 [h, w], 0 or 1."""
    leaf = _drawn("leaf", _LEAF, draws)
    noise = _noise(size, leaf, draws.child("leaves"))
    down, right = (tf.range(length, dtype=tf.float32) - length / 2 for length in size)
    spread = side * draws.uniform("spread", *_SPREAD)
    away = tf.sqrt(down[:, tf.newaxis] ** 2 + right**2) / spread
    ragged = _noise(size, 4 * leaf, draws.child("crown"))
    density = draws.uniform("density", 0.35, 0.65)
    inside = away + 0.8 * (ragged - 0.5) < 1.0
    return tf.cast((noise < density) & inside, tf.float32)


def _colors(size: tuple[int, int], draws: Draws) -> tf.Tensor:
    """Blotches between two colors, of their own light in every place: float32 [h, w, 3]."""
    dark, light = (draws.uniform(name, 0.0, 255.0, (3,)) for name in ("dark", "light"))
    share = _noise(size, tf.constant(5.0), draws.child("color"))[..., tf.newaxis]
    return dark + share * (0.5 * (light - dark))


def _noise(size: tuple[int, int], length: tf.Tensor, draws: Draws) -> tf.Tensor:
    """Smooth noise of about `length` pixels a blotch, float32 [h, w] in 0..1."""
    cells = [max(2, math.ceil(edge / _LEAF[0])) for edge in size]
    values = draws.uniform("noise", shape=(*cells, 1))
    used = [tf.cast(tf.math.ceil(edge / length), tf.int32) for edge in size]
    used = [tf.clip_by_value(some, 2, most) for some, most in zip(used, cells)]
    values = resize.resize_bilinear(values[tf.newaxis, : used[0], : used[1]], size)
    return values[0, :, :, 0]


def _drawn(
    name: str, bounds: tuple[float, float], draws: Draws, shape: tuple[int, ...] = ()
) -> tf.Tensor:
    """Lengths between bounds, small ones as likely as large ones: float32 of a shape."""
    low, high = (math.log(bound) for bound in bounds)
    return tf.exp(draws.uniform(name, low, high, shape))
