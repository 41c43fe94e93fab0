"""Converts a checkpoint of the original TensorFlow 1 release to this package's own format.

A released FEELVOS network (Xception-65; the paper tests at stride 8):
  feelvos-import-checkpoint --tf1_checkpoint=model.ckpt-200004 --output=feelvos.npz \\
      --backbone=xception_65 --output_stride=8 --atrous_rates=12,24,36

A DeepLabV3+ network to start a training from; the heads get their initial values:
  feelvos-import-checkpoint --parts=deeplab --tf1_checkpoint=deeplab/model.ckpt \\
      --output=start.npz --backbone=xception_65

The release's own archives need none of this: --checkpoint=feelvos_davis17 on the other commands
fetches and imports them, --checkpoint=PATH.tar.gz imports one that is here; see feelvos-models.

The prefix is the name without ".index" or ".data-00000-of-00001". A checkpoint does not say at
which output stride and atrous rates it is meant to run: give them, or a YAML file with
--config, which has the fields of ModelConfig (backbone, output_stride, atrous_rates, ...).

Every variable is mapped by its name. One that is missing, left over or has another shape is named,
and nothing is written. The file holds the weights and the config, so --checkpoint=FILE.npz is all
that the other commands need.
"""

from __future__ import annotations

import pathlib
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from absl import app as absl_app
from absl import flags

from feelvos_tf import settings
from feelvos_tf.cli import app, network_flags
from feelvos_tf.config import BACKBONES, ModelConfig
from feelvos_tf.errors import InputError

if TYPE_CHECKING:
    import tensorflow as tf

_SEED = 0  # of the heads' initial values: the same import gives the same file

_TF1_CHECKPOINT = flags.DEFINE_string(
    "tf1_checkpoint", None, "Prefix of the TensorFlow 1 checkpoint.", required=True
)
_OUTPUT = flags.DEFINE_string("output", None, "The .npz file to write.", required=True)
_PARTS = flags.DEFINE_enum(
    "parts",
    "all",
    ["all", "deeplab", "backbone"],
    "What to read: all of a FEELVOS checkpoint, "
    "or, to start a training from, backbone, ASPP and decoder, or the backbone alone. The rest "
    "gets its initial values.",
)
_CONFIG = flags.DEFINE_string(
    "config", None, "YAML file that describes the network, instead of the flags below."
)
_BACKBONE = flags.DEFINE_enum("backbone", None, BACKBONES, "Default: mobilenet_v2.")
_DEPTH_MULTIPLIER = flags.DEFINE_float(
    "depth_multiplier", None, "Of MobileNetV2. Default: 1.", lower_bound=0
)
flags.adopt_module_key_flags(network_flags)
_EMBEDDING_DIM = flags.DEFINE_integer("embedding_dim", None, "Default: 100.", lower_bound=1)
_WINDOW = flags.DEFINE_integer("window", None, "Of local matching. Default: 15.", lower_bound=1)
_DTYPE = flags.DEFINE_enum(
    "dtype", "float32", ["float32", "float16"], "Of the file; float16 takes half the space."
)


def main(argv: list[str]) -> None:
    """Converts as the flags say."""
    del argv
    if pathlib.Path(_OUTPUT.value).suffix != ".npz":
        raise InputError(f"{_OUTPUT.value}: unknown kind of file, expected a name ending in .npz")
    config = _config()
    import tensorflow as tf  # seconds, so not before the flags are known to be right

    from feelvos_tf import checkpoints
    from feelvos_tf.modeling.feelvos import build_model

    tf.keras.utils.set_random_seed(_SEED)
    model = build_model(config)
    read = checkpoints.load_tf1_checkpoint(model, _TF1_CHECKPOINT.value, _PARTS.value)
    variables = checkpoints.named_variables(model)
    print(f"{_TF1_CHECKPOINT.value}: read {_count(variables, read)}")
    initial = sorted(set(variables) - set(read))
    if initial:
        print(f"the rest has its initial values: {_count(variables, initial)}")
    checkpoints.save_model(model, _OUTPUT.value, _DTYPE.value)
    megabytes = pathlib.Path(_OUTPUT.value).stat().st_size / 1e6
    print(f"wrote {_OUTPUT.value} ({megabytes:.1f} MB)")


def _count(variables: Mapping[str, tf.Variable], names: Collection[str]) -> str:
    parameters = sum(variables[name].shape.num_elements() for name in names)
    return f"{len(names)} variables, {parameters:,} parameters"


def _config() -> ModelConfig:
    """The config that --config or the other flags describe."""
    flagged: dict[str, Any] = {
        flag.name: flag.value
        for flag in (_BACKBONE, _DEPTH_MULTIPLIER, _EMBEDDING_DIM, _WINDOW)
        if flag.value is not None
    }
    flagged.update(network_flags.chosen())
    if _CONFIG.value is None:
        return ModelConfig.from_dict(flagged)
    if flagged:
        raise absl_app.UsageError(
            f"--config describes the network already; it does not go with --{next(iter(flagged))}"
        )
    values = settings.read(_CONFIG.value)
    try:
        return ModelConfig.from_dict({} if values is None else values)
    except InputError as error:
        raise InputError(f"{_CONFIG.value}: {error}") from error


def main_cli() -> None:
    """Entry point of the console script."""
    app.run(main)


if __name__ == "__main__":
    main_cli()
