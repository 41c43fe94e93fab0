"""The folder that a segmented video goes to, and what an earlier run left in it.

    OUTPUT/FRAME.png   the masks
    OUTPUT/run.json    what they were made from, so that a run is resumed with the same only

A file is there complete or not at all, so the masks that exist are all that a run must know to
go on where another one was stopped.
"""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from feelvos_tf.errors import InputError
from feelvos_tf.files import replaced_when_done
from feelvos_tf.video.masks import read_mask
from feelvos_tf.video.writers import MaskFolderWriter

RUN_FILE = "run.json"


class SegmentOutput:
    """Names, finds and writes the masks of one video.

    A context manager: entering the block removes masks that are to be overwritten, leaving it
    waits until the masks handed over are written.
    """

    def __init__(self, folder: str | os.PathLike[str], names: Iterable[str],
                 size: tuple[int, int], identity: Mapping[str, Any], *, resume: bool,
                 overwrite: bool, inputs: Iterable[pathlib.Path]):
        """Makes the folder and checks what is in it.

        Args:
          folder: made with its parents where absent.
          names: of the frames.
          size: (H, W) of the frames.
          identity: plain values as JSON has them; masks of a run with other values are not
            resumed.
          resume: keep masks that exist.
          overwrite: remove masks of these frames that exist.
          inputs: files and folders that must not be written to.

        Raises:
          InputError: there are masks and neither `resume` nor `overwrite`, or they come from
            something else than `identity`; or the folder cannot be written or holds an input.
        """
        if resume and overwrite:
            raise InputError("resume keeps the masks that exist and overwrite removes them: "
                             "expected one of both")
        self._size = size
        self.folder = pathlib.Path(folder)
        self._refuse_inputs(names, inputs)
        self._writer = MaskFolderWriter(self.folder)
        found = [name for name in names if os.path.lexists(self._writer.path(name))]
        if found and not (resume or overwrite):
            more = f" and {len(found) - 1} more" if len(found) > 1 else ""
            raise InputError(
                f"{self.folder}: holds masks already ({found[0]}.png{more}); --resume goes on "
                "after them, --overwrite starts anew")
        if found and resume:
            self._check_identity(identity)
        self._outdated = found if overwrite else []
        self._identity = identity

    def stored(self, name: str) -> np.ndarray | None:
        """The finished mask of a frame, uint8 [H, W]; None where there is none that is valid."""
        try:
            return read_mask(self._writer.path(name), self._size)
        except InputError:
            return None  # to be written again, which is always right

    def write(self, name: str, labels: np.ndarray) -> None:
        """Takes a mask for writing, see `MaskFolderWriter.write`."""
        self._writer.write(name, labels)

    def __enter__(self) -> SegmentOutput:
        # Not before: whatever else can be wrong with a command is to leave old masks alone.
        for name in self._outdated:
            self._writer.path(name).unlink()
        self._write_identity()
        self._writer.__enter__()
        return self

    def __exit__(self, kind, error, traceback) -> None:
        self._writer.__exit__(kind, error, traceback)

    def _refuse_inputs(self, names: Iterable[str], inputs: Iterable[pathlib.Path]) -> None:
        target = self.folder.resolve()
        for path in inputs:
            given = path.resolve()
            inside = given.parent == target and given.stem in set(names)
            if given == target or (inside and not given.is_dir()):
                raise InputError(f"{self.folder}: results would overwrite {path}, expected "
                                 "another output folder")

    def _check_identity(self, identity: Mapping[str, Any]) -> None:
        path = self.folder / RUN_FILE
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
            differing = [k for k in {**before, **identity} if before.get(k) != identity.get(k)]
        except (OSError, ValueError, TypeError) as error:
            raise InputError(
                f"{path}: cannot be read, so it is unknown what the masks beside it were made "
                "from; --overwrite starts anew") from error
        if differing:
            key = differing[0]
            raise InputError(
                f"{path}: the masks beside it were made with {key} {before.get(key)}, but now it "
                f"is {identity.get(key)}; --overwrite starts anew")

    def _write_identity(self) -> None:
        path = self.folder / RUN_FILE
        try:
            with replaced_when_done(path) as temporary:
                temporary.write_text(json.dumps(self._identity, indent=1), encoding="utf-8")
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error
