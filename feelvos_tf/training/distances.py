"""Whether the distances between embeddings are alive: a gauge of every step, a word at the start.

The network sees squashed distances, 2 * sigmoid(d) - 1. Where all of them are next to 1, or next to
0, their gradient is nothing, and the embedding never learns.
"""

from __future__ import annotations

import tensorflow as tf

from feelvos_tf.ops import matching, resize

GAUGE = "median_distance"
LOWEST, HIGHEST = 0.001, 0.99
_EVERY = 4  # rows and columns of the frame that is compared; all pixels would cost a matching more


def median_distance(embeddings: tf.Tensor, labels: tf.Tensor, valid: tf.Tensor) -> tf.Tensor:
    """The median squashed distance of frame 2 to the objects of the reference, background included.

    Args:
      embeddings: floats [B, T, h, w, C].
      labels: int32 [B, T, H, W], channels, 255 for none; those of the reference are used.
      valid: bool [B, N], true for the channels that have an object.

    Returns:
      float32 scalar in 0..1, without gradient: the mean of the clips' medians, each over every
      4th row and column. Shapes are static (XLA).
    """
    size, count = embeddings.shape[2:4], valid.shape[1]
    small = resize.resize_nearest(labels[:, 0, :, :, tf.newaxis], size)[..., 0]
    queries = embeddings[:, 2, ::_EVERY, ::_EVERY]

    def median(clip: tuple[tf.Tensor, ...]) -> tf.Tensor:
        query, reference, reference_labels, is_valid = clip
        found = matching.global_matching(query, reference, reference_labels, count)
        pixels = found.shape[0] * found.shape[1]
        ordered = tf.sort(tf.reshape(tf.where(is_valid, found, 2.0), [-1]))  # those of none last
        number = pixels * tf.reduce_sum(tf.cast(is_valid, tf.int32))
        return ordered[tf.maximum(number - 1, 0) // 2]

    frames = [tf.stop_gradient(tf.cast(x, tf.float32)) for x in (queries, embeddings[:, 0])]
    medians = tf.map_fn(
        median,
        (*frames, small, valid),
        fn_output_signature=tf.float32,
        parallel_iterations=1,
    )
    return tf.reduce_mean(medians)


def warning(median: float, normalized: bool = True) -> str:
    """What to say of the first batch's median; empty where the distances are alive.

    Args:
      median: from `median_distance`.
      normalized: whether the network sees squashed distances; others teach from afar as well.
    """
    if LOWEST <= median and (median <= HIGHEST or not normalized):
        return ""
    side, remedy = "to 1", "a smaller task.embedding_gain, or task.embedding_start release"
    if median < LOWEST:
        side, remedy = "to 0", "a larger task.embedding_gain, or task.embedding_start every_channel"
    return (
        f"the distances of the first batch are next {side} (median {median:.6g}, expected "
        f"{LOWEST} to {HIGHEST}), where they hardly teach the embedding: try {remedy}"
    )
