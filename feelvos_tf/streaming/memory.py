"""The memory: confident pixels of later frames that join the reference under their predicted label.

The published method compares with the given frame and the frame before, nothing else. An object
that has changed its looks melts away, and once its previous mask is empty nothing brings it back.
Here confident pixels of every n-th frame are kept beside the given ones, for a bounded number of
frames; the newest replaces the oldest, and what was given never leaves.

All sizes are fixed by the frame and the number of objects: places that hold nothing yet are
padding, as in the sorted reference. So a stream is never traced again while its memory fills.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from feelvos_tf.config import Memory
from feelvos_tf.ops import clusters, sorted_reference
from feelvos_tf.ops.sorted_reference import ABSENT, SLOTS, Reference


class MemoryState(NamedTuple):
    """What is remembered so far; F frames, each with its own columns of keys."""

    keys: tf.Tensor  # float32 [F, SLOTS, columns, C + 1], as in sorted_reference.Reference
    objects: tf.Tensor  # int32 [F, columns], the channel of a column's keys, -1 for padding
    frames: tf.Tensor  # int32 [F], the step that each frame comes from, 0 for none yet
    steps: tf.Tensor  # int32 scalar, steps since the video began


def state_spec(memory: Memory, embedding_dim: int) -> MemoryState:
    """Types and shapes, sizes dynamic."""
    count = memory.frames
    return MemoryState(
        tf.TensorSpec([count, SLOTS, None, embedding_dim + 1]),
        tf.TensorSpec([count, None], tf.int32),
        tf.TensorSpec([count], tf.int32),
        tf.TensorSpec([], tf.int32),
    )


def empty(
    memory: Memory,
    size: Sequence[int | tf.Tensor],
    num_channels: int | tf.Tensor,
    embedding_dim: int,
) -> MemoryState:
    """The memory of a video that begins.

    Args:
      memory: what to remember.
      size: (h, w) at stride 4, integers or int32 scalars.
      num_channels: integer or int32 scalar.
      embedding_dim: C.
    """
    columns = num_columns(memory, size[0] * size[1], num_channels)
    keys = tf.fill([memory.frames, SLOTS, columns, embedding_dim + 1], 0.0)
    keys = tf.concat([keys[..., :-1], tf.fill(tf.shape(keys[..., :1]), ABSENT)], axis=-1)
    return MemoryState(
        keys,
        tf.fill([memory.frames, columns], -1),
        tf.zeros([memory.frames], tf.int32),
        tf.constant(0),
    )


def extend(
    state: MemoryState,
    memory: Memory,
    size: Sequence[int | tf.Tensor],
    num_channels: int | tf.Tensor,
    num_known: int | tf.Tensor,
) -> MemoryState:
    """Makes room for new objects.

    Where there are any, background is forgotten: they may have been seen as background.

    Args:
      state: what there is.
      memory: what to remember.
      size: (h, w) at stride 4.
      num_channels: int32 scalar, the new objects included.
      num_known: int32 scalar, channels that there were before.
    """
    forgotten = (state.objects == 0) & (num_channels > num_known)
    keys = _absent_where(state.keys, forgotten)
    objects = tf.where(forgotten, -1, state.objects)
    columns = num_columns(memory, size[0] * size[1], num_channels)
    return state._replace(keys=_with_columns(keys, columns, 2), objects=_padded(objects, columns))


def without(
    state: MemoryState,
    memory: Memory,
    size: Sequence[int | tf.Tensor],
    num_channels: int | tf.Tensor,
    channel: tf.Tensor,
) -> MemoryState:
    """Forgets an object; the channels after it move down by one.

    Args:
      state: what there is.
      memory: what to remember.
      size: (h, w) at stride 4.
      num_channels: int32 scalar, of those that are left.
      channel: int32 scalar, from 1 up.
    """
    gone = state.objects == channel
    keys = _absent_where(state.keys, gone)
    objects = tf.where(gone, -1, state.objects - tf.cast(state.objects > channel, tf.int32))
    # What is left moves to the front, so that padding alone is cut off.
    order = tf.argsort(tf.cast(objects < 0, tf.int32), axis=1, stable=True)
    keys = tf.gather(keys, order, axis=2, batch_dims=1)
    objects = tf.gather(objects, order, batch_dims=1)
    columns = num_columns(memory, size[0] * size[1], num_channels)
    return state._replace(keys=_with_columns(keys, columns, 2), objects=_padded(objects, columns))


def distances(
    search: Callable[[Reference, int | tf.Tensor], tf.Tensor],
    num_queries: int | tf.Tensor,
    state: MemoryState,
    num_channels: int | tf.Tensor,
) -> tf.Tensor:
    """Squared distance to the nearest remembered pixel of each channel, frame by frame.

    Args:
      search: function of a reference and its number of objects; returns squared distances
        float32 [Q, objects] of the queries.
      num_queries: Q.
      state: the memory.
      num_channels: integer or int32 scalar.

    Returns:
      float32 [Q, F, num_channels], inf where a frame holds no pixel of a channel.
    """
    frames = state.objects.shape[0]

    def found() -> tf.Tensor:
        keys = tf.reshape(tf.transpose(state.keys, [1, 0, 2, 3]), [-1, state.keys.shape[-1]])
        # Each frame's objects are objects of their own.
        first = num_channels * tf.range(frames)[:, tf.newaxis]
        objects = tf.reshape(tf.where(state.objects >= 0, state.objects + first, -1), [-1])
        pixels = tf.where(keys[:, -1] < ABSENT / 2, tf.range(tf.shape(keys)[0]), -1)
        result = search(Reference(keys, pixels, objects), frames * num_channels)
        return tf.reshape(result, [-1, frames, num_channels])

    def nothing() -> tf.Tensor:
        return tf.fill([num_queries, frames, num_channels], float("inf"))

    return tf.cond(tf.reduce_any(state.frames > 0), found, nothing)


def remember(
    state: MemoryState,
    memory: Memory,
    embedding: tf.Tensor,
    probabilities: tf.Tensor,
    clustered: bool = False,
) -> MemoryState:
    """Counts a step and, every so many, keeps its confident pixels.

    Args:
      state: what there is.
      memory: what to remember.
      embedding: float32 [h, w, C] of the frame.
      probabilities: float32 [h, w, N] of the frame.
      clustered: whether the kept pixels are ordered for `probed_search`.
    """
    steps = state.steps + 1

    def keep() -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        num_channels = probabilities.shape[-1] or tf.shape(probabilities)[-1]
        packed = sorted_reference.prepare(
            tf.reshape(embedding, [-1, embedding.shape[-1]]),
            confident_labels(probabilities, memory, tf.stack([0, steps])),
            num_channels,
        )
        if clustered:
            packed = clusters.clustered(packed, num_channels)
        columns = state.objects.shape[1] or tf.shape(state.objects)[1]
        keys = tf.reshape(packed.keys, [SLOTS, -1, packed.keys.shape[-1]])
        place = [[(steps // memory.every - 1) % memory.frames]]
        return (
            tf.tensor_scatter_nd_update(
                state.keys, place, _with_columns(keys, columns, 1)[tf.newaxis]
            ),
            tf.tensor_scatter_nd_update(
                state.objects, place, _padded(packed.objects, columns)[tf.newaxis]
            ),
            tf.tensor_scatter_nd_update(state.frames, place, steps[tf.newaxis]),
        )

    kept = tf.cond(steps % memory.every == 0, keep, lambda: state[:3])
    keys, objects, frames = (tf.ensure_shape(new, old.shape) for new, old in zip(kept, state))
    return MemoryState(keys, objects, frames, steps)


def confident_labels(probabilities: tf.Tensor, memory: Memory, seed: tf.Tensor) -> tf.Tensor:
    """The pixels of a frame that are kept, under their predicted channel.

    Args:
      probabilities: float32 [h, w, N].
      memory: what to remember.
      seed: int32 [2], of the draw.

    Returns:
      int32 [h * w]: channels, -1 for a pixel that is not kept.
    """
    channels = tf.argmax(probabilities, axis=-1, output_type=tf.int32)
    sure = tf.reduce_max(probabilities, axis=-1) > memory.min_confidence
    num_channels = probabilities.shape[-1] or tf.shape(probabilities)[-1]
    return sorted_reference.subsample(
        tf.reshape(tf.where(sure, channels, -1), [-1]), num_channels, memory.max_pixels, seed
    )


def num_columns(
    memory: Memory, num_pixels: int | tf.Tensor, num_channels: int | tf.Tensor
) -> int | tf.Tensor:
    """Columns that the pixels kept of one frame fit in, whatever their channels."""
    each = -(-memory.max_pixels // SLOTS) * num_channels
    every = num_pixels // SLOTS + num_channels
    if isinstance(every, int):
        return min(each, every)
    return tf.minimum(each, every)


def _absent_where(keys: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    """Keys [F, SLOTS, M, C + 1] with padding in the place of columns, bool [F, M]."""
    absent = tf.fill(tf.shape(keys[..., -1:]), ABSENT)
    return tf.where(
        columns[:, tf.newaxis, :, tf.newaxis], tf.concat([keys[..., :-1], absent], axis=-1), keys
    )


def _with_columns(keys: tf.Tensor, columns: int | tf.Tensor, axis: int) -> tf.Tensor:
    """Keys cut or padded to a number of columns along an axis; what is cut off is padding."""
    found = tf.shape(keys)[axis]
    keys = tf.gather(keys, tf.range(tf.minimum(found, columns)), axis=axis)
    missing = [[0, 0]] * len(keys.shape)
    missing[axis] = [0, tf.maximum(columns - found, 0)]
    missing_norm = tf.pad(keys[..., -1:], missing, constant_values=ABSENT)
    return tf.concat([tf.pad(keys[..., :-1], missing), missing_norm], axis=-1)


def _padded(objects: tf.Tensor, columns: int | tf.Tensor) -> tf.Tensor:
    """Channels of columns [..., found] -> [..., columns], -1 where there is none."""
    found = tf.shape(objects)[-1]
    objects = objects[..., : tf.minimum(found, columns)]
    missing = [[0, 0]] * (len(objects.shape) - 1) + [[0, tf.maximum(columns - found, 0)]]
    return tf.pad(objects, missing, constant_values=-1)
