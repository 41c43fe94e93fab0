"""How a clip looks, not where its objects are: light and sharpness.

The reference is drawn on its own, as it may be far away in time from the frames after it.
"""

from __future__ import annotations

import math

import tensorflow as tf

from feelvos_tf.triplets.draws import Draws

# Frames after the reference flicker by this share of the strength.
_FLICKER = 0.3


def shade(images: tf.Tensor, strength: float, draws: Draws) -> tf.Tensor:
    """Lights a clip unevenly: brighter toward one side, and a little different in every frame.

    Args:
      images: float32 [T, H, W, 3], 0..255, the reference first; of static shape.
      strength: the sides differ from the middle by a factor of 1 +- strength at most.
      draws: random numbers of this element.

    Returns:
      float32 [T, H, W, 3], 0..255.
    """
    count, height, width = images.shape[:3]
    rows = tf.linspace(-1.0, 1.0, height)[:, tf.newaxis]
    columns = tf.linspace(-1.0, 1.0, width)[tf.newaxis]
    gains = []
    for part, frames in (("reference", 1), ("others", count - 1)):
        own = draws.child(part)
        angle = own.uniform("angle", -math.pi, math.pi)
        slope = own.uniform("slope", 0.0, strength) / math.sqrt(2.0)
        field = 1.0 + slope * (tf.sin(angle) * rows + tf.cos(angle) * columns)
        flicker = own.uniform("flicker", -_FLICKER, _FLICKER, (frames, 1, 1))
        gains.append(field * (1.0 + strength * flicker))
    gain = tf.concat(gains, axis=0)[..., tf.newaxis]
    return tf.clip_by_value(images * gain, 0.0, 255.0)


def blur(images: tf.Tensor, max_deviation: float, draws: Draws) -> tf.Tensor:
    """Blurs the reference and the frames after it, each by its own Gaussian or not at all.

    Args:
      images: float32 [T, H, W, 3], the reference first; of static shape.
      max_deviation: largest standard deviation, in pixels; half of the draws leave frames sharp.
      draws: random numbers of this element.

    Returns:
      float32 [T, H, W, 3].
    """
    parts = []
    for part, frames in (("reference", images[:1]), ("others", images[1:])):
        deviation = draws.uniform(part, -max_deviation, max_deviation)
        radius = max(1, math.ceil(3 * max_deviation))
        parts.append(
            tf.cond(
                deviation > 0.1,
                lambda frames=frames, deviation=deviation, radius=radius: _gaussian(
                    frames, deviation, radius
                ),
                lambda frames=frames: frames,
            )
        )
    return tf.concat(parts, axis=0)


def _gaussian(images: tf.Tensor, deviation: tf.Tensor, radius: int) -> tf.Tensor:
    """Blurs [T, H, W, C] by a Gaussian cut off at `radius`; the border repeats itself."""
    taps = tf.exp(-0.5 * (tf.range(-radius, radius + 1, dtype=tf.float32) / deviation) ** 2)
    taps /= tf.reduce_sum(taps)
    height, width, channels = images.shape[1:]
    rows = tf.clip_by_value(tf.range(-radius, height + radius), 0, height - 1)
    columns = tf.clip_by_value(tf.range(-radius, width + radius), 0, width - 1)
    kernel = tf.tile(taps[:, tf.newaxis, tf.newaxis, tf.newaxis], [1, 1, channels, 1])
    down = tf.nn.depthwise_conv2d(tf.gather(images, rows, axis=1), kernel, [1, 1, 1, 1], "VALID")
    return tf.nn.depthwise_conv2d(
        tf.gather(down, columns, axis=2), tf.transpose(kernel, [1, 0, 2, 3]), [1, 1, 1, 1], "VALID"
    )
