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
_ROWS = 64  # computed at a time; bounds memory


def full_size_probabilities(logits: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Probabilities at the size of a frame, rounded to 8 bits.

    The logits are resized as the labels are made from them, bilinearly with aligned corners, and
    then put through a softmax: where a probability is above one half, the mask has its object.

    Args:
      logits: float32 [h, w, N].
      size: (H, W).

    Returns:
      uint8 [N, H, W], 0..255 for 0..1.
    """
    height, width = size
    channels = np.ascontiguousarray(np.moveaxis(np.asarray(logits, np.float32), -1, 0))
    result = np.empty((len(channels), height, width), np.uint8)
    for first in range(0, height, _ROWS):
        rows = slice(first, min(first + _ROWS, height))
        part = resized(channels, size, rows)
        part = np.exp(part - part.max(axis=0))
        result[:, rows] = np.rint(part * (255 / part.sum(axis=0)))
    return result


def resized(channels: np.ndarray, size: tuple[int, int], rows: slice = slice(None)) -> np.ndarray:
    """Resizes [N, h, w] to float32 [N, H, W] bilinearly with aligned corners; or `rows` of it."""
    above, below, down = (values[rows] for values in _places(channels.shape[1], size[0]))
    left, right, across = _places(channels.shape[2], size[1])
    weight = down[:, np.newaxis]
    part = channels[:, above] * (1 - weight) + channels[:, below] * weight
    return part[:, :, left] * (1 - across) + part[:, :, right] * across


def _places(small: int, large: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each of `large` places the two of `small` around it, and the share of the second."""
    place = np.arange(large) * ((small - 1) / max(1, large - 1))
    low = np.minimum(place.astype(np.int64), small - 1)
    return low, np.minimum(low + 1, small - 1), (place - low).astype(np.float32)


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
            soft = full_size_probabilities(scores.logits, (labels.shape[0], labels.shape[1]))
            channels = dict(zip(scores.object_ids.tolist(), soft))
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
