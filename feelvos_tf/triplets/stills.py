"""Photographs set in motion: a still image and its mask become the frames of a clip.

The object and what is behind it move on their own: each by an affine map and an elastic one (a
coarse grid of displacements, interpolated bicubically). What the object uncovers is filled in from
its surroundings. The reference is moved independently of the others; the frames after it follow
one smooth path, as the frames of a video do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from feelvos_tf.ops import resize
from feelvos_tf.triplets.draws import Draws
from feelvos_tf.triplets.label_maps import IGNORE

# Largest motion of the camera, and of the object against it, in one draw. Shifts and elastic
# displacements are shares of the image's side.
_SHIFT = 0.08
_DEGREES = 12.0
_ZOOM = 0.12
_ELASTIC = 0.02
_GRID = 5
_KNOTS = 41
# How far consecutive frames move apart, as a share of a full draw.
_STEP = 0.25
# Width of the rim around the object that is filled in with the hole, for soft edges.
_RIM = 11


def animate(
    image: tf.Tensor, labels: tf.Tensor, num_frames: int, draws: Draws, strength: float = 1.0
) -> tuple[tf.Tensor, tf.Tensor]:
    """Makes a clip of one image.

    Args:
      image: uint8 [H, W, 3].
      labels: uint8 [H, W]; all objects move together, 255 moves with them.
      num_frames: frames to make, the reference first.
      draws: random numbers of this element.
      strength: factor on all motion.

    Returns:
      uint8 [num_frames, H, W, 3] and uint8 [num_frames, H, W].
    """
    is_object = (labels > 0) & (labels < IGNORE)
    hole = tf.cast(is_object, tf.float32)[tf.newaxis, :, :, tf.newaxis]
    hole = tf.nn.max_pool2d(hole, _RIM, 1, "SAME")[0]
    background = fill_hole(tf.cast(image, tf.float32), hole)
    background = _neighbors(tf.cast(tf.round(background), tf.uint8))
    alpha = tf.where(is_object, 255, 0)[:, :, tf.newaxis]
    layer = _neighbors(tf.concat([image, tf.cast(alpha, tf.uint8)], axis=-1))
    size = tf.shape(labels)
    frames, masks = [], []
    for number in range(num_frames):
        camera = strength * _motion(draws.child("camera"), number)
        own = strength * _motion(draws.child("object"), number)
        behind = _sample_bilinear(background, _coordinates(size, [camera]), size)
        places = _coordinates(size, [camera, own])
        moved = _sample_bilinear(layer, places, size)
        nearest = tf.cast(tf.round(places), tf.int32)
        row, column = nearest[..., 0], nearest[..., 1]
        inside = (row >= 0) & (row < size[0]) & (column >= 0) & (column < size[1])
        alpha = tf.where(inside, moved[..., 3] / 255.0, 0.0)[..., tf.newaxis]
        mixed = behind + alpha * (moved[..., :3] - behind)
        frames.append(tf.cast(mixed + 0.5, tf.uint8))
        index = tf.where(inside, row * size[1] + column, 0)
        ids = tf.gather(tf.reshape(labels, [-1]), index)
        masks.append(tf.where(inside, ids, tf.zeros_like(ids)))
    return tf.stack(frames), tf.stack(masks)


def _motion(draws: Draws, number: int) -> tf.Tensor:
    """Returns float32 [4 + GRID * GRID * 2]: shift y, x, rotation, log zoom, displacements.

    Every entry is in -1..1, the share of the largest motion. Frame 0 is drawn on its own; frames
    1, 2, ... are spread around a draw of their own along one direction.
    """
    shape = (4 + _GRID * _GRID * 2,)
    if number == 0:
        return draws.uniform("reference", -1.0, 1.0, shape)
    place = draws.uniform("place", -1.0, 1.0, shape)
    return place + (number - 1) * _STEP * draws.uniform("step", -1.0, 1.0, shape)


def _last(size: tf.Tensor) -> tf.Tensor:
    return tf.cast(size, tf.float32) - 1.0


def _coordinates(size: tf.Tensor, motions: Sequence[tf.Tensor]) -> tf.Tensor:
    """Returns float32 [H, W, 2], for each output pixel its source (y, x) under all motions.

    Worked out on a coarse net of pixels and interpolated linearly between them, which is exact for
    the affine part and far below a pixel for the elastic one.
    """
    side = tf.cast(size, tf.float32)
    knots = [tf.linspace(0.0, last, _KNOTS) for last in tf.unstack(_last(size))]
    center = _last(size) / 2.0
    places = tf.stack(tf.meshgrid(*knots, indexing="ij"), axis=-1) - center
    for motion in motions:
        angle = motion[2] * math.radians(_DEGREES)
        zoom = tf.exp(motion[3] * math.log1p(_ZOOM))
        cosine, sine = zoom * tf.cos(angle), zoom * tf.sin(angle)
        y, x = places[..., 0], places[..., 1]
        turned = tf.stack([cosine * y - sine * x, sine * y + cosine * x], axis=-1)
        control = tf.reshape(motion[4:], [1, _GRID, _GRID, 2]) * side * _ELASTIC
        elastic = tf.image.resize(control, [_KNOTS, _KNOTS], method="bicubic")[0]
        places = turned + motion[:2] * side * _SHIFT + elastic
    return resize.resize_bilinear((places + center)[tf.newaxis], size)[0]


def _neighbors(image: tf.Tensor) -> tf.Tensor:
    """Lays the four pixels that a bilinear look-up needs side by side.

    Args:
      image: uint8 [H, W, C].

    Returns:
      uint8 [H * W, 4 * C]: the pixel, the one right of it, the one below, the one below right;
      the last row and column repeat themselves. One gather of these is several times faster than
      four gathers of single pixels.
    """
    padded = tf.concat([image, image[-1:]], axis=0)
    padded = tf.concat([padded, padded[:, -1:]], axis=1)
    corners = [padded[:-1, :-1], padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]]
    return tf.reshape(tf.concat(corners, axis=-1), [-1, 4 * image.shape[-1]])


def _sample_bilinear(neighbors: tf.Tensor, places: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Looks up an image at float32 [h, w, 2] places (y, x); mirrored beyond the border.

    Args:
      neighbors: uint8 [H * W, 4 * C] as _neighbors returns it.
      places: float32 [h, w, 2].
      size: int32 [2], H and W.

    Returns:
      float32 [h, w, C].
    """
    height, width = tf.unstack(tf.cast(size, tf.float32))

    def mirrored(place: tf.Tensor, last: tf.Tensor) -> tf.Tensor:
        return tf.maximum(last - tf.abs(last - tf.abs(place)), 0.0)

    y = mirrored(places[..., 0], height - 1.0)
    x = mirrored(places[..., 1], width - 1.0)
    row, column = tf.floor(y), tf.floor(x)
    down, right = y - row, x - column
    both = down * right
    shares = tf.stack([1.0 - down - right + both, right - both, down - both, both], axis=-1)
    index = tf.cast(row, tf.int32) * size[1] + tf.cast(column, tf.int32)
    found = tf.cast(tf.gather(neighbors, index), tf.float32)
    # The weighted sum over the four corners as two small matrix products: repeat each share over
    # the channels, multiply, add up the corners of each channel.
    channels = found.shape[-1] // 4
    repeat = tf.constant(np.kron(np.eye(4), np.ones((1, channels))), tf.float32)
    add_up = tf.constant(np.tile(np.eye(channels), (4, 1)), tf.float32)
    weights = tf.matmul(tf.reshape(shares, [-1, 4]), repeat)
    total = tf.matmul(tf.reshape(found, [-1, 4 * channels]) * weights, add_up)
    return tf.reshape(total, tf.concat([tf.shape(index), [channels]], axis=0))


