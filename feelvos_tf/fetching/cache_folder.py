"""Where the cache of weights is, and its lock.

It is the folder that FEELVOS_HOME names, else feelvos_tf in XDG_CACHE_HOME or ~/.cache. One process
at a time changes it, others wait; what is finished is read without the lock.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
from collections.abc import Callable, Iterator

from feelvos_tf.errors import InputError, shown
from feelvos_tf.file_lock import waited_for
from feelvos_tf.files import PART_FILES, make_folder

HOME, OFFLINE = "FEELVOS_HOME", "FEELVOS_OFFLINE"
_LOCK = ".feelvos.lock"

Say = Callable[[str], None]


def folder() -> pathlib.Path:
    """The folder of the cache, which need not exist.

    Raises:
      InputError: the user has no home folder, and no variable of the environment names another.
    """
    home, cache = os.environ.get(HOME, ""), os.environ.get("XDG_CACHE_HOME", "")
    try:
        if home:
            return pathlib.Path(home).expanduser().absolute()
        if os.path.isabs(cache):  # others are to be ignored, says the convention
            return pathlib.Path(cache) / "feelvos_tf"
        return pathlib.Path.home() / ".cache" / "feelvos_tf"
    except RuntimeError as error:
        raise InputError(f"the user has no home folder; set {HOME} to the folder to use") from error


def is_offline() -> bool:
    """Whether FEELVOS_OFFLINE forbids to fetch anything.

    Raises:
      InputError: it is neither yes nor no.
    """
    value = os.environ.get(OFFLINE, "").lower()
    if value not in ("", "0", "1", "false", "true", "no", "yes"):
        raise InputError(f"{OFFLINE} is {shown(value)}, expected 1 or 0")
    return value in ("1", "true", "yes")


@contextlib.contextmanager
def locked(home: pathlib.Path, say: Say | None) -> Iterator[None]:
    """Holds the lock of the cache, waiting for it; what killed processes left is removed.

    Args:
      home: the cache; made where absent.
      say: takes a line where another process has to be waited for.

    Raises:
      InputError: the folder cannot be written.
    """
    make_folder(home)
    tell = None if say is None else lambda who: say(f"waiting for {who}, which uses {home}")
    # Without locks two processes would fetch into one file, whose checksum would tell.
    with waited_for(home / _LOCK, tell) as held:
        if held:
            for left in home.glob(PART_FILES):
                shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink()
        yield
