"""What is done to a clip once its objects are in place: things in front of it, light, blur."""

from __future__ import annotations

import tensorflow as tf

from feelvos_tf.triplets import appearance, occluders
from feelvos_tf.triplets.draws import Draws
from feelvos_tf.triplets.triplet_config import TripletConfig


def add(
    images: tf.Tensor, labels: tf.Tensor, config: TripletConfig, draws: Draws
) -> tuple[tf.Tensor, tf.Tensor]:
    """Adds the effects that a config asks for.

    Args:
      images: float32 [T, H, W, 3], 0..255, the reference first; of static shape.
      labels: int32 [T, H, W].
      config: how triplets are made.
      draws: random numbers of this element.

    Returns:
      images and labels, shaped alike.
    """
    if config.occluder_probability:
        own, before = draws.child("occluder"), (images, labels)
        images, labels = tf.cond(
            own.chance("any", config.occluder_probability),
            lambda: occluders.occlude(*before, own),
            lambda: before,
        )
    if config.light:
        images = appearance.shade(images, config.light, draws.child("light"))
    if config.blur:
        images = appearance.blur(images, config.blur, draws.child("blur"))
    return images, labels
