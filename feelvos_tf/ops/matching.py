"""Matching: for every pixel and object, how far is the nearest pixel of that object?

Distances are squared Euclidean in the embedding space and leave the public functions squashed to
0..1 by 2 * sigmoid(d) - 1 (paper, equation 1), unless the global ones are asked for as they are.
Both functions are differentiable in both embeddings: a minimum passes its gradient to the winning
pixel alone, so the backward pass looks the winners up again instead of keeping the volume of all
distances, which would be gigabytes.

Everything is computed in float32 whatever the type of the embeddings, and compiles with
jit_compile=True where shapes and `num_objects` are static.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from feelvos_tf.errors import InputError
from feelvos_tf.ops import (
    local_correlation,
    local_shifted,
    local_tiled,
    reference_search,
    sorted_reference,
)

_LOCAL_SEARCHES = {
    "tiled": local_tiled.search,
    "shifted": local_shifted.search,
    "correlation": local_correlation.search,
}
LOCAL_IMPLEMENTATIONS = ("auto", *_LOCAL_SEARCHES)
# The largest distance that is not squashed, and that to an object without a pixel. The released
# code has 1e20 there, which float16 cannot hold, and never comes to it: its objects are those that
# the reference shows.
FARTHEST = 1e4


def squash(distances: tf.Tensor) -> tf.Tensor:
    """Maps squared distances 0..inf to 0..1 by 2 * sigmoid(d) - 1, which is tanh(d / 2)."""
    return tf.tanh(0.5 * distances)


def as_features(distances: tf.Tensor, normalized: bool) -> tf.Tensor:
    """Maps squared distances 0..inf to what a network sees: squashed, or at most FARTHEST."""
    return squash(distances) if normalized else tf.minimum(distances, FARTHEST)


def global_matching(
    query: tf.Tensor,
    reference: tf.Tensor,
    reference_labels: tf.Tensor,
    num_objects: int | tf.Tensor,
    k: int = 1,
    normalized: bool = True,
    differentiable: bool = True,
) -> tf.Tensor:
    """Distance of every query pixel to the nearest reference pixel of each object.

    Args:
      query: floats [H, W, C], embedding of the current frame.
      reference: floats [R, C] or [h, w, C], embedding of the reference pixels.
      reference_labels: integers [R] or [h, w] in 0..num_objects-1; other values match nothing.
      num_objects: integer or int32 scalar, channels of the result (objects and background).
      k: average the distances to the k nearest pixels; an object with fewer pixels has its
        farthest one counted repeatedly, as in the released code.
      normalized: whether distances are squashed.
      differentiable: see `global_distances`.

    Returns:
      float32 [H, W, num_objects] in 0..1, exactly 1 where an object has no pixel; not normalized in
      0..FARTHEST, exactly FARTHEST there.

    Raises:
      InputError: k is below 1.
    """
    channels = query.shape[-1]
    flat = global_distances(
        tf.reshape(query, [-1, channels]),
        tf.reshape(reference, [-1, channels]),
        tf.reshape(reference_labels, [-1]),
        num_objects,
        k,
        differentiable,
    )
    shape = tf.concat([tf.shape(query)[:-1], tf.shape(flat)[-1:]], axis=0)
    result = tf.reshape(as_features(flat, normalized), shape)
    return tf.ensure_shape(result, [*query.shape[:-1], flat.shape[-1]])


def global_distances(
    query: tf.Tensor,
    reference: tf.Tensor,
    reference_labels: tf.Tensor,
    num_objects: int | tf.Tensor,
    k: int = 1,
    differentiable: bool = True,
) -> tf.Tensor:
    """Squared distances behind `global_matching`.

    Args:
      query: floats [Q, C].
      reference: floats [R, C].
      reference_labels: integers [R].
      num_objects: integer or int32 scalar.
      k: number of neighbors to average.
      differentiable: whether gradients will be asked for. TensorFlow keeps every graph in which a
        gradient of our own was traced for as long as the process lives.

    Returns:
      float32 [Q, num_objects], inf where an object has no reference pixel.
    """
    if k < 1:
        raise InputError(f"k is {k}, expected at least 1")
    labels = tf.cast(reference_labels, tf.int32)
    query, reference = tf.cast(query, tf.float32), tf.cast(reference, tf.float32)
    if not differentiable:
        prepared = sorted_reference.prepare(reference, labels, num_objects)
        return reference_search.nearest(query, prepared, num_objects, k)

    @tf.custom_gradient
    def distances(
        query: tf.Tensor, reference: tf.Tensor
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
        prepared = sorted_reference.prepare(reference, labels, num_objects)
        result = reference_search.nearest(query, prepared, num_objects, k)

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            winners, weights = reference_search.nearest_winners(query, prepared, num_objects, k)
            coefficients = upstream[:, :, tf.newaxis] * weights
            width = tf.shape(upstream)[1] * k
            return _winner_gradients(
                query,
                reference,
                tf.reshape(winners, [-1, width]),
                tf.reshape(coefficients, [-1, width]),
            )

        return result, gradient

    return distances(query, reference)


def local_matching(
    query: tf.Tensor,
    previous: tf.Tensor,
    previous_labels: tf.Tensor,
    num_objects: int | tf.Tensor,
    window: int,
    implementation: str = "auto",
    differentiable: bool = True,
) -> tf.Tensor:
    """Distance of every pixel to the nearest pixel of each object close by in the previous frame.

    Args:
      query: floats [H, W, C], embedding of the current frame.
      previous: floats [H, W, C], embedding of the previous frame.
      previous_labels: integers [H, W] in 0..num_objects-1; other values match nothing.
      num_objects: integer or int32 scalar, channels of the result (objects and background).
      window: pixels up, down, left and right that are searched: (2 * window + 1)^2 in all.
      implementation: "tiled" (matrix products over blocks), "shifted" (the readable form, a
        running minimum over the window's offsets), "correlation" (TensorFlow Addons'
        CorrelationCost, float32 and without XLA) or "auto", which is tiled.
      differentiable: see `global_distances`.

    Returns:
      float32 [H, W, num_objects] in 0..1, exactly 1 where the neighborhood holds no pixel of
      the object.

    Raises:
      InputError: unknown or unavailable implementation, or a negative window.
    """
    if implementation not in LOCAL_IMPLEMENTATIONS:
        expected = ", ".join(LOCAL_IMPLEMENTATIONS)
        raise InputError(f"local matching {implementation!r} is unknown, expected {expected}")
    if window < 0:
        raise InputError(f"window is {window}, expected 0 or more")
    search = _LOCAL_SEARCHES["tiled" if implementation == "auto" else implementation]
    labels = tf.cast(previous_labels, tf.int32)
    query, previous = tf.cast(query, tf.float32), tf.cast(previous, tf.float32)
    if not differentiable:
        result, _ = search(query, previous, labels, num_objects, window, with_winners=False)
        return squash(result)

    @tf.custom_gradient
    def distances(
        query: tf.Tensor, previous: tf.Tensor
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
        result, _ = search(query, previous, labels, num_objects, window, with_winners=False)

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            _, winners = search(query, previous, labels, num_objects, window, with_winners=True)
            channels = query.shape[-1]
            width = tf.shape(upstream)[-1]
            coefficients = tf.where(winners >= 0, upstream, 0.0)
            d_query, d_previous = _winner_gradients(
                tf.reshape(query, [-1, channels]),
                tf.reshape(previous, [-1, channels]),
                tf.reshape(winners, [-1, width]),
                tf.reshape(coefficients, [-1, width]),
            )
            return tf.reshape(d_query, tf.shape(query)), tf.reshape(d_previous, tf.shape(previous))

        return result, gradient

    return squash(distances(query, previous))


def _winner_gradients(
    query: tf.Tensor, keys: tf.Tensor, winners: tf.Tensor, coefficients: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Gradients of sum(coefficients * |query - keys[winners]|^2).

    One winner a step: a step holds one gathered [Q, C], however many objects there are.

    Args:
      query: float32 [Q, C].
      keys: float32 [K, C].
      winners: int32 [Q, M], rows of `keys`, negative for none.
      coefficients: float32 [Q, M], 0 where there is no winner.

    Returns:
      Gradients in query [Q, C] and keys [K, C].
    """
    num_keys = tf.shape(keys)[0]
    gathered = tf.pad(keys, [[0, 1], [0, 0]])  # there may be no key at all

    def step(
        i: tf.Tensor, d_query: tf.Tensor, d_keys: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        index = winners[:, i]
        difference = query - tf.gather(gathered, tf.maximum(index, 0))
        pull = 2.0 * coefficients[:, i, tf.newaxis] * difference
        return i + 1, d_query + pull, d_keys - tf.math.unsorted_segment_sum(pull, index, num_keys)

    _, d_query, d_keys = tf.while_loop(
        lambda i, *_: i < tf.shape(winners)[1],
        step,
        (0, tf.zeros_like(query), tf.zeros_like(keys)),
        maximum_iterations=winners.shape[1],
    )
    return d_query, d_keys