def fill_hole(image: tf.Tensor, hole: tf.Tensor, levels: int = 8) -> tf.Tensor:
    """Fills part of an image smoothly from what surrounds it.

    Averages the known pixels over coarser and coarser cells and takes each unknown pixel from the
    finest level that knows it.

    Args:
      image: float32 [H, W, 3].
      hole: float32 [H, W, 1], 1 where to fill in, else 0.
      levels: number of halvings; what no level knows becomes the mean of the known pixels.

    Returns:
      float32 [H, W, 3], equal to `image` outside the hole.
    """
    known = (1.0 - hole)[tf.newaxis]
    total = image[tf.newaxis] * known
    pyramid = [(total, known)]
    for _ in range(levels):
        # Where both have the same divisor (the cell's size) their quotient is the mean.
        total, known = (tf.nn.avg_pool2d(x, 2, 2, "SAME") for x in (total, known))
        pyramid.append((total, known))
    filled = tf.reduce_mean(total, axis=[1, 2], keepdims=True) / tf.maximum(
        tf.reduce_mean(known, axis=[1, 2], keepdims=True), 1e-6
    )
    for total, known in reversed(pyramid):
        coarse = tf.image.resize(filled, tf.shape(total)[1:3])
        filled = tf.where(known > 1e-6, total / tf.maximum(known, 1e-6), coarse)
    return filled[0]
