"""The convolution units that every part of the network is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

# The released code's moving averages; they matter only where batch norm is trained.
_MOMENTUM = 0.9997


class ConvUnit(tf.keras.layers.Layer):
    """Convolution, then batch norm or bias, then an activation.

    Its name is the scope of the same convolution in the released code, so that original
    checkpoints load by name.

    Args:
      name: original variable scope, such as "decoder/feature_projection0".
      filters: output channels; None makes it depthwise, one filter for each input channel.
      kernel_size: side of the square kernel.
      stride: 1 or 2.
      rate: dilation.
      norm_epsilon: epsilon of the batch norm; None for a bias instead.
      activation: function on the result, or None.
      explicit_padding: pad by kernel_size // 2 on every side before a strided convolution, which
        keeps features aligned at even sizes (as Xception does); "same" padding otherwise.
      initializer: of the kernel.
    """

    def __init__(
        self,
        name: str,
        filters: int | None = None,
        kernel_size: int = 1,
        stride: int = 1,
        rate: int = 1,
        norm_epsilon: float | None = None,
        activation: Callable[[tf.Tensor], tf.Tensor] | None = tf.nn.relu,
        explicit_padding: bool = False,
        initializer: str | tf.keras.initializers.Initializer = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.depthwise = filters is None
        self.padding = 0
        padding = "same"
        if explicit_padding and stride > 1:
            self.padding, padding = rate * (kernel_size - 1) // 2, "valid"
        shared = {
            "kernel_size": kernel_size,
            "strides": stride,
            "dilation_rate": rate,
            "padding": padding,
            "use_bias": norm_epsilon is None,
            "name": "conv",
        }
        if self.depthwise:
            self.conv = tf.keras.layers.DepthwiseConv2D(depthwise_initializer=initializer, **shared)
        else:
            self.conv = tf.keras.layers.Conv2D(filters, kernel_initializer=initializer, **shared)
        self.norm = None
        if norm_epsilon is not None:
            self.norm = tf.keras.layers.BatchNormalization(
                momentum=_MOMENTUM, epsilon=norm_epsilon, name="norm"
            )
        self.activation = activation

    @property
    def kernel(self) -> tf.Variable:
        """The convolution's weights: [k, k, in, filters], or [k, k, in, 1] where depthwise."""
        return self.conv.depthwise_kernel if self.depthwise else self.conv.kernel

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Applies the unit: [B, H, W, in] -> [B, ceil(H / stride), ceil(W / stride), out]."""
        if self.padding:
            side = [self.padding, self.padding]
            inputs = tf.pad(inputs, [[0, 0], side, side, [0, 0]])
        outputs = self.conv(inputs)
        if self.norm is not None:
            outputs = self.norm(outputs, training=training)
        return outputs if self.activation is None else self.activation(outputs)


class SeparableUnit(tf.keras.layers.Layer):
    """A depthwise unit, then a 1x1 unit, each with its own norm or bias and activation.

    Args:
      name: original scope; the two units are NAME_depthwise and NAME_pointwise.
      filters: output channels.
      depthwise_initializer: of the depthwise kernel; the released code's by default.
      pointwise_initializer: of the 1x1 kernel; the released code's by default.
      stride, rate, explicit_padding, kernel_size: of the depthwise unit, see ConvUnit.
      norm_epsilon, activation: of both units, see ConvUnit.
    """

    def __init__(
        self,
        name: str,
        filters: int,
        kernel_size: int = 3,
        stride: int = 1,
        rate: int = 1,
        norm_epsilon: float | None = None,
        activation: Callable[[tf.Tensor], tf.Tensor] | None = tf.nn.relu,
        explicit_padding: bool = False,
        depthwise_initializer: tf.keras.initializers.Initializer | None = None,
        pointwise_initializer: tf.keras.initializers.Initializer | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        normal = tf.keras.initializers.TruncatedNormal
        self.depthwise = ConvUnit(
            f"{name}_depthwise",
            kernel_size=kernel_size,
            stride=stride,
            rate=rate,
            norm_epsilon=norm_epsilon,
            activation=activation,
            explicit_padding=explicit_padding,
            initializer=depthwise_initializer or normal(stddev=0.33),
        )
        self.pointwise = ConvUnit(
            f"{name}_pointwise",
            filters,
            norm_epsilon=norm_epsilon,
            activation=activation,
            initializer=pointwise_initializer or normal(stddev=0.06),
        )

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Applies both units: [B, H, W, in] -> [B, ceil(H / stride), ceil(W / stride), filters]."""
        return self.pointwise(self.depthwise(inputs, training=training), training=training)
