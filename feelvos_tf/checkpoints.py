"""Weights in files: the package's own format, and checkpoints of the original release.

A variable is named after the released code's one ("decoder/feature_projection0/weights"), in
both kinds of file, so a mapping between them is the identity. The package's own file is one
.npz: the variables as arrays, and the config as JSON under the name `CONFIG_KEY`.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from feelvos_tf import checkpoint_file, named_weights, npz
from feelvos_tf.checkpoint_file import CONFIG_KEY, STREAMING_KEY
from feelvos_tf.config import ModelConfig
from feelvos_tf.errors import InputError
from feelvos_tf.fetching.cache_folder import Say
from feelvos_tf.files import replaced_when_done
from feelvos_tf.modeling.feelvos import Feelvos, build_model
from feelvos_tf.modeling.layers import ConvUnit
from feelvos_tf.streaming_settings import AS_PUBLISHED

PARTS = ("all", "deeplab", "backbone")
# Of the backbones, in the order of config.BACKBONES.
_BACKBONE_SCOPES = ("MobilenetV2/", "xception_65/")
_HEAD_SCOPES = ("embedding/", "embedding_seg/", "logits/")
# What optimizers and the training loop of TensorFlow 1 keep beside the weights.
_TRAINING_SUFFIXES = ("/Momentum", "/Adam", "/Adam_1", "/RMSProp", "/ExponentialMovingAverage")
_SHOWN = 5  # names listed in an error


def named_variables(model: Feelvos) -> dict[str, tf.Variable]:
    """Returns every variable of the network by its name in the released code."""
    variables = {}
    for unit in model.submodules:
        if not isinstance(unit, ConvUnit):
            continue
        kernel = "depthwise_weights" if unit.depthwise else "weights"
        variables[f"{unit.name}/{kernel}"] = unit.kernel
        if unit.norm is None:
            variables[f"{unit.name}/biases"] = unit.conv.bias
        else:
            for name in ("gamma", "beta", "moving_mean", "moving_variance"):
                variables[f"{unit.name}/BatchNorm/{name}"] = getattr(unit.norm, name)
    return variables


def assign(
    model: Feelvos,
    values: Mapping[str, np.ndarray],
    source: str,
    names: Iterable[str] | None = None,
) -> None:
    """Gives the network's variables new values, all of them or, after an error, none.

    Args:
      model: the network.
      values: arrays by variable name.
      source: where they come from, for errors.
      names: which variables are to be set; by default every one. `values` must hold just these.

    Raises:
      InputError: a value is missing, left over, has another shape or type, or is not finite;
        the message names it.
    """
    variables = named_variables(model)
    names = list(variables) if names is None else list(names)
    _check_fit(variables, values, source, names)
    with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite in it
        unusable = [
            name for name in names if not np.isfinite(np.asarray(values[name], np.float32)).all()
        ]
    if unusable:
        raise InputError(f"{source} holds values that are not finite: in {_listed(unusable)}")
    for name in names:
        variables[name].assign(values[name])


def _check_fit(
    variables: Mapping[str, tf.Variable],
    found: Mapping[str, np.ndarray | npz.Header],
    source: str,
    names: Sequence[str],
) -> None:
    """Compares names, shapes and types of arrays, or of `npz.Header`s, with the variables."""
    missing = [name for name in names if name not in found]
    surplus = [name for name in found if name not in set(names)]
    common = [name for name in names if name in found]
    shapes = [
        f"{name} is {list(found[name].shape)}, expected {variables[name].shape.as_list()}"
        for name in common
        if list(found[name].shape) != variables[name].shape.as_list()
    ]
    types = [
        f"{name} is {found[name].dtype}, expected numbers such as float32"
        for name in common
        if not np.issubdtype(found[name].dtype, np.floating)
    ]
    problems = [
        f"{title} {_listed(entries)}"
        for title, entries in (
            ("lacks", missing),
            ("has, but the network has not,", surplus),
            ("differs:", shapes),
            ("is of another type:", types),
        )
        if entries
    ]
    if problems:
        raise InputError(f"{source} does not fit the network: it {'; it '.join(problems)}")


def _listed(entries: Sequence[str]) -> str:
    more = f" and {len(entries) - _SHOWN} more" if len(entries) > _SHOWN else ""
    return ", ".join(entries[:_SHOWN]) + more


def load_tf1_checkpoint(
    model: Feelvos, prefix: str | os.PathLike[str], parts: str = "all"
) -> list[str]:
    """Loads a checkpoint of the released TensorFlow 1 code.

    Args:
      model: the network, built with the checkpoint's configuration.
      prefix: what TensorFlow calls the checkpoint, "model.ckpt-200004" for instance, without
        ".index" or ".data-00000-of-00001".
      parts: "all" for a FEELVOS checkpoint; "deeplab" takes backbone, ASPP and decoder and leaves
        the heads (for initialization; a DeepLab checkpoint's classifier is ignored); "backbone"
        takes that alone.

    Returns:
      The names of the variables read.

    Raises:
      InputError: no readable checkpoint, or one that lacks a variable, has one too many or one of
        another shape. The network is then as it was.
    """
    if parts not in PARTS:
        raise InputError(f"parts is {parts!r}, expected one of {', '.join(PARTS)}")
    prefix = os.fspath(prefix)
    values = read_tf1_checkpoint(prefix)
    names = [name for name in named_variables(model) if is_part(name, parts)]
    values = {name: value for name, value in values.items() if is_part(name, parts)}
    assign(model, values, prefix, names)
    return names


def is_part(name: str, parts: str) -> bool:
    """Whether a variable of this name belongs to one of PARTS."""
    if parts == "backbone":
        return name.startswith(_BACKBONE_SCOPES)
    return parts == "all" or not name.startswith(_HEAD_SCOPES)


def read_tf1_checkpoint(prefix: str) -> dict[str, np.ndarray]:
    """Returns the arrays of a TensorFlow 1 checkpoint by name, training's own state left out.

    Raises:
      InputError: there is no readable checkpoint with this prefix.
    """
    if not pathlib.Path(f"{prefix}.index").is_file():
        hint = ""
        if prefix.endswith((".index", ".meta")) or ".data-" in prefix:
            hint = "; give the name without the ending, such as model.ckpt-200004"
        raise InputError(
            f"{prefix}: no TensorFlow checkpoint ({prefix}.index does not exist){hint}"
        )
    try:
        reader = tf.train.load_checkpoint(prefix)
        names = [
            name
            for name in reader.get_variable_to_shape_map()
            if name != "global_step" and not name.endswith(_TRAINING_SUFFIXES)
        ]
        return {name: reader.get_tensor(name) for name in names}
    # IndexError comes out of TensorFlow's own handling of a data file that ends too early.
    except (tf.errors.OpError, ValueError, RuntimeError, IndexError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{prefix}: not a readable TensorFlow checkpoint: {reason}") from error


def save_model(model: Feelvos, path: str | os.PathLike[str], dtype: str = "float32") -> None:
    """Writes weights, config and streaming settings to one .npz file that `load_model` reads.

    Args:
      model: the network.
      path: the file; it appears whole or not at all.
      dtype: "float32", or "float16" for half the size.

    Raises:
      InputError: the file cannot be written, or float16 cannot hold the weights.
    """
    path = pathlib.Path(path)
    values = {name: variable.numpy() for name, variable in named_variables(model).items()}
    with np.errstate(over="ignore"):  # told below
        arrays = {name: value.astype(dtype) for name, value in values.items()}
    lost = [
        name for name, array in arrays.items() if (np.isinf(array) & ~np.isinf(values[name])).any()
    ]
    if lost:
        raise InputError(
            f"{path}: {dtype} ends at {np.finfo(dtype).max:g}, and there are larger values in "
            f"{_listed(lost)}; expected smaller ones, or float32"
        )
    arrays[CONFIG_KEY] = checkpoint_file.pack(model.config.to_dict())
    if model.recommended != AS_PUBLISHED:
        arrays[STREAMING_KEY] = checkpoint_file.pack(model.recommended.to_dict())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replaced_when_done(path, durable=True) as temporary, open(temporary, "wb") as file:
            np.savez(file, **arrays)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error


def load_model(
    path: str | os.PathLike[str] | None = None,
    *,
    output_stride: int | None = None,
    atrous_rates: Sequence[int] | None = None,
    offline: bool | None = None,
    say: Say | None = named_weights.tell,
) -> Feelvos:
    """Builds the network that a file of `save_model` describes and gives it its weights.

        model = load_model("feelvos_davis17")  # the paper's own; fetched at the first time

    Args:
      path: the file; or the name of weights (`feelvos-models` lists them) or an archive of the
        release, which are imported once into the user's cache, with the settings that the release
        tests with. By default the weights that come with the package.
      output_stride: run the network at this stride; by default at that of the file. Weights do not
        depend on it.
      atrous_rates: the same for the rates, as many as the network has; 12, 24, 36 go with stride 8
        where 6, 12, 18 went with stride 16.
      offline: fetch nothing from the network; by default as FEELVOS_OFFLINE in the environment
        says.
      say: takes lines about what is fetched and imported, by default to stderr; None for silence.

    Returns:
      The network, in float32.

    Raises:
      InputError: the file is missing, damaged, of another kind, or does not fit its own config; no
        file and no weights have the name; or the weights cannot be fetched.
    """
    path = named_weights.checkpoint(path, import_release, offline=offline, say=say)
    headers = checkpoint_file.read_headers(path)
    config = checkpoint_file.read_json(path, headers, CONFIG_KEY)
    recommended = checkpoint_file.take_streaming(path, headers)
    try:
        model = build_model(ModelConfig.from_dict(config).at(output_stride, atrous_rates))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    # Before anything is read: a file may declare arrays of any size.
    variables = named_variables(model)
    _check_fit(variables, headers, str(path), list(variables))
    assign(model, npz.read_arrays(path, checkpoint_file.KIND, headers), str(path))
    model.recommended = recommended
    return model


def import_release(prefix: str, config: ModelConfig | None, path: pathlib.Path | None) -> None:
    """Makes a file of `save_model` out of a checkpoint of the release.

    Args:
      prefix: see `load_tf1_checkpoint`.
      config: of the network; None to see only that the checkpoint can be read.
      path: the .npz file to write; None as well then.

    Raises:
      InputError: the checkpoint cannot be read or does not fit, or the file cannot be written.
    """
    if config is None or path is None:
        read_tf1_checkpoint(prefix)
        return
    model = build_model(config)
    load_tf1_checkpoint(model, prefix)
    save_model(model, path)
