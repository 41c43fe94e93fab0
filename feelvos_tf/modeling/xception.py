"""Xception-65, the aligned Xception of DeepLabV3+, with dilation in place of late strides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from feelvos_tf.modeling.layers import ConvUnit, SeparableUnit, register

_EPSILON = 1e-3


@register
class XceptionModule(tf.keras.layers.Layer):
    """Three separable convolutions beside a shortcut.

    Args:
      name: original scope.
      depths: output channels of the three.
      shortcut: "conv" (1x1 with the module's stride), "sum" (identity) or "none".
      stride: of the third convolution and the shortcut.
      rate: dilation of all three.
      inner_activation: ReLU behind each depthwise and 1x1 convolution; otherwise one ReLU stands
        before each separable convolution.
    """

    def __init__(
        self,
        name: str,
        depths: Sequence[int],
        shortcut: str,
        stride: int,
        rate: int,
        inner_activation: bool,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.relu_before = not inner_activation
        self.convs = [
            SeparableUnit(
                f"{name}/separable_conv{i + 1}",
                depth,
                stride=stride if i == 2 else 1,
                rate=rate,
                norm_epsilon=_EPSILON,
                activation="relu" if inner_activation else None,
                explicit_padding=True,
                dtype=self.dtype_policy,
            )
            for i, depth in enumerate(depths)
        ]
        self.identity = shortcut == "sum"
        self.shortcut = None
        if shortcut == "conv":
            self.shortcut = ConvUnit(
                f"{name}/shortcut",
                depths[-1],
                stride=stride,
                norm_epsilon=_EPSILON,
                activation=None,
                dtype=self.dtype_policy,
            )

    def call(self, inputs: tf.Tensor, training: bool = False) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the module's output and that of its second convolution."""
        residual, second = inputs, None
        for i, conv in enumerate(self.convs):
            if self.relu_before:
                residual = tf.nn.relu(residual)
            residual = conv(residual, training=training)
            if i == 1:
                second = residual
        if self.identity:
            residual += inputs
        elif self.shortcut is not None:
            residual += self.shortcut(inputs, training=training)
        return residual, second

    def get_config(self) -> dict[str, Any]:
        """The arguments, as plain values."""
        convs = [conv.get_config() for conv in self.convs]
        shortcut = "none" if self.shortcut is None else "conv"
        return {
            **super().get_config(),
            "depths": [conv["filters"] for conv in convs],
            "shortcut": "sum" if self.identity else shortcut,
            "stride": convs[2]["stride"],
            "rate": convs[2]["rate"],
            "inner_activation": not self.relu_before,
        }


@register
class Xception65(tf.keras.layers.Layer):
    """The backbone: images -> (features at `output_stride`, end point at stride 4).

    The end point is the second separable convolution of the entry flow's second block, 256
    channels, which DeepLab's decoder takes.

    Args:
      output_stride: 8 or 16.
    """

    def __init__(self, output_stride: int, name: str = "xception_65", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.output_stride = output_stride
        unit = {"kernel_size": 3, "norm_epsilon": _EPSILON, "dtype": self.dtype_policy}
        entry = f"{name}/entry_flow"
        self.stem = [
            ConvUnit(f"{entry}/conv1_1", 32, stride=2, explicit_padding=True, **unit),
            ConvUnit(f"{entry}/conv1_2", 64, **unit),
        ]
        # Scope, channels, shortcut, stride, activation inside.
        blocks = [
            ("entry_flow/block1/unit_1", (128,) * 3, "conv", 2, False),
            ("entry_flow/block2/unit_1", (256,) * 3, "conv", 2, False),
            ("entry_flow/block3/unit_1", (728,) * 3, "conv", 2, False),
            *[(f"middle_flow/block1/unit_{i + 1}", (728,) * 3, "sum", 1, False) for i in range(16)],
            ("exit_flow/block1/unit_1", (728, 1024, 1024), "conv", 2, False),
            ("exit_flow/block2/unit_1", (1536, 1536, 2048), "none", 1, True),
        ]
        self.modules, current_stride, rate = [], 2, 1
        for scope, depths, shortcut, stride, inner_activation in blocks:
            # The module whose stride is dropped still runs at the dilation before it.
            module_rate = rate
            if current_stride == output_stride:
                rate *= stride
                stride = 1
            else:
                current_stride *= stride
            self.modules.append(
                XceptionModule(
                    f"{name}/{scope}/xception_module",
                    depths,
                    shortcut,
                    stride,
                    module_rate,
                    inner_activation,
                    dtype=self.dtype_policy,
                )
            )

    def call(self, images: tf.Tensor, training: bool = False) -> tuple[tf.Tensor, tf.Tensor]:
        """Maps float images [B, H, W, 3] in -1..1 to the two feature maps."""
        features = images
        for conv in self.stem:
            features = conv(features, training=training)
        end_point = None
        for i, module in enumerate(self.modules):
            features, second = module(features, training=training)
            if i == 1:
                end_point = second
        return features, end_point

    def get_config(self) -> dict[str, Any]:
        """The arguments, as plain values."""
        return {**super().get_config(), "output_stride": self.output_stride}
