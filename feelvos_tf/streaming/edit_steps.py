"""What a user changes between frames, with the state in plain sight: tensors in, tensors out."""

from __future__ import annotations

import tensorflow as tf

from feelvos_tf.modeling.feelvos import FrameState
from feelvos_tf.ops import labels as label_ops
from feelvos_tf.ops.sorted_reference import Reference
from feelvos_tf.streaming import given
from feelvos_tf.streaming import memory as memories
from feelvos_tf.streaming.memory import MemoryState
from feelvos_tf.streaming.sizes import size_of
from feelvos_tf.streaming.steps import StreamingSteps, VideoState, memory_of


class EditSteps:
    """The functions by which objects and given frames are changed, for one network.

    Args:
      steps: those that the state is for.
    """

    def __init__(self, steps: StreamingSteps) -> None:
        self._steps = steps

    def extend(
        self, mask: tf.Tensor, state: VideoState, ids: tf.Tensor, num_known: int | tf.Tensor
    ) -> VideoState:
        """Adds objects to the frame labeled last.

        Args:
          mask: uint8 [H, W], ids of new objects, 0 elsewhere.
          state: of that frame.
          ids: int32 [N], the new objects' ids last.
          num_known: int32 scalar, channels that there were before.
        """
        num_channels = tf.size(ids)
        previous = state.frame
        small = self._small(mask, ids, previous.labels)
        new = small >= num_known
        mask = self._widened(previous.mask, num_channels, num_known)
        mask = tf.where(new[:, :, tf.newaxis], label_ops.one_hot_mask(small, num_channels), mask)
        return VideoState(
            self._joined(state, previous.embedding, tf.where(new, small, -1), new, num_channels),
            FrameState(previous.embedding, tf.where(new, small, previous.labels), mask),
            self._room(state, previous.labels, num_channels, num_known),
        )

    def correct(
        self, mask: tf.Tensor, state: VideoState, ids: tf.Tensor, num_known: int | tf.Tensor
    ) -> VideoState:
        """Sets the frame labeled last right.

        What the memory holds is from frames since the last one that was right, so it is empty
        from here on.

        Args:
          mask: int32 [H, W], ids; values not in `ids` are unknown, and 0 is background.
          state: of that frame.
          ids: int32 [N], ids of new objects last.
          num_known: int32 scalar, channels that there were before.
        """
        del num_known  # nothing is left of what was known of the frame and in the memory
        num_channels = tf.size(ids)
        embedding = state.frame.embedding
        small = self._small(mask, ids, state.frame.labels)
        return VideoState(
            self._joined(state, embedding, small, tf.ones_like(small, tf.bool), num_channels),
            FrameState(embedding, small, label_ops.one_hot_mask(small, num_channels)),
            self._steps.empty_memory(state, num_channels),
        )

    def add_reference(
        self,
        frame: tf.Tensor,
        mask: tf.Tensor,
        state: VideoState,
        ids: tf.Tensor,
        num_known: int | tf.Tensor,
    ) -> VideoState:
        """Takes another frame's labels into the reference; the frame labeled last stays.

        Args:
          frame: uint8 [H, W, 3].
          mask: int32 [H, W], ids; values not in `ids` are unknown, and 0 is background.
          state: of the video.
          ids: int32 [N], ids of new objects last.
          num_known: int32 scalar, channels that there were before.
        """
        num_channels = tf.size(ids)
        embedding = self._steps.embed_as_before(frame, state)[1]
        small = self._small(mask, ids, embedding)
        previous = state.frame
        return VideoState(
            self._joined(state, embedding, small, small >= 0, num_channels),
            previous._replace(mask=self._widened(previous.mask, num_channels, num_known)),
            self._room(state, previous.labels, num_channels, num_known),
        )

    def seen_whole(self, frame: tf.Tensor, state: VideoState) -> VideoState:
        """Knows all of the frame labeled last, of which only a region was computed.

        Args:
          frame: uint8 [H, W, 3].
          state: of that frame.
        """
        _, embedding = self._steps.embed_as_before(frame, state)
        return state._replace(frame=state.frame._replace(embedding=embedding))

    def remove(self, state: VideoState, channel: tf.Tensor) -> VideoState:
        """Makes an object background, as if it had never been marked; the memory forgets it.

        Args:
          state: of the video.
          channel: int32 scalar, from 1 up; those after it move down by one.
        """
        previous = state.frame
        num_channels = tf.shape(previous.mask)[-1] - 1
        labels = previous.labels
        labels = tf.where(labels == channel, 0, labels - tf.cast(labels > channel, tf.int32))
        background = previous.mask[..., :1] + tf.gather(previous.mask, channel[tf.newaxis], axis=-1)
        mask = tf.concat(
            [background, previous.mask[..., 1:channel], previous.mask[..., channel + 1 :]], axis=-1
        )
        memory = state.memory
        if self._steps.memory is not None:
            memory = memories.without(
                memory_of(state), self._steps.memory, size_of(labels), num_channels, channel
            )
        reference = given.as_background(
            state.reference,
            channel,
            tf.size(labels),
            num_channels,
            self._steps.max_given_pixels,
        )
        reference = self._steps.known.arranged(reference, num_channels)
        return VideoState(reference, FrameState(previous.embedding, labels, mask), memory)

    def _small(self, mask: tf.Tensor, ids: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
        """Channels [h, w] of a mask, at the size of `like`; no object is lost."""
        labels = label_ops.ids_to_channels(mask, ids)
        small = label_ops.shrink(labels, tf.shape(like)[:2], tf.size(ids))
        return tf.ensure_shape(small, like.shape[:2])

    def _joined(
        self,
        state: VideoState,
        embedding: tf.Tensor,
        labels: tf.Tensor,
        told: tf.Tensor,
        num_channels: tf.Tensor,
    ) -> Reference:
        thinned = self._steps.thinned(tf.reshape(labels, [-1]), num_channels)
        reference = given.add(
            state.reference,
            embedding,
            tf.reshape(thinned, tf.shape(labels)),
            told,
            num_channels,
            self._steps.max_given_pixels,
        )
        return self._steps.known.arranged(reference, num_channels)

    @staticmethod
    def _widened(mask: tf.Tensor, num_channels: tf.Tensor, num_known: tf.Tensor) -> tf.Tensor:
        return tf.pad(mask, [[0, 0], [0, 0], [0, num_channels - num_known]])

    def _room(
        self, state: VideoState, labels: tf.Tensor, num_channels: tf.Tensor, num_known: tf.Tensor
    ) -> MemoryState | tuple[()]:
        memory = self._steps.memory
        if memory is None:
            return ()
        return memories.extend(memory_of(state), memory, size_of(labels), num_channels, num_known)
