"""Writes files of a project: whole or not at all, and where not, it can be tried again."""

from __future__ import annotations

import pathlib

from feelvos_tf.errors import InputError
from feelvos_tf.files import replaced_when_done


class NotKept(InputError):
    """Nothing is wrong with what should be written, but the disk does not take it now."""

    def __init__(self, path: pathlib.Path, error: OSError) -> None:
        super().__init__(f"{path}: cannot be written ({error.strerror or error})")


def keep(path: pathlib.Path, data: bytes) -> None:
    """Writes a file in place of an earlier one; NotKept where that stays as it was."""
    try:
        with replaced_when_done(path) as temporary:
            temporary.write_bytes(data)
    except OSError as error:
        raise NotKept(path, error) from error


def append(path: pathlib.Path, line: str) -> None:
    """Adds a line to a file, of which a process that is killed may write a part; or NotKept."""
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(line)
    except OSError as error:
        raise NotKept(path, error) from error
