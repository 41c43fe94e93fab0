"""Reference pixels in an order in which those of a column are near one another.

The sorted reference fixes which object a column belongs to, not which of its pixels share a
column. Here each object is cut in two across the channel in which its pixels differ most, and
each half again, until a part fits in a column: a k-d tree, whose leaves are the columns. A column
then stands for its pixels by their mean, which ops/probed_search.py builds on.
"""

from __future__ import annotations

import tensorflow as tf

from feelvos_tf.ops import sorted_reference
from feelvos_tf.ops.sorted_reference import ABSENT, SLOTS, Reference


def clustered(prepared: Reference, num_channels: int | tf.Tensor) -> Reference:
    """The same reference, the pixels of each object in the order of the leaves of a k-d tree.

    An exact search finds the same distances in it. The number of columns becomes dynamic.

    Args:
      prepared: from `sorted_reference.prepare`.
      num_channels: integer or int32 scalar.
    """
    real = prepared.pixels >= 0
    keys = tf.boolean_mask(prepared.keys[:, :-1], real)
    objects = tf.boolean_mask(tf.tile(prepared.objects, [SLOTS]), real)
    pixels = tf.boolean_mask(prepared.pixels, real)
    order = tree_order(keys, objects)
    # Sorting by object is stable, so the order within an object stays.
    result = sorted_reference.prepare(
        tf.gather(keys, order), tf.gather(objects, order), tf.convert_to_tensor(num_channels)
    )
    # Padding gathers an entry past the end; there may be no other.
    origin = tf.gather(tf.pad(pixels, [[0, 1]]), tf.pad(order, [[0, 1]]))
    index = result.pixels
    origin = tf.gather(origin, tf.where(index >= 0, index, tf.size(order)))
    return result._replace(pixels=tf.where(index >= 0, origin, -1))


def tree_order(keys: tf.Tensor, objects: tf.Tensor) -> tf.Tensor:
    """The order of pixels in which every SLOTS in a row of one object are a leaf of its tree.

    All trees grow together, a level at a time: two sorts a level, however many parts there are.

    Args:
      keys: float32 [R, C].
      objects: int32 [R], 0 or more.

    Returns:
      int32 [R], a permutation: by object, then by leaf.
    """
    order = tf.argsort(objects, stable=True)
    by_object = tf.gather(objects, order)
    first = tf.concat([[True], by_object[1:] != by_object[:-1]], axis=0)[: tf.size(objects)]

    def parts_of(first: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        parts = tf.cumsum(tf.cast(first, tf.int32)) - 1
        return parts, tf.math.segment_sum(tf.ones_like(parts), parts)

    def too_large(order: tf.Tensor, first: tf.Tensor) -> tf.Tensor:
        del order
        return tf.reduce_any(parts_of(first)[1] > SLOTS)

    def split(order: tf.Tensor, first: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        parts, counts = parts_of(first)
        values = tf.gather(keys, order)
        mean = tf.math.segment_mean(values, parts)
        spread = tf.math.segment_mean(tf.square(values - tf.gather(mean, parts)), parts)
        axis = tf.argmax(spread, axis=-1, output_type=tf.int32)
        along = tf.gather(values, tf.gather(axis, parts), batch_dims=1)
        # A part that is a leaf stays as it is.
        along = tf.where(tf.gather(counts, parts) > SLOTS, along, 0.0)
        by_value = tf.argsort(along, stable=True)
        within = tf.gather(by_value, tf.argsort(tf.gather(parts, by_value), stable=True))
        # Whole columns go to the left, so that the last column of an object alone has padding.
        left = (counts + SLOTS - 1) // SLOTS // 2 * SLOTS
        middle = tf.boolean_mask(tf.cumsum(counts, exclusive=True) + left, counts > SLOTS)
        first = tf.tensor_scatter_nd_update(
            first, middle[:, tf.newaxis], tf.ones_like(middle, tf.bool)
        )
        return tf.gather(order, within), first

    order, _ = tf.while_loop(too_large, split, (order, first))
    return order


def means(prepared: Reference) -> tf.Tensor:
    """The mean of each column's pixels.

    Returns:
      float32 [columns, C + 1]: mean and its squared norm, ABSENT for a column without pixels.
    """
    channels = prepared.keys.shape[-1]
    keys = tf.reshape(prepared.keys, [SLOTS, -1, channels])
    real = tf.cast(keys[..., -1:] < ABSENT / 2, tf.float32)
    count = tf.reduce_sum(real, axis=0)
    mean = tf.reduce_sum(keys[..., :-1] * real, axis=0) / tf.maximum(count, 1.0)
    norm = tf.reduce_sum(mean * mean, axis=-1, keepdims=True)
    return tf.concat([mean, tf.where(count > 0, norm, ABSENT)], axis=-1)
