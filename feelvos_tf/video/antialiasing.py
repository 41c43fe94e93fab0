"""Tell masks with smoothed edges from masks whose every value is an object.

A mask saved with anti-aliasing, or resized with interpolation, has pixels of in-between values
along its edges. Taken for ids, every such value would become an object of its own.
"""

from __future__ import annotations

import numpy as np

# A value counts as in-between when at least this share of its pixels lies strictly between the
# smallest and the largest value around it. The pixels of a real object mostly touch their own
# kind, or one other object, even when it is a few pixels small or one pixel thin.
_IN_BETWEEN_SHARE = 0.5
# One or two such values may be tiny objects that happen to lie between two others; three values,
# or a dozen pixels of them, lie along an edge.
_MAX_VALUES = 2
_MAX_PIXELS = 12


def looks_smoothed(values: np.ndarray, codes: np.ndarray, num_codes: int) -> bool:
    """Decides whether edges are blends of the regions on their two sides.

    Args:
      values: uint8 [H, W, C], gray levels (C = 1) or RGB colors (C = 3).
      codes: int [H, W], in 0..num_codes-1, equal where `values` are equal.
      num_codes: number of different values.

    Returns:
      True where values that occur mostly in between two neighbors are too many to be objects.
    """
    if num_codes < 3:
        return False
    low, high = _extremes(values)
    # Of a color between black and red only the red channel differs on the two sides, hence any().
    between = ((low < values) & (values < high)).any(axis=2)
    pixels = np.bincount(codes.ravel(), minlength=num_codes)
    blended = np.bincount(codes[between], minlength=num_codes)
    suspects = blended >= _IN_BETWEEN_SHARE * pixels
    return suspects.sum() > _MAX_VALUES or pixels[suspects].sum() > _MAX_PIXELS


def _extremes(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest value of each pixel's 3x3 neighborhood, per channel, [H, W, C]."""
    low = high = np.pad(values, ((1, 1), (1, 1), (0, 0)), mode="edge")
    low = np.minimum(np.minimum(low[:-2], low[1:-1]), low[2:])
    high = np.maximum(np.maximum(high[:-2], high[1:-1]), high[2:])
    low = np.minimum(np.minimum(low[:, :-2], low[:, 1:-1]), low[:, 2:])
    high = np.maximum(np.maximum(high[:, :-2], high[:, 1:-1]), high[:, 2:])
    return low, high
