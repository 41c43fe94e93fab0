"""Weights to start a training from."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Collection

import numpy as np
import tensorflow as tf

from feelvos_tf import checkpoints, named_weights
from feelvos_tf.errors import InputError
from feelvos_tf.modeling.feelvos import Feelvos
from feelvos_tf.training.configs import FeelvosTask
from feelvos_tf.training.tflite import read_tflite


def require_weights(config: FeelvosTask) -> None:
    """Refuses random weights under a batch norm that is frozen.

    Args:
      config: the task's settings.

    Raises:
      InputError: there is no init_checkpoint, batch norm is not trained, and nothing allows it.
    """
    if config.init_checkpoint or config.train_batch_norm or config.allow_random_init:
        return
    raise InputError(
        "task.init_checkpoint is empty, and random weights hardly train while batch norm is frozen "
        "(task.train_batch_norm false): name a checkpoint of DeepLab or of this package "
        "(docs/train.md says where to get one), or set task.allow_random_init to true"
    )


def initialize(model: Feelvos, path: str | os.PathLike[str], parts: str = "all") -> str:
    """Gives a network weights from a file.

    Args:
      model: the network.
      path: an .npz file of this package; a .tflite file with a MobileNetV2; the prefix of an
        original FEELVOS or DeepLab checkpoint, or an archive of the release with one; the name of
        weights (see `presets`), which may take a download; or a checkpoint of an earlier run or its
        folder (then its newest checkpoint).
      parts: "all", "deeplab" (backbone, ASPP, decoder) or "backbone". A .tflite file has never
        more than backbone and ASPP.

    Returns:
      a line that says what was read from where.

    Raises:
      InputError: the file is missing, unreadable, cannot be fetched or does not fit; the network
        is as it was.
    """
    path = named_weights.starting_point(path, checkpoints.import_release)
    if path.endswith(".npz"):
        values = {
            name: v.numpy()
            for name, v in checkpoints.named_variables(checkpoints.load_model(path)).items()
        }
    elif path.endswith(".tflite"):
        values = read_tflite(model, path, parts)
        checkpoints.assign(model, values, path, values)
        return _line(model, path, values)
    else:
        prefix = _prefix(path)
        if not _is_object_based(prefix):
            return _line(model, prefix, checkpoints.load_tf1_checkpoint(model, prefix, parts))
        values = _read_run(model, prefix)
    names = [
        name for name in checkpoints.named_variables(model) if checkpoints.is_part(name, parts)
    ]
    wanted = {name: value for name, value in values.items() if checkpoints.is_part(name, parts)}
    checkpoints.assign(model, wanted, path, names)
    return _line(model, path, names)


def _line(model: Feelvos, path: str, names: Collection[str]) -> str:
    every = checkpoints.named_variables(model)
    taken = sum(every[name].shape.num_elements() for name in names)
    total = sum(v.shape.num_elements() for v in every.values())
    rest = "" if taken == total else ", the rest as the released code initializes it"
    return f"{len(list(names))} of {len(every)} variables from {path}{rest}"


def _prefix(path: str) -> str:
    if pathlib.Path(path).is_dir():
        latest = tf.train.latest_checkpoint(path)
        if latest is None:
            raise InputError(f"{path}: the folder holds no checkpoint")
        return latest
    return path


def _is_object_based(prefix: str) -> bool:
    """Whether TensorFlow 2 wrote the checkpoint; False also where there is none to read."""
    if not pathlib.Path(f"{prefix}.index").is_file():
        return False
    try:
        return tf.train.load_checkpoint(prefix).has_tensor("_CHECKPOINTABLE_OBJECT_GRAPH")
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{prefix}: not a readable TensorFlow checkpoint: {reason}") from error


def _read_run(model: Feelvos, prefix: str) -> dict[str, np.ndarray]:
    """The network's weights in a checkpoint of the trainer, by name; `model` stays as it is."""
    variables = checkpoints.named_variables(model)
    before = {name: v.numpy() for name, v in variables.items()}
    try:
        status = tf.train.Checkpoint(model=model).read(prefix)
        status.assert_existing_objects_matched().expect_partial()
        return {name: v.numpy() for name, v in variables.items()}
    except (AssertionError, ValueError, tf.errors.OpError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{prefix}: does not fit the network: {reason}") from error
    finally:
        checkpoints.assign(model, before, prefix)
