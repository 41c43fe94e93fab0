"""The flag --checkpoint, which several commands share."""

from __future__ import annotations

import pathlib

from absl import flags

from feelvos_tf import named_weights
from feelvos_tf.cli import app
from feelvos_tf.config import ModelConfig

CHECKPOINT = flags.DEFINE_string(
    "checkpoint",
    None,
    "Network to run: a file of feelvos-train or feelvos-import-checkpoint; a name such as "
    "feelvos_davis17, the paper's own network, which is fetched once (feelvos-models lists the "
    "names); or an archive of the release, PATH.tar.gz. By default the weights that come with the "
    "package.",
)


def chosen() -> pathlib.Path:
    """The file of the network that the flag names.

    Raises:
      InputError: as `named_weights.checkpoint`.
    """
    return resolved(CHECKPOINT.value)


def resolved(name: str | None) -> pathlib.Path:
    """The file of the network that a name or path stands for; says what it does about it.

    Raises:
      InputError: as `named_weights.checkpoint`.
    """
    return named_weights.checkpoint(name or None, import_release, say=say())


def import_release(prefix: str, config: ModelConfig | None, path: pathlib.Path | None) -> None:
    """As `checkpoints.import_release`; TensorFlow, which takes seconds, is loaded now only."""
    from feelvos_tf import checkpoints

    checkpoints.import_release(prefix, config, path)


def say() -> named_weights.Say | None:
    """What takes lines about weights; None with --quiet."""
    return None if app.QUIET.value else lambda line: print(line, flush=True)
