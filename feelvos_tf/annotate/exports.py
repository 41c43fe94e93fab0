"""Files for other programs: the outputs of feelvos-segment, of the masks that are there."""

from __future__ import annotations

import csv
import importlib.util
import io
import threading
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from feelvos_tf.annotate.keeping import keep
from feelvos_tf.annotate.project import Project
from feelvos_tf.errors import InputError
from feelvos_tf.video.confidence import CONFIDENCE, HEADER
from feelvos_tf.video.frame_source import FrameSource
from feelvos_tf.video.frames import prefetch
from feelvos_tf.video.given_masks import GivenMasks
from feelvos_tf.video.labeled_frame import KnownIds, LabeledFrame
from feelvos_tf.video.mattes import Mattes
from feelvos_tf.video.outputs import Outputs, checked_kinds, output_names
from feelvos_tf.video.pictures import Pictures, picture_names

_NEEDS = {
    "overlay": "av",
    "cutouts": "PIL",
    "matte": "PIL",
    "coco": "pycocotools",
    "ytvos": "PIL",
    "video": "av",
}
_TOLD_EVERY = 10  # frames


def available() -> list[str]:
    """The kinds that can be written here."""
    return [kind for kind, module in _NEEDS.items() if importlib.util.find_spec(module)]


def checked(kinds: Iterable[str]) -> list[str]:
    """The kinds in their usual order; InputError where one cannot be written."""
    kinds = list(kinds)
    if not kinds or not set(kinds) <= set(available()):
        raise InputError(f"export names {kinds}, expected some of {', '.join(available())}")
    return checked_kinds(kinds)


def write(
    project: Project,
    source: FrameSource,
    kinds: list[str],
    lock: threading.RLock | Any,
    tell: Callable[[int, int], None],
) -> list[str]:
    """Writes files of the masks that are there; frames without one count as background.

    Mattes are soft where a mask was computed on the page, and 0 or 255 where a person painted it.

    Args:
      project: whose folder gets the files.
      source: the video.
      kinds: as of `checked`.
      lock: held while the project is looked at.
      tell: takes how many frames of how many are done.

    Returns:
      the paths of what was written.

    Raises:
      InputError: nothing is painted, or something cannot be read or written.
    """
    overlay = "overlay" in kinds
    with lock:
        if not any(painted.ids for painted in project.records.painted.values()):
            raise InputError("nothing to export: no object is painted yet")
        given = GivenMasks(project.given, project.names, project.size)
        project.claim([*picture_names(overlay, True), *output_names(kinds, False, project.names)])
        _write_confidence(project)
    known = KnownIds(given.entries, everywhere=True)
    total = len(project.names)
    mattes = Mattes(project.folder) if "matte" in kinds else None
    others = [kind for kind in kinds if kind != "matte"]  # those that follow from masks alone
    with (
        Pictures(project.folder, source, total, overlay=overlay, contact_sheet=True) as pictures,
        Outputs(project.folder, source, project.names, others, known, resume=True) as outputs,
    ):
        for frame in prefetch(source):
            with lock:
                labels = project.labels(frame.index) if frame.index < total else None
                scores = (
                    None if labels is None or not mattes else project.scores(frame.index, labels)
                )
            if labels is None:
                labels = np.zeros(project.size, np.uint8)
            pictures.add(frame, labels)
            ids = known.up_to(frame.index)
            outputs.add(LabeledFrame(frame, labels, ids, True, None))
            if mattes is not None:
                mattes.add(LabeledFrame(frame, labels, ids, False, scores))
            if frame.index % _TOLD_EVERY == 0:
                tell(frame.index, total)
    files = [*pictures.files, *outputs.files, *([] if mattes is None else [mattes.path])]
    return [str(path) for path in files]


def _write_confidence(project: Project) -> None:
    """Leaves confidence.csv as feelvos-segment does, which the outputs read."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(HEADER)
    for index, objects in sorted(project.records.margins.items()):
        if index in project.records.painted:
            objects = {i: (0, 1.0) for i in project.records.painted[index].ids}
        for object_id, (area, margin) in sorted(objects.items()):
            rows.writerow([project.names[index], object_id, area, f"{margin:.4f}"])
    keep(project.folder / CONFIDENCE, text.getvalue().encode())
