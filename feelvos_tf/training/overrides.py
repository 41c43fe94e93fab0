"""Lays settings over those of an experiment, after checking names and types of all of them.

Model Garden takes any value for any key and fails where it is used, hours later at worst.
"""

from __future__ import annotations

import collections.abc
import difflib
import math
import typing
from typing import Any, NoReturn

from official.modeling import hyperparams

from feelvos_tf.errors import InputError, shown

_NAMES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    type(None): "null",
}
_MOST_WHOLE = 2**63 - 1  # TensorFlow's whole numbers have 64 bits
_ADVICE = "keys and values such as 'trainer: {train_steps: 100}'"


def override(params: hyperparams.Config, values: Any, source: str) -> None:
    """Lays `values` over `params`, all of them or, after an error, none.

    Args:
      params: settings, changed in place.
      values: nested mappings, as YAML gives them.
      source: where they come from, for errors.

    Raises:
      InputError: names the first key that is unknown or whose value has the wrong type, what was
        found and what was expected.
    """
    if not isinstance(values, dict):
        raise InputError(f"{source}: holds {shown(values)}, expected {_ADVICE}")
    _check_keys(values, params, source, "")
    try:
        params.override(values, is_strict=True)
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).strip("'\"").split())
        raise InputError(f"{source}: {reason}") from error


def _check_keys(
    values: dict[Any, Any], config: hyperparams.Config, source: str, prefix: str
) -> None:
    hints = typing.get_type_hints(type(config))
    known = [key for key in config.__dict__ if key not in config.RESERVED_ATTR]
    for key, value in values.items():
        if key not in known:
            close = difflib.get_close_matches(str(key)[:80], known, n=1)
            hint = f", did you mean {close[0]!r}?" if close else ""
            place = f" in {prefix[:-1]}" if prefix else ""
            raise InputError(f"{source}: unknown key {shown(key)}{place}{hint}")
        name, current, hint = f"{prefix}{key}", config.__dict__[key], hints.get(key, Any)
        if isinstance(config, hyperparams.OneOfConfig) and key == "type" and value is not None:
            choices = [choice for choice in known if choice != "type"]
            if value not in choices:
                raise InputError(
                    f"{source}: {name} is {shown(value)}, expected one of {', '.join(choices)}"
                )
        elif isinstance(current, hyperparams.Config):
            if not isinstance(value, dict):
                raise InputError(f"{source}: {name} is {shown(value)}, expected keys and values")
            _check_keys(value, current, source, f"{name}.")
        elif value is not None or current is not None:
            _check_value(value, hint, source, name)


def _check_value(value: Any, hint: Any, source: str, name: str) -> None:
    """Checks a value against a type as a dataclass declares it."""
    items = typing.get_args(hint)
    is_config = isinstance(hint, type) and issubclass(hint, hyperparams.Config)
    if _is_list(hint) and isinstance(value, list):
        for index, item in enumerate(value):
            _check_value(item, items[0] if items else Any, source, f"{name}[{index}]")
    elif is_config and isinstance(value, dict):
        _check_keys(value, hint(), source, f"{name}.")
    elif typing.get_origin(hint) is typing.Union and isinstance(value, (dict, list)):
        # Of those that are allowed, the one of this kind says which part of it is wrong.
        for item in items:
            if _is_list(item) == isinstance(value, list) and item not in _NAMES:
                return _check_value(value, item, source, name)
        _refuse(value, hint, source, name)
    elif not _fits(value, hint):
        _refuse(value, hint, source, name)


def _is_list(hint: Any) -> bool:
    return typing.get_origin(hint) in (list, tuple, collections.abc.Sequence)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value that is no list and no mapping is of a type."""
    if hint is Any:
        return True
    if typing.get_origin(hint) is typing.Union:
        return any(_fits(value, item) for item in typing.get_args(hint))
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _MOST_WHOLE
    if hint is float:
        return _fits(value, int) or isinstance(value, float) and not math.isnan(value)
    return hint in _NAMES and isinstance(value, hint)


def _refuse(value: Any, hint: Any, source: str, name: str) -> NoReturn:
    advice = ""
    if isinstance(value, str) and "number" in _words(hint) and _is_number(value):
        advice = " (YAML takes 1e-5 for text; write 1.0e-5)"
    raise InputError(f"{source}: {name} is {shown(value)}, expected {_words(hint)}{advice}")


def _words(hint: Any) -> str:
    if typing.get_origin(hint) is typing.Union:
        return " or ".join(_words(item) for item in typing.get_args(hint))
    if _is_list(hint):
        return f"a list of items, each {_words((*typing.get_args(hint), Any)[0])}"
    return _NAMES.get(hint, "keys and values")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
