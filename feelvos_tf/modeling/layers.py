"""The convolution units that every part of the network is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Union

import tensorflow as tf

# Of the package's layers: Keras finds a class by this name in a file that it wrote.
register = tf.keras.utils.register_keras_serializable(package="feelvos_tf")

# How a convolution's result goes on: a name that Keras knows, such as "relu6", or a function.
Activation = Union[str, Callable[[tf.Tensor], tf.Tensor], None]
# A name that Keras knows, an object or what Keras writes of one.
Initializer = Union[str, tf.keras.initializers.Initializer, dict[str, Any]]

# The released code's moving averages; they matter only where batch norm is trained.
_MOMENTUM = 0.9997


@register
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
      activation: on the result: a name such as "relu", a function that Keras can name, or None.
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
        activation: Activation = "relu",
        explicit_padding: bool = False,
        initializer: Initializer = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.depthwise = filters is None
        self.explicit_padding = explicit_padding
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
            "dtype": self.dtype_policy,
            "name": "conv",
        }
        if self.depthwise:
            self.conv = tf.keras.layers.DepthwiseConv2D(depthwise_initializer=initializer, **shared)
        else:
            self.conv = tf.keras.layers.Conv2D(filters, kernel_initializer=initializer, **shared)
        self.norm = None
        if norm_epsilon is not None:
            self.norm = tf.keras.layers.BatchNormalization(
                momentum=_MOMENTUM, epsilon=norm_epsilon, dtype=self.dtype_policy, name="norm"
            )
        self.activation = tf.keras.activations.get(activation)

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
        return self.activation(outputs)

    def get_config(self) -> dict[str, Any]:
        """The arguments, as plain values."""
        conv = self.conv
        initializer = conv.depthwise_initializer if self.depthwise else conv.kernel_initializer
        return {
            **super().get_config(),
            "filters": None if self.depthwise else conv.filters,
            "kernel_size": conv.kernel_size[0],
            "stride": conv.strides[0],
            "rate": conv.dilation_rate[0],
            "norm_epsilon": None if self.norm is None else self.norm.epsilon,
            "activation": tf.keras.activations.serialize(self.activation),
            "explicit_padding": self.explicit_padding,
            "initializer": tf.keras.initializers.serialize(initializer),
        }


@register
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
        activation: Activation = "relu",
        explicit_padding: bool = False,
        depthwise_initializer: Initializer | None = None,
        pointwise_initializer: Initializer | None = None,
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
            dtype=self.dtype_policy,
        )
        self.pointwise = ConvUnit(
            f"{name}_pointwise",
            filters,
            norm_epsilon=norm_epsilon,
            activation=activation,
            initializer=pointwise_initializer or normal(stddev=0.06),
            dtype=self.dtype_policy,
        )

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Applies both units: [B, H, W, in] -> [B, ceil(H / stride), ceil(W / stride), filters]."""
        return self.pointwise(self.depthwise(inputs, training=training), training=training)

    def get_config(self) -> dict[str, Any]:
        """The arguments, as plain values."""
        depthwise, pointwise = self.depthwise.get_config(), self.pointwise.get_config()
        shared = ("kernel_size", "stride", "rate", "norm_epsilon", "activation", "explicit_padding")
        return {
            **super().get_config(),
            **{name: depthwise[name] for name in shared},
            "filters": pointwise["filters"],
            "depthwise_initializer": depthwise["initializer"],
            "pointwise_initializer": pointwise["initializer"],
        }
