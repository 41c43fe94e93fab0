"""J (region) and F (boundary) of a mask, and their mean, recall and decay over a sequence.

The definitions are those of the official DAVIS 2017 evaluation (Pont-Tuset et al., "The 2017
DAVIS Challenge on Video Object Segmentation", and the package davis2017-evaluation). All counts
are whole numbers, so results equal the official ones to the last bits of a float64. Only NumPy
is needed: a disk is dilated by unions of shifted rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from feelvos_tf.errors import InputError

BOUNDARY_TOLERANCE = 0.008
"""Distance at which two boundary pixels still match, as a share of the frame's diagonal."""

RECALL_THRESHOLD = 0.5
"""A frame counts for recall when its value is above this one."""


class Statistics(NamedTuple):
    """Mean, recall and decay of the values of one object over its frames; shares of 1."""

    mean: float
    recall: float
    decay: float


def region_similarity(
    truth: np.ndarray, prediction: np.ndarray, void: np.ndarray | None = None
) -> float:
    """J, the intersection over union of two masks.

    Args:
      truth: bool or 0/1 [H, W], the object's true mask.
      prediction: bool or 0/1 [H, W], the mask to judge.
      void: bool [H, W] or None, pixels that count for neither mask.

    Returns:
      A share in 0..1; 1 where both masks are empty.

    Raises:
      InputError: the shapes differ or are not two-dimensional.
    """
    truth, prediction = _checked(truth, prediction, void)
    union = np.count_nonzero(truth | prediction)
    return float(np.count_nonzero(truth & prediction) / union) if union else 1.0


def boundary_accuracy(
    truth: np.ndarray,
    prediction: np.ndarray,
    void: np.ndarray | None = None,
    tolerance: float = BOUNDARY_TOLERANCE,
) -> float:
    """F, the harmonic mean of the precision and recall of a mask's boundary pixels.

    A boundary pixel counts as found when the other boundary has a pixel within
    ceil(tolerance * diagonal) pixels of it, Euclidean distance.

    Args:
      truth: bool or 0/1 [H, W], the object's true mask.
      prediction: bool or 0/1 [H, W], the mask to judge.
      void: bool [H, W] or None, pixels that count for neither mask. As in the official code they
        are cleared before boundaries are drawn, so their rim can be a boundary of both masks.
      tolerance: share of the frame's diagonal, below 1.

    Returns:
      A share in 0..1; 1 where neither mask has a boundary, 0 where only one has.

    Raises:
      InputError: the shapes differ or are not two-dimensional.
    """
    truth, prediction = _checked(truth, prediction, void)
    radius = int(np.ceil(tolerance * np.linalg.norm(truth.shape)))
    box = _bounding_box(truth | prediction)
    if box is None:
        return 1.0
    true_boundary = boundary_map(truth[box])
    predicted_boundary = boundary_map(prediction[box])
    num_true = np.count_nonzero(true_boundary)
    num_predicted = np.count_nonzero(predicted_boundary)
    if not num_true or not num_predicted:
        return 1.0 if num_true == num_predicted else 0.0
    precision = (
        np.count_nonzero(predicted_boundary & dilate_disk(true_boundary, radius)) / num_predicted
    )
    recall = np.count_nonzero(true_boundary & dilate_disk(predicted_boundary, radius)) / num_true
    if precision + recall == 0:
        return 0.0
    return float(2 * precision * recall / (precision + recall))


def boundary_map(mask: np.ndarray) -> np.ndarray:
    """Boundary pixels of a mask, one pixel wide, half a pixel towards the origin.

    A pixel is one where the mask differs between it and its neighbor to the right, below, or
    below right. The last row and column look along themselves only, and the last pixel is none.

    Args:
      mask: bool [H, W].

    Returns:
      bool [H, W].
    """
    mask = np.asarray(mask, dtype=bool)
    boundary = np.zeros_like(mask)
    boundary[:, :-1] = mask[:, :-1] ^ mask[:, 1:]
    boundary[:-1] |= mask[:-1] ^ mask[1:]
    boundary[:-1, :-1] |= mask[:-1, :-1] ^ mask[1:, 1:]
    return boundary


def dilate_disk(mask: np.ndarray, radius: int) -> np.ndarray:
    """Dilation by the disk of all offsets with dx^2 + dy^2 <= radius^2.

    Args:
      mask: bool [H, W].
      radius: pixels, 0 or more.

    Returns:
      bool [H, W]; what would fall outside of the frame is lost.
    """
    mask = np.asarray(mask, dtype=bool)
    result = np.zeros_like(mask)
    # From the disk's rim to its middle row the chord only gets longer, so that one running
    # horizontal dilation serves all of the disk's rows.
    row, half_chord = mask.copy(), 0
    for dy in range(radius, -1, -1):
        while half_chord < math.isqrt(radius * radius - dy * dy):
            grown = row.copy()
            grown[:, 1:] |= row[:, :-1]
            grown[:, :-1] |= row[:, 1:]
            row, half_chord = grown, half_chord + 1
        if dy < mask.shape[0]:
            result[dy:] |= row[: mask.shape[0] - dy]
            result[: mask.shape[0] - dy] |= row[dy:]
    return result


def statistics(values: Sequence[float]) -> Statistics:
    """Mean, recall and decay of one object's values over its frames, in their order.

    Recall is the share of frames above 0.5. Decay is the mean of the first quarter less that of
    the last. The quarters share their border frames, as in the official code; that code keeps
    their indices in eight bits, which wraps around beyond 256 frames and is not imitated here.

    Args:
      values: float [T], J or F by frame, T >= 1.

    Returns:
      Statistics of plain floats.

    Raises:
      InputError: there is no value.
    """
    series = np.asarray(values, dtype=np.float64)
    if series.ndim != 1 or not series.size:
        raise InputError(f"values have shape {list(series.shape)}, expected one of 1 frame or more")
    # The official tool adds 1e-10 against halves being rounded to even; keep its very indices.
    borders = (np.round(np.linspace(1, len(series), 5) + 1e-10) - 1).astype(int)
    first = series[borders[0] : borders[1] + 1]
    last = series[borders[3] : borders[4] + 1]
    return Statistics(
        mean=float(np.mean(series)),
        recall=float(np.mean(series > RECALL_THRESHOLD)),
        decay=float(np.mean(first) - np.mean(last)),
    )


def _checked(
    truth: np.ndarray, prediction: np.ndarray, void: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    truth, prediction = np.asarray(truth, dtype=bool), np.asarray(prediction, dtype=bool)
    if truth.ndim != 2 or truth.shape != prediction.shape:
        raise InputError(
            f"the mask to judge has shape {list(prediction.shape)}, "
            f"expected that of the true mask, {list(truth.shape)}"
        )
    if void is not None:
        void = np.asarray(void, dtype=bool)
        if void.shape != truth.shape:
            raise InputError(
                f"void pixels have shape {list(void.shape)}, "
                f"expected that of the true mask, {list(truth.shape)}"
            )
        truth, prediction = truth & ~void, prediction & ~void
    return truth, prediction


def _bounding_box(mask: np.ndarray) -> tuple[slice, slice] | None:
    """Slices around a mask's pixels with a margin of one, or None where it has none.

    Beyond the margin neither boundaries nor matches can lie, and a margin of background does not
    change what the frame's own border does to them.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not rows.size:
        return None
    return (
        slice(max(rows[0] - 1, 0), rows[-1] + 2),
        slice(max(columns[0] - 1, 0), columns[-1] + 2),
    )
