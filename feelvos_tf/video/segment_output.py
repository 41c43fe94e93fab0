"""The folder that a segmented video goes to, and what an earlier run left in it.

    OUTPUT/FRAME.png   the masks
    OUTPUT/state.npz   the state of a run that its masks do not hold, see kept_state.py
    OUTPUT/run.json    what they were made from, so that a run is resumed with the same only; which
                       files are this program's, so that no other is replaced; at the end of a run
                       also in which frames each object is seen, and how sure; for people the
                       video, the program's version, the command and its settings

A file is there complete or not at all, so the masks that exist are all that a run must know to
go on where another one was stopped.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable, Collection, Iterable, Mapping
from types import TracebackType
from typing import Any

import numpy as np

from feelvos_tf.errors import InputError
from feelvos_tf.file_lock import command_line
from feelvos_tf.files import flush_to_disk
from feelvos_tf.output_folder import RUN_FILE, OutputFolder
from feelvos_tf.version import __version__
from feelvos_tf.video.kept_state import STATE_FILE, Kept, KeptState
from feelvos_tf.video.mask_folder import MaskFolderWriter, mask_file
from feelvos_tf.video.masks import read_mask
from feelvos_tf.video.outputs import FOLDERS
from feelvos_tf.video.picture_files import tidy_folder

PROGRAM = "feelvos-segment"
_ADAPTATION = "adaptation"


class SegmentOutput:
    """Names, finds and writes the masks of one video.

    A context manager: inside the block nobody else writes to the folder; leaving it waits until
    the masks handed over are written.

    Attributes:
      holds: says of a frame's name whether all is there that its mask does not hold; a frame
        that lacks some of it counts as unfinished.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        names: Iterable[str],
        size: tuple[int, int],
        made_from: Mapping[str, Any],
        *,
        resume: bool,
        overwrite: bool,
        pictures: Iterable[str] = (),
        inputs: Collection[str | os.PathLike[str]] = (),
    ) -> None:
        """Args as follows; nothing is touched before the block.

        Args:
          folder: made with its parents where absent.
          names: of the frames.
          size: (H, W) of the frames.
          made_from: plain values as JSON has them; masks of a run with other values are not
            resumed.
          resume: keep masks that exist.
          overwrite: remove what an earlier run left.
          pictures: names of further files that the run writes, and, with a "/" at their end, of
            folders that it fills with pictures named like the masks.
          inputs: files and folders that must not be written to.

        Raises:
          InputError: both `resume` and `overwrite`, or a name that can be none of a file.
        """
        if resume and overwrite:
            raise InputError(
                "resume keeps the masks that exist and overwrite removes them: expected one of both"
            )
        self.folder = pathlib.Path(folder)
        self._size = size
        self._made_from = dict(made_from)
        self._resume, self._overwrite = resume, overwrite
        self._inputs = inputs
        self._output = OutputFolder(folder, PROGRAM)
        self._writer: MaskFolderWriter  # from the beginning of the block on
        self._masks = [mask_file(name, "video") for name in names]
        self._pictures = [*pictures, STATE_FILE]
        self.state = KeptState(self.folder, made_from)
        self.holds: Callable[[str], bool] = lambda name: True
        self._written: list[str] = []
        self._finished: int | None = None  # masks of an earlier run that came to its end

    def __enter__(self) -> SegmentOutput:
        """Checks what is in the folder.

        Raises:
          InputError: there are masks and neither `resume` nor `overwrite`, or they come from
            something else than `made_from`; a file that this program did not write is where one
            of its own belongs; somebody else writes to the folder, it cannot be written, or it
            holds an input.
        """
        self._output.__enter__()
        try:
            self._check()
            self._finished = self._output.values.get("num_masks")
            self._writer = MaskFolderWriter(self.folder)
        except BaseException:
            self._output.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._writer.__exit__(kind, error, traceback)
        finally:
            self._output.__exit__(kind, error, traceback)

    def begin(self, **told: Any) -> None:
        """Removes what is to be overwritten and says in run.json what comes.

        Args:
          **told: further facts about the run for people to read, plain values as JSON has them;
            unlike `made_from` they may change when a run is resumed.

        Not before all else is known to be right: a command that is wrong leaves old masks alone.
        """
        self._output.remove_parts()
        if self._overwrite:
            for name in self._left():
                (self.folder / name).unlink()
        earlier = self._output.files
        for name in FOLDERS:
            if name in earlier:
                tidy_folder(self.folder / name, earlier if self._overwrite else ())
        self._output.values.pop("objects", None)
        self._output.values.pop("num_masks", None)
        self._output.values.pop("confidence", None)
        if self._overwrite:
            self._output.values.pop(_ADAPTATION, None)
        self._output.record(
            [*self._masks, *self._pictures],
            version=__version__,
            command=command_line(),
            **told,
            made_from=self._made_from,
        )

    @property
    def adaptation(self) -> dict[str, Any]:
        """What `record_adaptation` was told by this run or one that it resumes, else empty."""
        found = self._output.values.get(_ADAPTATION)
        return dict(found) if isinstance(found, dict) else {}

    def record_adaptation(self, facts: Mapping[str, Any]) -> None:
        """Keeps facts about the network's adaptation in run.json, plain values as JSON has them.

        Raises:
          InputError: it cannot be written.
        """
        self._output.record(**{_ADAPTATION: dict(facts)})

    def stored(self, name: str) -> np.ndarray | None:
        """The mask of a frame of which all is there, uint8 [H, W]; None where something lacks."""
        labels = self.mask(name)
        return labels if labels is not None and self.holds(name) else None

    def mask(self, name: str) -> np.ndarray | None:
        """The mask of a finished frame, uint8 [H, W]; None where there is none that is valid."""
        path = self._writer.path(name)
        if not self._output.knows(path.name):  # not ours, whatever it is
            return None
        try:
            return read_mask(path, self._size)
        except InputError:
            return None  # to be written again, which is always right

    def kept_state(self, names: Iterable[str]) -> Kept:
        """The state of an earlier run, if all masks that it follows are there.

        Args:
          names: of the frames, in their order.

        Raises:
          InputError: there is no such state, or a mask before it is missing.
        """
        kept = self.state.load()
        found = self._count(names, kept.frame)
        if found != kept.num_masks:
            raise InputError(
                f"{self.state.path}: follows {kept.num_masks} masks, of which {found} are there"
            )
        return kept

    def keep_state(self, kept: Kept) -> None:
        """Writes a state, once all masks handed over are in their files."""
        self._writer.flush()
        self.state.save(kept)

    def flush(self) -> None:
        """Waits until all masks handed over are in their files."""
        self._writer.flush()

    def is_finished(self, names: Iterable[str]) -> bool:
        """Whether an earlier run came to its end and all its masks are there."""
        return self._finished is not None and self._finished == self._count(names)

    def _count(self, names: Iterable[str], last: str | None = None) -> int:
        """Valid masks of the frames up to `last`, by default of all."""
        found = 0
        for name in names:
            found += self.stored(name) is not None
            if name == last:
                break
        return found

    def write(self, name: str, labels: np.ndarray) -> None:
        """Takes a mask for writing, see `MaskFolderWriter.write`."""
        file = self._writer.path(name).name
        if not self._output.knows(file):  # a video with more frames than its index says
            self._output.check([file], self._inputs)
            self._output.record([file])
        self._writer.write(name, labels)
        self._written.append(file)

    def finish(
        self,
        objects: Mapping[str, Any],
        num_masks: int,
        confidence: Mapping[str, Any] | None = None,
    ) -> None:
        """Waits until all masks would survive a power cut, and says so in run.json.

        Args:
          objects: where each is seen, plain values as JSON has them.
          num_masks: that the folder holds now.
          confidence: of the objects, plain values as JSON has them; None where it is not known.

        Raises:
          InputError: a mask or run.json could not be written.
        """
        self._writer.close()
        for name in self._written:
            try:
                flush_to_disk(self.folder / name)
            except OSError as error:
                raise InputError(
                    f"{self.folder / name}: cannot be kept on the disk ({error.strerror or error})"
                ) from error
        known = {} if confidence is None else {"confidence": dict(confidence)}
        self._output.record(objects=dict(objects), num_masks=num_masks, **known)
        self.state.remove()

    def _check(self) -> None:
        self._output.check([*self._masks, *self._pictures], self._inputs)
        left = self._left()
        masks = [n for n in left if n.endswith(".png") and n not in self._pictures]
        if masks and not (self._resume or self._overwrite):
            more = f" and {len(masks) - 1} more" if len(masks) > 1 else ""
            raise InputError(
                f"{self.folder}: holds masks already ({masks[0]}{more}); --resume goes on "
                "after them, --overwrite starts anew"
            )
        if masks and self._resume:
            self._output.check_same(self._made_from, "--overwrite starts anew")
        if self._overwrite:
            self._output.check(left, self._inputs)

    def _left(self) -> list[str]:
        """Files of earlier runs that are there."""
        names = sorted(
            name for name in self._output.files if not name.endswith("/") and name != RUN_FILE
        )
        return [name for name in names if os.path.lexists(self.folder / name)]
