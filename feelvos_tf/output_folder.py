"""A folder of results: one command at a time writes to it, and over nothing that is not its own.

    FOLDER/run.json        which program wrote which files, and what they were made from
    FOLDER/.feelvos.lock   who is writing at the moment; absent where nobody is

What run.json does not list is a user's, whatever its name. A file is listed before it is
written, so that a run that was killed knows its files again.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
from collections.abc import Collection, Iterable, Mapping
from types import TracebackType
from typing import Any

from feelvos_tf.errors import InputError, shown
from feelvos_tf.file_lock import identity, release, take
from feelvos_tf.files import PART_FILES, check_name, make_folder, read_text, write_json

RUN_FILE = "run.json"
LOCK_FILE = ".feelvos.lock"


class OutputFolder:
    """Holds the lock of a folder, and knows which files in it may be replaced.

    A context manager: entering the block makes the folder, takes the lock and reads run.json.

    Attributes:
      path: the folder.
      values: what run.json says beside what this class keeps there; empty where there is none.
    """

    def __init__(self, path: str | os.PathLike[str], program: str) -> None:
        """Args as follows; nothing is touched yet.

        Args:
          path: made with its parents where absent.
          program: name of the command; a folder that another one wrote to is refused.
        """
        self.path = pathlib.Path(path)
        self.values: dict[str, Any] = {}
        self._program = program
        self._files: set[str] = set()
        self._lock: int | None = None

    def __enter__(self) -> OutputFolder:
        """Raises InputError where the folder cannot be used, or somebody else uses it."""
        make_folder(self.path)
        self._take_lock()
        try:
            self._read()
        except BaseException:
            self._release_lock()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._release_lock()

    @property
    def made_from(self) -> dict[str, Any] | None:
        """What an earlier run says its results were made from; None where there is none."""
        recorded = self.values.get("made_from")
        return recorded if isinstance(recorded, dict) else None

    def knows(self, name: str) -> bool:
        """Whether a file was written by this program, now or in an earlier run."""
        return name in self._files

    @property
    def files(self) -> set[str]:
        """Names of the files that this program wrote or was about to; may be changed."""
        return set(self._files)

    def check(self, names: Iterable[str], inputs: Collection[str | os.PathLike[str]] = ()) -> None:
        """Makes sure that nothing of a user's lies where something is to be written.

        Args:
          names: files to be written, and, with a "/" at their end, folders to be filled.
          inputs: files and folders that are read while the others are written.

        Raises:
          InputError: one of `names` is there and was not written by this program, or is one of
            `inputs`; or the folder is.
        """
        read = {same: path for path in inputs if (same := identity(path)) is not None}
        own = identity(self.path)
        if own in read:
            raise InputError(
                f"{self.path}: results would overwrite {read[own]}, expected another output folder"
            )
        strangers = []
        for name in [RUN_FILE, *names]:
            path = self.path / name.rstrip("/")
            if not os.path.lexists(path):
                continue
            same = identity(path)
            if same in read:
                raise InputError(
                    f"{self.path}: results would overwrite {read[same]}, "
                    "expected another output folder"
                )
            if not self._is_own(name, path):
                strangers.append(path)
        if strangers and strangers[0].name == RUN_FILE:
            raise InputError(
                f"{strangers[0]}: is not from {self._program}, so nothing here is "
                "known to be its own; expected another output folder"
            )
        if strangers:
            more = f" (and {len(strangers) - 1} more)" if len(strangers) > 1 else ""
            raise InputError(
                f"{strangers[0]}: is there already{more}, and no {RUN_FILE} says that "
                f"{self._program} wrote it; expected another output folder, or move it away"
            )

    def record(self, names: Iterable[str] = (), **values: Any) -> None:
        """Writes run.json: from now on `names` are this program's, and so they stay.

        Args:
          names: as of `check`, which must have passed them.
          **values: plain values as JSON has them, added to `self.values`.

        Raises:
          InputError: the file cannot be written.
        """
        self._files.update([RUN_FILE, *names])
        self.values.update(values)
        try:
            write_json(
                self.path / RUN_FILE,
                {
                    "program": self._program,
                    **self.values,
                    "files": sorted(self._files - {RUN_FILE}),
                },
            )
        except OSError as error:
            raise InputError(
                f"{self.path / RUN_FILE}: cannot be written ({error.strerror or error})"
            ) from error

    def check_same(self, made_from: Mapping[str, Any], otherwise: str) -> None:
        """Makes sure that what is here was made from the same.

        Args:
          made_from: plain values as JSON has them, to compare with the recorded ones.
          otherwise: what a user can do where they differ.

        Raises:
          InputError: names the first difference.
        """
        before = self.made_from or {}
        for key in {**before, **made_from}:
            if before.get(key) != made_from.get(key):
                raise InputError(
                    f"{self.path / RUN_FILE}: {key} is {shown(before.get(key))}, now it is "
                    f"{shown(made_from.get(key))}; {otherwise}"
                )

    def remove_parts(self, folder: pathlib.Path | None = None) -> None:
        """Removes unfinished files of a killed run from the folder, or from one below it."""
        for path in (folder or self.path).glob(PART_FILES):
            with contextlib.suppress(OSError):
                path.unlink()

    def _is_own(self, name: str, path: pathlib.Path) -> bool:
        if name.endswith("/"):
            # A link may lead to a folder of a user's; to have it filled is to make it a folder.
            return (
                not path.is_symlink()
                and path.is_dir()
                and (name in self._files or not any(path.iterdir()))
            )
        return name in self._files and not path.is_dir()

    def _read(self) -> None:
        """Takes over what run.json says, if it is one of this program's."""
        path = self.path / RUN_FILE
        try:
            values = json.loads(read_text(path))
            program, files = values.pop("program"), values.pop("files")
            for name in files:
                check_name(name.removesuffix("/"), path, "file")
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return  # not ours, so `check` refuses to replace it
        if program == self._program:
            self.values, self._files = values, {RUN_FILE, *files}

    def _take_lock(self) -> None:
        self._lock = take(self.path / LOCK_FILE, "choose another output folder")

    def _release_lock(self) -> None:
        if self._lock is not None:
            release(self.path / LOCK_FILE, self._lock)
            self._lock = None
