"""One description of a video for training, evaluation and segmentation, whatever its dataset."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np
from absl import logging

from feelvos_tf.errors import InputError
from feelvos_tf.files import check_name
from feelvos_tf.video import natural_key, read_mask
from feelvos_tf.video.frames import list_images


@dataclasses.dataclass(frozen=True)
class Video:
    """Where the frames and masks of one video are.

    Attributes:
      name: the video's name within its dataset, the plain name of a folder.
      frames: image files in order of time.
      masks: for each frame its mask file, or None where it is not annotated.
      first_frame: object id -> index of the frame that holds its first mask, for reading the
        objects to follow. Empty where the dataset was read with objects=False.
      binary: every id but 0 is one object, 1 (DAVIS 2016 stores it as 255 in some releases).
    """

    name: str
    frames: tuple[pathlib.Path, ...]
    masks: tuple[pathlib.Path | None, ...]
    first_frame: dict[int, int] = dataclasses.field(default_factory=dict)
    binary: bool = False

    def __post_init__(self) -> None:
        # Results go to a folder of this name.
        check_name(self.name, "Video.name", "video")
        if len(self.frames) != len(self.masks):
            raise InputError(
                f"{self.name}: {len(self.masks)} masks given, expected one entry for each of the "
                f"{len(self.frames)} frames (None where there is no mask)"
            )

    @property
    def frame_names(self) -> list[str]:
        """File names of the frames without their endings, as masks and results are named."""
        return [path.stem for path in self.frames]

    @property
    def annotated(self) -> list[int]:
        """Indices of the frames that have a mask."""
        return [index for index, mask in enumerate(self.masks) if mask is not None]

    def read_labels(self, index: int) -> np.ndarray | None:
        """Reads the ids of frame `index` as uint8 [H, W]; None where there is no mask.

        Raises:
          InputError: the mask is unreadable.
        """
        path = self.masks[index]
        if path is None:
            return None
        labels = read_mask(path)
        return (labels > 0).astype(np.uint8) if self.binary else labels


def pair_files(
    name: str,
    frames: Sequence[pathlib.Path],
    masks: Sequence[pathlib.Path],
    binary: bool = False,
) -> Video:
    """Builds a Video by pairing frames and masks of the same file name.

    A mask without a frame is named in the log and left out.

    Args:
      name: the video's name.
      frames: image files, any order.
      masks: PNG files, any order.
      binary: see Video.

    Raises:
      InputError: there are no frames.
    """
    if not frames:
        raise InputError(f"{name}: no JPEG or PNG frame found")
    ordered = sorted(frames, key=lambda path: natural_key(path.name))
    by_stem = {path.stem: path for path in masks}
    paired = tuple(by_stem.pop(path.stem, None) for path in ordered)
    for stray in by_stem.values():
        logging.warning("%s: mask without a frame, left out", stray)
    return Video(name, tuple(ordered), paired, binary=binary)


def find_objects(video: Video, masks: Sequence[int] | None = None) -> Video:
    """Returns the video with `first_frame` filled in by reading its masks.

    Args:
      video: a Video.
      masks: indices of the frames whose masks to read; None reads all that there are. A dataset
        whose objects are all in the first frame needs only the first mask.

    Raises:
      InputError: a mask is unreadable.
    """
    first: dict[int, int] = {}
    for index in video.annotated if masks is None else masks:
        labels = video.read_labels(index)
        if labels is None:
            continue
        for value in np.flatnonzero(np.bincount(labels.ravel(), minlength=256)):
            if value not in (0, 255):
                first.setdefault(int(value), index)
    return dataclasses.replace(video, first_frame=first)


def images_in(folder: pathlib.Path) -> list[pathlib.Path]:
    """Returns the JPEG and PNG files of a folder; an empty list where it is absent or empty."""
    return list_images(folder) if folder.is_dir() and any(folder.iterdir()) else []
