"""How much of a stream may be unreadable."""

from __future__ import annotations

import tensorflow as tf

from feelvos_tf.triplets.triplet_config import TripletConfig

# The share of bad elements is judged as if at least so many had been seen.
_FEW = 100


def count_bad(
    state: tuple[tf.Tensor, tf.Tensor], item: dict[str, tf.Tensor], config: TripletConfig
) -> tuple[tuple[tf.Tensor, tf.Tensor], dict[str, tf.Tensor]]:
    """A step of tf.data's scan that fails once more than max_bad_share of the elements are bad.

    Args:
      state: int64 scalars, elements seen and bad ones among them.
      item: an element, with "readable" and "name".
      config: max_bad_share is used.

    Returns:
      the state after the element, and the element.
    """
    seen, bad = state[0] + 1, state[1] + tf.cast(~item["readable"], tf.int64)
    allowed = config.max_bad_share * tf.cast(tf.maximum(seen, _FEW), tf.float64)
    message = [
        "unreadable triplets:",
        bad,
        "of",
        seen,
        "- more than max_bad_share",
        config.max_bad_share,
        "- their files are named above; last:",
        item["name"],
    ]
    check = tf.debugging.Assert(tf.cast(bad, tf.float64) <= allowed, message)
    with tf.control_dependencies([check]):
        return (tf.identity(seen), tf.identity(bad)), item
