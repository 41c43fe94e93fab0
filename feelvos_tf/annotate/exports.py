"""Files for other programs: the outputs of feelvos-segment, of the masks that are there."""

from __future__ import annotations

import csv
import importlib.util
import threading
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from feelvos_tf.annotate.project import Project
from feelvos_tf.errors import InputError
from feelvos_tf.files import replaced_when_done
from feelvos_tf.video.confidence import CONFIDENCE, HEADER
from feelvos_tf.video.frame_source import FrameSource
from feelvos_tf.video.frames import prefetch
from feelvos_tf.video.given_masks import GivenMasks
from feelvos_tf.video.labeled_frame import KnownIds, LabeledFrame
from feelvos_tf.video.outputs import Outputs, checked_kinds, output_names
from feelvos_tf.video.pictures import Pictures, picture_names

_NEEDS = {"overlay": "av", "cutouts": "PIL", "coco": "pycocotools", "ytvos": "PIL", "video": "av"}
_TOLD_EVERY = 10  # frames


def available() -> list[str]:
    """The kinds that can be written here; mattes cannot, for masks do not hold them."""
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
    with (
        Pictures(project.folder, source, total, overlay=overlay, contact_sheet=True) as pictures,
        Outputs(project.folder, source, project.names, kinds, known, resume=True) as outputs,
    ):
        for frame in prefetch(source):
            with lock:
                labels = project.labels(frame.index) if frame.index < total else None
            if labels is None:
                labels = np.zeros(project.size, np.uint8)
            pictures.add(frame, labels)
            outputs.add(LabeledFrame(frame, labels, known.up_to(frame.index), True, None))
            if frame.index % _TOLD_EVERY == 0:
                tell(frame.index, total)
    return [str(path) for path in (*pictures.files, *outputs.files)]


def _write_confidence(project: Project) -> None:
    """Leaves confidence.csv as feelvos-segment does, which the outputs read."""
    path = project.folder / CONFIDENCE
    try:
        with replaced_when_done(path) as temporary:
            with open(temporary, "w", encoding="utf-8", newline="") as file:
                rows = csv.writer(file, lineterminator="\n")
                rows.writerow(HEADER)
                for index, objects in sorted(project.records.margins.items()):
                    if index in project.records.painted:
                        objects = {i: (0, 1.0) for i in project.records.painted[index].ids}
                    for object_id, (area, margin) in sorted(objects.items()):
                        rows.writerow([project.names[index], object_id, area, f"{margin:.4f}"])
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error
