"""What matching is measured on."""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf

EMBEDDING_DIM = 100
BASE_SIZE = (120, 214)
SIZES = (BASE_SIZE, (135, 240), (180, 320), (270, 480))
WINDOWS = (7, 15)
OBJECTS = (1, 3, 10, 30)
TRAINING_SIZE = (117, 117)  # stride 4 of the 465x465 crops


@dataclasses.dataclass(frozen=True)
class Case:
    """What is matched: a frame of `size` (h, w) at stride 4, `objects` channels, a window."""

    size: tuple[int, int] = BASE_SIZE
    window: int = 15
    objects: int = 3


def cases(quick: bool) -> list[Case]:
    """The base case, then its variations one at a time; `quick` has the base case alone."""
    varied = [Case()]
    if not quick:
        varied += [Case(size=size) for size in SIZES if size != BASE_SIZE]
        varied += [Case(window=window) for window in WINDOWS if window != 15]
        varied += [Case(objects=objects) for objects in OBJECTS if objects != 3]
    return varied


def inputs(case: Case) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Query and other frame, float32 [H, W, C], and the other's labels, int32 [H, W]."""
    rng = np.random.RandomState(0)
    shape = (*case.size, EMBEDDING_DIM)
    query, other = (tf.constant(0.1 * rng.rand(*shape).astype(np.float32)) for _ in range(2))
    # Blobs, as masks are: a few thousand pixels each, all objects present.
    rows, columns = np.indices(case.size)
    blobs = (rows * 5 // case.size[0]) * 6 + columns * 6 // case.size[1]
    return query, other, tf.constant(blobs % case.objects, tf.int32)
