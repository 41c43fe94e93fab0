"""The losses, as the released code computes them.

Sources: tensorflow/models, research/feelvos/utils/train_utils.py (losses) and train.py (their sum,
clipping, gradient multipliers). Everything is computed in float32 and has static shapes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import tensorflow as tf

from feelvos_tf.ops import random_numbers, resize
from feelvos_tf.triplets.label_maps import IGNORE

# Logit of a channel that no object has: its probability is exactly 0 in float32.
ABSENT_LOGIT = -1e9
_TRIPLET_ANCHORS = 256
_TRIPLET_MARGIN = 1.0
_TRIPLET_SCALE = 3.0
_FAR = 1e20


def kept_share(step: int | tf.Tensor, share: float, steps: int) -> tf.Tensor:
    """Share of the pixels that count in the hard-pixel cross entropy.

    Args:
      step: integer scalar, the training step.
      share: what remains in the end.
      steps: it falls linearly from 1 during so many steps; 0 starts at `share`.

    Returns:
      float32 scalar.
    """
    if not steps:
        return tf.constant(share, tf.float32)
    ratio = tf.minimum(1.0, tf.cast(step, tf.float32) / steps)
    return ratio * share + (1.0 - ratio)


def hard_pixel_cross_entropy(
    logits: tf.Tensor, labels: tf.Tensor, share: float | tf.Tensor
) -> tf.Tensor:
    """Softmax cross entropy at full resolution, averaged over each frame's hardest pixels.

    The number of pixels kept is a share of all pixels, ignored ones included; the mean is over
    those kept that are not ignored.

    Args:
      logits: floats [B, h, w, N]; ABSENT_LOGIT in the channels without an object.
      labels: int32 [B, H, W], channels; IGNORE for none.
      share: float32 scalar in 0..1, see `kept_share`.

    Returns:
      float32 [B]; 0 where every pixel is ignored.
    """
    height, width = labels.shape[1], labels.shape[2]
    logits = resize.resize_bilinear(tf.cast(logits, tf.float32), (height, width))
    counts = labels != IGNORE
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.where(counts, labels, 0), logits)
    # Ignored pixels come last, below the zero of a perfect pixel.
    losses = tf.reshape(tf.where(counts, losses, -1.0), [-1, height * width])
    hardest = tf.sort(losses, axis=-1, direction="DESCENDING")
    kept = tf.cast(share * float(height * width), tf.int32)
    chosen = (tf.range(height * width) < kept) & (hardest >= 0.0)
    total = tf.reduce_sum(tf.where(chosen, hardest, 0.0), axis=-1)
    number = tf.reduce_sum(tf.cast(chosen, tf.float32), axis=-1)
    return tf.math.divide_no_nan(total, number)


def triplet_loss(embeddings: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Loss of an embedding for hard nearest-neighbor assignment (PML, Chen et al., CVPR 2018).

    256 random pixels of the reference are anchors. The nearest pixel of the later frames with
    the anchor's label shall be nearer than the nearest one with another label by a margin
    of 1. As in the released code the loss is scaled by 3. Unlike there, pixels of IGNORE are
    neither anchor nor partner, instead of forming an object of their own.

    Args:
      embeddings: floats [T, h, w, C]; the first frame is the reference.
      labels: int32 [T, h, w], channels or IGNORE.
      seed: int32 [2], draws the anchors.

    Returns:
      float32 scalar.
    """
    channels = embeddings.shape[-1]
    embeddings = tf.cast(embeddings, tf.float32)
    pool, pool_labels = tf.reshape(embeddings[0], [-1, channels]), tf.reshape(labels[0], [-1])
    order = tf.argsort(random_numbers.uniform(tf.shape(pool_labels), seed), stable=True)
    order = order[:_TRIPLET_ANCHORS]
    anchors, own = tf.gather(pool, order), tf.gather(pool_labels, order)
    others = tf.reshape(embeddings[1:], [-1, channels])
    other_labels = tf.reshape(labels[1:], [-1])
    distances = (
        tf.reduce_sum(anchors**2, axis=1)[:, tf.newaxis]
        + tf.reduce_sum(others**2, axis=1)[tf.newaxis]
        - 2.0 * tf.matmul(anchors, others, transpose_b=True)
    )
    real = other_labels[tf.newaxis] != IGNORE
    same = (own[:, tf.newaxis] == other_labels[tf.newaxis]) & real
    different = (own[:, tf.newaxis] != other_labels[tf.newaxis]) & real
    positive = tf.reduce_min(tf.where(same, distances, _FAR), axis=1)
    negative = tf.reduce_min(tf.where(different, distances, _FAR), axis=1)
    counts = tf.reduce_any(same, axis=1) & (own != IGNORE)
    losses = tf.where(counts, tf.nn.relu(positive - negative + _TRIPLET_MARGIN), 0.0)
    return _TRIPLET_SCALE * tf.reduce_mean(losses)


def mean_iou(logits: tf.Tensor, labels: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
    """Mean over objects and frames of intersection over union, at the size of the logits.

    Args:
      logits: floats [B, T - 2, h, w, N]; ABSENT_LOGIT in the channels without an object.
      labels: int32 [B, T, H, W], channels; IGNORE for none. The first two frames are not scored.
      valid: bool [B, N], true for the channels that have an object.

    Returns:
      float32 scalar in 0..1, without gradient; the background is no object, nor is what neither
      labels nor prediction show. 0 where nothing is left.
    """
    frames, size, channels = labels.shape[1] - 2, logits.shape[2:4], logits.shape[-1]
    predicted = tf.reshape(tf.argmax(logits, axis=-1, output_type=tf.int32), [-1, *size])
    truth = resize.resize_nearest(tf.reshape(labels[:, 2:], [-1, *labels.shape[2:], 1]), size)[
        ..., 0
    ]
    found = tf.one_hot(
        tf.where(truth == IGNORE, -1, predicted), channels, True, False, dtype=tf.bool
    )
    true = tf.one_hot(truth, channels, True, False, dtype=tf.bool)
    common, union = (
        tf.reduce_sum(tf.cast(pixels, tf.float32), axis=[1, 2])
        for pixels in (found & true, found | true)
    )
    counts = tf.repeat(valid, frames, axis=0) & (tf.range(channels) > 0) & (union > 0)
    shares = tf.where(counts, common / tf.maximum(union, 1.0), 0.0)
    return tf.reduce_sum(shares) / tf.maximum(tf.reduce_sum(tf.cast(counts, tf.float32)), 1.0)


def is_decayed(name: str) -> bool:
    """Whether weight decay covers the variable: kernels of full convolutions only.

    Depthwise kernels, biases and batch norm are left alone.
    """
    return name.endswith("/weights")


def weight_decay(variables: Mapping[str, tf.Variable], rate: float) -> tf.Tensor:
    """Returns rate * sum of 0.5 * w^2 over the decayed variables (by released name), float32."""
    norms = [tf.nn.l2_loss(v) for name, v in variables.items() if is_decayed(name)]
    return rate * tf.add_n(norms) if norms else tf.constant(0.0)


def scale_bias_gradients(
    gradients: Sequence[tf.Tensor | None], names: Sequence[str], factor: float
) -> list[tf.Tensor | None]:
    """Multiplies gradients of biases, as the released code does (by 2) before it clips.

    Args:
      gradients: tensors or None.
      names: the variables' released names, in the same order.
      factor: the multiplier.

    Returns:
      the gradients, those of biases (not batch norm's beta) scaled.
    """
    return [
        factor * g if g is not None and name.endswith("/biases") else g
        for g, name in zip(gradients, names)
    ]
