"""The flag --max_side of `feelvos-segment`: a word, or a number of pixels. Not a command."""

from __future__ import annotations

from absl import flags

from feelvos_tf.errors import InputError

# The weights that ship were trained for objects as large as they are at 854x480.
AUTO_SIDE = 960

MAX_SIDE = flags.DEFINE_string(
    "max_side",
    "auto",
    "Compute frames whose longer side is above so many pixels at that size; masks keep the frames' "
    f"size. auto is {AUTO_SIDE}; none computes all frames at full size.",
)


def chosen() -> int | None:
    """What the flag stands for, in pixels; None for full size.

    Raises:
      InputError: it is no number from 1.
    """
    value = MAX_SIDE.value
    if value == "auto":
        return AUTO_SIDE
    if value == "none":
        return None
    if not (value.isascii() and value.isdecimal()) or int(value) < 1:
        raise InputError(f"--max_side is {value}, expected auto, none or a number from 1")
    return int(value)
