"""What streaming computes, with its state in plain sight: tensors in, tensors out.

VideoSegmenter keeps the state between calls; the exported module hands it to its caller. Both
run these functions, which hold no state and expect checked input.
"""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from feelvos_tf.errors import InputError, whole_number
from feelvos_tf.modeling.deeplab import DECODER_STRIDE
from feelvos_tf.modeling.feelvos import Feelvos, FrameState
from feelvos_tf.ops import labels as label_ops
from feelvos_tf.ops import look_alikes, matching, sorted_reference
from feelvos_tf.streaming import full_size, given, regions
from feelvos_tf.streaming import memory as memories
from feelvos_tf.streaming.kernel_cache import bound_kernel_cache
from feelvos_tf.streaming.known_pixels import KnownPixels
from feelvos_tf.streaming.memory import MemoryState
from feelvos_tf.streaming.regions import Region
from feelvos_tf.streaming.sizes import Size, Sizes, size_of
from feelvos_tf.streaming_settings import AS_PUBLISHED, StreamingSettings


class VideoState(NamedTuple):
    """Everything that is kept of a video between frames."""

    reference: sorted_reference.Reference  # of the given frames
    frame: FrameState
    memory: MemoryState | tuple[()]  # () where there is no memory


class Advance(NamedTuple):
    """What `StreamingSteps.advance` computes for a frame.

    Attributes:
      state: what the next frame is labeled with.
      channels: int32 [H, W], the channel of each pixel.
      full_logits: float32 [H, W, N], the logits at the frame's own size.
      details: "logits", "probabilities" and, where the network has them, "global_distance" and
        "previous_distance", all float32 [h, w, N]; with a memory also "reference_frame", int32
        [h, w, N], the step that the nearest reference pixel comes from, 0 for a given frame.
    """

    state: VideoState
    channels: tf.Tensor
    full_logits: tf.Tensor
    details: dict[str, tf.Tensor]


