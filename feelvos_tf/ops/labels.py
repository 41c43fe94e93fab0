"""Label maps: object ids and channels, shrinking without losing objects, one-hot masks.

An id is what a user's mask holds (0 for background, any of 1..255 for objects). A channel is the
place of an object along the last axis of distances and logits: 0 for background, then the
objects in the order of their ids.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from feelvos_tf.ops import resize

NO_OBJECT = -1  # channel of a pixel that belongs to nothing, an ignored one for instance


def ids_to_channels(ids: tf.Tensor, object_ids: tf.Tensor) -> tf.Tensor:
    """Replaces ids by channels.

    Args:
      ids: integer [...], ids as in a mask.
      object_ids: int32 [N], the id of each channel, without repeats; the first one is 0.

    Returns:
      int32 [...]: the channel of each id, NO_OBJECT where an id is not among `object_ids`.
    """
    ids = tf.cast(ids, tf.int32)
    table = tf.fill([256], NO_OBJECT)
    table = tf.tensor_scatter_nd_update(
        table, object_ids[:, tf.newaxis], tf.range(tf.size(object_ids))
    )
    inside = (ids >= 0) & (ids <= 255)
    return tf.where(inside, tf.gather(table, tf.clip_by_value(ids, 0, 255)), NO_OBJECT)


def one_hot_mask(labels: tf.Tensor, num_channels: int | tf.Tensor) -> tf.Tensor:
    """Returns float32 [..., num_channels]: 1 in the channel of each pixel's label, else 0."""
    return tf.one_hot(labels, num_channels, dtype=tf.float32)


def shrink(
    labels: tf.Tensor, size: Sequence[int | tf.Tensor] | tf.Tensor, num_channels: int | tf.Tensor
) -> tf.Tensor:
    """Shrinks a label map by the nearest pixel and keeps every object.

    Nearest resizing can lose an object smaller than the stride; the original then aborts or
    mislabels. Here such an object gets the small pixel nearest to the center of its own pixels
    that is not another object's only one. (Background may lose its last pixel.)

    Args:
      labels: int32 [H, W], channels; NO_OBJECT or any value outside 0..num_channels-1 stays.
      size: (h, w), integers or int32 tensors.
      num_channels: integer or int32 scalar, number of channels with background.

    Returns:
      int32 [h, w].
    """
    full = tf.shape(labels)
    small = shrink_by_nearest(labels, size)
    h, w = tf.shape(small)[0], tf.shape(small)[1]
    present = _counts(labels, num_channels)
    lost = tf.reshape(tf.where((present > 0) & (_counts(small, num_channels) == 0)), [-1])
    lost = tf.cast(lost, tf.int32)
    lost = tf.boolean_mask(lost, lost > 0)
    rows = tf.range(h)[:, tf.newaxis]
    columns = tf.range(w)[tf.newaxis, :]

    def keep(i: tf.Tensor, small: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        points = tf.where(tf.equal(labels, lost[i]))
        center = _center_pixel(points)
        y = _small_coordinate(center[0], full[0], h)
        x = _small_coordinate(center[1], full[1], w)
        counts = _counts(small, num_channels)
        owner = tf.clip_by_value(small, 0, num_channels - 1)
        only_one = (tf.gather(counts, owner) == 1) & (small > 0) & (small < num_channels)
        far = h * h + w * w
        cost = (rows - y) ** 2 + (columns - x) ** 2 + tf.where(only_one, far, 0)
        place = tf.argmin(tf.reshape(cost, [-1]), output_type=tf.int32)
        flat = tf.tensor_scatter_nd_update(tf.reshape(small, [-1]), [[place]], [lost[i]])
        return i + 1, tf.reshape(flat, tf.shape(small))

    small.set_shape([None, None])
    _, small = tf.while_loop(
        lambda i, _: i < tf.size(lost),
        keep,
        (0, small),
        shape_invariants=(tf.TensorShape([]), tf.TensorShape([None, None])),
    )
    return small


def shrink_by_nearest(labels: tf.Tensor, size: Sequence[int | tf.Tensor] | tf.Tensor) -> tf.Tensor:
    """Shrinks a label map as the released code does it; small objects may vanish.

    Args:
      labels: int32 [H, W].
      size: (h, w), integers or an int32 vector.

    Returns:
      int32 [h, w].
    """
    return resize.resize_nearest(labels[tf.newaxis, :, :, tf.newaxis], size)[0, :, :, 0]


def _counts(labels: tf.Tensor, num_channels: int | tf.Tensor) -> tf.Tensor:
    """Pixels of each channel, int32 [num_channels]."""
    flat = tf.reshape(labels, [-1])
    inside = (flat >= 0) & (flat < num_channels)
    return tf.math.unsorted_segment_sum(
        tf.cast(inside, tf.int32), tf.where(inside, flat, NO_OBJECT), num_channels
    )


def _center_pixel(points: tf.Tensor) -> tf.Tensor:
    """The point [2] of `points` [P, 2] nearest to their mean."""
    points = tf.cast(points, tf.float32)
    mean = tf.reduce_mean(points, axis=0)
    nearest = tf.argmin(tf.reduce_sum((points - mean) ** 2, axis=1))
    return points[nearest]


def _small_coordinate(coordinate: tf.Tensor, full: tf.Tensor, small: tf.Tensor) -> tf.Tensor:
    """Maps a pixel's coordinate to the small map, corners aligned."""
    scale = tf.cast(small - 1, tf.float32) / tf.cast(tf.maximum(full - 1, 1), tf.float32)
    return tf.cast(tf.round(coordinate * scale), tf.int32)
