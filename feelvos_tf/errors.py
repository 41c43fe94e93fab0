"""The error that a user's input can cause, and the check that most of them come from."""

from __future__ import annotations

import numbers
import reprlib
import sys
from typing import Any

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxlong = _SHORT.maxother = 80


class InputError(ValueError):
    """Something a user handed over cannot be used.

    The message is one line that names the file or argument, what was found and what was
    expected, so that a command line can print it as it is.
    """

    def __init__(self, message: object = "") -> None:
        # What is quoted, such as the name of a file, may hold line breaks.
        super().__init__(" ".join(str(message).splitlines()))


# TensorFlow's own forms of errors about files and memory.
_OF_TENSORFLOW = (
    "DataLossError",
    "NotFoundError",
    "PermissionDeniedError",
    "ResourceExhaustedError",
)


def errors_of_input() -> tuple[type[Exception], ...]:
    """What is no bug: InputError, errors of the system, TensorFlow's where it is imported."""
    tensorflow = sys.modules.get("tensorflow")
    of_tensorflow = (
        [] if tensorflow is None else [getattr(tensorflow.errors, name) for name in _OF_TENSORFLOW]
    )
    return (InputError, OSError, *of_tensorflow)


def shown(value: Any) -> str:
    """Returns `repr(value)` for a message, shortened where it is long or nested."""
    return " ".join(_SHORT.repr(value).split())


def whole_number(name: str, value: Any, low: int, high: int | None = None) -> int:
    """Returns `value` as an int, if it is a whole number in a range; True and False are none.

    Args:
      name: of the argument or key, for the message.
      value: what was given.
      low: the smallest value allowed.
      high: the largest one; None for any.

    Raises:
      InputError: it is something else.
    """
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or value < low or high is not None and value > high:
        bounds = f"from {low} up" if high is None else f"from {low} to {high}"
        raise InputError(f"{name} is {shown(value)}, expected a whole number {bounds}")
    return int(value)
