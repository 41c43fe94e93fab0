"""Files that are either complete or absent."""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Iterator


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
