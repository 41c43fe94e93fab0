"""Masks as run lengths in one JSON file, in the form of YouTube-VIS: COCO for videos."""

from __future__ import annotations

import array
import contextlib
import json
import pathlib
import tempfile
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import IO, Any

import numpy as np

from feelvos_tf.errors import InputError
from feelvos_tf.files import replaced_when_done
from feelvos_tf.version import __version__
from feelvos_tf.video.labeled_frame import LabeledFrame

COCO = "annotations.json"


def import_rle() -> Any:
    """Returns pycocotools.mask; InputError that names the extra where it is not installed."""
    try:
        from pycocotools import mask
    except ImportError as error:
        raise InputError(
            "annotations.json needs pycocotools, which is not installed: "
            "pip install 'feelvos_tf[coco]'"
        ) from error
    return mask


class CocoVideo:
    """Writes annotations.json: one video, an annotation an object, a run length code a frame.

    An annotation has the object's id as its own; of its lists (segmentations, areas in pixels,
    bboxes as x, y, width, height) each has one element a frame, null where the object is in no
    pixel. All objects are of category 1, "object".

    A context manager; the file appears when the block ends without an error. Codes wait in
    unnamed files on the same disk, one an object, so that memory does not grow with them.
    """

    def __init__(
        self, folder: pathlib.Path, video: str, files: Sequence[pathlib.Path] = ()
    ) -> None:
        """Args as follows.

        Args:
          folder: of the run, must exist.
          video: name of the video; frames are listed as VIDEO/NAME.jpg.
          files: of all frames, where frames are files, for extensions other than .jpg.

        Raises:
          InputError: pycocotools is not installed.
        """
        self.path = folder / COCO
        self._rle = import_rle()
        self._video, self._files = video, files
        self._names: list[str] = []
        self._size = (0, 0)
        self._open = contextlib.ExitStack()
        self._codes: dict[int, IO[str]] = {}
        self._seen: dict[int, array.array[int]] = {}

    def add(self, labeled: LabeledFrame) -> None:
        """Takes the next frame; InputError where its codes cannot be kept."""
        labels = labeled.labels
        self._size = (labels.shape[0], labels.shape[1])
        position = len(self._names)
        index = labeled.frame.index
        suffix = self._files[index].suffix if self._files else ".jpg"
        self._names.append(f"{self._video}/{labeled.frame.name}{suffix}")
        for object_id in np.flatnonzero(np.bincount(labels.ravel(), minlength=256)).tolist():
            if object_id == 0:
                continue
            code = self._rle.encode(np.asfortranarray(labels == object_id, dtype=np.uint8))
            area, box = int(self._rle.area(code)), self._rle.toBbox(code).tolist()
            line = json.dumps([code["counts"].decode("ascii"), area, box])
            try:
                if object_id not in self._codes:
                    self._codes[object_id] = self._open.enter_context(
                        tempfile.TemporaryFile("w+", dir=self.path.parent, encoding="ascii")
                    )
                    self._seen[object_id] = array.array("I")
                self._codes[object_id].write(line + "\n")
            except OSError as error:
                raise self._failed(error) from error
            self._seen[object_id].append(position)

    def __enter__(self) -> CocoVideo:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._open:
            if kind is not None or not self._names:
                return
            try:
                with replaced_when_done(self.path) as temporary:
                    with open(temporary, "w", encoding="utf-8") as file:
                        self._write(file)
            except OSError as failure:
                raise self._failed(failure) from failure

    def _write(self, file: IO[str]) -> None:
        height, width = self._size
        common = {"width": width, "height": height, "length": len(self._names)}
        head = {
            "info": {"description": f"{self._video}, by feelvos_tf {__version__}"},
            "licenses": [],
            "categories": [{"id": 1, "name": "object", "supercategory": "object"}],
            "videos": [{"id": 1, **common, "file_names": self._names}],
        }
        file.write(json.dumps(head)[:-1] + ', "annotations": [')
        for number, object_id in enumerate(sorted(self._codes)):
            about = {"id": object_id, "video_id": 1, "category_id": 1, "iscrowd": 0, **common}
            file.write((",\n" if number else "\n") + json.dumps(about)[:-1])
            for key, element in (("segmentations", 0), ("areas", 1), ("bboxes", 2)):
                file.write(f', "{key}": [')
                for position, value in enumerate(self._of(object_id, element)):
                    file.write((", " if position else "") + json.dumps(value))
                file.write("]")
            file.write("}")
        file.write("\n]}\n")

    def _of(self, object_id: int, element: int) -> Iterator[Any]:
        """One element of an object's codes for each frame, None where it is not seen."""
        lines = self._codes[object_id]
        lines.seek(0)
        position = 0
        for seen in self._seen[object_id]:
            yield from [None] * (seen - position)
            value = json.loads(lines.readline())[element]
            yield {"size": list(self._size), "counts": value} if element == 0 else value
            position = seen + 1
        yield from [None] * (len(self._names) - position)

    def _failed(self, error: OSError) -> InputError:
        return InputError(f"{self.path}: cannot be written ({error.strerror or error})")
