"""Weights of quantized MobileNetV2 files (.tflite): ImageNet classifiers and DeepLabV3.

Batch norm is folded into convolution and bias there. It becomes a batch norm of identity
statistics here: gamma 1, beta the bias, moving mean 0, moving variance 1 - epsilon.
"""

from __future__ import annotations

import os
import struct
from typing import Any

import numpy as np

from feelvos_tf.errors import InputError
from feelvos_tf.modeling.feelvos import Feelvos
from feelvos_tf.modeling.layers import ConvUnit
from feelvos_tf.modeling.mobilenet_v2 import MobileNetV2

_DTYPES = {0: np.float32, 2: np.int32, 3: np.uint8, 9: np.int8}  # of the TFLite schema
_CONV, _DEPTHWISE = 3, 4
# What DeepLabV3 without decoder has behind the backbone, in this order.
_ASPP = ("aspp0", "image_pooling", "concat_projection")


def read_convolutions(path: str | os.PathLike[str]) -> list[tuple[bool, np.ndarray, np.ndarray]]:
    """Reads the convolutions of a file in the order of execution.

    Returns:
      for each whether it is depthwise, its kernel, float32 [k, k, in, out] (depthwise
      [k, k, channels, 1]), and its bias, float32 [out].

    Raises:
      InputError: the file is missing or is no such model.
    """
    from tensorflow.lite.python import schema_py_generated as schema

    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if data[4:8] != b"TFL3":
        raise InputError(f"{path}: is no TensorFlow Lite model")
    try:
        model = schema.Model.GetRootAsModel(data, 0)
        graph = model.Subgraphs(0)
        convolutions = []
        for i in range(graph.OperatorsLength()):
            operator = graph.Operators(i)
            code = model.OperatorCodes(operator.OpcodeIndex())
            kind = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
            if kind in (_CONV, _DEPTHWISE):
                kernel = _dequantized(model, graph.Tensors(operator.Inputs(1)))
                bias = _dequantized(model, graph.Tensors(operator.Inputs(2)))
                # [out, k, k, in], and [1, k, k, channels] where depthwise.
                kernel = kernel.transpose(1, 2, 3, 0)
                convolutions.append((kind == _DEPTHWISE, kernel, bias))
    except (struct.error, IndexError, TypeError, ValueError, KeyError, AttributeError) as error:
        raise InputError(f"{path}: damaged TensorFlow Lite model ({error})") from error
    return convolutions


def _dequantized(model: Any, tensor: Any) -> np.ndarray:
    """The values of a constant: scale * (q - zero_point), of the tensor or of each channel."""
    raw = model.Buffers(tensor.Buffer()).DataAsNumpy()
    values = np.frombuffer(raw.tobytes(), _DTYPES[tensor.Type()]).reshape(tensor.ShapeAsNumpy())
    if tensor.Type() == 0:
        return values
    parameters = tensor.Quantization()
    scales = parameters.ScaleAsNumpy()
    zeros = parameters.ZeroPointAsNumpy()
    shape = [1] * values.ndim
    if len(scales) > 1:
        shape[parameters.QuantizedDimension()] = len(scales)
    scales = scales.astype(np.float64).reshape(shape)
    zeros = np.zeros(shape) if isinstance(zeros, int) else zeros.reshape(shape)
    return (scales * (values.astype(np.float64) - zeros)).astype(np.float32)


def backbone_units(backbone: MobileNetV2) -> list[ConvUnit]:
    """The convolutions of a backbone in the order of execution."""
    units = [backbone.stem]
    for block in backbone.blocks:
        units += [u for u in (block.expand, block.filter, block.project) if u is not None]
    return units


def read_tflite(model: Feelvos, path: str | os.PathLike[str], parts: str) -> dict[str, np.ndarray]:
    """Reads what a file has for a network.

    Args:
      model: a network with a MobileNetV2.
      path: the file.
      parts: "backbone"; or "deeplab" or "all" to take the ASPP of a DeepLabV3 as well where it
        has the network's shapes (a network without atrous rates).

    Returns:
      arrays by variable name.

    Raises:
      InputError: another backbone, another depth multiplier, or not such a file.
    """
    if not isinstance(model.deeplab.backbone, MobileNetV2):
        raise InputError(f"{path}: holds a MobileNetV2, but the network has another backbone")
    convolutions = read_convolutions(path)
    units = backbone_units(model.deeplab.backbone)
    if len(convolutions) < len(units):
        raise InputError(
            f"{path}: has {len(convolutions)} convolutions, expected at least the "
            f"{len(units)} of a MobileNetV2"
        )
    values = {}
    for unit, convolution in zip(units, convolutions):
        depthwise, kernel, _ = convolution
        if depthwise != unit.depthwise or list(kernel.shape) != unit.kernel.shape.as_list():
            raise InputError(
                f"{path}: {unit.name} is {list(kernel.shape)}, "
                f"expected {unit.kernel.shape.as_list()}"
            )
        values.update(_unit_values(unit, *convolution[1:]))
    rest = convolutions[len(units) :]
    if parts != "backbone" and len(rest) > len(_ASPP):
        named = {u.name: u for u in model.submodules if isinstance(u, ConvUnit)}
        aspp = [named[name] for name in _ASPP]
        if all(list(c[1].shape) == u.kernel.shape.as_list() for u, c in zip(aspp, rest)):
            for unit, convolution in zip(aspp, rest):
                values.update(_unit_values(unit, *convolution[1:]))
    return values


def _unit_values(unit: ConvUnit, kernel: np.ndarray, bias: np.ndarray) -> dict[str, np.ndarray]:
    assert unit.norm is not None  # those of the backbone and the ASPP have one
    leaf = "depthwise_weights" if unit.depthwise else "weights"
    norm = {
        "gamma": np.ones_like(bias),
        "beta": bias,
        "moving_mean": np.zeros_like(bias),
        "moving_variance": np.full_like(bias, 1.0 - unit.norm.epsilon),
    }
    return {
        f"{unit.name}/{leaf}": kernel,
        **{f"{unit.name}/BatchNorm/{name}": value for name, value in norm.items()},
    }
