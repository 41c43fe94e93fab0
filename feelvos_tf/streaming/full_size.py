"""How logits at stride 4 come to the frame's size, which decides where outlines lie."""

from __future__ import annotations

import tensorflow as tf

from feelvos_tf.config import check_outlines
from feelvos_tf.modeling.feelvos import Feelvos
from feelvos_tf.ops import guided_filter, resize


def resolve_outlines(outlines: str | None, model: Feelvos) -> str | None:
    """The outlines that an argument stands for.

    Args:
      outlines: "guided", None for interpolation, or "auto" for what the network's weights
        recommend.
      model: the network.

    Raises:
      InputError: something else.
    """
    return model.recommended_outlines if outlines == "auto" else check_outlines(outlines)


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
