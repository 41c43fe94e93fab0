"""The folder of one evaluation run: its masks, and which sequences are finished.

    OUTPUT/run.json               what was run: dataset, split, protocol, method
    OUTPUT/masks/SEQ/FRAME.png    results, laid out as benchmark servers expect
    OUTPUT/sequences/SEQ.json     scores of a finished sequence; its presence is the mark
    OUTPUT/sequences/SEQ.error.txt  the traceback of a failed one

A mark is written after the last mask of its sequence and appears complete or not at all, so a
run that is killed at any point repeats just the sequence that it was at.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from feelvos_tf.errors import InputError
from feelvos_tf.evaluation import protocols
from feelvos_tf.evaluation.scoring import SequenceScores
from feelvos_tf.files import replaced_when_done


def write_json(path: Path, values) -> None:
    """Writes JSON that is on the disk before its name is; floats keep every digit."""
    with replaced_when_done(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        json.dump(values, file, indent=1)
        file.flush()
        os.fsync(file.fileno())


class RunFolder:
    """Keeps the results of one method on one split.

    Args:
      folder: created where it does not exist.
      identity: plain values that tell this run from others, as JSON holds them.
      rerun: forget what is finished.

    Raises:
      InputError: the folder has the results of another run and `rerun` is false.
    """

    def __init__(self, folder, identity: Mapping[str, Any], *, rerun: bool = False):
        self.folder = Path(folder)
        self.masks = self.folder / "masks"
        self._marks = self.folder / "sequences"
        description = self.folder / "run.json"
        if not rerun and description.exists():
            _check_same_run(description, identity)
        self.masks.mkdir(parents=True, exist_ok=True)
        self._marks.mkdir(exist_ok=True)
        if rerun:
            for mark in self._marks.glob("*.json"):
                mark.unlink()
        write_json(description, identity)

    def finished(self, video, plan: protocols.Plan) -> SequenceScores | None:
        """Scores of a sequence that needs no run, or None.

        It is finished when its mark fits the video and every mask is there.
        """
        try:
            text = self._mark(video.name).read_text(encoding="utf-8")
            scores = SequenceScores.from_dict(json.loads(text))
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
        same = scores.num_frames == len(video.frames) and frames == expected
        return scores if same and names <= present else None

    def begin(self, name: str) -> Path:
        """Clears what an earlier attempt left of a sequence; returns the folder for its masks."""
        for path in (self._mark(name), self._error(name)):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
        folder = self.masks / name
        folder.mkdir(parents=True, exist_ok=True)
        for path in (*folder.glob("*.png"), *folder.glob(".*.part")):
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


def _check_same_run(description: Path, identity: Mapping[str, Any]) -> None:
    try:
        before = json.loads(description.read_text(encoding="utf-8"))
        differing = [k for k in {**before, **identity} if before.get(k) != identity.get(k)]
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{description}: cannot be read as the description of a run; choose "
                         "another output folder, or run again from the start (--rerun)") from error
    if differing:
        key = differing[0]
        raise InputError(f"{description}: {key} is {before.get(key)!r}, expected "
                         f"{identity.get(key)!r}; choose another output folder, or run again "
                         "from the start (--rerun)")
