"""Triplets as a picture, to see what the network is trained on."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from feelvos_tf.triplets.label_maps import IGNORE
from feelvos_tf.video import contact_sheet, overlay

_ROLES = ("reference", "previous", "current")


def triplet_sheet(triplets: tf.data.Dataset, count: int, tile_width: int = 240) -> np.ndarray:
    """Draws triplets one below the other, their labels over their frames.

    Args:
      triplets: a dataset of make_triplets, not batched.
      count: number of triplets.
      tile_width: width of one frame in pixels.

    Returns:
      uint8 [H, W, 3]. Pixels to be ignored are darkened.
    """
    tiles, captions, columns = [], [], 1
    for element in triplets.take(count).as_numpy_iterator():
        columns = len(element["images"])
        name, frames = element["name"].decode().rsplit(":", 1)
        frames = frames.split(",")
        for number, (image, labels) in enumerate(zip(element["images"], element["labels"])):
            pixels = np.clip(np.rint(image), 0, 255).astype(np.uint8)
            pixels = np.where((labels == IGNORE)[..., np.newaxis], pixels // 2, pixels)
            shown = np.where(labels == IGNORE, 0, labels).astype(np.uint8)
            tiles.append(overlay(pixels, shown))
            frame = frames[min(number, len(frames) - 1)]
            captions.append(f"{_ROLES[min(number, 2)]}: {name} {frame}")
    return contact_sheet(tiles, captions, columns=columns, tile_width=tile_width)
