"""What is done to files everywhere: whole or not at all, and what they are told apart by."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pathlib
from collections.abc import Iterator

from feelvos_tf.errors import InputError


@contextlib.contextmanager
def replaced_when_done(path: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
    """Yields a temporary name beside `path` that becomes `path` when the block succeeds.

    The name is hidden, so that readers of the folder never see an unfinished file, and always
    the same for one `path`, so that what a killed process left behind is overwritten by the
    next attempt instead of piling up. When the block fails the temporary file is removed and
    an earlier `path` stays as it was.

    Args:
      path: the final name; its folder must exist.

    Yields:
      the name to write to.
    """
    final = pathlib.Path(path)
    temporary = final.with_name(f".{final.name}.part")
    try:
        yield temporary
        os.replace(temporary, final)
    except BaseException:  # also Ctrl-C: nothing half-written may stay
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def check_new_folder(path: str | os.PathLike[str]) -> pathlib.Path:
    """Returns the path, if a new folder can be made there, with its parents; makes nothing.

    Raises:
      InputError: it exists already, or a parent is no folder or cannot be written to.
    """
    folder = pathlib.Path(path)
    if os.path.lexists(folder):
        raise InputError(f"{folder}: exists already, expected the name of a new folder")
    parent = next(p for p in folder.absolute().parents if os.path.lexists(p))
    if not parent.is_dir():
        raise InputError(f"{folder}: cannot be made, {parent} is no folder")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise InputError(f"{folder}: cannot be made, {parent} cannot be written to")
    return folder


def sha256(path: str | os.PathLike[str]) -> str:
    """Returns the SHA-256 of a file, in hexadecimal digits.

    Raises:
      InputError: the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                digest.update(block)
    except OSError as error:
        raise InputError(f"{path}: cannot be read, {error.strerror}") from error
    return digest.hexdigest()
