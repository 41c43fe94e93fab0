"""The pixels of the given frames: where each comes from, one label each, and how many there may be.

A given frame is one whose labels a user has told: the first, one where objects were added, one
that was set right. `Reference.pixels` says where a pixel comes from: number of the given frame
times pixels of a frame, plus place in it. So two things can be done later on. A frame that is
given once more, in full or in part, replaces what it said before. And where the given frames
have become too many, each gives up some of its pixels and none is forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from feelvos_tf.ops import random_numbers, sorted_reference
from feelvos_tf.ops.sorted_reference import SLOTS, Reference

# Pixels of so many whole frames are kept by default.
WHOLE_FRAMES = 4
# Two computations of one pixel's embedding differ by rounding, less than this share of the
# largest value in the frame.
_SAME = 1e-5
_SEED = (0, 1)


def add(
    reference: Reference,
    embedding: tf.Tensor,
    labels: tf.Tensor,
    told: tf.Tensor,
    num_channels: int | tf.Tensor,
    most: int | None,
) -> Reference:
    """Adds the pixels of a given frame.

    Args:
      reference: what there is.
      embedding: float32 [h, w, C] of the frame.
      labels: int32 [h, w], channels; pixels outside 0..num_channels-1 are left out.
      told: bool [h, w], pixels that are said anew: where the reference holds the very pixel (the
        same place with the same embedding), that one leaves.
      num_channels: integer or int32 scalar.
      most: pixels to keep, see `limit`.
    """
    num_pixels = tf.size(labels)
    new = tf.reshape(embedding, [-1, embedding.shape[-1]])
    labels, told = tf.reshape(labels, [-1]), tf.reshape(told, [-1])
    keys, objects, pixels = _unpacked(reference)
    place = pixels % num_pixels
    apart = tf.reduce_max(tf.abs(keys - tf.gather(new, place)), axis=-1)
    again = tf.gather(told, place) & (apart <= _SAME * tf.reduce_max(tf.abs(new)))
    keys, objects, pixels = (tf.boolean_mask(part, ~again) for part in (keys, objects, pixels))
    # Beyond what an integer counts, hundreds of frames, the last ones share a number.
    last = tf.reduce_max(tf.concat([[-1], pixels // num_pixels], axis=0))
    number = tf.minimum(last + 1, tf.int32.max // num_pixels - 1)
    return _packed(
        tf.concat([keys, new], axis=0),
        tf.concat([objects, labels], axis=0),
        tf.concat([pixels, number * num_pixels + tf.range(num_pixels)], axis=0),
        num_pixels,
        num_channels,
        most,
    )


def as_background(
    reference: Reference,
    channel: tf.Tensor,
    num_pixels: tf.Tensor,
    num_channels: int | tf.Tensor,
    most: int | None,
) -> Reference:
    """Makes an object's pixels background; the channels after it move down by one.

    Args:
      reference: what there is.
      channel: int32 scalar, from 1 up.
      num_pixels: int32 scalar, of a frame.
      num_channels: integer or int32 scalar, of those that are left.
      most: pixels to keep, see `limit`.
    """
    keys, objects, pixels = _unpacked(reference)
    objects = tf.where(objects == channel, 0, objects - tf.cast(objects > channel, tf.int32))
    return _packed(keys, objects, pixels, num_pixels, num_channels, most)


def limit(
    labels: tf.Tensor,
    pixels: tf.Tensor,
    num_pixels: int | tf.Tensor,
    num_channels: int | tf.Tensor,
    most: int | None,
) -> tf.Tensor:
    """Drops pixels where there are too many, evenly over frames and objects.

    Each object of each frame keeps as many pixels as it has, but at most a number that is the
    same for all: the largest with which they all fit, and at least 1. So large objects (most of
    all background) give way first and small ones stay whole. Which pixels stay is drawn by a
    fixed seed from where they come from alone, so thinning by and by ends in what thinning once
    would have left.

    Args:
      labels: int32 [R], channels; pixels outside 0..num_channels-1 count for nothing.
      pixels: int32 [R], where each comes from, as in `Reference`.
      num_pixels: of a frame.
      num_channels: integer or int32 scalar.
      most: pixels to keep, of all frames; None for those of WHOLE_FRAMES whole frames.

    Returns:
      int32 [R]: the labels, -1 for a pixel that is dropped.
    """
    bound = WHOLE_FRAMES * num_pixels if most is None else most
    inside = (labels >= 0) & (labels < num_channels)

    def dropped() -> tf.Tensor:
        groups = pixels // num_pixels * num_channels + labels
        count = (tf.reduce_max(pixels // num_pixels) + 1) * num_channels
        groups = tf.where(inside, groups, count)
        sizes = tf.math.unsorted_segment_sum(tf.ones_like(groups), groups, count + 1)
        ascending = tf.sort(sizes[:-1])
        # With the i smallest whole, the others have this much each; the best i is the right one.
        share = (bound - tf.cumsum(ascending, exclusive=True)) // tf.range(count, 0, -1)
        share = tf.maximum(tf.reduce_max(share), 1)
        drawn = tf.argsort(random_numbers.priorities(pixels, tf.constant(_SEED)), stable=True)
        order = tf.gather(drawn, tf.argsort(tf.gather(groups, drawn), stable=True))
        first = tf.gather(tf.cumsum(sizes, exclusive=True), tf.gather(groups, order))
        rank = tf.scatter_nd(
            order[:, tf.newaxis], tf.range(tf.size(labels)) - first, tf.shape(labels)
        )
        return tf.where(inside & (rank >= share), -1, labels)

    total = tf.reduce_sum(tf.cast(inside, tf.int32))
    return tf.ensure_shape(tf.cond(total > bound, dropped, lambda: labels), labels.shape)


def places(
    reference: Reference, size: Sequence[int | tf.Tensor], num_channels: int | tf.Tensor
) -> tf.Tensor:
    """Where in their frames the pixels of each channel lie, all given frames on top of each other.

    Args:
      reference: of the given frames.
      size: [h, w] of a frame at stride 4.
      num_channels: integer or int32 scalar.

    Returns:
      bool [h, w, num_channels].
    """
    num_pixels = size[0] * size[1]
    real = (reference.pixels >= 0) & (tf.tile(reference.objects, [SLOTS]) >= 0)
    # What is padding lands in one place more.
    place = tf.where(real, reference.pixels % num_pixels, num_pixels)
    channel = tf.where(real, tf.tile(reference.objects, [SLOTS]), 0)
    found = tf.scatter_nd(
        tf.stack([place, channel], axis=1),
        tf.ones_like(place),
        tf.stack([num_pixels + 1, num_channels]),
    )
    return tf.reshape(found[:-1] > 0, [*size, num_channels])


def _unpacked(reference: Reference) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Embeddings [R, C], channels [R] and origins [R] of the pixels, padding left out."""
    real = reference.pixels >= 0
    channels = tf.tile(reference.objects, [SLOTS])
    return (
        tf.boolean_mask(reference.keys[:, :-1], real),
        tf.boolean_mask(channels, real),
        tf.boolean_mask(reference.pixels, real),
    )


def _packed(
    keys: tf.Tensor,
    objects: tf.Tensor,
    pixels: tf.Tensor,
    num_pixels: int | tf.Tensor,
    num_channels: int | tf.Tensor,
    most: int | None,
) -> Reference:
    objects = limit(objects, pixels, num_pixels, num_channels, most)
    packed = sorted_reference.prepare(keys, objects, num_channels)
    index = packed.pixels
    origin = tf.where(index >= 0, tf.gather(pixels, tf.maximum(index, 0)), -1)
    return packed._replace(pixels=origin)
