"""Frames and masks as a stream takes them, or one line that says what is wrong with them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from feelvos_tf.errors import InputError


def checked_frame(frame: np.ndarray) -> np.ndarray:
    """Returns a frame, uint8 [H, W, 3]; InputError where it is something else."""
    frame = np.asarray(frame)
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or frame.size == 0:
        raise InputError(
            f"the frame is {frame.dtype} {list(frame.shape)}, expected uint8 [H, W, 3]"
        )
    return frame


def checked_mask(mask: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Returns a mask as uint8 [H, W]; InputError where it is none or not of the size (H, W)."""
    mask = np.asarray(mask)
    if not np.issubdtype(mask.dtype, np.integer) and mask.dtype != np.bool_ or mask.ndim != 2:
        raise InputError(f"the mask is {mask.dtype} {list(mask.shape)}, expected integers [H, W]")
    if mask.shape != tuple(size):
        raise InputError(
            f"the mask is {dimensions(mask.shape)}, but the frame is {dimensions(size)}"
        )
    if mask.min() < 0 or mask.max() > 255:
        outside = mask.min() if mask.min() < 0 else mask.max()
        raise InputError(f"the mask holds id {outside}, expected 0 to 255")
    return mask.astype(np.uint8)


def dimensions(size: Sequence[int]) -> str:
    """The size (H, W, ...) of a frame for a message."""
    return f"{size[1]}x{size[0]} (width x height)"
