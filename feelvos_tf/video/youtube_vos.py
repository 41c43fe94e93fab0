"""Masks in the layout of YouTube-VOS: Annotations/VIDEO/NAME.png, and meta.json."""

from __future__ import annotations

import array
import pathlib
from types import TracebackType

import numpy as np

from feelvos_tf.errors import InputError
from feelvos_tf.files import write_json
from feelvos_tf.video.labeled_frame import LabeledFrame
from feelvos_tf.video.mask_folder import mask_file
from feelvos_tf.video.masks import write_mask
from feelvos_tf.video.picture_files import own_folder

ANNOTATIONS = "Annotations/"
META = "meta.json"


class YoutubeVosMasks:
    """Writes Annotations/VIDEO/NAME.png, one a frame in any order."""

    def __init__(self, folder: pathlib.Path, video: str) -> None:
        """Takes the folder of the run, which must exist, and the video's name."""
        self.path = folder / ANNOTATIONS.rstrip("/")
        self._video = video

    def add(self, labeled: LabeledFrame) -> None:
        """Writes the mask of a frame; InputError where it cannot be written."""
        place = own_folder(self.path / self._video)
        write_mask(place / mask_file(labeled.frame.name, self.path), labeled.labels)


class YoutubeVosList:
    """Writes meta.json: for each object the frames whose masks have it, in their order.

    A context manager; the file appears when the block ends without an error. Objects that are in
    no mask are left out. Every category is "object".
    """

    def __init__(self, folder: pathlib.Path, video: str) -> None:
        """Takes the folder of the run, which must exist, and the video's name."""
        self.path = folder / META
        self._video = video
        self._names: list[str] = []
        self._seen: dict[int, array.array[int]] = {}

    def add(self, labeled: LabeledFrame) -> None:
        """Takes the next frame."""
        for object_id in np.flatnonzero(np.bincount(labeled.labels.ravel())).tolist():
            if object_id:
                self._seen.setdefault(object_id, array.array("I")).append(len(self._names))
        self._names.append(labeled.frame.name)

    def __enter__(self) -> YoutubeVosList:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            return
        objects = {
            str(object_id): {"category": "object", "frames": [self._names[i] for i in seen]}
            for object_id, seen in sorted(self._seen.items())
        }
        try:
            write_json(self.path, {"videos": {self._video: {"objects": objects}}})
        except OSError as failure:
            raise InputError(
                f"{self.path}: cannot be written ({failure.strerror or failure})"
            ) from failure
