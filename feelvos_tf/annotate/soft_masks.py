"""How sure each pixel of a computed mask is, kept beside it, for masks do not hold that.

    PROJECT/soft/NAME.npz   logits float16 [h, w, N] as the network leaves them, less the largest of
                            each pixel; object_ids int32 [N]; checksum uint32 of the mask; and
                            where a painted mask was laid over it, computed uint8 [H, W]

A file counts for the mask that it was made with, and for no other: not for one painted since.
"""

from __future__ import annotations

import io
import pathlib
import zlib
from collections.abc import Sequence

import numpy as np

from feelvos_tf import npz
from feelvos_tf.errors import InputError
from feelvos_tf.video.labeled_frame import LabeledFrame
from feelvos_tf.video.scores import Scores

SOFT = "soft/"
_LARGEST = np.float32(60000)  # what float16 holds
_MOST_SIDE = 1 << 14


def packed(labeled: LabeledFrame) -> bytes | None:
    """A file's content; None where the method does not say how sure it is.

    float16 moves a matte by less than one of its 255 levels.
    """
    scores = labeled.scores
    if scores is None:
        return None
    logits = scores.logits - scores.logits.max(axis=-1, keepdims=True)
    arrays = {
        "logits": np.maximum(logits, -_LARGEST).astype(np.float16),
        "object_ids": np.asarray(scores.object_ids, np.int32),
        "checksum": np.uint32(zlib.crc32(labeled.labels.tobytes())),
    }
    if labeled.set_by_hand is not None:
        arrays["computed"] = scores.labels.astype(np.uint8)
    data = io.BytesIO()
    np.savez_compressed(data, **arrays)
    return data.getvalue()


def read(path: pathlib.Path, labels: np.ndarray) -> Scores | None:
    """What was kept with a mask.

    Args:
      path: of the file.
      labels: the mask as it is now, uint8 [H, W].

    Returns:
      its scores; None where there are none, or the file is damaged or of another mask.
    """
    try:
        headers = npz.read_headers(path, "a soft mask")
        if not _is_right({name: one.shape for name, one in headers.items()}, labels.shape):
            return None
        arrays = npz.read_arrays(path, "a soft mask", headers)
    except InputError:
        return None
    if int(arrays["checksum"]) != zlib.crc32(labels.tobytes()):
        return None
    logits = arrays["logits"].astype(np.float32)
    shares = np.exp(logits)
    probabilities = shares / shares.sum(axis=-1, keepdims=True)
    return Scores(arrays.get("computed", labels), arrays["object_ids"], logits, probabilities)


def _is_right(shapes: dict[str, tuple[int, ...]], size: Sequence[int]) -> bool:
    if not {"logits", "object_ids", "checksum"} <= set(shapes):
        return False
    logits, ids = shapes["logits"], shapes["object_ids"]
    return (
        len(logits) == 3
        and ids == logits[-1:]
        and 0 < ids[0] <= 256
        and 0 < min(logits) <= max(logits) <= _MOST_SIDE
        and shapes["checksum"] == ()
        and shapes.get("computed", tuple(size)) == tuple(size)
    )
