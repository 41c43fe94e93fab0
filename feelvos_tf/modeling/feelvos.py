"""The network. It knows nothing of time: states come in, logits go out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from feelvos_tf.config import ModelConfig
from feelvos_tf.modeling.deeplab import DeepLab
from feelvos_tf.modeling.heads import SegmentationHead, embedding_head
from feelvos_tf.modeling.layers import register
from feelvos_tf.ops import labels as label_ops
from feelvos_tf.ops import matching, resize
from feelvos_tf.streaming_settings import AS_PUBLISHED, StreamingSettings


class FrameState(NamedTuple):
    """A frame as the next one is compared with it; h and w are the size at stride 4."""

    embedding: tf.Tensor  # floats [h, w, C]
    labels: tf.Tensor  # int32 [h, w], channels
    mask: tf.Tensor  # float32 [h, w, N], one-hot labels or probabilities


@register
class Feelvos(tf.keras.Model):
    """FEELVOS (Voigtlaender et al., CVPR 2019).

    Args:
      config: the network's description.
      **kwargs: those of a Keras model, such as dtype for mixed precision.

    `model.save("m.keras")`, `tf.keras.models.load_model` and `tf.keras.models.clone_model` work as
    for any Keras model; the copies have the config, what is recommended and their variables.

    Attributes:
      recommended: what suits these weights in streaming, as measured; nothing but what is
        published if nobody says otherwise. It travels with a checkpoint.
    """

    recommended: StreamingSettings = AS_PUBLISHED

    def __init__(self, config: ModelConfig, name: str = "feelvos", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.config = config
        # The layers compute in the model's precision, whatever the process's is meanwhile.
        policy = self.dtype_policy
        self.deeplab = DeepLab(config, dtype=policy)
        self.embedding = embedding_head(config.embedding_dim, dtype=policy)
        self.head = SegmentationHead(config, dtype=policy)

    def get_config(self) -> dict[str, Any]:
        """The arguments and what is recommended, as plain values."""
        return {
            # A Keras model's own is empty for subclasses.
            **tf.keras.layers.Layer.get_config(self),
            "config": self.config.to_dict(),
            "recommended": self.recommended.to_dict(),
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Feelvos:
        """The opposite of `get_config`; the network has its variables, initialized.

        Raises:
          InputError: a value is out of range.
        """
        arguments = dict(config)
        recommended = StreamingSettings.from_dict(arguments.pop("recommended", {}))
        model = _with_variables(cls(ModelConfig.from_dict(arguments.pop("config")), **arguments))
        model.recommended = recommended
        return model

    def get_build_config(self) -> None:
        """Nothing, which tells Keras that `from_config` created the variables."""

    def embed(
        self,
        images: tf.Tensor,
        training: bool = False,
        dropout: Callable[[tf.Tensor], tf.Tensor] | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Computes what depends on single frames alone.

        Args:
          images: RGB [B, H, W, 3], any number type, 0..255.
          training: whether batch norm uses and updates the batch's statistics.
          dropout: function on the output of the ASPP, for training; None for none.

        Returns:
          features: floats [B, h, w, decoder_filters], h = scale_dimension(H, 1 / 4).
          embeddings: floats [B, h, w, embedding_dim].
        """
        features = self.deeplab(images, training=training, dropout=dropout)
        return features, self.embedding(features)

    def match_reference(
        self,
        query: tf.Tensor,
        reference: tf.Tensor,
        reference_labels: tf.Tensor,
        num_objects: int | tf.Tensor,
    ) -> tf.Tensor | None:
        """Distances to reference pixels as the config wants them, or None.

        Args and returns: those of `matching.global_matching`; None where the config has no such
        matching.
        """
        config = self.config
        if not config.first_frame_matching:
            return None
        return matching.global_matching(
            query,
            reference,
            reference_labels,
            num_objects,
            config.k_nearest_neighbors,
            config.normalized_distances,
        )

    def match_previous(
        self,
        query: tf.Tensor,
        previous: tf.Tensor,
        previous_labels: tf.Tensor,
        num_objects: int | tf.Tensor,
        implementation: str = "auto",
        differentiable: bool = True,
    ) -> tf.Tensor | None:
        """Distances to the previous frame as the config wants them, or None.

        Args:
          query: floats [h, w, C], embedding of the current frame.
          previous: floats [h, w, C], embedding of the previous frame.
          previous_labels: int32 [h, w], channels.
          num_objects: integer or int32 scalar.
          implementation: of local matching.
          differentiable: see `matching.global_distances`.

        Returns:
          float32 [h, w, num_objects] in 0..1, or None where the config has no such matching.
        """
        if self.config.previous_frame_matching == "none":
            return None
        if self.config.previous_frame_matching == "global":
            return matching.global_matching(
                query,
                previous,
                previous_labels,
                num_objects,
                self.config.k_nearest_neighbors,
                differentiable=differentiable,
            )
        return matching.local_matching(
            query,
            previous,
            previous_labels,
            num_objects,
            self.config.window,
            implementation,
            differentiable,
        )

    def segment(
        self,
        features: tf.Tensor,
        global_distance: tf.Tensor | None,
        previous_mask: tf.Tensor | None,
        previous_distance: tf.Tensor | None,
        num_objects: int | tf.Tensor,
    ) -> tf.Tensor:
        """Computes the logits of one frame.

        Args:
          features: floats [h, w, decoder_filters].
          global_distance: float32 [h, w, N], to the first frame, from `match_reference`.
          previous_mask: float32 [h, w, N] in 0..1, one-hot labels or probabilities.
          previous_distance: float32 [h, w, N] in 0..1, from `match_previous`.
          num_objects: N, integer or int32 scalar.

        What the config switches off is ignored and may be None.

        Returns:
          float32 [h, w, N].
        """
        channels = []
        if self.config.first_frame_matching:
            channels.append(global_distance)
        if self.config.previous_mask != "none":
            channels.append(previous_mask)
        if self.config.previous_frame_matching != "none":
            channels.append(previous_distance)
        if channels:
            objects = tf.transpose(tf.stack(channels, axis=-1), [2, 0, 1, 3])
        else:
            shape = tf.shape(features)
            objects = tf.zeros(tf.stack([num_objects, shape[0], shape[1], 0]))
        return tf.cast(self.head(features, objects), tf.float32)

    def segment_next(
        self,
        features: tf.Tensor,
        embedding: tf.Tensor,
        global_distance: tf.Tensor | None,
        previous: FrameState,
        num_channels: int | tf.Tensor,
        implementation: str = "auto",
        differentiable: bool = True,
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Computes the logits of a frame from those before it: one turn of the recurrence.

        Args:
          features: floats [h, w, decoder_filters].
          embedding: floats [h, w, C].
          global_distance: float32 [h, w, N], to the reference; None where switched off.
          previous: the frame before.
          num_channels: N, integer or int32 scalar.
          implementation: of local matching.
          differentiable: see `matching.global_distances`.

        Returns:
          logits: float32 [h, w, N].
          previous_distance: float32 [h, w, N] in 0..1, or None where switched off.
        """
        previous_distance = self.match_previous(
            embedding,
            previous.embedding,
            previous.labels,
            num_channels,
            implementation,
            differentiable,
        )
        logits = self.segment(
            features, global_distance, previous.mask, previous_distance, num_channels
        )
        return logits, previous_distance

    def follow(
        self, embedding: tf.Tensor, logits: tf.Tensor, size: Sequence[int] | tf.Tensor
    ) -> tuple[FrameState, tf.Tensor, tf.Tensor]:
        """Decides the labels of a frame: the other half of the recurrence.

        Args:
          embedding: floats [h, w, C].
          logits: float32 [h, w, N].
          size: (H, W) of the frame, integers or an int32 vector.

        Returns:
          the frame as the previous one of the next, a FrameState; hard labels or, where the
            config says so, probabilities.
          channels: int32 [H, W].
          full_logits: float32 [H, W, N].
        """
        full = resize.resize_bilinear(logits[tf.newaxis], size)[0]
        channels = tf.argmax(full, axis=-1, output_type=tf.int32)
        labels = label_ops.shrink_by_nearest(channels, tf.shape(embedding)[:2])
        if self.config.previous_mask == "probabilities":
            mask = tf.nn.softmax(logits)
        else:
            mask = label_ops.one_hot_mask(labels, logits.shape[-1] or tf.shape(logits)[-1])
        return FrameState(embedding, labels, mask), channels, full

    def call(self, inputs: Mapping[str, Any], training: bool = False) -> tf.Tensor:
        """Segments the last frame of each triplet.

        Args:
          inputs: a dictionary of
            images: RGB [B, 3, H, W, 3] in 0..255: reference, previous and current frame;
            reference_labels: int32 [B, h, w] at stride 4, channels;
            previous_labels: int32 [B, h, w] at stride 4, channels;
            num_objects: integer or int32 scalar, channels of all triplets (absent objects
              match nothing).
          training: see `embed`.

        Returns:
          float32 [B, h, w, num_objects].
        """
        images, num_objects = inputs["images"], inputs["num_objects"]
        shape = tf.shape(images)
        frames = tf.reshape(images, tf.concat([[shape[0] * shape[1]], shape[2:]], axis=0))
        frames = tf.ensure_shape(frames, [None, *images.shape[2:]])
        features, embeddings = self.embed(frames, training=training)

        def frame(tensor: tf.Tensor, i: int) -> tf.Tensor:
            split = tf.reshape(tensor, tf.concat([shape[:2], tf.shape(tensor)[1:]], axis=0))
            return tf.ensure_shape(split[:, i], [None, *tensor.shape[1:]])

        def segment(triplet: tuple[tf.Tensor, ...]) -> tf.Tensor:
            features, reference, previous, query, reference_labels, previous_labels = triplet
            global_distance = self.match_reference(query, reference, reference_labels, num_objects)
            mask = label_ops.one_hot_mask(previous_labels, num_objects)
            logits, _ = self.segment_next(
                features,
                query,
                global_distance,
                FrameState(previous, previous_labels, mask),
                num_objects,
            )
            return logits

        # Not in parallel: one triplet's distances are in memory at a time.
        return tf.map_fn(
            segment,
            (
                frame(features, 2),
                frame(embeddings, 0),
                frame(embeddings, 1),
                frame(embeddings, 2),
                inputs["reference_labels"],
                inputs["previous_labels"],
            ),
            fn_output_signature=tf.float32,
            parallel_iterations=1,
        )


def build_model(config: ModelConfig, **kwargs: Any) -> Feelvos:
    """Returns a network with its variables created; keyword arguments are those of `Feelvos`.

    They begin as in the released code, but for the embedding's depthwise kernel (`NoisyIdentity`),
    which `heads.start_as_released` sets right.
    """
    return _with_variables(Feelvos(config, **kwargs))


def _with_variables(model: Feelvos) -> Feelvos:
    # AutoGraph would rewrite every layer's source code, ten seconds for nothing.
    create_variables = tf.autograph.experimental.do_not_convert(model)
    create_variables(
        {
            "images": tf.zeros([1, 3, 9, 9, 3]),
            "num_objects": 2,
            "reference_labels": tf.zeros([1, 3, 3], tf.int32),
            "previous_labels": tf.zeros([1, 3, 3], tf.int32),
        }
    )
    return model
