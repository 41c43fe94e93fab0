"""The cross entropy of clips: what training and adaptation make smaller."""

from __future__ import annotations

import tensorflow as tf

from feelvos_tf.training import forward, losses


def frame_losses(
    logits: tf.Tensor,
    images: tf.Tensor,
    labels: tf.Tensor,
    kept_share: tf.Tensor,
    guided_share: float = 0.0,
) -> tf.Tensor:
    """Computes a mean over the hardest pixels of each frame that was segmented.

    Args:
      logits: float32 [B, S, h, w, N], of the last S frames, from `forward.segment_clips`.
      images: floats [B, T, H, W, 3], RGB 0..255.
      labels: int32 [B, T, H, W], channels, 255 for none.
      kept_share: float32 scalar, see `losses.hard_pixel_cross_entropy`.
      guided_share: 0 to 1, how much of each mean is of guided outlines; the rest is of
        interpolated ones, as published.

    Returns:
      float32 [B * S], the frames of the first clip first.
    """
    first = labels.shape[1] - logits.shape[1]
    truth = tf.reshape(labels[:, first:], [-1, *labels.shape[2:]])
    logits = tf.reshape(logits, [-1, *logits.shape[2:]])
    means = losses.hard_pixel_cross_entropy(logits, truth, kept_share)
    if guided_share:
        frames = tf.reshape(images[:, first:], [-1, *images.shape[2:]])
        guided = losses.hard_pixel_cross_entropy(
            forward.guided_logits(logits, frames), truth, kept_share
        )
        means = (1.0 - guided_share) * means + guided_share * guided
    return means
