"""Frames and their labels at a smaller size."""

from __future__ import annotations

import numpy as np
from PIL import Image


def reduced(image: np.ndarray, labels: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Brings a frame's longer side to `most` pixels where it is longer.

    Args:
      image: uint8 [H, W, 3].
      labels: uint8 [H, W].
      most: pixels.
    """
    height, width = labels.shape
    scale = most / max(height, width)
    if scale >= 1:
        return image, labels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)
    nearest = Image.fromarray(labels).resize(size, Image.Resampling.NEAREST)
    return np.asarray(small), np.asarray(nearest)
