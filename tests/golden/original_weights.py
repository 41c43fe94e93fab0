"""The weights behind the reference outputs, recreated from each variable's name and shape.

Only the batch-norm moving statistics are stored, in `bn_stats.npz`. Reference outputs were computed
by the original code with just these weights.
"""

import json
import pathlib
import zlib

import numpy as np
import tensorflow as tf


def weight(name, shape):
    """Returns the float32 array of the variable `name`, moving statistics excepted."""
    rng = np.random.RandomState(zlib.crc32(name.encode()) & 0xFFFFFFFF)
    leaf = name.rsplit("/", 1)[-1]
    if leaf in ("weights", "depthwise_weights"):
        fan_in = shape[0] * shape[1] * (shape[2] if leaf == "weights" else 1)
        value = rng.standard_normal(shape) * np.sqrt(2.0 / fan_in)
        if name.startswith("embedding/") and leaf == "weights":
            value = value * 0.35
        return value.astype(np.float32)
    if leaf in ("biases", "beta"):
        return (0.1 * rng.standard_normal(shape)).astype(np.float32)
    if leaf == "gamma":
        return (1.0 + 0.1 * rng.standard_normal(shape)).astype(np.float32)
    raise ValueError(f"no rule for variable {name!r}")


def weights(case):
    """Returns {variable name: float32 array} of the case in the folder `case`."""
    case = pathlib.Path(case)
    spec = json.loads((case / "spec.json").read_text())
    statistics = np.load(case / "bn_stats.npz")
    return {
        name: statistics[name] if name in statistics else weight(name, shape)
        for name, shape in spec["variables"]
    }


def write_checkpoint(values, prefix):
    """Writes {name: array} as a checkpoint of TensorFlow 1 (the V2 format) at `prefix`."""
    names = sorted(values)
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=[*names, "global_step"],
        shape_and_slices=[""] * (len(names) + 1),
        tensors=[tf.constant(values[name]) for name in names] + [tf.constant(200004, tf.int64)],
    )
