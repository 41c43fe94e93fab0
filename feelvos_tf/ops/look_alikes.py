"""Look-alikes: what seems to be of an object but lies far from where the object is.

Global matching finds an object anywhere in a frame, and so whatever looks like it: another dancer
in a dress of the same color. But an object is not in two places, and between two frames it goes
only so far. So of the pixels that an object wins it keeps

- those that hang together with some that are within reach of its place in the frame before; and
  of these
- its body, which is whatever is linked over gaps of half the reach to where it is densest, and
  pieces apart from that, unless they are small and no given mask shows it with pieces apart.

One that has gone, or that nothing within reach is like, is looked for everywhere. The released code
has nothing of the kind.
"""

from __future__ import annotations

import tensorflow as tf

# Below every other logit by this much: a probability of 0.
_LOSS = 20.0
# Pieces apart from the body are small where all of them are not above this share of the object.
_SMALL = 0.1
# Steps of a spread to neighbors between two looks at whether it has come to its end.
_STEPS = 4


def removed(logits: tf.Tensor, previous: tf.Tensor, given: tf.Tensor, reach: float) -> tf.Tensor:
    """Logits in which no object but background wins the pixels of its look-alikes.

    Args:
      logits: float32 [h, w, N]; the largest is a pixel's label.
      previous: int32 [h, w], channels of the frame before; those outside 0..N-1 are none.
      given: bool [h, w, N], where the given masks show each channel.
      reach: how far from its pixels in the frame before, up, down, left and right, an object is
        looked for, as a share of the longer side; at least one pixel.

    Returns:
      float32 [h, w, N]: an object's logits where it wins and is a look-alike, below all others by
      a margin; all else as it was.
    """
    longer = tf.cast(tf.reduce_max(tf.shape(previous)), tf.float32)
    radius, gap = (
        tf.maximum(tf.cast(tf.round(share * longer), tf.int32), 1) for share in (reach, reach / 2)
    )
    objects = tf.range(1, tf.shape(logits)[-1])
    labels = tf.argmax(logits, axis=-1, output_type=tf.int32)
    own, before = (tf.equal(x[:, :, tf.newaxis], objects) for x in (labels, previous))
    kept = _near(own, before, radius)
    apart = _apart(kept, gap)
    small = _sizes(apart) <= _SMALL * _sizes(kept)
    apart &= small
    apart = tf.cond(
        tf.reduce_any(apart),
        lambda: apart & ~tf.reduce_any(_apart(given[:, :, 1:], gap), axis=[0, 1]),
        lambda: apart,
    )
    strays = tf.pad(own & (~kept | apart), [[0, 0], [0, 0], [1, 0]])
    lost = tf.reduce_min(logits, axis=-1, keepdims=True) - _LOSS
    return tf.where(strays, lost, logits)


def _near(own: tf.Tensor, before: tf.Tensor, radius: tf.Tensor) -> tf.Tensor:
    """What of masks bool [h, w, N] hangs together with pixels within a radius of earlier masks."""
    near = own & _grown(before, radius)
    near |= own & ~tf.reduce_any(near, axis=[0, 1])
    return _spread(near, own, 1, _STEPS)


def _apart(masks: tf.Tensor, gap: tf.Tensor) -> tf.Tensor:
    """What of masks bool [h, w, N] no chain of gaps links to the densest place of its mask."""
    around = tf.where(masks, _sums(masks, gap), -1)
    flat = tf.reshape(around, [-1, tf.shape(masks)[-1]])
    densest = tf.one_hot(tf.argmax(flat, axis=0), tf.shape(flat)[0], True, False, axis=0)
    densest = tf.reshape(densest, tf.shape(masks))
    return masks & ~_spread(masks & densest, masks, gap, 1)


def _spread(seeds: tf.Tensor, masks: tf.Tensor, radius: int | tf.Tensor, steps: int) -> tf.Tensor:
    """Seeds bool [h, w, N] grown within their masks until they grow no more."""

    def spread(seeds: tf.Tensor, _: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        wider = seeds
        for _ in range(steps):
            wider = masks & _grown(wider, radius)
        return wider, tf.reduce_any(wider ^ seeds)

    seeds, _ = tf.while_loop(lambda _, more: more, spread, (seeds, tf.reduce_any(masks ^ seeds)))
    return seeds


def _sizes(masks: tf.Tensor) -> tf.Tensor:
    """Pixels of masks bool [h, w, N], float32 [N]."""
    return tf.reduce_sum(tf.cast(masks, tf.float32), axis=[0, 1])


def _grown(masks: tf.Tensor, radius: int | tf.Tensor) -> tf.Tensor:
    """Whether masks bool [h, w, N] have a pixel in the square around each."""
    return _sums(masks, radius) > 0


def _sums(masks: tf.Tensor, radius: int | tf.Tensor) -> tf.Tensor:
    """How many pixels masks bool [h, w, N] have in the square around each; int32, running sums."""
    found = tf.cast(masks, tf.int32)
    for axis in (0, 1):
        length = tf.shape(found)[axis]
        sums = tf.pad(tf.cumsum(found, axis=axis), [[int(axis == i), 0] for i in range(3)])
        place = tf.range(length)
        ends = (tf.maximum(place - radius, 0), tf.minimum(place + radius + 1, length))
        first, last = (tf.gather(sums, end, axis=axis) for end in ends)
        found = last - first
    return found
