"""Objects that the labels told for the previous frame have lost.

A network whose previous masks are always about right learns to trust them, and an object that is
lost once, behind something or to a look-alike, stays lost. Here some objects are missing from what
the network is told, or lie in a wrong place, or are called by another object's number, so that
only the reference can bring them back.
"""

from __future__ import annotations

import tensorflow as tf

from feelvos_tf.triplets.draws import Draws
from feelvos_tf.triplets.label_maps import IGNORE

# Of the lost objects so many lie elsewhere, and so many are taken for another object; the rest is
# missing.
_ELSEWHERE = 0.25
_MISTAKEN = 0.25


def lose_objects(
    labels: tf.Tensor, num_objects: tf.Tensor, max_objects: int, probability: float, draws: Draws
) -> tf.Tensor:
    """Loses each object of a label map with some probability.

    Args:
      labels: int32 [H, W] of static shape, 0..num_objects-1 and 255; 255 stays where it is.
      num_objects: int32 scalar, background included.
      max_objects: number of channels, background included.
      probability: of each object.
      draws: random numbers of this element.

    Returns:
      int32 [H, W].
    """
    ids = tf.range(256)
    draw = tf.pad(
        draws.uniform("lost", shape=(max_objects - 1,)),
        [[1, 256 - max_objects]],
        constant_values=1.0,
    )
    kind = tf.pad(draws.uniform("kind", shape=(max_objects - 1,)), [[1, 256 - max_objects]])
    is_lost = (draw < probability) & (ids > 0) & (ids < num_objects)
    is_elsewhere = is_lost & (kind < _ELSEWHERE)
    is_mistaken = is_lost & (kind >= 1.0 - _MISTAKEN)
    # The next object's number; a lone object's is its own, and it counts as missing.
    count = tf.maximum(num_objects - 1, 1)
    following = 1 + ids % count
    other = tf.where(is_mistaken & (following != ids), following, 0)
    told = tf.gather(tf.where(is_lost, other, ids), labels)
    height, width = labels.shape
    moved = tf.roll(
        labels,
        [
            height // 4 + draws.integer("down", height // 2 + 1),
            width // 4 + draws.integer("right", width // 2 + 1),
        ],
        axis=[0, 1],
    )
    shows = tf.gather(is_elsewhere, moved) & (told == 0) & (labels != IGNORE)
    return tf.where(shows, moved, told)
