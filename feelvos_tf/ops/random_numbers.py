"""Uniform random numbers that a compiled function draws as a plain one does.

For one seed `tf.random.stateless_uniform` gives other numbers under XLA than without it, so a
compiled training step would drop other features and keep other reference pixels than the plain
step it stands for. Integer arithmetic is the same everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

# Added before mixing, which leaves 0 as it is.
_OFFSET = 0x9E3779B9


def uniform(shape: Sequence[int] | tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Draws numbers that depend on nothing but the seed and their place.

    Args:
      shape: integers or an int32 vector.
      seed: int32 [2].

    Returns:
      float32 of that shape, uniform in [0, 1).
    """
    bits = _scrambled(tf.range(tf.reduce_prod(shape)), seed)
    # The 24 leading bits are what float32 holds exactly.
    leading = tf.bitcast(tf.bitwise.right_shift(bits, 8), tf.int32)
    return tf.reshape(tf.cast(leading, tf.float32) * 2.0**-24, shape)


def priorities(numbers: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Draws a number for each number, different ones for different ones.

    Args:
      numbers: int32 [...].
      seed: int32 [2].

    Returns:
      int32 [...], uniform; each depends on the seed and its own number alone.
    """
    return tf.bitcast(_scrambled(numbers, seed), tf.int32)


def _scrambled(numbers: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """A bijection of 32 bits that the seed picks: int32 [...] -> uint32 [...]."""
    words = tf.bitcast(seed, tf.uint32)
    key = _mix(tf.bitwise.bitwise_xor(_mix(words[0] + _OFFSET), words[1]))
    return _mix(tf.bitwise.bitwise_xor(_mix(tf.bitcast(numbers, tf.uint32) + _OFFSET), key))


def _mix(x: tf.Tensor) -> tf.Tensor:
    """The finalizer of MurmurHash3: a bijection of uint32, each bit depends on all others."""
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        x = tf.bitwise.bitwise_xor(x, tf.bitwise.right_shift(x, shift)) * factor
    return x
