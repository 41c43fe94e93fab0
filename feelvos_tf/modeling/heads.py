"""The two heads: pixel embedding, and the segmentation head that runs once per object."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from feelvos_tf.config import ModelConfig
from feelvos_tf.modeling.layers import ConvUnit, SeparableUnit, register


@register
class NoisyIdentity(tf.keras.initializers.Initializer):
    """A convolution that begins as the identity plus truncated normal noise.

    In the released code a depthwise kernel gets its 1 in the first channel only, because the
    same function serves full convolutions; here every depthwise channel begins as itself, until
    `start_as_released` says otherwise.

    Args:
      stddev: of the noise.
      depthwise: whether the kernel is [k, k, channels, 1] instead of [k, k, in, out].
    """

    def __init__(self, stddev: float = 0.03, depthwise: bool = False) -> None:
        self.stddev = stddev
        self.depthwise = depthwise

    def __call__(
        self, shape: Sequence[int], dtype: tf.DType | None = None, **kwargs: Any
    ) -> tf.Tensor:
        noise = tf.random.truncated_normal(shape, stddev=self.stddev, dtype=dtype or tf.float32)
        channels = tf.ones([shape[2], 1]) if self.depthwise else tf.eye(shape[2], shape[3])
        center = tf.pad(
            tf.cast(channels, noise.dtype)[tf.newaxis, tf.newaxis],
            [[shape[0] // 2] * 2, [shape[1] // 2] * 2, [0, 0], [0, 0]],
        )
        return noise + center

    def get_config(self) -> dict[str, Any]:
        return {"stddev": self.stddev, "depthwise": self.depthwise}


def embedding_head(dim: int, **kwargs: Any) -> SeparableUnit:
    """Returns the layer from features [B, h, w, C] to non-negative embeddings [B, h, w, dim].

    Keyword arguments are those of a Keras layer.
    """
    return SeparableUnit(
        "embedding/split_separable_conv2d",
        dim,
        depthwise_initializer=NoisyIdentity(depthwise=True),
        pointwise_initializer=NoisyIdentity(),
        **kwargs,
    )


def start_as_released(head: SeparableUnit) -> None:
    """Leaves the identity to the first channel of the depthwise kernel, the others to the noise.

    Embeddings are small then, also of features of order one: with the identity in every channel
    distances of a pretrained DeepLab all squash to 1, where they teach nothing.

    Args:
      head: from `embedding_head`, with its first values.
    """
    kernel = head.depthwise.kernel
    identity = np.zeros(kernel.shape, np.float32)
    identity[kernel.shape[0] // 2, kernel.shape[1] // 2, 1:] = 1.0
    kernel.assign(kernel - identity)


@register
class SegmentationHead(tf.keras.layers.Layer):
    """One logit for each pixel and object, by the same weights for every object.

    Objects share the frame's features, so the first layer handles these once and adds each
    object's own few channels; the result is that of running the layer on their concatenation.

    Args:
      config: those of head_* and num_object_channels are used.
    """

    def __init__(self, config: ModelConfig, name: str = "segmentation_head", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.config = config
        self.num_object_channels = config.num_object_channels
        self.convs = [
            SeparableUnit(
                f"embedding_seg/split_separable_conv2d_{i}",
                config.head_filters,
                kernel_size=config.head_kernel_size,
                rate=rate,
                dtype=self.dtype_policy,
            )
            for i, rate in enumerate(config.head_atrous_rates or (1,) * config.head_layers)
        ]
        self.logits = ConvUnit(
            "logits/semantic",
            1,
            activation=None,
            initializer=tf.keras.initializers.TruncatedNormal(stddev=0.01),
            dtype=self.dtype_policy,
        )

    def build(self, input_shape: tf.TensorShape) -> None:
        """Creates the first layer's weights, which `call` uses in parts."""
        channels = input_shape[-1] + self.num_object_channels
        first = self.convs[0]
        first.depthwise.conv.build([None, None, None, channels])
        first.pointwise.conv.build([None, None, None, channels])
        super().build(input_shape)

    def call(self, features: tf.Tensor, objects: tf.Tensor) -> tf.Tensor:
        """Computes the logits of all objects of one frame.

        Args:
          features: floats [h, w, C], shared by the objects.
          objects: floats [N, h, w, num_object_channels]: of each object (background included) the
            global distance, previous mask and local distance, as far as the config has them.

        Returns:
          floats [h, w, N].
        """
        outputs = self._first(features[tf.newaxis], tf.cast(objects, features.dtype))
        for conv in self.convs[1:]:
            outputs = conv(outputs)
        return tf.transpose(self.logits(outputs)[..., 0], [1, 2, 0])

    def _first(self, features: tf.Tensor, objects: tf.Tensor) -> tf.Tensor:
        depthwise, pointwise = self.convs[0].depthwise, self.convs[0].pointwise
        kernel, weights = depthwise.kernel, pointwise.kernel
        bias, shared = depthwise.conv.bias, features.shape[-1]
        rates = list(depthwise.conv.dilation_rate)

        def part(inputs: tf.Tensor, channels: slice) -> tf.Tensor:
            filtered = (
                tf.nn.depthwise_conv2d(
                    inputs, kernel[:, :, channels], [1, 1, 1, 1], "SAME", dilations=rates
                )
                + bias[channels]
            )
            return tf.nn.conv2d(tf.nn.relu(filtered), weights[:, :, channels], 1, "SAME")

        outputs = part(features, slice(None, shared))
        if self.num_object_channels:
            outputs += part(objects, slice(shared, None))
        else:
            outputs = tf.repeat(outputs, tf.shape(objects)[0], axis=0)
        return tf.nn.relu(outputs + pointwise.conv.bias)

    def get_config(self) -> dict[str, Any]:
        """The arguments, as plain values."""
        return {**super().get_config(), "config": self.config.to_dict()}

    def get_build_config(self) -> None:
        """Nothing: the first call creates the weights, under this layer's name."""

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SegmentationHead:
        """The opposite of `get_config`."""
        return cls(**{**config, "config": ModelConfig.from_dict(config["config"])})
