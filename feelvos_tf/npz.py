"""Reads .npz files that anybody may have written: declared first, checked, read last.

NumPy's own reader decompresses whatever a file holds, of any size and type. Here a file's
arrays are known by name, type and shape before the first of them is read, so that a caller can
refuse what it does not want, and no array is read beyond the size that it declared.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from feelvos_tf.errors import InputError

_ENDING = ".npy"
_MOST_MEMBERS = 10_000
_MOST_HEADER = 12_000  # bytes of a header; NumPy itself takes no more than 10,000 characters
_PARSERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
# What zipfile and NumPy raise over bytes that are no archive or no array. RecursionError and
# MemoryError come out of Python's parser, for a header of nothing but brackets.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    OSError,
    ValueError,
    TypeError,
    EOFError,
    SyntaxError,
    NotImplementedError,
    RuntimeError,
    OverflowError,
    MemoryError,
    RecursionError,
    tokenize.TokenError,
)


class Header(NamedTuple):
    """What a file says of one of its arrays."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def read_headers(path: str | os.PathLike[str], kind: str) -> dict[str, Header]:
    """Returns what the file declares, by name; no array is read.

    Args:
      path: the file.
      kind: what the file should be, for errors, such as "a checkpoint".

    Raises:
      InputError: it cannot be read, is no .npz file or is damaged.
    """
    with _named(path, kind), zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) > _MOST_MEMBERS:
            raise ValueError(f"{len(members)} members, expected at most {_MOST_MEMBERS}")
        headers = {}
        for member in members:
            name = member.filename
            if not name.endswith(_ENDING):
                raise ValueError(f"{_shown(name)} in it is no array")
            name = name[: -len(_ENDING)]
            if name in headers:
                raise ValueError(f"{_shown(name)} is in it twice")
            headers[name] = _header(archive, member)
        return headers


def read_arrays(
    path: str | os.PathLike[str], kind: str, headers: Mapping[str, Header]
) -> dict[str, np.ndarray]:
    """Returns those arrays that `headers` names, which are as it says.

    Args:
      path: the file.
      kind: what the file should be, for errors.
      headers: all or a part of what `read_headers` gave; never Python objects.

    Raises:
      InputError: it cannot be read, is damaged or is not what the headers say.
    """
    with _named(path, kind), zipfile.ZipFile(path) as archive:
        arrays = {}
        for name, header in headers.items():
            member = archive.getinfo(name + _ENDING)
            if _header(archive, member) != header:
                raise ValueError(f"{_shown(name)} changed while it was read")
            # All of it, at most what the archive declares: the end is where zip's checksum is.
            data = io.BytesIO(archive.read(member))
            arrays[name] = np.lib.format.read_array(data, allow_pickle=False)
        return arrays


def _header(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Header:
    """Type and shape of a member, which takes as many bytes as they need."""
    with archive.open(member) as file:
        start = io.BytesIO(file.read(_MOST_HEADER))
    version = np.lib.format.read_magic(start)
    if version not in _PARSERS:
        raise ValueError(f"{_shown(member.filename)} has the unknown version {version}")
    shape, _, dtype = _PARSERS[version](start)
    size = start.tell() + math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or not dtype.hasobject and member.file_size != size:
        raise ValueError(
            f"{_shown(member.filename)} is {dtype} {list(shape)} but has "
            f"{member.file_size} bytes, expected {size}"
        )
    return Header(shape, dtype)


@contextlib.contextmanager
def _named(path: str | os.PathLike[str], kind: str) -> Iterator[None]:
    """Makes one InputError of all that can be wrong with a file."""
    try:
        yield
    except _DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: not {kind}, or damaged ({reason[:200]})") from error


def _shown(name: str) -> str:
    return repr(name[:80])
