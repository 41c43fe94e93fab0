"""The flag --memory, which several commands share."""

from __future__ import annotations

import os

from absl import flags

from feelvos_tf import checkpoint_file
from feelvos_tf.config import Memory

MEMORY = flags.DEFINE_string(
    "memory",
    "auto",
    "What joins the reference on the way: auto for what the checkpoint "
    "recommends (nothing, for one of the release), none for nothing, as published, or numbers as "
    "in every=5,frames=4,max_pixels=512,min_confidence=0.9: after every 5th frame at most 512 "
    "confident pixels of each object are kept, of the last 4 such frames.",
)


def chosen(checkpoint: str | os.PathLike[str]) -> Memory | None:
    """What the flag stands for with a checkpoint; None for no memory.

    Raises:
      InputError: the flag's numbers, or what the file recommends, cannot be used.
    """
    if MEMORY.value == "auto":
        return checkpoint_file.recommended(checkpoint).memory
    return Memory.parse(MEMORY.value)


def described(memory: Memory | None) -> dict[str, float] | None:
    """A memory as JSON has it, to tell runs apart."""
    return None if memory is None else memory.to_dict()
