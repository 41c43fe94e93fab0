"""Random numbers that depend on a seed, a purpose and an element's index, and on nothing else.

tf.data's own random state moves with every draw, so that the order in which parallel calls run,
or a restart in the middle, changes what comes out. A stateless draw keyed by the element's index
gives the same triplet wherever and whenever it is computed.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import tensorflow as tf


class Draws:
    """The random numbers of one element.

    Example: `Draws(seed=7, index=index).uniform("pair/scale", 1.0, 1.3)`.

    Attributes:
      seed: Python integer chosen by the user.
      index: int64 scalar tensor, the element's place in the stream.
    """

    def __init__(self, seed: int, index: int | tf.Tensor, prefix: str = "") -> None:
        self.seed = seed
        self.index = tf.cast(index, tf.int64)
        self._prefix = prefix

    def child(self, name: str) -> Draws:
        """Returns the draws of a part of the element, independent of those of other parts."""
        return Draws(self.seed, self.index, f"{self._prefix}{name}/")

    def _key(self, purpose: str) -> tf.Tensor:
        text = f"{self.seed}:{self._prefix}{purpose}"
        return tf.stack([tf.constant(zlib.crc32(text.encode()), tf.int64), self.index])

    def uniform(
        self,
        purpose: str,
        low: float | tf.Tensor = 0.0,
        high: float | tf.Tensor = 1.0,
        shape: Sequence[int] = (),
    ) -> tf.Tensor:
        """Returns float32 `shape`, uniform in [low, high)."""
        draw = tf.random.stateless_uniform(shape, seed=self._key(purpose))
        return low + draw * (tf.cast(high, tf.float32) - low)

    def integer(self, purpose: str, bound: int | tf.Tensor) -> tf.Tensor:
        """Returns an int32 scalar, uniform in 0..bound-1; `bound` int32 scalar, at least 1."""
        return tf.random.stateless_uniform(
            (), seed=self._key(purpose), minval=0, maxval=tf.cast(bound, tf.int32), dtype=tf.int32
        )

    def chance(self, purpose: str, probability: float) -> tf.Tensor:
        """Returns a bool scalar that is true with the given probability."""
        return self.uniform(purpose) < probability

    def permutation(self, purpose: str, size: int | tf.Tensor) -> tf.Tensor:
        """Returns int32 [size], the numbers 0..size-1 in random order."""
        keys = tf.random.stateless_uniform(tf.reshape(size, [1]), seed=self._key(purpose))
        return tf.argsort(keys, stable=True)
