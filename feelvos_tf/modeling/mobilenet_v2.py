"""MobileNetV2 as DeepLab uses it: strides beyond the wanted one become dilation."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from feelvos_tf.modeling.layers import ConvUnit, register

_EPSILON = 1e-3
# Of each inverted residual: channels out, expansion, stride. Sandler et al. 2018, table 2, without
# the classifier's 1280 channels.
_BLOCKS = (
    [(16, 1, 1)]
    + [(24, 6, 2), (24, 6, 1)]
    + [(32, 6, 2)]
    + [(32, 6, 1)] * 2
    + [(64, 6, 2)]
    + [(64, 6, 1)] * 3
    + [(96, 6, 1)] * 3
    + [(160, 6, 2)]
    + [(160, 6, 1)] * 2
    + [(320, 6, 1)]
)
_DECODER_BLOCK = 2  # the last one at stride 4


def scaled(channels: int, multiplier: float) -> int:
    """Returns channels * multiplier as a multiple of 8, never below 90 % of the product."""
    wanted = channels * multiplier
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded


@register
class InvertedResidual(tf.keras.layers.Layer):
    """Expand by 1x1, filter depthwise, project by 1x1; add the input where shapes allow."""

    def __init__(
        self,
        name: str,
        inputs: int,
        filters: int,
        expansion: int,
        stride: int,
        rate: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.num_inputs, self.expansion = inputs, expansion
        linear: dict[str, Any] = {
            "norm_epsilon": _EPSILON,
            "activation": None,
            "dtype": self.dtype_policy,
        }
        unit = {**linear, "activation": "relu6"}
        self.expand = None
        if expansion > 1:
            self.expand = ConvUnit(f"{name}/expand", inputs * expansion, **unit)
        self.filter = ConvUnit(f"{name}/depthwise", kernel_size=3, stride=stride, rate=rate, **unit)
        self.project = ConvUnit(f"{name}/project", filters, **linear)
        self.residual = stride == 1 and inputs == filters

    def call(self, inputs: tf.Tensor, training: bool = False) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the block's output and what its depthwise convolution gave."""
        expanded = inputs if self.expand is None else self.expand(inputs, training=training)
        filtered = self.filter(expanded, training=training)
        outputs = self.project(filtered, training=training)
        return (inputs + outputs if self.residual else outputs), filtered

    def get_config(self) -> dict[str, Any]:
        """The arguments, as plain values."""
        filtering = self.filter.get_config()
        return {
            **super().get_config(),
            "inputs": self.num_inputs,
            "filters": self.project.conv.filters,
            "expansion": self.expansion,
            "stride": filtering["stride"],
            "rate": filtering["rate"],
        }


@register
class MobileNetV2(tf.keras.layers.Layer):
    """The backbone: images -> (features at `output_stride`, end point at stride 4).

    The end point is the third block's depthwise output, 144 channels at multiplier 1, which
    DeepLab's decoder takes.

    Args:
      output_stride: 8 or 16.
      depth_multiplier: factor on all channels.
    """

    def __init__(
        self,
        output_stride: int,
        depth_multiplier: float = 1.0,
        name: str = "MobilenetV2",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.output_stride, self.depth_multiplier = output_stride, depth_multiplier
        channels = scaled(32, depth_multiplier)
        self.stem = ConvUnit(
            f"{name}/Conv",
            channels,
            kernel_size=3,
            stride=2,
            norm_epsilon=_EPSILON,
            activation="relu6",
            dtype=self.dtype_policy,
        )
        self.blocks = []
        current_stride, rate = 2, 1
        for i, (filters, expansion, stride) in enumerate(_BLOCKS):
            filters = scaled(filters, depth_multiplier)
            # The block whose stride is dropped still runs at the dilation before it.
            block_rate = rate
            if current_stride == output_stride:
                rate *= stride
                stride = 1
            else:
                current_stride *= stride
            suffix = f"_{i}" if i else ""
            self.blocks.append(
                InvertedResidual(
                    f"{name}/expanded_conv{suffix}",
                    channels,
                    filters,
                    expansion,
                    stride,
                    block_rate,
                    dtype=self.dtype_policy,
                )
            )
            channels = filters

    def call(self, images: tf.Tensor, training: bool = False) -> tuple[tf.Tensor, tf.Tensor]:
        """Maps float images [B, H, W, 3] in -1..1 to the two feature maps."""
        features = self.stem(images, training=training)
        end_point = None
        for i, block in enumerate(self.blocks):
            features, filtered = block(features, training=training)
            if i == _DECODER_BLOCK:
                end_point = filtered
        return features, end_point

    def get_config(self) -> dict[str, Any]:
        """The arguments, as plain values."""
        return {
            **super().get_config(),
            "output_stride": self.output_stride,
            "depth_multiplier": self.depth_multiplier,
        }
