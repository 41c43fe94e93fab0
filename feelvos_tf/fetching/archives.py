"""A checkpoint out of a .tar.gz that anybody may have written: in bounds, and into one folder.

Members are never extracted by their own path. Those that are files of a checkpoint are copied, by
their last name, into the folder given; all others are passed over.
"""

from __future__ import annotations

import gzip
import pathlib
import re
import tarfile
import zlib
from collections.abc import Collection, Iterator
from typing import IO

from feelvos_tf.errors import InputError
from feelvos_tf.files import check_name, open_file

ENDINGS = (".tar.gz", ".tgz")
_MOST_BYTES = 4 << 30  # of all that is in an archive; the largest of the release has a tenth
_MOST_MEMBERS = 1000
_BLOCK = 1 << 20  # also the longest header
_INDEX = ".index"
_DATA = re.compile(r"(?P<prefix>.+)\.data-(?P<shard>\d{5})-of-(?P<shards>\d{5})")


def is_archive(path: pathlib.Path) -> bool:
    """Whether a name is one of an archive."""
    return path.name.endswith(ENDINGS)


def unpack(
    archive: pathlib.Path, folder: pathlib.Path, prefix: str = "", source: str = ""
) -> pathlib.Path:
    """Copies the checkpoint in an archive into a folder.

    All of the archive is read, so that its own checksum is checked.

    Args:
      archive: the .tar.gz file.
      folder: an empty one.
      prefix: of the checkpoint, such as "model.ckpt-200004", needed where there are several.
      source: where the archive comes from, for messages; by default its path.

    Returns:
      Prefix of the checkpoint in the folder.

    Raises:
      InputError: no whole gzip archive, one that is too large, holds a path that leads out of a
        folder, or holds no checkpoint or several; or the folder cannot be written to.
    """
    source = source or str(archive)
    try:
        with open_file(archive) as raw:
            start = raw.read(60)
            if start[:2] != b"\x1f\x8b":
                raise InputError(
                    f"{source}: no .tar.gz archive, it begins with {_shown(start)}"
                    if start
                    else f"{source}: is empty, expected a .tar.gz archive"
                )
            raw.seek(0)
            with gzip.GzipFile(fileobj=raw) as unzipped:
                bounded = _Bounded(unzipped, source)
                names = list(_copy_members(bounded, folder, source))
                while bounded.read(_BLOCK):
                    pass
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{source}: no .tar.gz archive, or a damaged one ({reason})") from error
    except OSError as error:
        raise InputError(
            f"{error.filename or source}: {error.strerror or error} (unpacking {source})"
        ) from error
    chosen = choose(names, prefix, source)
    for name in names:
        if name not in files_of(names, chosen):
            (folder / name).unlink()
    return folder / chosen


def choose(names: Collection[str], prefix: str, source: str) -> str:
    """Returns the prefix of the one checkpoint among files' names, all of whose files are there.

    Args:
      names: of files.
      prefix: which one to take where there are several.
      source: where they are, for messages.

    Raises:
      InputError: none, several or an incomplete one.
    """
    found = sorted(name[: -len(_INDEX)] for name in names if name.endswith(_INDEX))
    if prefix in found:
        found = [prefix]
    if len(found) != 1:
        what = f"{len(found)} checkpoints ({', '.join(found[:5])})" if found else "no checkpoint"
        raise InputError(f"{source}: holds {what}, expected one, as NAME.index and NAME.data-*")
    shards: dict[int, set[int]] = {}
    for name in names:
        match = _DATA.fullmatch(name)
        if match and match["prefix"] == found[0]:
            shards.setdefault(int(match["shards"]), set()).add(int(match["shard"]))
    if [set(range(count)) for count in shards] != list(shards.values()) or len(shards) != 1:
        raise InputError(
            f"{source}: the checkpoint {found[0]} is incomplete, expected {found[0]}.index and "
            f"every {found[0]}.data-*"
        )
    return found[0]


def files_of(names: Collection[str], prefix: str) -> set[str]:
    """Those of the names that are files of a checkpoint."""
    return {
        name
        for name in names
        if name == prefix + _INDEX
        or (match := _DATA.fullmatch(name)) is not None
        and match["prefix"] == prefix
    }


def _copy_members(file: _Bounded, folder: pathlib.Path, source: str) -> Iterator[str]:
    """Copies the files of checkpoints and yields their names."""
    seen: set[str] = set()
    with tarfile.open(fileobj=file, mode="r:") as archive:  # type: ignore[call-overload]
        for count, member in enumerate(archive, start=1):
            if count > _MOST_MEMBERS:
                raise InputError(f"{source}: more than {_MOST_MEMBERS} members")
            path = pathlib.PurePosixPath(member.name)
            if path.is_absolute() or ".." in path.parts or "\\" in member.name:
                raise InputError(
                    f"{source}: holds {_shown(member.name)}, which leads out of its folder"
                )
            name = path.name
            if not member.isfile() or not (name.endswith(_INDEX) or _DATA.fullmatch(name)):
                continue
            check_name(name, source, "member")
            if name in seen:
                raise InputError(f"{source}: holds {name} twice")
            seen.add(name)
            content = archive.extractfile(member)
            assert content is not None  # it is a file
            with open(folder / name, "xb") as copy:
                _copy(content, copy, member.size)
            yield name


def _copy(content: IO[bytes], copy: IO[bytes], size: int) -> None:
    while size:
        block = content.read(min(size, _BLOCK))
        if not block:
            raise EOFError("unexpected end of data")
        copy.write(block)
        size -= len(block)


class _Bounded:
    """What tarfile needs of a file, up to a size and in blocks of a size."""

    def __init__(self, file: gzip.GzipFile, source: str) -> None:
        self._file, self._source = file, source

    def read(self, size: int) -> bytes:
        """At most `size` bytes, which tarfile takes from headers."""
        if not 0 <= size <= _BLOCK:
            raise tarfile.ReadError(f"a header of {size} bytes")
        self._check(self._file.tell() + size)
        return self._file.read(size)

    def seek(self, position: int) -> int:
        self._check(position)
        return self._file.seek(position)

    def tell(self) -> int:
        return self._file.tell()

    def _check(self, position: int) -> None:
        if position > _MOST_BYTES + _BLOCK:
            raise InputError(f"{self._source}: unpacks to more than {_MOST_BYTES} bytes")


def _shown(text: object) -> str:
    return repr(text.decode("latin-1") if isinstance(text, bytes) else text)[:80]
