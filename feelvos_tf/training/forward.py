"""The forward pass of training: a batch of clips, unrolled over its frames."""

from __future__ import annotations

import tensorflow as tf

from feelvos_tf.config import Memory
from feelvos_tf.modeling.feelvos import Feelvos, FrameState
from feelvos_tf.ops import guided_filter, random_numbers, resize, sorted_reference
from feelvos_tf.ops import labels as label_ops
from feelvos_tf.streaming.memory import confident_labels
from feelvos_tf.training.losses import ABSENT_LOGIT


def embed_clips(
    model: Feelvos, images: tf.Tensor, seeds: tf.Tensor, dropout: float, train_norm: bool
) -> tuple[tf.Tensor, ...]:
    """Computes features and embeddings of every frame.

    Args:
      model: the network.
      images: floats [B, T, H, W, 3], RGB 0..255.
      seeds: int32 [B, 2], one for each clip.
      dropout: share of the ASPP's output that is dropped (0.1 in the released code).
      train_norm: whether batch norm uses the batch's statistics.

    Returns:
      features: floats [B, T, h, w, decoder_filters].
      embeddings: floats [B, T, h, w, embedding_dim].
    """
    count = images.shape[1]
    frames = tf.reshape(images, [-1, *images.shape[2:]])

    def drop(features: tf.Tensor) -> tf.Tensor:
        shape = [count, *features.shape[1:]]
        draws = tf.map_fn(
            lambda seed: random_numbers.uniform(shape, seed),
            seeds,
            fn_output_signature=tf.TensorSpec(shape, tf.float32),
        )
        kept = tf.cast(tf.reshape(draws, tf.shape(features)) >= dropout, features.dtype)
        return features * kept / (1.0 - dropout)

    features, embeddings = model.embed(
        frames, training=train_norm, dropout=drop if dropout else None
    )
    return tuple(tf.reshape(x, [-1, count, *x.shape[1:]]) for x in (features, embeddings))


