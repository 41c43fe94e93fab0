"""Soft mattes: the probability of each object at full size, as gray pictures."""

from __future__ import annotations

import pathlib

import numpy as np

from feelvos_tf.errors import InputError
from feelvos_tf.video.images import decode_image, read_bytes
from feelvos_tf.video.labeled_frame import LabeledFrame
from feelvos_tf.video.mask_folder import mask_file
from feelvos_tf.video.picture_files import own_folder, write_png

MATTES = "matte/"


class Mattes:
    """Writes matte/ID/NAME.png for each object from its first frame on: 8-bit gray, 255 is sure.

    A frame whose mask was given has mattes of 0 and 255. Masks do not hold mattes, so a frame that
    lacks one must be computed again.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        """Takes the folder of the run, which must exist."""
        self.path = folder / MATTES.rstrip("/")

    def add(self, labeled: LabeledFrame) -> None:
        """Writes the mattes of a frame, unless an earlier run did.

        Raises:
          InputError: a file cannot be written.
        """
        if labeled.kept or not labeled.ids:
            return
        scores, labels = labeled.scores, labeled.labels
        by_hand = labeled.set_by_hand
        channels: dict[int, np.ndarray] = {}
        if scores is not None:
            channels = dict(zip(scores.object_ids.tolist(), scores.soft_masks()))
        for object_id in labeled.ids:
            hard = np.where(labels == object_id, np.uint8(255), np.uint8(0))
            matte = channels.get(object_id, hard)
            if by_hand is not None:
                matte = np.where(by_hand, hard, matte)
            place = own_folder(self.path / str(object_id))
            write_png(place / mask_file(labeled.frame.name, self.path), matte)

    def holds(self, name: str, ids: tuple[int, ...], size: tuple[int, int]) -> bool:
        """Whether all mattes of a frame are there and undamaged."""
        files = (self.path / str(i) / mask_file(name, self.path) for i in ids)
        return all(is_gray_picture(file, size) for file in files)


def is_gray_picture(path: pathlib.Path, size: tuple[int, int]) -> bool:
    """Whether a file is an undamaged 8-bit gray PNG of a size (H, W)."""
    try:
        image = decode_image(read_bytes(path), path)
    except InputError:
        return False
    return image.mode == "L" and image.size == size[::-1]
