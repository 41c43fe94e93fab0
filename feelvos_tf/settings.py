"""Settings as YAML text that anybody may have written: plain values, of bounded size.

Small texts can stand for much: lists nested without end, aliases of aliases that double what
they mean with every line. What is too large is refused before it is built.
"""

from __future__ import annotations

import os
import pathlib
from typing import Any

from feelvos_tf.errors import InputError

MAX_BYTES = 100_000
_MAX_DEPTH = 20  # lists and mappings inside each other
_MAX_VALUES = 20_000  # aliases written out
_MAX_SCALAR = 3000  # characters of one value; Python prints no whole number that is longer


def read(path: str | os.PathLike[str]) -> Any:
    """Returns the values in a YAML file; see `parse`.

    Raises:
      InputError: there is no such file, it cannot be read, or as `parse`.
    """
    path = pathlib.Path(path)
    if path.exists() and not path.is_file():  # opening a pipe would wait for ever
        raise InputError(f"{path}: no file, expected one with YAML text")
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    _check_size(data, path)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not a text file, expected YAML") from error
    return parse(text, str(path))


def parse(text: str, source: str) -> Any:
    """Returns the values in YAML text: mappings, lists, strings, numbers, dates, None.

    Args:
      text: a single document without tags.
      source: where it comes from, for errors.

    Raises:
      InputError: not valid YAML, tagged, too long, too deeply nested, or an alias that refers to
        itself or makes it too large.
    """
    # Only here: who describes a network in Python needs no YAML.
    import yaml

    _check_size(text, source)
    try:
        _check_bounds(text, source)
        return yaml.safe_load(text)
    except InputError:
        raise
    # ValueError: a date such as 2020-99-99. OverflowError: an escape beyond all characters.
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise InputError(f"{source}: not valid YAML: {' '.join(str(error).split())}") from error


def _check_size(content: str | bytes, source: str | os.PathLike[str]) -> None:
    if len(content) > MAX_BYTES:
        raise InputError(f"{source}: larger than {MAX_BYTES} bytes, too large for settings")


def _check_bounds(text: str, source: str) -> None:
    """Walks over the text's events, which come one by one, and stops at the first bound."""
    import yaml

    values = 0
    sizes: dict[str | None, int] = {}  # values under each anchor
    stack: list[tuple[str | None, int]] = []  # (anchor, values before it) of what is open
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise InputError(f"{source}: uses the tag {tag[:80]!r}, expected plain values")
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, before = stack.pop()
            sizes[anchor] = values - before
            continue
        if isinstance(event, yaml.AliasEvent):
            if event.anchor in [anchor for anchor, _ in stack]:
                name = str(event.anchor)[:80]
                raise InputError(f"{source}: the alias {name!r} refers to itself")
            values += sizes.get(event.anchor, 1)
        elif isinstance(event, yaml.CollectionStartEvent):
            stack.append((event.anchor, values))
            values += 1
        elif isinstance(event, yaml.ScalarEvent):
            sizes[event.anchor] = 1
            values += 1
            if len(event.value) > _MAX_SCALAR:
                raise InputError(
                    f"{source}: one value has {len(event.value)} characters, "
                    f"expected at most {_MAX_SCALAR}"
                )
        if len(stack) > _MAX_DEPTH:
            raise InputError(f"{source}: nested more than {_MAX_DEPTH} deep")
        if values > _MAX_VALUES:
            raise InputError(f"{source}: more than {_MAX_VALUES} values, aliases written out")
