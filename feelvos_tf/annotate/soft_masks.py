"""How sure each pixel of a computed mask is, kept beside it, for masks do not hold that.

    PROJECT/soft/NAME.npz   soft uint8 [N, H, W], the probabilities, 0..255 for 0..1; object_ids
                            int32 [N]; checksum uint32 of the mask; and where a painted mask was
                            laid over it, computed uint8 [H, W]

A file counts for the mask that it was made with, and for no other: not for one painted since.
"""

from __future__ import annotations

import io
import pathlib
import zlib
from collections.abc import Mapping, Sequence

import numpy as np

from feelvos_tf import npz
from feelvos_tf.errors import InputError
from feelvos_tf.video.labeled_frame import LabeledFrame
from feelvos_tf.video.scores import Scores

SOFT = "soft/"


def packed(labeled: LabeledFrame) -> bytes | None:
    """A file's content; None where the method does not say how sure it is."""
    scores = labeled.scores
    if scores is None:
        return None
    arrays: dict[str, np.ndarray] = {
        "soft": scores.soft_masks(),
        "object_ids": np.asarray(scores.object_ids, np.int32),
        "checksum": np.array(zlib.crc32(labeled.labels.tobytes()), np.uint32),
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
        if not _is_right(headers, labels.shape):
            return None
        arrays = npz.read_arrays(path, "a soft mask", headers)
    except InputError:
        return None
    if int(arrays["checksum"]) != zlib.crc32(labels.tobytes()):
        return None
    soft = arrays["soft"]
    probabilities = np.moveaxis(soft[:, ::4, ::4], 0, -1) / np.float32(255)
    computed = arrays.get("computed", labels)
    return Scores(computed, arrays["object_ids"], probabilities, lambda: soft)


def _is_right(headers: Mapping[str, npz.Header], size: Sequence[int]) -> bool:
    shapes = {name: header.shape for name, header in headers.items()}
    if not {"soft", "object_ids", "checksum"} <= set(shapes):
        return False
    soft, ids = shapes["soft"], shapes["object_ids"]
    return (
        len(soft) == 3
        and headers["soft"].dtype == np.uint8
        and ids == soft[:1]
        and 0 < ids[0] <= 256
        and soft[1:] == tuple(size)
        and shapes["checksum"] == ()
        and shapes.get("computed", tuple(size)) == tuple(size)
    )
