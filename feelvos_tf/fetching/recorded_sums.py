"""Checksums of files, recorded when they are first used and compared ever after.

They tell that a file is still the one of the first time; where nobody has published its sum, no
more can be told.
"""

from __future__ import annotations

import datetime
import json
import pathlib
from typing import Any

from feelvos_tf.errors import InputError
from feelvos_tf.files import read_text, sha256, write_json


class RecordedSums:
    """The SHA-256 of files by their names, in a JSON file beside them.

        sums = RecordedSums(folder / "weights.json")
        sums.check(folder / "weights.npz", "fetch it again")
        sums.record(folder / "weights.npz")

    Attributes:
      path: the JSON file.
    """

    def __init__(self, path: pathlib.Path) -> None:
        """Args as follows; nothing is read yet.

        Args:
          path: the JSON file, which need not exist.
        """
        self.path = path

    def knows(self, path: pathlib.Path) -> bool:
        """Whether the sum of a file is recorded.

        Raises:
          InputError: the record cannot be read.
        """
        return path.name in self._read()

    def check(self, path: pathlib.Path, otherwise: str, name: str = "", source: str = "") -> None:
        """Compares a file with what is recorded of it, if anything.

        Args:
          path: the file.
          otherwise: what a user can do where they differ.
          name: under which it is recorded; by default the file's own.
          source: where the file comes from, for the message; by default its path.

        Raises:
          InputError: they differ, or one of them cannot be read.
        """
        entry = self._read().get(name or path.name)
        if entry is None:
            return
        found = sha256(path)
        if found != entry["sha256"]:
            raise InputError(
                f"{source or path}: its SHA-256 is {found}, expected {entry['sha256']} as on "
                f"{entry['first_used']}: the file has changed; {otherwise}"
            )

    def record(self, *paths: pathlib.Path) -> None:
        """Records the sums of files, in place of earlier ones.

        Raises:
          InputError: a file cannot be read, or the record cannot be read or written.
        """
        entries = self._read()
        today = datetime.date.today().isoformat()
        for path in paths:
            digest = sha256(path)
            if entries.get(path.name, {}).get("sha256") != digest:
                entries[path.name] = {
                    "sha256": digest,
                    "bytes": path.stat().st_size,
                    "first_used": today,
                }
        self._write(entries)

    def keep_only(self, name: str) -> None:
        """Forgets the sums of all files but one.

        Raises:
          InputError: the record cannot be read or written.
        """
        entries = self._read()
        kept = {key: value for key, value in entries.items() if key == name}
        if kept != entries:
            self._write(kept)

    def _read(self) -> dict[str, Any]:
        try:
            values = json.loads(read_text(self.path))
            files = values["files"]
            for entry in files.values():
                _ = entry["sha256"], entry["first_used"]
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(
                f"{self.path}: cannot be read as a record of checksums, remove it to begin anew"
            ) from error
        return files

    def _write(self, entries: dict[str, Any]) -> None:
        try:
            write_json(self.path, {"files": entries})
        except OSError as error:
            raise InputError(
                f"{self.path}: cannot be written ({error.strerror or error})"
            ) from error
