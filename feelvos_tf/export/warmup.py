"""Warm-up requests: TensorFlow Serving replays them before it takes a new model into service.

They are a TFRecord file of tensorflow.serving.PredictionLog messages. The package that declares
these, tensorflow-serving-api, asks for the newest TensorFlow and would replace the installed
one, so the few fields used are written here. All are strings or messages, which protocol
buffers encode as tag, length and content.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from feelvos_tf.export.signatures import FixedShape
from feelvos_tf.streaming.state import State

FILE = "assets.extra/tf_serving_warmup_requests"
_SIZE = (97, 129)  # of the frames where the export takes any


def write_warmup(
    folder: pathlib.Path, functions: Mapping[str, Any], fixed: FixedShape | None, model_name: str
) -> None:
    """Runs every function once and writes the requests that did it.

    Args:
      folder: of the SavedModel.
      functions: by name, from `Signatures.functions`.
      fixed: the sizes they were compiled for, if any.
      model_name: the name put into the requests; servers ignore it.
    """
    records = [
        _prediction_log(model_name, name, inputs)
        for name, inputs in example_requests(functions, fixed)
    ]
    path = folder / FILE
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(os.fspath(path)) as writer:
        for record in records:
            writer.write(record)


def example_requests(
    functions: Mapping[str, Any], fixed: FixedShape | None
) -> list[tuple[str, dict[str, np.ndarray]]]:
    """Returns pairs of a function's name and its inputs, an array by each name."""
    height, width = fixed[:2] if fixed else _SIZE
    num_objects = fixed.num_objects if fixed else 1
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
    mask = np.arange(height * width) * (num_objects + 1) // (height * width)
    mask = mask.reshape(height, width).astype(np.uint8)

    def call(name: str, **inputs: np.ndarray) -> dict[str, tf.Tensor]:
        return functions[name](**{key: tf.constant(value) for key, value in inputs.items()})

    def state(outputs: Mapping[str, tf.Tensor]) -> dict[str, np.ndarray]:
        return {name: outputs[name].numpy() for name in State._fields if name in outputs}

    requests = [("initialize", {"image": image, "mask": mask})]
    begun = call("initialize", image=image, mask=mask)
    requests.append(("step", {"image": image, **state(begun)}))
    stepped = call("step", **requests[-1][1])
    other = np.where(mask == 1, np.uint8(2), np.uint8(0))
    for name in ("add_objects", "correct"):
        if name in functions:
            requests.append((name, {"image": image, "mask": other, **state(stepped)}))
            call(name, **requests[-1][1])
    requests.append(("embed", {"image": image[np.newaxis]}))
    call("embed", **requests[-1][1])
    return requests


def _prediction_log(model_name: str, signature: str, inputs: Mapping[str, np.ndarray]) -> bytes:
    spec = _field(1, model_name.encode()) + _field(3, signature.encode())
    request = _field(1, spec)
    for name, value in inputs.items():
        tensor = tf.make_tensor_proto(value).SerializeToString()
        request += _field(2, _field(1, name.encode()) + _field(2, tensor))
    return _field(6, _field(1, request))


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    groups = []
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    return bytes([*groups, value])
