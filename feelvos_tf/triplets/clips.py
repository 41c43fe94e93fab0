"""One clip out of a source, or word of what cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from feelvos_tf.triplets import decode
from feelvos_tf.triplets.clip_sources import ClipSource


def read_clip(
    source: ClipSource, video: tf.Tensor, frames: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Reads and decodes frames of a video, or names what cannot be read.

    Args:
      source: a TreeSource or RecordSource.
      video: int64 scalar, index of the video.
      frames: int32 [T] of static shape.

    Returns:
      uint8 [T, H, W, 3], uint8 [T, H, W] and a bool scalar: false where a file was unreadable,
      with a dummy clip without objects; standard error then has the names.
    """
    count = frames.shape[0]

    def read(video: tf.Tensor, frames: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        images, masks = decode.decode_clip(*source.fetch(video, frames), count)
        return images, masks, tf.constant(True)

    def report(video: tf.Tensor, frames: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, bool]:
        names = source.describe(video, frames)
        unread = _unreadable(source, video, frames, names)
        listed = tf.strings.reduce_join(unread, separator="; ")
        with tf.control_dependencies([tf.print("Unreadable, triplet skipped:", listed)]):
            return tf.zeros([count, 8, 8, 3], tf.uint8), tf.zeros([count, 8, 8], tf.uint8), False

    images, masks, readable = attempt(read, report, video, frames)
    images.set_shape([count, None, None, 3])
    masks.set_shape([count, None, None])
    binary = source.is_binary(video)
    return images, tf.where(binary, tf.minimum(masks, 1), masks), readable


def _unreadable(
    source: ClipSource, video: tf.Tensor, frames: tf.Tensor, names: tf.Tensor
) -> tf.Tensor:
    """Returns the names of those files that fail one by one; all where each alone is fine."""

    def fails(kind: int, decoder: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
        def read(video: tf.Tensor, frame: tf.Tensor) -> tf.Tensor:
            return tf.size(decoder(source.fetch(video, frame[tf.newaxis])[kind][0])) < 0

        each = tf.data.Dataset.from_tensor_slices(frames)
        each = each.map(lambda frame: attempt(read, lambda *_: True, video, frame))
        return each.batch(frames.shape[0]).get_single_element()

    failed = tf.concat([fails(0, decode.decode_frame), fails(1, decode.decode_mask)], axis=0)
    return tf.boolean_mask(names, failed | ~tf.reduce_any(failed))


def attempt(
    function: Callable[..., Any], instead: Callable[..., Any], *arguments: tf.Tensor
) -> Any:
    """Returns function(*arguments), or instead(*arguments) where running it fails.

    The graph has no exceptions; a one-element dataset that ignores its errors, with the substitute
    behind it, does the same. Both functions must return the same structure of tensors.
    """
    given = tf.data.Dataset.from_tensors(tuple(tf.convert_to_tensor(a) for a in arguments))
    tried = given.map(function).ignore_errors()
    return tried.concatenate(given.map(instead)).take(1).get_single_element()
