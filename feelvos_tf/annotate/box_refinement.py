"""An object out of a box around it, by GrabCut (Rother, Kolmogorov, Blake: SIGGRAPH 2004)."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

import numpy as np

from feelvos_tf.errors import InputError, shown

_ROUNDS = 4
_MARGIN = 0.5  # of the box's sides: ground around it that its own colors are told from
_LARGEST = 640  # pixels of the longer side that are computed


def is_available() -> bool:
    """Whether OpenCV is installed."""
    return importlib.util.find_spec("cv2") is not None


def checked_box(values: object, size: Sequence[int]) -> tuple[int, int, int, int]:
    """A box (left, top, right, bottom) cut to the frame; right and bottom are past its end.

    Raises:
      InputError: it is none, or has no area within the frame of size (H, W).
    """
    if not isinstance(values, list) or len(values) != 4 or {type(v) for v in values} != {int}:
        raise InputError(f"the box is {shown(values)}, expected left, top, right, bottom")
    left, top, right, bottom = values
    box = max(0, left), max(0, top), min(size[1], right), min(size[0], bottom)
    if box[2] - box[0] < 2 or box[3] - box[1] < 2:
        raise InputError(f"the box is {shown(values)}, which covers less than 2x2 pixels")
    return box


def refined(image: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """The object in a box.

    Args:
      image: uint8 [H, W, 3].
      box: as of `checked_box`.

    Returns:
      bool [bottom - top, right - left]; all of the box where nothing stands out in it.

    Raises:
      InputError: OpenCV is not installed.
    """
    if not is_available():
        raise InputError("boxes need OpenCV: pip install 'feelvos_tf[annotate]'")
    import cv2

    left, top, right, bottom = box
    across, down = int(_MARGIN * (right - left)) + 2, int(_MARGIN * (bottom - top)) + 2
    x, y = max(0, left - across), max(0, top - down)
    part = image[y : bottom + down, x : right + across]
    scale = min(1.0, _LARGEST / max(part.shape[:2]))
    small = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    inner = [round(v * scale) for v in (left - x, top - y, right - left, bottom - top)]
    whole = inner[2] >= small.shape[1] and inner[3] >= small.shape[0]
    found = np.zeros(small.shape[:2], np.uint8)
    if not whole:  # else there is no ground to tell it from
        ground, thing = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.grabCut(small, found, inner, ground, thing, _ROUNDS, cv2.GC_INIT_WITH_RECT)
    object_ = ((found == cv2.GC_FGD) | (found == cv2.GC_PR_FGD)).astype(np.uint8)
    full = cv2.resize(object_, part.shape[1::-1], interpolation=cv2.INTER_NEAREST).astype(bool)
    inside = full[top - y : bottom - y, left - x : right - x]
    return inside if inside.any() else np.ones_like(inside)
