"""The flag --probes, which several commands share."""

from __future__ import annotations

import os

from absl import flags

from feelvos_tf import checkpoint_file
from feelvos_tf.errors import InputError

PROBES = flags.DEFINE_string(
    "probes",
    "auto",
    "Compare each pixel with so many clusters (of 32 pixels) of every object, the likeliest ones, "
    "which is faster: auto for what the checkpoint recommends (none, for one of the release), none "
    "for all pixels, as published, or a number. 8 is nearly exact; fewer are faster.",
)


def chosen(checkpoint: str | os.PathLike[str]) -> int | None:
    """What the flag stands for with a checkpoint; None for all pixels.

    Raises:
      InputError: the flag is no number from 1, or what the file recommends cannot be used.
    """
    if PROBES.value == "auto":
        return checkpoint_file.recommended_probes(checkpoint)
    if PROBES.value == "none":
        return None
    if not (PROBES.value.isascii() and PROBES.value.isdecimal()) or int(PROBES.value) < 1:
        raise InputError(f"--probes is {PROBES.value}, expected auto, none or a number from 1")
    return int(PROBES.value)
