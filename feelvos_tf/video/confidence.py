"""How sure each object of each frame is: confidence.csv, its summary, and frames to look at.

Sure is the margin between the two most probable channels of a pixel, 0 to 1. An object's
confidence in a frame is the mean margin over its pixels; an object in no pixel has none.
"""

from __future__ import annotations

import array
import contextlib
import csv
import math
import pathlib
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import numpy as np

from feelvos_tf.errors import InputError
from feelvos_tf.files import open_file, replaced_when_done
from feelvos_tf.video.labeled_frame import LabeledFrame
from feelvos_tf.video.mask_folder import mask_file
from feelvos_tf.video.mattes import is_gray_picture
from feelvos_tf.video.picture_files import own_folder, write_png

CONFIDENCE = "confidence.csv"
CONFIDENCE_MAPS = "confidence/"
HEADER = ["frame", "object", "area", "margin"]
_DIGITS = 4  # of a margin
# A mean margin below this is worth a look.
SURE = 0.6
_LOOK_AT = 5  # frames at most
_APART = 20  # of so many parts of the video, two frames to look at are at least one apart
_LEAST_APART = 5  # frames
_SECONDS_BETWEEN = 5.0  # writes; what a killed run loses at most
_SHARE = 20  # of the time, writing takes at most one part of so many


def margins(probabilities: np.ndarray) -> np.ndarray:
    """Difference of the two largest probabilities of each pixel.

    Args:
      probabilities: float32 [h, w, N].

    Returns:
      float32 [h, w] in 0..1; 1 where there is one channel only.
    """
    if probabilities.shape[-1] < 2:
        return np.ones(probabilities.shape[:-1], np.float32)
    two = np.partition(probabilities, -2, axis=-1)[..., -2:]
    return two[..., 1] - two[..., 0]


def mean_margins(labeled: LabeledFrame) -> dict[int, float]:
    """Mean margin of each object that a computed frame shows, by id.

    Looked at are the pixels at stride 4, and for an object that is in none of these the nearest
    ones. Pixels of a mask that was given are sure.
    """
    labels, scores, by_hand = labeled.labels, labeled.scores, labeled.set_by_hand
    present = (np.flatnonzero(np.bincount(labels.ravel(), minlength=256)[1:]) + 1).tolist()
    if scores is None:
        return dict.fromkeys(present, 1.0)
    margin = margins(scores.probabilities)
    sides = list(zip(labels.shape, margin.shape))
    grid = np.ix_(
        *(np.rint(np.linspace(0, large - 1, small)).astype(int) for large, small in sides)
    )
    small_labels, sampled = labels[grid], margin
    if by_hand is not None:
        sampled = np.where(by_hand[grid], 1, margin)
    counts = np.bincount(small_labels.ravel(), minlength=256)
    sums = np.bincount(small_labels.ravel(), sampled.ravel(), 256)
    found = {}
    for object_id in present:
        if counts[object_id]:
            found[object_id] = float(sums[object_id] / counts[object_id])
            continue
        places = np.nonzero(labels == object_id)
        near = margin[
            tuple(
                np.rint(place * ((small - 1) / max(1, large - 1))).astype(int)
                for place, (large, small) in zip(places, sides)
            )
        ]
        found[object_id] = float(
            (near if by_hand is None else np.where(by_hand[places], 1, near)).mean()
        )
    return found


