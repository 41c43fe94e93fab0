"""The folder of one evaluation run: its masks, and which sequences are finished.

    OUTPUT/run.json               what was run: dataset, split, protocol, method
    OUTPUT/masks/SEQ/FRAME.png    results, laid out as benchmark servers expect
    OUTPUT/embeddings/SEQ/FRAME.npy  where asked for, from the first given frame on
    OUTPUT/sequences/SEQ.json     scores of a finished sequence; its presence is the mark
    OUTPUT/sequences/SEQ.error.txt  the traceback of a failed one

A mark is written after the last mask of its sequence and appears complete or not at all, so a
run that is killed at any point repeats just the sequence that it was at.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from feelvos_tf.data.videos import Video
from feelvos_tf.errors import InputError
from feelvos_tf.evaluation import protocols
from feelvos_tf.evaluation.scoring import SequenceScores
from feelvos_tf.files import read_text, replaced_when_done, write_json
from feelvos_tf.output_folder import OutputFolder

PROGRAM = "feelvos-evaluate"
_MASKS, _MARKS = "masks/", "sequences/"
_EMBEDDINGS = "embeddings/"


class RunFolder:
    """Keeps the results of one method on one split.

    Args:
      output: the folder, entered.
      identity: plain values that tell this run from others, as JSON holds them.
      rerun: forget what is finished.
      embeddings: whether there are embeddings beside the masks.

    Raises:
      InputError: the folder has the results of another run and `rerun` is false, or files that
        this program did not write are where its own belong.
    """

    def __init__(
        self,
        output: OutputFolder,
        identity: Mapping[str, Any],
        *,
        rerun: bool = False,
        embeddings: bool = False,
    ) -> None:
        self.masks = output.path / _MASKS
        self.embeddings = output.path / _EMBEDDINGS if embeddings else None
        folders = [_MASKS, _MARKS, *([_EMBEDDINGS] if embeddings else [])]
        self._marks = output.path / _MARKS
        self._output = output
        output.check(folders)
        if not rerun and output.made_from is not None:
            output.check_same(
                identity, "choose another output folder, or run again from the start (--rerun)"
            )
        output.record(folders, made_from=dict(identity))
        self.masks.mkdir(exist_ok=True)
        self._marks.mkdir(exist_ok=True)
        output.remove_parts(self._marks)
        if rerun:
            for mark in self._marks.glob("*.json"):
                mark.unlink()

    def finished(self, video: Video, plan: protocols.Plan) -> SequenceScores | None:
        """Scores of a sequence that needs no run, or None.

        It is finished when its mark fits the video and every mask is there.
        """
        try:
            scores = SequenceScores.from_dict(json.loads(read_text(self._mark(video.name))))
        except (OSError, ValueError, KeyError, TypeError):
            return None  # no mark, or none of ours: the sequence is run, which is always right
        names = {f"{frame.stem}.png" for frame in video.frames}
        folder = self.masks / video.name
        present = {path.name for path in folder.glob("*.png")}
        frames = {o.object_id: o.frames for o in scores.objects}
        expected: dict[int, list[str]] = {}
        for index, ids in plan.scored.items():
            for i in ids:
                expected.setdefault(i, []).append(video.frames[index].stem)
        same = (scores.name, scores.num_frames) == (video.name, len(video.frames))
        if self.embeddings is not None:
            names |= {f"{frame.stem}.npy" for frame in video.frames[plan.start :]}
            present |= {path.name for path in (self.embeddings / video.name).glob("*.npy")}
        return scores if same and frames == expected and names <= present else None

    def begin(self, name: str) -> Path:
        """Clears what an earlier attempt left of a sequence; returns the folder for its masks.

        Raises:
          InputError: the folder is a link, so that what is in it may be a user's.
        """
        for path in (self._mark(name), self._error(name)):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
        if self.embeddings is not None:
            self._clear(self.embeddings / name, "*.npy")
        return self._clear(self.masks / name, "*.png")

    def _clear(self, folder: Path, pattern: str) -> Path:
        if folder.is_symlink():
            raise InputError(f"{folder}: is a link, expected a folder that this program made")
        folder.mkdir(parents=True, exist_ok=True)
        self._output.remove_parts(folder)
        for path in folder.glob(pattern):
            path.unlink()
        return folder

    def finish(self, scores: SequenceScores) -> None:
        """Marks a sequence as finished."""
        write_json(self._mark(scores.name), scores.to_dict())

    def fail(self, name: str, trace: str) -> Path:
        """Keeps the traceback of a sequence that failed; returns the file."""
        path = self._error(name)
        with replaced_when_done(path) as temporary:
            temporary.write_text(trace, encoding="utf-8")
        return path

    def _mark(self, name: str) -> Path:
        return self._marks / f"{name}.json"

    def _error(self, name: str) -> Path:
        return self._marks / f"{name}.error.txt"
