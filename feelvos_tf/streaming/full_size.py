"""How logits at stride 4 come to the frame's size, which decides where outlines lie."""

from __future__ import annotations

import tensorflow as tf

from feelvos_tf.ops import guided_filter, resize


def resized(logits: tf.Tensor, frame: tf.Tensor, outlines: str | None) -> tf.Tensor:
    """Logits float32 [H, W, N] of a frame, whose largest channels are its labels.

    Args:
      logits: float32 [h, w, N].
      frame: uint8 [H, W, 3].
      outlines: "guided" for outlines along the frame's own edges, see `guided_filter`; None to
        interpolate bilinearly, as published.
    """
    if outlines is not None:
        return guided_filter.refine(logits, frame)
    return resize.resize_bilinear(logits[tf.newaxis], tf.shape(frame)[:2])[0]
