"""Object ids to channels: the labels of a triplet as its reference frame defines them."""

from __future__ import annotations

import tensorflow as tf

from feelvos_tf.ops import resize

IGNORE = 255
# The stride of the embeddings, at which reference pixels are matched.
STRIDE = 4


def count_ids(labels: tf.Tensor) -> tf.Tensor:
    """Returns int32 [256], how many stride-4 pixels each id has in int32 labels [H, W]."""
    height, width = labels.shape
    size = [resize.scale_dimension(side, 1 / STRIDE) for side in (height, width)]
    small = resize.resize_nearest(labels[tf.newaxis, :, :, tf.newaxis], size)
    return tf.math.bincount(tf.reshape(small, [-1]), minlength=256, maxlength=256)


def remap_to_reference(
    labels: tf.Tensor, max_objects: int, min_pixels: int
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Renumbers a clip's objects 1, 2, ... in the order of their ids in the reference frame.

    The objects are those that have a pixel in the reference at stride 4; every other id, of any
    frame, becomes background (input_preprocess and video_input_generator of the release). Unlike
    there, 255 stays 255 and is no object, and the reference is renumbered like the rest.
    Where there are more objects than channels, those with the fewest reference pixels become 255:
    the loss leaves them out, which calling them background would not.

    Args:
      labels: int32 [T, H, W] of static shape, the reference first; ids 0..254 and 255 to ignore.
      max_objects: number of channels, background included.
      min_pixels: fewest stride-4 pixels of the reference that background and each object need.

    Returns:
      labels: int32 [T, H, W], 0..num_objects-1 and 255.
      num_objects: int32 scalar, background included.
      usable: bool scalar, false where the reference lacks an object, background, or enough pixels
        of one of them.
    """
    counts = count_ids(labels[0])
    ids = tf.range(256)
    is_object = (counts > 0) & (ids > 0) & (ids < IGNORE)
    usable = (
        (counts[0] >= min_pixels)
        & tf.reduce_any(is_object)
        & tf.reduce_all((counts >= min_pixels) | ~is_object)
    )
    by_size = tf.argsort(tf.where(is_object, counts, -1), direction="DESCENDING", stable=True)
    rank = tf.math.invert_permutation(by_size)
    has_channel = is_object & (rank < max_objects - 1)
    channels = tf.where(has_channel, tf.cumsum(tf.cast(has_channel, tf.int32)), 0)
    ignored = (is_object & ~has_channel) | (ids == IGNORE)
    table = tf.where(ignored, IGNORE, channels)
    num_objects = 1 + tf.reduce_sum(tf.cast(has_channel, tf.int32))
    return tf.gather(table, labels), num_objects, usable