class StreamingSteps:
    """The functions of streaming for one network. N counts background, the first channel.

    Where the shapes of frame and ids are static and there is no max_side, so are the shapes of
    the results of `begin` and all in `advance`, which then compiles with jit_compile=True (not
    with probes or a region).

    Args:
      model: the network.
      max_side: frames whose longer side exceeds it are reduced to it inside; labels keep the
        frame's own size. None runs at full size.
      max_reference_pixels: keep at most this many random pixels of each object of a given frame;
        None for all.
      max_given_pixels: keep at most this many pixels of all given frames, see `given.limit`; None
        for those of `given.WHOLE_FRAMES` whole frames.
      local_matching: implementation, see `matching.local_matching`.
      roi: whether only a region around the objects is computed of each frame, see `regions`; the
        grid is aligned then, and where they are small frames are reduced less than to max_side.
      settings: what else is not as published: what joins the reference on the way; how many
        columns of it and of the memory are searched for each object, see `probed_search`; how
        logits come to a frame's size, see `full_size.resized`; how far an object may be from
        where it was, see `look_alikes`; at which sizes frames are computed, see `Sizes`.

    Raises:
      InputError: an argument is out of range, or a memory or probes for a network without global
        matching, or probes for one with several nearest neighbors.
    """

    def __init__(
        self,
        model: Feelvos,
        *,
        max_side: int | None = None,
        max_reference_pixels: int | None = None,
        max_given_pixels: int | None = None,
        local_matching: str = "auto",
        roi: bool = False,
        settings: StreamingSettings = AS_PUBLISHED,
    ) -> None:
        if max_side is not None:
            max_side = whole_number("max_side", max_side, 1)
        if max_reference_pixels is not None:
            max_reference_pixels = whole_number("max_reference_pixels", max_reference_pixels, 1)
        if max_given_pixels is not None:
            max_given_pixels = whole_number("max_given_pixels", max_given_pixels, 1)
        if local_matching not in matching.LOCAL_IMPLEMENTATIONS:
            expected = ", ".join(matching.LOCAL_IMPLEMENTATIONS)
            raise InputError(f"local_matching is {local_matching!r}, expected one of {expected}")
        self.known = KnownPixels(model.config, settings.memory, settings.probes)
        bound_kernel_cache()
        self.model = model
        self.memory = settings.memory
        # Traced once for all functions that call it, which halves the time to the first label.
        self._network = tf.function(model.embed, autograph=False)
        self.max_given_pixels = max_given_pixels
        self._max_reference_pixels = max_reference_pixels
        self._local_matching = local_matching
        self.outlines = settings.outlines
        self._reach = settings.reach
        self.roi = roi
        aligned = roi or settings.grid is not None
        self.sizes = Sizes(max_side, model.config.output_stride if aligned else None)

    def state_spec(self) -> VideoState:
        """Types and shapes of the state, sizes dynamic."""
        dim = self.model.config.embedding_dim
        return VideoState(
            sorted_reference.Reference(
                tf.TensorSpec([None, dim + 1]),
                tf.TensorSpec([None], tf.int32),
                tf.TensorSpec([None], tf.int32),
            ),
            FrameState(
                tf.TensorSpec([None, None, dim]),
                tf.TensorSpec([None, None], tf.int32),
                tf.TensorSpec([None, None, None]),
            ),
            () if self.memory is None else memories.state_spec(self.memory, dim),
        )

    def embed(self, frames: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Computes features and embeddings of frames.

        Args:
          frames: uint8 [B, H, W, 3].

        Returns:
          features: floats [B, h, w, decoder_filters].
          embeddings: float32 [B, h, w, C].
        """
        return self._embedded(frames, self.sizes.computed(size_of(frames[0])))

    def _embedded(
        self, frames: tf.Tensor, computed: Size, region: Region | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """What `embed` gives of frames that are computed at a size, in a region of it."""
        images = self.sizes.resized(tf.cast(frames, tf.float32), computed)
        if region is not None:
            images = regions.cut_pixels(images[0], region)[tf.newaxis]
        features, embeddings = self._network(images)
        return features, tf.cast(embeddings, tf.float32)

    def _as_before(self, frame: tf.Tensor, state: VideoState) -> Size:
        """The size at which a video is computed that has a state."""
        if not self.roi:
            return self.sizes.computed(size_of(frame))
        return [DECODER_STRIDE * (side - 1) + 1 for side in size_of(state.frame.labels)]

    def embed_as_before(
        self, frame: tf.Tensor, state: VideoState, region: Region | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Features [h, w, F] and embedding float32 [h, w, C] of one more frame of a video.

        Args:
          frame: uint8 [H, W, 3].
          state: of the video.
          region: the part to compute; None for all.
        """
        computed = self._as_before(frame, state)
        features, embeddings = self._embedded(frame[tf.newaxis], computed, region)
        return features[0], embeddings[0]

    def begin(self, frame: tf.Tensor, mask: tf.Tensor, ids: tf.Tensor) -> VideoState:
        """Begins a video.

        Args:
          frame: uint8 [H, W, 3].
          mask: uint8 [H, W], ids; those not in `ids` belong to no object.
          ids: int32 [N], the id of each channel, the first is 0.
        """
        num_channels = _num_channels(ids)
        labels = label_ops.ids_to_channels(mask, ids)
        computed = self.sizes.computed(size_of(frame))
        if self.roi:
            computed = regions.enlarged(labels, computed, num_channels, self.sizes)
        embedding = self._embedded(frame[tf.newaxis], computed)[1][0]
        small = label_ops.shrink(labels, tf.shape(embedding)[:2], num_channels)
        small = tf.ensure_shape(small, embedding.shape[:2])
        labels = self.thinned(tf.reshape(small, [-1]), num_channels)
        if self.max_given_pixels is not None:
            place, count = tf.range(tf.size(labels)), tf.size(labels)
            labels = given.limit(labels, place, count, num_channels, self.max_given_pixels)
        reference = sorted_reference.prepare(
            tf.reshape(embedding, [-1, embedding.shape[-1]]), labels, num_channels
        )
        reference = self.known.arranged(reference, num_channels)
        memory: MemoryState | tuple[()] = ()
        if self.memory is not None:
            memory = memories.empty(self.memory, size_of(small), num_channels, embedding.shape[-1])
        return VideoState(
            reference,
            FrameState(embedding, small, label_ops.one_hot_mask(small, num_channels)),
            memory,
        )

    def advance(self, frame: tf.Tensor, state: VideoState, ids: tf.Tensor) -> Advance:
        """Labels the next frame.

        Args:
          frame: uint8 [H, W, 3].
          state: of the frame before.
          ids: int32 [N].
        """
        num_channels = _num_channels(ids)
        previous, region = state.frame, None
        if self.roi:
            region = regions.around(previous.labels, num_channels, self.sizes)
            previous = FrameState(*(regions.cut(part, region) for part in previous))
        features, embedding = self.embed_as_before(frame, state, region)
        details = {}
        if self.model.config.first_frame_matching:
            details = self.known.match(embedding, state.reference, state.memory, num_channels)
        logits, previous_distance = self.model.segment_next(
            features,
            embedding,
            details.get("global_distance"),
            previous,
            num_channels,
            self._local_matching,
            differentiable=False,
        )
        if previous_distance is not None:
            details["previous_distance"] = previous_distance
        if region is not None:
            size = size_of(state.frame.labels)
            logits = regions.background_around(logits, size, region)
            details = {name: regions.padded(part, size, region) for name, part in details.items()}
            # What is outside looks as in the last frame in which it was inside.
            embedding = regions.pasted(embedding, state.frame.embedding, region)
        if self._reach is not None:
            shown = given.places(state.reference, size_of(state.frame.labels), num_channels)
            logits = look_alikes.removed(logits, state.frame.labels, shown, self._reach)
        details["logits"] = logits
        details["probabilities"] = tf.nn.softmax(logits)
        # What follows is as published whatever the outlines: fed back, those of a frame would
        # lose for good what differs in color from the rest of its object.
        following, channels, full = self.model.follow(embedding, logits, tf.shape(frame)[:2])
        if self.outlines is not None:
            full = self.at_full_size(logits, frame)
            channels = tf.argmax(full, axis=-1, output_type=tf.int32)
        memory = state.memory
        if self.memory is not None:
            seen = details["probabilities"]
            if region is not None:
                seen = tf.where(regions.inside(size_of(seen), region), seen, 0.0)
            memory = memories.remember(
                memory_of(state),
                self.memory,
                embedding,
                seen,
                clustered=self.known.probes is not None,
            )
        return Advance(VideoState(state.reference, following, memory), channels, full, details)

    def at_full_size(self, logits: tf.Tensor, frame: tf.Tensor) -> tf.Tensor:
        """Logits float32 [H, W, N] of a frame uint8 [H, W, 3], whose largest are its labels.

        Args:
          logits: float32 [h, w, N].
          frame: uint8 [H, W, 3].
        """
        return full_size.resized(logits, frame, self.outlines)

    def look(
        self, frame: tf.Tensor, labels: tf.Tensor, state: VideoState, ids: tf.Tensor
    ) -> VideoState:
        """Takes a frame with known labels as the previous one.

        Args:
          frame: uint8 [H, W, 3].
          labels: uint8 [H, W], ids.
          state: of the video, whose reference and memory stay.
          ids: int32 [N].
        """
        _, embedding = self.embed_as_before(frame, state)
        channels = label_ops.ids_to_channels(labels, ids)
        small = label_ops.shrink_by_nearest(channels, tf.shape(embedding)[:2])
        return state._replace(
            frame=FrameState(embedding, small, label_ops.one_hot_mask(small, tf.size(ids)))
        )

    def empty_memory(
        self, state: VideoState, num_channels: int | tf.Tensor
    ) -> MemoryState | tuple[()]:
        """The memory of a video that holds nothing any more, steps counted on; () without one."""
        if self.memory is None:
            return ()
        embedding = state.frame.embedding
        emptied = memories.empty(
            self.memory, size_of(state.frame.labels), num_channels, embedding.shape[-1]
        )
        return emptied._replace(steps=memory_of(state).steps)

    def thinned(self, labels: tf.Tensor, num_channels: int | tf.Tensor) -> tf.Tensor:
        """Channels int32 [R] of a given frame, -1 for pixels beyond max_reference_pixels."""
        if self._max_reference_pixels is None:
            return labels
        return sorted_reference.subsample(labels, num_channels, self._max_reference_pixels, seed=0)


def memory_of(state: VideoState) -> MemoryState:
    """The memory in a state of steps that have one."""
    assert isinstance(state.memory, MemoryState)  # `begin` made it so
    return state.memory


def _num_channels(ids: tf.Tensor) -> int | tf.Tensor:
    """Number of channels, an integer where it is static."""
    return tf.size(ids) if ids.shape[0] is None else ids.shape[0]
