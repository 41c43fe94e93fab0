"""Flags of commands that segment, beyond what network they run. Not a command."""

from __future__ import annotations

import os

from absl import flags

from feelvos_tf import checkpoint_file
from feelvos_tf.config import Memory
from feelvos_tf.errors import InputError
from feelvos_tf.streaming_settings import GRIDS, StreamingSettings
from feelvos_tf.streaming_settings import OUTLINES as KINDS_OF_OUTLINES

# The weights that ship were trained for objects as large as they are at 854x480.
AUTO_SIDE = 960

MAX_SIDE = flags.DEFINE_string(
    "max_side",
    None,
    "Compute frames whose longer side is above so many pixels at that size; masks keep the "
    f"frames' size. auto is {AUTO_SIDE}, the default of feelvos-segment and feelvos-annotate; "
    "none, that of the others, computes all frames at full size.",
)
MAX_REFERENCE_PIXELS = flags.DEFINE_integer(
    "max_reference_pixels",
    None,
    "Compare with at most so many pixels of each object (and of background) of a given frame, by "
    "default with all; the draw is the same every time. --probes does better in the same time.",
    lower_bound=1,
)
MEMORY = flags.DEFINE_string(
    "memory",
    "auto",
    "What joins the reference on the way: auto for what the checkpoint "
    "recommends (nothing, for one of the release), none for nothing, as published, or numbers as "
    "in every=5,frames=4,max_pixels=512,min_confidence=0.9: after every 5th frame at most 512 "
    "confident pixels of each object are kept, of the last 4 such frames.",
)
PROBES = flags.DEFINE_string(
    "probes",
    "auto",
    "Compare each pixel with so many clusters (of 32 pixels) of every object, the likeliest ones, "
    "which is faster: auto for what the checkpoint recommends (none, for one of the release), none "
    "for all pixels, as published, or a number. 8 is nearly exact; fewer are faster.",
)
OUTLINES = flags.DEFINE_enum(
    "outlines",
    "auto",
    ["auto", *KINDS_OF_OUTLINES, "none"],
    "How masks come to the frame's size: guided along the frame's own edges, an eighth more time; "
    "none by interpolation, as published; auto as the checkpoint recommends (none, for one of the "
    "release).",
)
REACH = flags.DEFINE_string(
    "reach",
    "auto",
    "Look for an object at most so far from where it was in the frame before, as a share of the "
    "frame's longer side such as 0.2, so that look-alikes elsewhere are left out: auto for what "
    "the checkpoint recommends (none, for one of the release), none for everywhere, as published.",
)

GRID = flags.DEFINE_enum(
    "grid",
    "auto",
    ["auto", *GRIDS, "none"],
    "Which sizes frames are computed at: aligned for the nearest at which the network's feature "
    "maps lie on top of each other (849x481 for 854x480); none for their own, as published; auto "
    "as the checkpoint recommends (none, for one of the release).",
)


def settings(checkpoint: str | os.PathLike[str]) -> StreamingSettings:
    """What --memory, --probes, --outlines, --reach and --grid stand for with a checkpoint.

    Raises:
      InputError: a flag's value, or what the file recommends, cannot be used.
    """
    auto = checkpoint_file.recommended(checkpoint)
    memory = auto.memory if MEMORY.value == "auto" else Memory.parse(MEMORY.value)
    return auto.resolved(
        memory=memory,
        probes=auto.probes if PROBES.value == "auto" else _number("probes", PROBES.value),
        outlines=_word(OUTLINES.value),
        reach=auto.reach if REACH.value == "auto" else _share("reach", REACH.value),
        grid=_word(GRID.value),
    )


def max_side(default: str) -> int | None:
    """What --max_side stands for, in pixels; None for full size.

    Args:
      default: "auto" or "none", what the command does without the flag.

    Raises:
      InputError: it is no number from 1.
    """
    value = default if MAX_SIDE.value is None else MAX_SIDE.value
    return AUTO_SIDE if value == "auto" else _number("max_side", value)


def _word(value: str) -> str | None:
    return None if value == "none" else value


def _share(name: str, value: str) -> float | None:
    if value == "none":
        return None
    try:
        share = float(value)
    except ValueError:
        share = 0.0
    if not 0.0 < share <= 1.0:
        raise InputError(f"--{name} is {value}, expected auto, none or a share above 0, at most 1")
    return share


def _number(name: str, value: str) -> int | None:
    if value == "none":
        return None
    if not (value.isascii() and value.isdecimal()) or int(value) < 1:
        raise InputError(f"--{name} is {value}, expected auto, none or a number from 1")
    return int(value)
