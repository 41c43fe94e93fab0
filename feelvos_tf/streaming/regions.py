"""A region of interest: the part of a frame around its objects, all that the network sees of it."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from feelvos_tf.modeling.deeplab import DECODER_STRIDE
from feelvos_tf.ops import labels as label_ops
from feelvos_tf.streaming.sizes import Size, Sizes, size_of

# What may lie between an object and the region's border: so many cells, of stride 4, and so
# large a part of the longer side of all objects together.
_LEAST_MARGIN, _MARGIN = 24, 0.5
# Regions begin at strides of the coarsest features, and grow by four of them, so that there are
# few different sizes, each of which costs memory once.
_BLOCKS = 4
# Of a frame's cells; a region beyond it is the whole frame.
_MOST = 0.7
# How much larger frames may be computed where objects are small; ascending.
_ENLARGED = (1.25, 1.5, 2.0)
_SURE = 20.0  # by so much the logits of background exceed others outside the region


class Region(NamedTuple):
    """Cells of a frame at stride 4: the first row and column, and how many; int32 scalars."""

    top: tf.Tensor
    left: tf.Tensor
    height: tf.Tensor
    width: tf.Tensor


def around(labels: tf.Tensor, num_channels: int | tf.Tensor, sizes: Sizes) -> Region:
    """The region around all objects of a frame; the whole frame while one of them is not in it.

    Args:
      labels: int32 [h, w], channels, on an aligned grid; those outside 0..N-1 are none.
      num_channels: N.
      sizes: with an aligned grid.
    """
    size = tf.shape(labels)
    assert sizes.stride is not None
    step = sizes.stride // DECODER_STRIDE
    objects = labels > 0
    counts = tf.math.unsorted_segment_sum(
        tf.ones_like(labels), tf.where(labels < num_channels, labels, -1), num_channels
    )
    spans = [_span(tf.reduce_any(objects, axis=axis)) for axis in (1, 0)]
    longer = tf.reduce_max(tf.stack([last - first + 1 for first, last in spans]))
    share = tf.cast(tf.round(_MARGIN * tf.cast(longer, tf.float32)), tf.int32)
    margin = tf.maximum(_LEAST_MARGIN, share)
    top, height = _grown(*spans[0], margin, size[0], step)
    left, width = _grown(*spans[1], margin, size[1], step)
    area = tf.cast(height * width, tf.float32)
    small = area <= _MOST * tf.cast(size[0] * size[1], tf.float32)
    sought = small & (tf.reduce_min(counts[1:]) > 0)
    found, whole = Region(top, left, height, width), Region(0, 0, size[0], size[1])
    return Region(*(tf.where(sought, one, other) for one, other in zip(found, whole)))


def enlarged(
    labels: tf.Tensor, computed: Size, num_channels: int | tf.Tensor, sizes: Sizes
) -> list[tf.Tensor]:
    """The size (H, W) to compute a video at: up to twice that of whole frames.

    It is the largest of a few at which the region of the first frame has no more pixels than a
    whole frame at `computed`, and at most the frame's own.

    Args:
      labels: int32 [H, W], channels of the first frame.
      computed: the size of whole frames, on an aligned grid.
      num_channels: N.
      sizes: with an aligned grid.
    """
    own, least = tf.stack(sizes.aligned(size_of(labels))), tf.stack(computed)
    most = tf.reduce_prod(_cells(least))
    chosen = least
    for factor in _ENLARGED:
        wanted = tf.cast(factor * tf.cast(least, tf.float32), tf.int32)
        size = tf.minimum(tf.stack(sizes.aligned(tf.unstack(wanted))), own)
        small = label_ops.shrink(labels, _cells(size), num_channels)
        region = around(small, num_channels, sizes)
        chosen = tf.where(region.height * region.width <= most, tf.maximum(size, least), chosen)
    return tf.unstack(chosen)


def cut(image: tf.Tensor, region: Region) -> tf.Tensor:
    """The region of a tensor [h, w, ...] of cells."""
    top, left, height, width = region
    return image[top : top + height, left : left + width]


def cut_pixels(image: tf.Tensor, region: Region) -> tf.Tensor:
    """The pixels of an image [H, W, ...] that have the region's cells."""
    top, left = (DECODER_STRIDE * start for start in region[:2])
    height, width = (DECODER_STRIDE * (length - 1) + 1 for length in region[2:])
    return image[top : top + height, left : left + width]


def inside(size: Size, region: Region) -> tf.Tensor:
    """Bool [h, w, 1] of a frame's cells, true in the region."""
    return tf.pad(tf.ones([*region[2:], 1], tf.bool), _around(size, region))


def padded(part: tf.Tensor, size: Size, region: Region) -> tf.Tensor:
    """Distances [region's height, width, N] as [h, w, N], outside the largest of them."""
    return tf.pad(part, _around(size, region), constant_values=tf.reduce_max(part))


def background_around(logits: tf.Tensor, size: Size, region: Region) -> tf.Tensor:
    """Logits float32 [region's height, width, N] as [h, w, N], outside surely of background."""
    num_channels = tf.shape(logits)[-1]
    outside = -_SURE * (1.0 - tf.one_hot(0, num_channels))
    whole = tf.broadcast_to(outside, [*size, num_channels])
    return pasted(logits, tf.ensure_shape(whole, [None, None, logits.shape[-1]]), region)


def pasted(part: tf.Tensor, whole: tf.Tensor, region: Region) -> tf.Tensor:
    """`whole` [h, w, C] with `part` [region's height, width, C] in the region's place."""
    size = size_of(whole)
    spread = tf.pad(part, _around(size, region))
    return tf.ensure_shape(tf.where(inside(size, region), spread, whole), whole.shape)


def _around(size: Size, region: Region) -> list[list[int | tf.Tensor]]:
    """What is missing around a region, as `tf.pad` takes it."""
    top, left, height, width = region
    return [[top, size[0] - top - height], [left, size[1] - left - width], [0, 0]]


def _cells(size: tf.Tensor) -> tf.Tensor:
    return (size - 1) // DECODER_STRIDE + 1


def _span(taken: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """First and last true place of bool [n]; the whole of it where there is none."""
    first = tf.argmax(taken, output_type=tf.int32)
    last = tf.size(taken) - 1 - tf.argmax(taken[::-1], output_type=tf.int32)
    return first, last


def _grown(
    first: tf.Tensor, last: tf.Tensor, margin: tf.Tensor, side: tf.Tensor, step: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Start and length of a span with a margin, within a side of `n * step + 1` cells."""
    start = tf.maximum(first - margin, 0) // step * step
    block = _BLOCKS * step
    length = -(-(tf.minimum(last + margin, side - 1) - start) // block) * block + 1
    length = tf.minimum(length, side)
    return tf.minimum(start, side - length), length
