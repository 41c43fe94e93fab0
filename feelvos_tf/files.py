"""What is done to files everywhere: names, whole or not at all, what they are told apart by."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pathlib
import re
import secrets
import stat
from collections.abc import Iterator
from typing import Any, BinaryIO

from feelvos_tf.errors import InputError

# Names become NAME.error.txt at the longest, and file systems allow 255 bytes.
MAX_NAME_BYTES = 240

# Any name of ours for a file that is not finished. The name of the file itself is not part of it,
# because what fits a folder must not be too long with something added to it.
PART_FILES = ".feelvos-*.part"

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SHOWN = 60  # characters of a bad name in an error


def check_name(name: str, where: object, what: str) -> str:
    """Lets a name pass that is nothing but the name of one file or folder.

    Files are written to, and removed from, folders that are named after videos and frames, and
    lists and records say anything. So no name may lead to another folder, or break the line that
    it is printed in.

    Args:
      name: what is given.
      where: the file or folder that it comes from, for the message.
      what: what it is the name of, for the message, such as "video".

    Returns:
      `name`.

    Raises:
      InputError: it is no text, empty, "." or "..", holds "/", a backslash, a control character
        or half a Unicode character, or takes more than MAX_NAME_BYTES bytes.
    """
    problem = _problem_of_name(name)
    if problem:
        shown = repr(name) if len(repr(name)) <= _SHOWN else repr(name)[:_SHOWN] + "..."
        raise InputError(
            f"{where}: a {what} is called {shown}, which {problem}; expected the "
            "plain name of a file or folder"
        )
    return name


def _problem_of_name(name: object) -> str | None:
    if not isinstance(name, str):
        return "is no text"
    if name in ("", ".", ".."):
        return "names no file"
    if "/" in name or "\\" in name:
        return "leads to another folder"
    if _CONTROL.search(name):
        return "holds a control character"
    try:
        size = len(name.encode("utf-8"))
    except UnicodeEncodeError:  # how Python shows bytes of a file name that are no UTF-8
        return "is no UTF-8"
    return f"takes {size} bytes, more than {MAX_NAME_BYTES}" if size > MAX_NAME_BYTES else None


def make_folder(path: str | os.PathLike[str]) -> pathlib.Path:
    """Makes a folder with its parents where absent; InputError where it cannot be written to."""
    folder = pathlib.Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:  # ValueError: a null character
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{folder}: cannot be made as a folder ({reason})") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"{folder}: folder cannot be written to")
    return folder


@contextlib.contextmanager
def replaced_when_done(
    path: str | os.PathLike[str], *, durable: bool = False
) -> Iterator[pathlib.Path]:
    """Yields a temporary name beside `path` that becomes `path` when the block succeeds.

    The name is hidden, so that readers of the folder never see an unfinished file, and belongs to
    a new empty file that nobody else writes to. When the block fails the temporary file is
    removed and an earlier `path` stays as it was. A process that is killed leaves a file of
    PART_FILES behind; whoever holds the lock of its folder may remove it.

    Args:
      path: the final name; its folder must exist.
      durable: also survive a power cut from then on, which takes a moment.

    Yields:
      the name to write to.
    """
    final = pathlib.Path(path)
    temporary = _part_of(final)
    try:
        _make_new(temporary)
        yield temporary
        if durable:
            flush_to_disk(temporary)
        os.replace(temporary, final)
    except BaseException:  # also Ctrl-C: nothing half-written may stay
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    if durable:
        flush_to_disk(final.parent)


def _part_of(final: pathlib.Path) -> pathlib.Path:
    return final.with_name(PART_FILES.replace("*", secrets.token_hex(8)))


def _make_new(path: pathlib.Path) -> None:
    """Makes an empty file; fails where the name is taken, be it by a symbolic link."""
    os.close(
        os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o666)
    )


def write_json(path: str | os.PathLike[str], values: Any) -> None:
    """Writes JSON that survives a power cut; floats keep every digit."""
    with replaced_when_done(path, durable=True) as temporary:
        temporary.write_text(json.dumps(values, indent=1), encoding="utf-8")


def flush_to_disk(path: str | os.PathLike[str]) -> None:
    """Waits until a file's content, or the names in a folder, would survive a power cut."""
    if os.name == "nt" and os.path.isdir(path):
        return  # Windows opens no folders
    opened = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def open_file(path: str | os.PathLike[str]) -> BinaryIO:
    """Opens a file to read its bytes; a pipe or device, which may never end, is refused.

    Raises:
      OSError: the file is absent or cannot be read.
      InputError: it is no file, or its name cannot be one.
    """
    try:
        # Opening a pipe waits for its other end unless told not to.
        opened = os.open(
            path,
            os.O_RDONLY
            | getattr(os, "O_NONBLOCK", 0)
            | getattr(os, "O_BINARY", 0)
            | getattr(os, "O_CLOEXEC", 0),
        )
    except ValueError as error:  # a null character, or half a Unicode character
        raise InputError(f"{str(path)!r}: cannot be the name of a file") from error
    kind = os.fstat(opened).st_mode
    if stat.S_ISREG(kind):
        return os.fdopen(opened, "rb")
    os.close(opened)
    found = "a folder" if stat.S_ISDIR(kind) else "a pipe or device"
    raise InputError(f"{path}: is {found}, expected a file")


def read_text(path: str | os.PathLike[str]) -> str:
    """Returns the whole of a UTF-8 file; raises as `open_file`, or UnicodeDecodeError."""
    with open_file(path) as file:
        return file.read().decode("utf-8")


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
        with open_file(path) as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                digest.update(block)
    except OSError as error:
        raise InputError(f"{path}: cannot be read, {error.strerror}") from error
    return digest.hexdigest()
