"""DeepLabV3+ features: backbone, atrous spatial pyramid pooling (ASPP) and decoder at stride 4."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from feelvos_tf.config import ModelConfig
from feelvos_tf.modeling.layers import ConvUnit, SeparableUnit, register
from feelvos_tf.modeling.mobilenet_v2 import MobileNetV2
from feelvos_tf.modeling.xception import Xception65
from feelvos_tf.ops import resize

_EPSILON = 1e-5
_LOW_LEVEL_FILTERS = 48  # projected channels of the stride-4 end point
DECODER_STRIDE = 4


def build_backbone(config: ModelConfig, **kwargs: Any) -> tf.keras.layers.Layer:
    """Returns the layer that maps images in -1..1 to (features, stride-4 end point).

    Keyword arguments are those of a Keras layer.
    """
    if config.backbone == "xception_65":
        return Xception65(config.output_stride, **kwargs)
    return MobileNetV2(config.output_stride, config.depth_multiplier, **kwargs)


@register
class ASPP(tf.keras.layers.Layer):
    """Image pooling, 1x1 and dilated branches, concatenated in that order and projected."""

    def __init__(
        self, filters: int, atrous_rates: Sequence[int], name: str = "aspp", **kwargs: Any
    ) -> None:
        super().__init__(name=name, **kwargs)
        unit = {"norm_epsilon": _EPSILON, "dtype": self.dtype_policy}
        self.pooling = ConvUnit("image_pooling", filters, **unit)
        self.branches = [ConvUnit("aspp0", filters, **unit)] + [
            SeparableUnit(f"aspp{i}", filters, rate=rate, **unit)
            for i, rate in enumerate(atrous_rates, 1)
        ]
        self.projection = ConvUnit("concat_projection", filters, **unit)

    def call(self, features: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Maps [B, h, w, C] to [B, h, w, filters]."""
        pooled = self.pooling(
            tf.reduce_mean(features, axis=(1, 2), keepdims=True), training=training
        )
        shape = tf.shape(features)
        pooled = tf.broadcast_to(pooled, [shape[0], shape[1], shape[2], pooled.shape[-1]])
        branches = [branch(features, training=training) for branch in self.branches]
        return self.projection(tf.concat([pooled, *branches], axis=-1), training=training)

    def get_config(self) -> dict[str, Any]:
        """The arguments, as plain values."""
        return {
            **super().get_config(),
            "filters": self.projection.conv.filters,
            "atrous_rates": [branch.get_config()["rate"] for branch in self.branches[1:]],
        }


@register
class Decoder(tf.keras.layers.Layer):
    """Joins ASPP features with the projected low-level end point at stride 4."""

    def __init__(self, filters: int, name: str = "decoder", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        unit = {"norm_epsilon": _EPSILON, "dtype": self.dtype_policy}
        self.projection = ConvUnit("decoder/feature_projection0", _LOW_LEVEL_FILTERS, **unit)
        self.convs = [SeparableUnit(f"decoder/decoder_conv{i}", filters, **unit) for i in range(2)]

    def call(
        self,
        features: tf.Tensor,
        low_level: tf.Tensor,
        size: Sequence[int | tf.Tensor],
        training: bool = False,
    ) -> tf.Tensor:
        """Maps both feature maps to [B, size[0], size[1], filters]."""
        low_level = self.projection(low_level, training=training)
        joined = [
            tf.cast(resize.resize_bilinear(x, size), self.compute_dtype)
            for x in (features, low_level)
        ]
        outputs = tf.concat(joined, axis=-1)
        for conv in self.convs:
            outputs = conv(outputs, training=training)
        return outputs

    def get_config(self) -> dict[str, Any]:
        """The arguments, as plain values."""
        return {**super().get_config(), "filters": self.convs[0].get_config()["filters"]}


@register
class DeepLab(tf.keras.layers.Layer):
    """Images -> decoder features at stride 4, of size scale_dimension(H, 1 / 4)."""

    def __init__(self, config: ModelConfig, name: str = "deeplab", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.config = config
        policy = self.dtype_policy
        self.backbone = build_backbone(config, dtype=policy)
        self.aspp = ASPP(config.aspp_filters, config.atrous_rates, dtype=policy)
        self.decoder = Decoder(config.decoder_filters, dtype=policy)

    def call(
        self,
        images: tf.Tensor,
        training: bool = False,
        dropout: Callable[[tf.Tensor], tf.Tensor] | None = None,
    ) -> tf.Tensor:
        """Maps RGB images [B, H, W, 3] in 0..255 to features [B, h, w, decoder_filters].

        `dropout`, if given, is a function applied to the output of the ASPP.
        """
        height = images.shape[1] or tf.shape(images)[1]
        width = images.shape[2] or tf.shape(images)[2]
        size = [resize.scale_dimension(d, 1.0 / DECODER_STRIDE) for d in (height, width)]
        images = tf.cast(tf.cast(images, tf.float32) * (2.0 / 255.0) - 1.0, self.compute_dtype)
        features, low_level = self.backbone(images, training=training)
        features = self.aspp(features, training=training)
        if dropout is not None:
            features = dropout(features)
        return self.decoder(features, low_level, size, training=training)

    def get_config(self) -> dict[str, Any]:
        """The arguments, as plain values."""
        return {**super().get_config(), "config": self.config.to_dict()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DeepLab:
        """The opposite of `get_config`."""
        return cls(**{**config, "config": ModelConfig.from_dict(config["config"])})
