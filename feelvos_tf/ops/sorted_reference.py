"""Reference pixels sorted by object, the form in which they are searched.

Their keys stand as SLOTS rows of columns, and all keys of a column belong to one object. Made once
for a reference frame, not for every query frame.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from feelvos_tf.ops import random_numbers

SLOTS = 32
# A squared distance no embedding reaches; it marks padding and survives arithmetic, unlike inf,
# which becomes NaN when multiplied by zero.
ABSENT = 1e30


class Reference(NamedTuple):
    """Reference pixels ready for search.

    Attributes:
      keys: float32 [SLOTS * columns, C + 1]: embedding and its squared norm; key (slot, column)
        is row slot * columns + column. Padding has norm ABSENT.
      pixels: int32 [SLOTS * columns], the index of each key among the reference pixels, -1 for
        padding.
      objects: int32 [columns], the object that a column's keys belong to, -1 for padding.
    """

    keys: tf.Tensor
    pixels: tf.Tensor
    objects: tf.Tensor


def prepare(reference: tf.Tensor, labels: tf.Tensor, num_channels: int | tf.Tensor) -> Reference:
    """Sorts reference pixels by object.

    Args:
      reference: float32 [R, C].
      labels: int32 [R]; pixels outside 0..num_channels-1 are left out.
      num_channels: integer or int32 scalar.

    Returns:
      A Reference. Where R and num_channels are static it has the static number of columns
      that any labels fit in; else just the columns needed, at least one.
    """
    inside = (labels >= 0) & (labels < num_channels)
    segments = tf.where(inside, labels, num_channels)
    order = tf.argsort(segments, stable=True)
    segments = tf.gather(segments, order)
    counts = tf.math.unsorted_segment_sum(tf.ones_like(segments), segments, num_channels + 1)
    needed = (counts[:-1] + SLOTS - 1) // SLOTS
    first_column = tf.cumsum(needed, exclusive=True)
    if labels.shape[0] is not None and isinstance(num_channels, int):
        columns = labels.shape[0] // SLOTS + num_channels
    else:
        columns = tf.maximum(tf.reduce_sum(needed), 1)

    rank = tf.range(tf.size(segments)) - tf.gather(tf.cumsum(counts, exclusive=True), segments)
    channel = tf.minimum(segments, num_channels - 1)
    column = tf.gather(first_column, channel) + rank // SLOTS
    place = tf.where(segments < num_channels, rank % SLOTS * columns + column, SLOTS * columns)
    # One place past the end takes the pixels that are left out.
    pixels = tf.tensor_scatter_nd_update(
        tf.fill([SLOTS * columns + 1], -1), place[:, tf.newaxis], order
    )[:-1]

    # The row of zeros past the end is what padding gathers; there may be no other.
    embedding = tf.gather(
        tf.pad(reference, [[0, 1], [0, 0]]), tf.where(pixels >= 0, pixels, tf.shape(reference)[0])
    )
    norm = tf.reduce_sum(embedding * embedding, axis=-1, keepdims=True)
    keys = tf.where(
        pixels[:, tf.newaxis] >= 0,
        tf.concat([embedding, norm], axis=-1),
        tf.concat([embedding, tf.fill(tf.shape(norm), ABSENT)], axis=-1),
    )
    last_column = tf.cumsum(needed)
    objects = tf.searchsorted(last_column, tf.range(columns), side="right")
    objects = tf.where(objects < num_channels, objects, -1)
    return Reference(keys, pixels, objects)


def subsample(
    labels: tf.Tensor, num_channels: int | tf.Tensor, most: int, seed: int | tf.Tensor
) -> tf.Tensor:
    """Drops random pixels of every object that has more than `most`.

    The released code trains with at most 1024 pixels of an object.

    Args:
      labels: int32 [R]; pixels outside 0..num_channels-1 stay as they are.
      num_channels: integer or int32 scalar.
      most: pixels to keep of each object.
      seed: integer, int32 scalar or int32 [2]; the same one draws the same pixels.

    Returns:
      int32 [R]: the labels, -1 for a pixel that is dropped.
    """
    seed = tf.cast(seed, tf.int32)
    seed = seed if seed.shape.rank else tf.stack([seed, 0])
    inside = (labels >= 0) & (labels < num_channels)
    segments = tf.where(inside, labels, num_channels)
    shuffled = tf.argsort(random_numbers.uniform(tf.shape(labels), seed), stable=True)
    order = tf.gather(shuffled, tf.argsort(tf.gather(segments, shuffled), stable=True))
    counts = tf.math.unsorted_segment_sum(tf.ones_like(segments), segments, num_channels + 1)
    first = tf.gather(tf.cumsum(counts, exclusive=True), tf.gather(segments, order))
    rank = tf.scatter_nd(order[:, tf.newaxis], tf.range(tf.size(labels)) - first, tf.shape(labels))
    return tf.where(inside & (rank >= most), -1, labels)