class Confidences:
    """Gathers confidences, and writes confidence.csv now and then and at the end.

    A context manager; the file is written when the block ends, also with an error, so that a
    later run knows of the frames so far. Its columns are HEADER: a row for each frame and object
    that came in up to there; area in pixels, margin empty where it is not known. Where nothing is
    known but of masks that were given, nothing is written. Memory: 9 bytes a row, and the names;
    some 300 bytes a row of a frame computed out of order, until it comes in its place.
    """

    def __init__(self, folder: pathlib.Path, resume: bool) -> None:
        """Args as follows.

        Args:
          folder: of the run, must exist.
          resume: whether an earlier run's file in it is of the same masks.
        """
        self.path = folder / CONFIDENCE
        # (frame, object) -> area and margin, of frames that come in their place later.
        self._early = _read(self.path) if resume else {}
        self._any = bool(self._early)  # whether more is known than what was given
        self.names: list[str] = []
        self._rows = array.array("I")  # up to each frame
        self._ids, self._areas, self._margins = array.array("B"), array.array("I"), array.array("f")
        self._written = time.monotonic()
        self._pause = _SECONDS_BETWEEN

    def add(self, labeled: LabeledFrame) -> None:
        """Takes the next frame; InputError where the file cannot be written."""
        name = labeled.frame.name
        computed = None if labeled.kept else mean_margins(labeled)
        self._any = self._any or labeled.scores is not None
        areas = np.bincount(labeled.labels.ravel(), minlength=256)
        for object_id in labeled.ids:
            _, margin = self._early.pop((name, object_id), (0, math.nan))
            if computed is not None:
                margin = computed.get(object_id, math.nan)
            self._ids.append(object_id)
            self._areas.append(int(areas[object_id]))
            # As the file has it, so that a resumed run draws the same plot.
            self._margins.append(round(margin, _DIGITS))
        self.names.append(name)
        self._rows.append(len(self._ids))
        self._write_in_time()

    def add_early(self, labeled: LabeledFrame) -> None:
        """Takes a frame computed out of order, which comes again by `add`, as one that is kept.

        Raises:
          InputError: the file cannot be written.
        """
        found = mean_margins(labeled)
        self._any = self._any or labeled.scores is not None
        areas = np.bincount(labeled.labels.ravel(), minlength=256)
        for object_id in labeled.ids:
            margin = round(found.get(object_id, math.nan), _DIGITS)
            self._early[labeled.frame.name, object_id] = int(areas[object_id]), margin
        self._write_in_time()

    def _write_in_time(self) -> None:
        if time.monotonic() - self._written >= self._pause:
            self._write()

    def of_objects(self) -> dict[int, np.ndarray]:
        """Margin of each object in each frame, float32 [frames], NaN where it is not known."""
        ids, values = np.array(self._ids, np.uint8), np.array(self._margins, np.float32)
        frames = np.searchsorted(np.array(self._rows), np.arange(len(ids)), side="right")
        found = {}
        for object_id in np.unique(ids).tolist():
            found[object_id] = np.full(len(self.names), np.nan, np.float32)
            mine = ids == object_id
            found[object_id][frames[mine]] = values[mine]
        return found

    def look_at(self) -> list[str]:
        """Names of the least sure frames, apart from each other, in their order."""
        objects = self.of_objects()
        if not objects:
            return []
        stacked = np.stack([np.nan_to_num(values, nan=1.0) for values in objects.values()])
        return [self.names[i] for i in least_sure(stacked.min(axis=0))]

    def summary(self) -> dict[str, Any] | None:
        """Plain values as JSON has them; None where none was computed.

        Of each object the number of frames whose margin is known, the mean and the least of them,
        and the frame of the least; and the frames to look at.
        """
        objects: dict[str, Any] = {}
        for object_id, values in self.of_objects().items() if self._any else ():
            if not np.isnan(values).all():
                least = int(np.nanargmin(values))
                objects[str(object_id)] = {
                    "frames": int((~np.isnan(values)).sum()),
                    "mean": round(float(np.nanmean(values)), _DIGITS),
                    "least": round(float(values[least]), _DIGITS),
                    "least_in": self.names[least],
                }
        return {"objects": objects, "look_at": self.look_at()} if objects else None

    def __enter__(self) -> Confidences:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self._early.clear()  # all frames have come
            self._write()
        else:  # what went wrong first matters more
            with contextlib.suppress(InputError):
                self._write()

    def _write(self) -> None:
        if not self._any:
            return
        began = time.monotonic()
        try:
            with replaced_when_done(self.path) as temporary:
                with open(temporary, "w", encoding="utf-8", newline="") as file:
                    rows = csv.writer(file, lineterminator="\n")
                    rows.writerow(HEADER)
                    first = 0
                    for name, last in zip(self.names, self._rows):
                        for row in range(first, last):
                            own = self._ids[row], self._areas[row], _shown(self._margins[row])
                            rows.writerow([name, *own])
                        first = last
                    for (name, object_id), (area, margin) in self._early.items():
                        rows.writerow([name, object_id, area, _shown(margin)])
        except OSError as error:
            raise InputError(
                f"{self.path}: cannot be written ({error.strerror or error})"
            ) from error
        self._written = time.monotonic()
        self._pause = max(_SECONDS_BETWEEN, _SHARE * (self._written - began))


