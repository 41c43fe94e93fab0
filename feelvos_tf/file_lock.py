"""Locks between processes: a file that says who holds it; the system lets go with its holder."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import pathlib
import shlex
import socket
import stat
import sys
import time
from collections.abc import Callable, Iterator

from feelvos_tf.errors import InputError
from feelvos_tf.files import open_file

try:
    import fcntl

    HAS_LOCKS = True
except ImportError:  # Windows: two processes at once go unnoticed there
    HAS_LOCKS = False

# What a file system answers that has no locks.
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
_logger = logging.getLogger(__name__)
_SECONDS_BETWEEN_LOOKS = 0.2
_LONGEST_HOLDER = 1000  # characters of the line in the lock


def try_lock(path: pathlib.Path) -> int | None:
    """Returns the descriptor of the locked file; None where its holder removed it meanwhile.

    The system lets go of the lock with the process, so that a killed one blocks nobody. Needs
    HAS_LOCKS.

    Raises:
      BlockingIOError: somebody holds the lock.
      OSError: the file cannot be opened or locked.
    """
    lock = os.open(
        path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666
    )
    try:
        if not stat.S_ISREG(os.fstat(lock).st_mode):
            raise OSError(errno.EINVAL, "is no file", str(path))
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held = os.fstat(lock)
        if (held.st_dev, held.st_ino) == identity(path):
            os.ftruncate(lock, 0)
            os.write(lock, _describe_process().encode("utf-8", "replace"))
            return lock
    except BaseException:
        os.close(lock)
        raise
    os.close(lock)
    return None


@contextlib.contextmanager
def waited_for(path: pathlib.Path, tell: Callable[[str], None] | None = None) -> Iterator[bool]:
    """Holds a lock, waiting for it; where there are no locks it does not.

    Args:
      path: the lock's file.
      tell: takes who holds it, once, where another process has to be waited for.

    Yields:
      whether the lock is held.

    Raises:
      InputError: the file cannot be opened or locked.
    """
    lock, waits = None, False
    while HAS_LOCKS and lock is None:
        try:
            lock = try_lock(path)
        except BlockingIOError:
            if not waits and tell is not None:
                tell(holder(path))
            waits = True
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        except OSError as error:
            if error.errno in NO_LOCKS:
                break
            raise InputError(
                f"{path}: cannot be used as a lock ({error.strerror or error})"
            ) from error
    try:
        yield lock is not None
    finally:
        if lock is not None:
            release(path, lock)


def take(path: pathlib.Path, else_do: str) -> int | None:
    """Returns the descriptor of the lock of a folder, in which it lies; None without locks.

    Args:
      path: the lock's file, whose folder one process at a time may write to.
      else_do: what a user can do besides waiting, for the message.

    Raises:
      InputError: another process holds it, or the file cannot be opened or locked.
    """
    lock = None
    try:
        while HAS_LOCKS and lock is None:
            lock = try_lock(path)
    except BlockingIOError as error:
        raise InputError(
            f"{path.parent}: {holder(path)} writes to it; wait for its end or {else_do}"
        ) from error
    except OSError as error:
        if error.errno in NO_LOCKS:
            _logger.warning(
                "%s: its file system has no locks; run one command at a time on it", path.parent
            )
            return None
        raise InputError(f"{path}: cannot be used as a lock ({error.strerror or error})") from error
    return lock


@contextlib.contextmanager
def taken(path: pathlib.Path, else_do: str) -> Iterator[None]:
    """Holds the lock of a folder, see `take`."""
    lock = take(path, else_do)
    try:
        yield
    finally:
        if lock is not None:
            release(path, lock)


def release(path: pathlib.Path, lock: int) -> None:
    """Removes the file of a lock that this process holds, and lets go of it."""
    with contextlib.suppress(OSError):
        path.unlink()
    os.close(lock)


def holder(path: pathlib.Path) -> str:
    """Who holds a lock, as it says itself."""
    try:
        with open_file(path) as file:
            text = file.read(4 * _LONGEST_HOLDER).decode("utf-8", "replace")
    except (OSError, InputError):
        text = ""
    return " ".join(text.split()) or "another process"


def identity(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    """What two names of one file have in common; None where there is no file."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def command_line() -> str:
    """The command that this process was started with, as one types it."""
    return shlex.join([pathlib.PurePath(sys.argv[0]).name, *sys.argv[1:]])


def _describe_process() -> str:
    return f"process {os.getpid()} on {socket.gethostname()} ({command_line()})"[:_LONGEST_HOLDER]
