"""Matching with what is known of a video: the given frames and the memory."""

from __future__ import annotations

import functools

import tensorflow as tf

from feelvos_tf.config import Memory, ModelConfig
from feelvos_tf.errors import InputError
from feelvos_tf.ops import clusters, matching, probed_search, reference_search
from feelvos_tf.ops.sorted_reference import Reference
from feelvos_tf.streaming import memory as memories
from feelvos_tf.streaming.memory import MemoryState


class KnownPixels:
    """How the pixels of given and remembered frames are searched.

    Args:
      config: of the network.
      memory: what joins the reference on the way; None for nothing.
      probes: columns to search for each object, see `StreamingSteps`; None for all.

    Raises:
      InputError: the network has no global matching, or none that probes are for.
    """

    def __init__(self, config: ModelConfig, memory: Memory | None, probes: int | None) -> None:
        self._config = config
        self._memory = memory
        self.probes = probes
        if not config.first_frame_matching and memory is not None:
            raise InputError(
                "a memory needs a network with first_frame_matching, which it would join"
            )
        if not config.first_frame_matching and probes is not None:
            raise InputError("probes need a network with first_frame_matching, which they hasten")
        if config.k_nearest_neighbors != 1 and probes is not None:
            raise InputError(
                f"probes find 1 nearest neighbor, and the network averages "
                f"{config.k_nearest_neighbors}: leave them out"
            )

    def arranged(self, reference: Reference, num_channels: int | tf.Tensor) -> Reference:
        """A reference in the order in which it is searched."""
        return reference if self.probes is None else clusters.clustered(reference, num_channels)

    def match(
        self,
        embedding: tf.Tensor,
        reference: Reference,
        memory: MemoryState | tuple[()],
        num_channels: int | tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        """Distances to the given frames and the memory, and where the nearest pixel is from.

        Args:
          embedding: float32 [h, w, C] of the frame.
          reference: of the given frames, from `arranged`.
          memory: what is remembered; () where there is no memory.
          num_channels: integer or int32 scalar, N.

        Returns:
          "global_distance", float32 [h, w, N] in 0..1, and with a memory "reference_frame", int32
          [h, w, N], the step that the nearest pixel comes from, 0 for a given frame.
        """
        shape = [*tf.unstack(tf.shape(embedding)[:2]), num_channels]
        distances = self._searched(embedding, reference, num_channels, self.probes)
        found = {}
        if isinstance(memory, MemoryState):
            assert self._memory is not None
            # As many columns of all frames together as of the reference.
            probes = None if self.probes is None else -(-self.probes // self._memory.frames)
            remembered = memories.distances(
                functools.partial(self._searched, embedding, probes=probes),
                shape[0] * shape[1],
                memory,
                num_channels,
            )
            nearest = tf.argmin(remembered, axis=1, output_type=tf.int32)
            least = tf.reduce_min(remembered, axis=1)
            found["reference_frame"] = tf.reshape(
                tf.where(least < distances, tf.gather(memory.frames, nearest), 0), shape
            )
            distances = tf.minimum(distances, least)
        distances = matching.as_features(distances, self._config.normalized_distances)
        found["global_distance"] = tf.reshape(distances, shape)
        return found

    def _searched(
        self,
        embedding: tf.Tensor,
        reference: Reference,
        num_objects: int | tf.Tensor,
        probes: int | None,
    ) -> tf.Tensor:
        """Squared distances float32 [h * w, num_objects] of a frame's pixels to a reference."""
        if probes is not None:
            return probed_search.nearest(embedding, reference, num_objects, probes)
        query = tf.reshape(embedding, [-1, embedding.shape[-1]])
        k = self._config.k_nearest_neighbors
        return reference_search.nearest(query, reference, num_objects, k)