def _shown(margin: float) -> str:
    return "" if math.isnan(margin) else f"{margin:.{_DIGITS}f}"


def least_sure(sure: np.ndarray) -> list[int]:
    """Picks the least sure frames that are apart from each other.

    Args:
      sure: floats [frames], 0..1.

    Returns:
      ascending indices of at most five frames below SURE; empty where there is none.
    """
    apart = max(_LEAST_APART, len(sure) // _APART)
    picked: list[int] = []
    for index in np.argsort(sure, kind="stable").tolist():
        if sure[index] >= SURE or len(picked) == _LOOK_AT:
            break
        if all(abs(index - other) >= apart for other in picked):
            picked.append(index)
    return sorted(picked)


class ConfidenceMaps:
    """Writes confidence/NAME.png for each frame from the first mask on: 8-bit gray, 255 is sure.

    A frame whose mask was given is sure all over. Masks do not hold these pictures, so a frame that
    lacks one must be computed again.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        """Takes the folder of the run, which must exist."""
        self.path = folder / CONFIDENCE_MAPS.rstrip("/")

    def add(self, labeled: LabeledFrame) -> None:
        """Writes the picture of a frame, unless an earlier run did; InputError where it cannot."""
        if labeled.kept or not labeled.ids:
            return
        height, width = labeled.labels.shape
        sure = np.full((height, width), 255, np.uint8)
        if labeled.scores is not None:
            sure = _resized(margins(labeled.scores.probabilities), (height, width))
            if labeled.set_by_hand is not None:
                sure[labeled.set_by_hand] = 255
        write_png(own_folder(self.path) / mask_file(labeled.frame.name, self.path), sure)

    def holds(self, name: str, ids: Sequence[int], size: tuple[int, int]) -> bool:
        """Whether the picture of a frame with these objects is there and undamaged."""
        return not ids or is_gray_picture(self.path / mask_file(name, self.path), size)


def _resized(margins: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Margins float32 [h, w] of 0..1 at a frame's size (H, W), uint8 of 0..255.

    Bilinear with aligned corners, as logits are resized.
    """
    for axis, length in enumerate(size):
        last = margins.shape[axis] - 1
        place = np.arange(length) * (last / max(1, length - 1))
        low = np.minimum(place.astype(np.int64), last)
        share = (place - low).astype(np.float32).reshape([-1, 1] if axis == 0 else [1, -1])
        first, second = (np.take(margins, i, axis) for i in (low, np.minimum(low + 1, last)))
        margins = first * (1 - share) + second * share
    return np.rint(255 * margins).astype(np.uint8)


def _read(path: pathlib.Path) -> dict[tuple[str, int], tuple[int, float]]:
    """(frame, object) -> area, margin, of an earlier run; lines that are none of ours are left out.

    So are those without a margin.
    """
    found: dict[tuple[str, int], tuple[int, float]] = {}
    try:
        with open_file(path) as file:
            lines = file.read().decode("utf-8", "replace").splitlines()
    except (OSError, InputError):
        return found
    with contextlib.suppress(csv.Error):
        for row in csv.reader(lines):
            with contextlib.suppress(ValueError):
                name, object_id, area, margin = row
                if 0 <= float(margin) <= 1:
                    found[name, int(object_id)] = int(area), float(margin)
    return found
