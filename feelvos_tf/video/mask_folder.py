"""Masks out: a folder of palette PNG, written beside what computes them."""

from __future__ import annotations

import os
import pathlib
from types import TracebackType

import numpy as np

from feelvos_tf.files import check_name, make_folder
from feelvos_tf.video.background import BackgroundWork
from feelvos_tf.video.masks import write_mask


def mask_file(name: str, where: object) -> str:
    """Name of the file of a frame's mask; InputError with `where` in it for a name that is none."""
    return f"{check_name(name, where, 'frame')}.png"


class MaskFolderWriter:
    """Writes one palette PNG a frame, in background threads, so that writing overlaps computing.

        with MaskFolderWriter("masks") as masks:
            masks.write("00000", labels)

    Every file is complete or absent, whatever ends the program. A context manager: leaving the
    block waits for the last file.
    """

    def __init__(self, folder: str | os.PathLike[str], workers: int = 2, pending: int = 8) -> None:
        """Makes the folder.

        Args:
          folder: where the masks go; made with its parents where absent.
          workers: number of threads that compress and write.
          pending: number of masks that may wait for them before write() waits; bounds memory.

        Raises:
          InputError: the folder cannot be made or written to.
        """
        self.folder = make_folder(folder)
        self._work = BackgroundWork("mask-writer", workers, pending)

    def path(self, name: str) -> pathlib.Path:
        """The file of a frame's mask."""
        return self.folder / mask_file(name, self.folder)

    def write(self, name: str, labels: np.ndarray) -> None:
        """Takes a mask for writing; returns at once while fewer than `pending` masks wait.

        Args:
          name: of the frame, without extension.
          labels: integers [H, W] in 0..255; copied.

        Raises:
          InputError: an earlier or this mask could not be written; the message names its file.
        """
        self._work.submit(write_mask, self.path(name), np.array(labels))

    def flush(self) -> None:
        """Waits for the masks handed over so far; raises as `close`. For the thread that writes."""
        self._work.flush()

    def close(self) -> None:
        """Waits for all masks; InputError with the file's name where one could not be written."""
        self._work.close()

    def __enter__(self) -> MaskFolderWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._work.__exit__(kind, error, traceback)
