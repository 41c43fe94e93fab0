"""Methods to compare with, used like `feelvos_tf.streaming.segmenter.VideoSegmenter`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from feelvos_tf.errors import InputError

if TYPE_CHECKING:
    import tensorflow as tf

    from feelvos_tf.modeling.feelvos import Feelvos


class FirstMask:
    """Answers every frame with the masks that were given, unmoved.

    What a method must beat to have seen motion at all.
    """

    _labels: np.ndarray  # uint8 [H, W], from `reset` on

    def reset(self, frame: np.ndarray, mask: np.ndarray) -> None:
        """Starts a video; `frame` is ignored, `mask` is integer [H, W]."""
        del frame
        self._labels = np.array(mask, dtype=np.uint8)

    def step(self, frame: np.ndarray) -> np.ndarray:
        """Returns the given masks, uint8 [H, W]."""
        del frame
        return self._labels.copy()

    def add_objects(self, mask: np.ndarray) -> None:
        """Pastes objects, integer [H, W] with 0 elsewhere, over the others."""
        mask = np.asarray(mask)
        self._labels = np.where(mask > 0, mask, self._labels).astype(np.uint8)


class NearestNeighbor:
    """Hard nearest neighbor in the embedding space, as PML (Chen et al., CVPR 2018).

    Each pixel of the embedding takes the label of the most similar pixel of the masks that were
    given, wherever it is; no head, no previous frame. Squared distances to the nearest pixel of
    each object are computed at the embedding's stride, resized bilinearly with aligned corners
    to the frame, and the object with the least one wins. Raw distances are resized, because
    squashed ones round to 1 far away and would tie. (Resizing the winners by nearest neighbor
    gives the same labels at the embedding's own pixels, in steps of the stride.)

    Args:
      model: has `embed(images)`: float32 RGB 0..255 [B, H, W, 3] -> features and embeddings
        [B, h, w, C], such as a `feelvos_tf.build_model` result.
    """

    def __init__(self, model: Feelvos) -> None:
        self._model = model
        # (embedding [h, w, C], labels [H, W] whose objects it gives)
        self._references: list[tuple[tf.Tensor, np.ndarray]] = []
        self._embedding: tf.Tensor  # of the frame before, from `reset` on

    def reset(self, frame: np.ndarray, mask: np.ndarray) -> None:
        """Starts a video.

        Args:
          frame: uint8 [H, W, 3].
          mask: integer [H, W], 0 is background.

        Raises:
          InputError: the sizes differ.
        """
        frame, mask = np.asarray(frame), np.asarray(mask)
        if frame.shape[:2] != mask.shape:
            raise InputError(
                f"mask has shape {list(mask.shape)}, expected the frame's {list(frame.shape[:2])}"
            )
        self._embedding = self._embed(frame)
        self._references = [(self._embedding, mask)]

    def step(self, frame: np.ndarray) -> np.ndarray:
        """Returns the labels of the next frame, uint8 [H, W]."""
        import tensorflow as tf

        from feelvos_tf.ops import resize

        frame = np.asarray(frame)
        self._embedding = self._embed(frame)
        ids = self._ids()
        distances = self._distances(self._embedding, ids)
        # An object that no reference pixel has, or a frame that is all object: out of the race.
        distances = tf.minimum(distances, np.float32(1e30))
        full = resize.resize_bilinear(distances[tf.newaxis], frame.shape[:2])[0]
        return np.array(ids, np.uint8)[tf.argmin(full, axis=-1).numpy()]

    def add_objects(self, mask: np.ndarray) -> None:
        """Brings in objects in the frame just stepped; integer [H, W], 0 where there is none.

        Their pixels there join the references; the others' stay those of their own frame.
        """
        self._references.append((self._embedding, np.asarray(mask)))

    def _embed(self, frame: np.ndarray) -> tf.Tensor:
        return self._model.embed(np.asarray(frame, np.float32)[np.newaxis])[1][0]

    def _ids(self) -> list[int]:
        found = {int(i) for _, mask in self._references for i in np.unique(mask)}
        return sorted(found | {0})

    def _distances(self, query: tf.Tensor, ids: Sequence[int]) -> tf.Tensor:
        """Squared distances to the nearest reference pixel of each id, float32 [h, w, N]."""
        import tensorflow as tf

        from feelvos_tf.ops import labels as label_ops
        from feelvos_tf.ops import matching

        size = tuple(query.shape[:2])
        embeddings, labels = [], []
        for number, (embedding, mask) in enumerate(self._references):
            channels = label_ops.ids_to_channels(mask.astype(np.int32), tf.constant(ids))
            small = label_ops.shrink(channels, size, len(ids))
            if number:  # a later mask tells of its new objects only
                small = tf.where(small > 0, small, label_ops.NO_OBJECT)
            embeddings.append(tf.reshape(embedding, [-1, embedding.shape[-1]]))
            labels.append(tf.reshape(small, [-1]))
        flat = matching.global_distances(
            tf.reshape(query, [-1, query.shape[-1]]),
            tf.concat(embeddings, axis=0),
            tf.concat(labels, axis=0),
            len(ids),
        )
        return tf.reshape(flat, [*size, len(ids)])
