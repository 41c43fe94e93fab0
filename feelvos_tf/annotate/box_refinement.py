"""An object out of a box around it, for the page."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

import numpy as np

from feelvos_tf.errors import InputError, shown
from feelvos_tf.video import marks


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


def refined(image: np.ndarray, box: tuple[int, int, int, int]) -> tuple[np.ndarray, bool]:
    """The object in a box, see `marks.refined`.

    Args:
      image: uint8 [H, W, 3].
      box: as of `checked_box`.

    Returns:
      inside: bool [bottom - top, right - left], the object.
      found: whether something stands out in the box; else all of it is inside.

    Raises:
      InputError: OpenCV is not installed.
    """
    marks.import_cv2()
    left, top, right, bottom = box
    area = np.zeros(image.shape[:2], bool)
    area[top:bottom, left:right] = True
    try:
        return marks.refined(image, area, "box")[top:bottom, left:right], True
    except InputError:
        return area[top:bottom, left:right], False
