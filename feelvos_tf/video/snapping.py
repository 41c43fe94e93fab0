"""Make ids' values sharp again in masks that smoothing or JPEG compression has blurred."""

from __future__ import annotations

import os

import numpy as np

from feelvos_tf.errors import InputError

# Values closer than this, in their most different channel, are one value with noise: JPEG of
# usual quality changes flat areas by a few levels, and rings by about twenty beside an edge.
_APART = 32
_MIN_SHARE = 5e-4  # of the pixels; smaller areas of one value are taken for noise
_MIN_PIXELS = 9
# Exact values get lost in JPEG; one this near to black, white or a known color was that color.
_ALMOST = 10


def snapped(pixels: np.ndarray, known: np.ndarray, path: str | os.PathLike[str]) -> np.ndarray:
    """Gives every pixel the nearest of the values that fill areas of their own.

    Args:
      pixels: uint8 [H, W, C], gray (C = 1) or RGB (C = 3).
      known: uint8 [N, C], values that a value found is rounded to where it is almost one.
      path: name of the file, for messages only.

    Returns:
      uint8 [H, W, C] of few values.

    Raises:
      InputError: no area is of one value, or there are more than 256 values.
    """
    height, width, channels = pixels.shape
    flat = np.ones((height, width), bool)  # pixels like their right and lower neighbor
    for shifted, target in ((pixels[:, 1:], np.s_[:, :-1]), (pixels[1:], np.s_[:-1])):
        step = np.abs(shifted.astype(np.int16) - pixels[target]).max(axis=2)
        flat[target] &= step <= _ALMOST // 2
    values, counts = np.unique(pixels[flat], axis=0, return_counts=True)
    values = values.astype(np.int16)
    least = max(_MIN_PIXELS, _MIN_SHARE * height * width)
    kept: list[np.ndarray] = []
    for index in np.argsort(-counts, kind="stable"):
        near = np.abs(values - values[index]).max(axis=1) < _APART // 2
        if kept and np.abs(np.array(kept) - values[index]).max(axis=1).min() < _APART:
            continue
        if counts[near].sum() >= least:
            kept.append(values[index])
        if len(kept) > 256:
            raise InputError(
                f"{path}: more than 256 values fill areas of their own, expected a "
                "mask of few colors"
            )
    if not kept:
        raise InputError(f"{path}: no area is of one value, expected a mask of few colors")
    centers = np.array([_rounded(value, known) for value in kept])
    nearest = np.zeros((height, width), np.uint8)
    least_distance = np.full((height, width), np.iinfo(np.int32).max, np.int32)
    for index, center in enumerate(centers):
        distance = ((pixels.astype(np.int32) - center) ** 2).sum(axis=2, dtype=np.int32)
        closer = distance < least_distance
        nearest[closer] = index
        least_distance[closer] = distance[closer]
    return centers.astype(np.uint8)[nearest]


def _rounded(value: np.ndarray, known: np.ndarray) -> np.ndarray:
    distance = np.abs(known.astype(np.int16) - value).max(axis=1)
    best = int(np.argmin(distance))
    return known[best].astype(np.int16) if distance[best] <= _ALMOST else value
