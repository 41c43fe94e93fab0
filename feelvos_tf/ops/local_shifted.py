"""Local matching as a running minimum over the offsets of the window: the readable form.

The original stacks all (2 * window + 1)^2 difference maps, about 10 GB at 480p; here each is
forgotten once it has been compared with the best so far.
"""

from __future__ import annotations

import tensorflow as tf


@tf.function(autograph=False)
def search(
    query: tf.Tensor,
    previous: tf.Tensor,
    labels: tf.Tensor,
    num_channels: int | tf.Tensor,
    window: int,
    with_winners: bool,
) -> tuple[tf.Tensor, tf.Tensor | None]:
    """Squared distances to the nearest pixel of each object within the window.

    Args:
      query: float32 [H, W, C].
      previous: float32 [H, W, C].
      labels: int32 [H, W], objects of the previous frame's pixels.
      num_channels: integer or int32 scalar.
      window: pixels to each side.
      with_winners: whether to say which pixels are nearest.

    Returns:
      distances: float32 [H, W, num_channels], inf where the window holds no pixel of an object.
      winners: int32 [H, W, num_channels], y * W + x in the previous frame, -1 for none; or None.
    """
    height, width = tf.shape(query)[0], tf.shape(query)[1]
    static = query.shape[:2]
    side = 2 * window + 1
    border = [[window, window], [window, window]]
    padded = tf.pad(previous, [*border, [0, 0]])
    masks = tf.pad(
        tf.one_hot(labels, num_channels, on_value=True, off_value=False, dtype=tf.bool),
        [*border, [0, 0]],
    )
    rows, columns = tf.meshgrid(tf.range(height), tf.range(width), indexing="ij")

    def compare(
        offset: tf.Tensor, distances: tf.Tensor, winners: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        top, left = offset // side, offset % side
        shifted = tf.slice(padded, [top, left, 0], tf.shape(query))
        mask = tf.slice(masks, [top, left, 0], tf.shape(distances))
        distance = tf.reduce_sum(tf.math.squared_difference(query, shifted), axis=-1)
        closer = mask & (distance[:, :, tf.newaxis] < distances)
        distances = tf.where(closer, distance[:, :, tf.newaxis], distances)
        if with_winners:
            place = (rows + top - window) * width + columns + left - window
            winners = tf.where(closer, place[:, :, tf.newaxis], winners)
        return offset + 1, distances, winners

    shape = tf.stack([height, width, num_channels])
    distances = tf.fill(shape, float("inf"))
    winners = tf.fill(shape if with_winners else [0, 0, 0], -1)
    objects = num_channels if isinstance(num_channels, int) else None
    distances.set_shape([*static, objects])
    _, distances, winners = tf.while_loop(
        lambda offset, *_: offset < side * side,
        compare,
        (0, distances, winners),
        shape_invariants=(tf.TensorShape([]), distances.shape, winners.shape),
        maximum_iterations=side * side,
        parallel_iterations=1,
    )
    return distances, winners if with_winners else None
