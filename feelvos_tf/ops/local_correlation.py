"""Local matching on TensorFlow Addons' CorrelationCost, the op the original compiled by hand.

It builds the whole volume of (2 * window + 1)^2 correlations (1 GB at 480p) and exists as an
independent check; TensorFlow Addons is on the classic stack alone.
"""

from __future__ import annotations

import importlib.util

import tensorflow as tf

from feelvos_tf.errors import InputError


def is_available() -> bool:
    """Whether TensorFlow Addons is installed."""
    return importlib.util.find_spec("tensorflow_addons") is not None


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

    Args and returns: as in `local_shifted.search`.

    Raises:
      InputError: TensorFlow Addons is not installed.
    """
    if not is_available():
        raise InputError(
            "local matching 'correlation' needs tensorflow-addons, which supports "
            "TensorFlow up to 2.15; use 'tiled' instead"
        )
    from tensorflow_addons.layers.optical_flow import CorrelationCost

    height, width = tf.shape(query)[0], tf.shape(query)[1]
    side = 2 * window + 1
    correlation = CorrelationCost(
        kernel_size=1,
        max_displacement=window,
        stride_1=1,
        stride_2=1,
        pad=window,
        data_format="channels_last",
    )([query[tf.newaxis], previous[tf.newaxis]])[0]
    # The op averages over channels.
    correlation *= tf.cast(tf.shape(query)[-1], tf.float32)

    def neighborhoods(image: tf.Tensor, outside: float) -> tf.Tensor:
        """[H, W] -> [H, W, side^2], the offsets in the op's order."""
        padded = tf.pad(image, [[window, window]] * 2, constant_values=outside)
        patches = tf.image.extract_patches(
            padded[tf.newaxis, :, :, tf.newaxis],
            [1, side, side, 1],
            [1, 1, 1, 1],
            [1, 1, 1, 1],
            "VALID",
        )
        return tf.reshape(patches, [height, width, side * side])

    norm = tf.reduce_sum(previous * previous, axis=-1)
    volume = neighborhoods(norm, 0.0) - 2.0 * correlation
    near_labels = neighborhoods(labels, -1)
    volume += tf.reduce_sum(query * query, axis=-1, keepdims=True)
    volume = tf.maximum(volume, 0.0)

    def of_object(n: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        own = tf.where(near_labels == n, volume, float("inf"))
        best = tf.reduce_min(own, axis=-1)
        if not with_winners:
            return best, tf.zeros([], tf.int32)
        offset = tf.argmin(own, axis=-1, output_type=tf.int32)
        rows, columns = tf.meshgrid(tf.range(height), tf.range(width), indexing="ij")
        place = (rows + offset // side - window) * width + columns + offset % side - window
        return best, tf.where(tf.math.is_finite(best), place, -1)

    distances, winners = tf.map_fn(
        of_object,
        tf.range(num_channels),
        fn_output_signature=(tf.float32, tf.int32),
        parallel_iterations=1,
    )
    distances = tf.transpose(distances, [1, 2, 0])
    return distances, tf.transpose(winners, [1, 2, 0]) if with_winners else None