def segment_clips(
    model: Feelvos,
    features: tf.Tensor,
    embeddings: tf.Tensor,
    labels: tf.Tensor,
    valid: tf.Tensor,
    seeds: tf.Tensor,
    *,
    max_reference_pixels: int | None = None,
    memory: Memory | None = None,
    static: bool = False,
    with_distances: bool = False,
    last_only: bool = False,
) -> tf.Tensor | tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Segments frames 2 to T-1 of each clip.

    Frame 2 gets the labels of frame 1 as given; each later frame gets the network's own result
    for the frame before, as at inference: hard labels, or probabilities where the config says so.

    Args:
      model: the network.
      features, embeddings: from `embed_clips`.
      labels: int32 [B, T, H, W], channels, 255 for none; those of frames 0 and 1 are used.
      valid: bool [B, N], true for the first channels, those that have an object.
      seeds: int32 [B, 2], for the choice of reference pixels.
      max_reference_pixels: at most so many random reference pixels of an object; None for all. So
        many of the previous frame as well, where the config searches the whole of it.
      memory: what of the network's own results joins the reference of the frames after, as in
        streaming; frame 2 is the first step. None for nothing.
      static: compute all N channels of every clip, so that shapes are static (XLA); otherwise
        only those that are valid.
      with_distances: return the distances of frame 2 as well, as the head sees them.
      last_only: return the last frame's logits alone, so that the others have no gradients.

    Returns:
      float32 [B, T - 2 or 1, h, w, N], ABSENT_LOGIT where a channel is not valid. With
      distances: also the global and the previous one, float32 [B, h, w, N], 1 where switched off.
      Channels that are not valid say nothing.
    """
    config = model.config
    size, full_size = embeddings.shape[2:4], labels.shape[2:4]
    num_channels, num_frames = valid.shape[1], embeddings.shape[1]
    small = resize.resize_nearest(tf.reshape(labels[:, :2], [-1, *full_size, 1]), size)
    small = tf.reshape(small, [-1, 2, *size])

    def pad(tensor: tf.Tensor, fill: float) -> tf.Tensor:
        missing = num_channels - tf.shape(tensor)[-1]
        padded = tf.pad(tensor, [[0, 0], [0, 0], [0, missing]], constant_values=fill)
        return tf.ensure_shape(padded, [*size, num_channels])

    def segment(clip: tuple[tf.Tensor, ...]) -> tf.Tensor | tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        features, embeddings, small, is_valid, seed = clip
        count = num_channels if static else tf.reduce_sum(tf.cast(is_valid, tf.int32))
        reference = tf.reshape(small[0], [-1])
        if max_reference_pixels is not None:
            reference = sorted_reference.subsample(reference, count, max_reference_pixels, seed)
        remembered: list[tuple[tf.Tensor, tf.Tensor]] = []
        previous = FrameState(embeddings[1], small[1], label_ops.one_hot_mask(small[1], count))
        outputs, distances = [], []
        for t in range(2, num_frames):
            from_first = model.match_reference(embeddings[t], embeddings[0], reference, count)
            for frame, pixels in remembered:
                again = model.match_reference(embeddings[t], frame, pixels, count)
                from_first = tf.minimum(from_first, again)
            if from_first is not None and not config.normalized_distances:
                # What has no object is not to overflow in half precision.
                from_first = tf.where(is_valid[:count], from_first, 0.0)
            compared = previous
            if config.previous_frame_matching == "global" and max_reference_pixels is not None:
                pixels = sorted_reference.subsample(
                    tf.reshape(previous.labels, [-1]), count, max_reference_pixels, seed + t
                )
                compared = previous._replace(labels=tf.reshape(pixels, size))
            logits, from_previous = model.segment_next(
                features[t], embeddings[t], from_first, compared, count
            )
            logits = tf.where(is_valid[:count], logits, ABSENT_LOGIT)
            if t + 1 == num_frames or not last_only:
                outputs.append(pad(logits, ABSENT_LOGIT))
            distances.append(
                [
                    tf.ones([*size, num_channels]) if d is None else pad(d, 1.0)
                    for d in (from_first, from_previous)
                ]
            )
            if t + 1 < num_frames:
                previous, _, _ = model.follow(embeddings[t], logits, full_size)
                if memory is not None and (t - 1) % memory.every == 0:
                    pixels = confident_labels(tf.nn.softmax(logits), memory, seed + t)
                    remembered = [*remembered, (embeddings[t], pixels)][-memory.frames :]
        return (tf.stack(outputs), *distances[0]) if with_distances else tf.stack(outputs)

    num_outputs = 1 if last_only else num_frames - 2
    logits_spec = tf.TensorSpec([num_outputs, *size, num_channels], tf.float32)
    distance_spec = tf.TensorSpec([*size, num_channels], tf.float32)
    signature = logits_spec
    if with_distances:
        signature = (logits_spec, distance_spec, distance_spec)
    # Not in parallel: one clip's distances are in memory at a time.
    return tf.map_fn(
        segment,
        (features, embeddings, small, valid, seeds),
        fn_output_signature=signature,
        parallel_iterations=1,
    )


def guided_logits(logits: tf.Tensor, frames: tf.Tensor) -> tf.Tensor:
    """Brings logits to the frames' size along the frames' own edges, with gradients.

    Args:
      logits: float32 [B, h, w, N], ABSENT_LOGIT in the channels without an object.
      frames: floats [B, H, W, 3], RGB 0..255.

    Returns:
      float32 [B, H, W, N], see `guided_filter.refine`; ABSENT_LOGIT in the same channels.
    """

    def guided(pair: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        small, frame = pair
        absent = tf.reduce_max(small, axis=[0, 1]) <= ABSENT_LOGIT
        return tf.where(absent, ABSENT_LOGIT, guided_filter.refine(small, frame))

    return tf.map_fn(
        guided,
        (logits, frames),
        fn_output_signature=tf.TensorSpec([*frames.shape[1:3], logits.shape[-1]], tf.float32),
        parallel_iterations=1,
    )
