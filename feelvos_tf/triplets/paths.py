"""Paths of pasted objects: an object cut from one frame, moved through a clip on its own.

It moves by affine maps about its middle: shift, turn, scale and shear. The reference shows it in a
place of its own; in the frames after it, it follows a straight path in all of these. Now and then
it leaves the picture for one frame and is back in the next. Its light changes on the way.
"""

from __future__ import annotations

import math

import tensorflow as tf

from feelvos_tf.triplets.draws import Draws

# The square root of an object's area as a share of the frame's, and how far an object may be scaled
# for that and on its path: further up it is a blur, further down noise.
_SIZES = (0.12, 0.5)
_ZOOMS = (0.3, 2.5)
# The object's middle lies up to this share of the frame's side from the frame's middle.
_PLACE = 0.4
# Largest pose of the reference and of the path's middle, and largest way from start to end of the
# path: shift (shares of the frame's side), turn in radians, log2 of the scale, shear, light.
_POSE = (0.0, 0.0, math.radians(25), 0.4, 0.2, 0.25)
_WAY = (0.4, 0.4, math.radians(50), 1.0, 0.25, 0.2)
_LEAVES = 0.15


def move(
    image: tf.Tensor, alpha: tf.Tensor, num_frames: int, strength: float, draws: Draws
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Moves one object along a random path.

    Args:
      image: float32 [H, W, 3] of static shape.
      alpha: float32 [H, W], 1 on the object, else 0; not empty.
      num_frames: frames to make, the reference first, at least 3.
      strength: share of the largest poses and ways, up to 1.
      draws: random numbers of this element.

    Returns:
      paint: float32 [T, H, W, 3], the object's color times its cover.
      cover: float32 [T, H, W, 1], how much of a pixel the object covers, soft at its outline.
      area: float32 scalar, pixels of the whole object in the reference, seen or not.
    """
    height, width = alpha.shape
    sides = tf.constant([height, width], tf.float32)
    area = tf.reduce_sum(alpha)
    rows, columns = tf.reduce_sum(alpha, axis=1), tf.reduce_sum(alpha, axis=0)
    middle = (
        tf.stack(
            [
                tf.tensordot(tf.range(height, dtype=tf.float32), rows, 1),
                tf.tensordot(tf.range(width, dtype=tf.float32), columns, 1),
            ]
        )
        / area
    )
    size = tf.exp(draws.uniform("size", math.log(_SIZES[0]), math.log(_SIZES[1])))
    zoom = size * math.sqrt(height * width) / tf.sqrt(area)
    poses = strength * _poses(num_frames, draws)
    places = [
        draws.uniform(f"place/{part}", -_PLACE, _PLACE, (1, 2)) for part in ("reference", "others")
    ]
    shares = tf.concat([places[0], tf.repeat(places[1], num_frames - 1, axis=0)], axis=0)
    gone = _gone(num_frames, draws)
    targets = sides * (0.5 + shares + poses[:, :2] + 2.0 * gone[:, tf.newaxis])
    scale = tf.clip_by_value(zoom * 2.0 ** poses[:, 3], _ZOOMS[0], _ZOOMS[1])
    transforms = _backward(middle, targets, poses[:, 2], scale, poses[:, 4])
    soft = tf.nn.avg_pool2d(alpha[tf.newaxis, ..., tf.newaxis], 3, 1, "SAME")[0]
    layer = tf.concat([image * soft, soft], axis=-1)
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.repeat(layer[tf.newaxis], num_frames, axis=0),
        transforms=transforms,
        output_shape=tf.constant([height, width]),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )
    cover = moved[..., 3:]
    light = 1.0 + poses[:, 5, tf.newaxis, tf.newaxis, tf.newaxis]
    return tf.minimum(moved[..., :3] * light, 255.0 * cover), cover, area * scale[0] ** 2


def _poses(num_frames: int, draws: Draws) -> tf.Tensor:
    """Returns float32 [T, 6], a row a frame in the order of _POSE, the reference first."""
    pose, way = tf.constant(_POSE), tf.constant(_WAY)
    reference = pose * draws.uniform("pose/reference", -1.0, 1.0, (1, len(_POSE)))
    start = pose * draws.uniform("pose/others", -1.0, 1.0, (1, len(_POSE)))
    direction = way * draws.uniform("way", -1.0, 1.0, (1, len(_WAY)))
    times = tf.linspace(-0.5, 0.5, num_frames - 1)[:, tf.newaxis]
    return tf.concat([reference, start + times * direction], axis=0)


def _gone(num_frames: int, draws: Draws) -> tf.Tensor:
    """Returns float32 [T], 1 in the frame in which the object has left, if in any.

    Neither the reference, nor the frame after it, whose labels the network is told, nor the last.
    """
    candidates = num_frames - 3
    if candidates < 1:
        return tf.zeros([num_frames])
    frame = tf.where(draws.chance("leaves", _LEAVES), 2 + draws.integer("when", candidates), -1)
    return tf.one_hot(frame, num_frames)


def _backward(
    middle: tf.Tensor, targets: tf.Tensor, angle: tf.Tensor, scale: tf.Tensor, shear: tf.Tensor
) -> tf.Tensor:
    """Returns float32 [T, 8], from each output pixel (x, y) to its place in the image.

    Args:
      middle: float32 [2], (y, x) of the object in the image.
      targets: float32 [T, 2], (y, x) of its middle in each frame.
      angle, scale, shear: float32 [T]. The object is sheared along x, turned, then scaled.
    """
    cosine, sine = tf.cos(angle) / scale, tf.sin(angle) / scale
    # Turn and scale undone: (x, y) -> (cosine x + sine y, -sine x + cosine y); then the shear.
    a, b = cosine + shear * sine, sine - shear * cosine
    offset_x = middle[1] - a * targets[:, 1] - b * targets[:, 0]
    offset_y = middle[0] + sine * targets[:, 1] - cosine * targets[:, 0]
    zeros = tf.zeros_like(a)
    return tf.stack([a, b, offset_x, -sine, cosine, offset_y, zeros, zeros], axis=1)
