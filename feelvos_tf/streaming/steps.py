"""What streaming computes, with its state in plain sight: tensors in, tensors out.

VideoSegmenter keeps the state between calls; the exported module hands it to its caller. Both
run these functions, which hold no state and expect checked input.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from feelvos_tf.errors import InputError
from feelvos_tf.modeling.deeplab import DECODER_STRIDE
from feelvos_tf.modeling.feelvos import Feelvos
from feelvos_tf.ops import labels as label_ops
from feelvos_tf.ops import matching, reference_search, resize, sorted_reference


class FrameState(NamedTuple):
    """The previous frame as matching needs it; h and w are the size at stride 4."""

    embedding: tf.Tensor  # float32 [h, w, C]
    labels: tf.Tensor  # int32 [h, w], channels
    mask: tf.Tensor  # float32 [h, w, N], one-hot labels or probabilities


class Advance(NamedTuple):
    """What `StreamingSteps.advance` computes for a frame.

    Attributes:
      frame: the frame as the previous one of the next.
      channels: int32 [H, W], the channel of each pixel.
      full_logits: float32 [H, W, N], the logits at the frame's own size.
      details: "logits", "probabilities" and, where the network has them, "global_distance" and
        "previous_distance", all float32 [h, w, N].
    """

    frame: FrameState
    channels: tf.Tensor
    full_logits: tf.Tensor
    details: dict[str, tf.Tensor]


class StreamingSteps:
    """The functions of streaming for one network. N counts background, the first channel.

    Where the shapes of frame and ids are static and there is no max_side, so are the shapes of
    the results of `begin` and all in `advance`, which then compiles with jit_compile=True.

    Args:
      model: the network.
      max_side: frames whose longer side exceeds it are reduced to it inside; labels keep the
        frame's own size. None runs at full size.
      max_reference_pixels: keep at most this many random pixels of each object; None for all.
      local_matching: implementation, see `matching.local_matching`.

    Raises:
      InputError: an argument is out of range.
    """

    def __init__(self, model: Feelvos, *, max_side: int | None = None,
                 max_reference_pixels: int | None = None, local_matching: str = "auto"):
        for name, value in (("max_side", max_side),
                            ("max_reference_pixels", max_reference_pixels)):
            if value is not None and value < 1:
                raise InputError(f"{name} is {value}, expected at least 1")
        if local_matching not in matching.LOCAL_IMPLEMENTATIONS:
            expected = ", ".join(matching.LOCAL_IMPLEMENTATIONS)
            raise InputError(f"local_matching is {local_matching!r}, expected one of {expected}")
        self.model = model
        # Traced once for all functions that call it, which halves the time to the first label.
        self._network = tf.function(model.embed, autograph=False)
        self.max_side = max_side
        self._max_reference_pixels = max_reference_pixels
        self._local_matching = local_matching

    def reference_spec(self) -> sorted_reference.Reference:
        """Types and shapes of the reference, sizes dynamic."""
        channels = self.model.config.embedding_dim
        return sorted_reference.Reference(
            tf.TensorSpec([None, channels + 1]), tf.TensorSpec([None], tf.int32),
            tf.TensorSpec([None], tf.int32))

    def frame_spec(self) -> FrameState:
        """Types and shapes of the previous frame, sizes dynamic."""
        return FrameState(
            tf.TensorSpec([None, None, self.model.config.embedding_dim]),
            tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None, None, None]))

    def small_size(self, size):
        """Size [h, w] at stride 4 of frames of a size, max_side heeded; both int32 [2]."""
        if self.max_side is not None:
            size = _reduced(size, self.max_side)
        return resize.scale_dimension(size, 1 / DECODER_STRIDE)

    def embed(self, frames):
        """Computes features and embeddings of frames.

        Args:
          frames: uint8 [B, H, W, 3].

        Returns:
          features: floats [B, h, w, decoder_filters].
          embeddings: float32 [B, h, w, C].
        """
        images = tf.cast(frames, tf.float32)
        if self.max_side is not None:
            size = tf.shape(frames)[1:3]
            images = tf.cond(
                tf.reduce_max(size) > self.max_side,
                lambda: tf.image.resize(images, _reduced(size, self.max_side), antialias=True),
                lambda: images)
            images = tf.ensure_shape(images, [frames.shape[0], None, None, 3])
        features, embeddings = self._network(images)
        return features, tf.cast(embeddings, tf.float32)

    def _embed_one(self, frame):
        features, embeddings = self.embed(frame[tf.newaxis])
        return features[0], embeddings[0]

    def begin(self, frame, mask, ids):
        """Begins a video.

        Args:
          frame: uint8 [H, W, 3].
          mask: uint8 [H, W], ids; those not in `ids` belong to no object.
          ids: int32 [N], the id of each channel, the first is 0.

        Returns:
          A Reference and a FrameState.
        """
        _, embedding = self._embed_one(frame)
        num_objects = _num_objects(ids)
        labels = label_ops.ids_to_channels(mask, ids)
        small = label_ops.shrink(labels, tf.shape(embedding)[:2], num_objects)
        small = tf.ensure_shape(small, embedding.shape[:2])
        reference = sorted_reference.prepare(
            tf.reshape(embedding, [-1, embedding.shape[-1]]),
            self._thinned(tf.reshape(small, [-1]), num_objects), num_objects)
        return reference, FrameState(
            embedding, small, label_ops.one_hot_mask(small, num_objects))

    def advance(self, frame, reference, previous, ids) -> Advance:
        """Labels the next frame.

        Args:
          frame: uint8 [H, W, 3].
          reference: Reference.
          previous: FrameState of the frame before.
          ids: int32 [N].

        Returns:
          An Advance.
        """
        config = self.model.config
        num_objects = _num_objects(ids)
        features, embedding = self._embed_one(frame)
        small_size = tf.shape(embedding)[:2]
        details = {}
        if config.first_frame_matching:
            distances = reference_search.nearest(
                tf.reshape(embedding, [-1, embedding.shape[-1]]), reference, num_objects,
                config.k_nearest_neighbors)
            details["global_distance"] = tf.reshape(
                matching.squash(distances), [*tf.unstack(small_size), num_objects])
        if config.previous_frame_matching != "none":
            details["previous_distance"] = self.model.match_previous(
                embedding, previous.embedding, previous.labels, num_objects,
                self._local_matching)
        logits = self.model.segment(
            features, details.get("global_distance"), previous.mask,
            details.get("previous_distance"), num_objects)
        details["logits"] = logits
        details["probabilities"] = tf.nn.softmax(logits)
        full = resize.resize_bilinear(logits[tf.newaxis], tf.shape(frame)[:2])[0]
        channels = tf.argmax(full, axis=-1, output_type=tf.int32)
        small = _shrink_by_nearest(channels, small_size)
        mask = details["probabilities"]
        if config.previous_mask != "probabilities":
            mask = label_ops.one_hot_mask(small, num_objects)
        return Advance(FrameState(embedding, small, mask), channels, full, details)

    def extend(self, mask, reference, previous, ids, num_known):
        """Adds objects to the frame labeled last.

        Args:
          mask: uint8 [H, W], ids of new objects, 0 elsewhere.
          reference: Reference.
          previous: FrameState of that frame.
          ids: int32 [N], the new objects' ids last.
          num_known: int32 scalar, channels that there were before.

        Returns:
          A Reference and a FrameState.
        """
        num_objects = tf.size(ids)
        labels = label_ops.ids_to_channels(mask, ids)
        small = label_ops.shrink(labels, tf.shape(previous.labels), num_objects)
        new = small >= num_known
        segments = self._thinned(tf.reshape(tf.where(new, small, -1), [-1]), num_objects)
        reference = sorted_reference.extend(
            reference, tf.reshape(previous.embedding, [-1, previous.embedding.shape[-1]]),
            segments, num_objects)
        mask = tf.pad(previous.mask, [[0, 0], [0, 0], [0, num_objects - num_known]])
        mask = tf.where(
            new[:, :, tf.newaxis], label_ops.one_hot_mask(small, num_objects), mask)
        return reference, FrameState(
            previous.embedding, tf.where(new, small, previous.labels), mask)

    def look(self, frame, labels, ids):
        """Takes a frame with known labels as the previous one.

        Args:
          frame: uint8 [H, W, 3].
          labels: uint8 [H, W], ids.
          ids: int32 [N].

        Returns:
          A FrameState.
        """
        _, embedding = self._embed_one(frame)
        channels = label_ops.ids_to_channels(labels, ids)
        small = _shrink_by_nearest(channels, tf.shape(embedding)[:2])
        return FrameState(embedding, small, label_ops.one_hot_mask(small, tf.size(ids)))

    def _thinned(self, labels, num_objects):
        if self._max_reference_pixels is None:
            return labels
        return sorted_reference.subsample(labels, num_objects, self._max_reference_pixels, seed=0)


def _reduced(size, max_side):
    """Size int32 [2] with the longer side at most max_side."""
    longest = tf.reduce_max(size)
    return tf.where(longest > max_side, tf.maximum(1, size * max_side // longest), size)


def _num_objects(ids):
    """Number of channels, an integer where it is static."""
    return tf.size(ids) if ids.shape[0] is None else ids.shape[0]


def _shrink_by_nearest(labels, size):
    """Channels [H, W] -> [h, w] as the released code does it, small objects may vanish."""
    return resize.resize_nearest(labels[tf.newaxis, :, :, tf.newaxis], size)[0, :, :, 0]
