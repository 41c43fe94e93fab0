"""Look-alikes: what seems to be of an object but lies far from where the object was.

Global matching finds an object anywhere in a frame, and so whatever looks like it: another dancer
in a dress of the same color. But an object is not in two places, and between two frames it goes
only so far. So the pixels that an object wins count only where they hang together with some that
are within reach of its place in the frame before. One that has gone, or that nothing within
reach is like, is looked for everywhere. The released code has nothing of the kind.
"""

from __future__ import annotations

import tensorflow as tf

# Below every other logit by this much: a probability of 0.
_LOSS = 20.0
# Steps of the spread between two looks at whether it has come to its end.
_STEPS = 4


def removed(logits: tf.Tensor, previous: tf.Tensor, reach: float) -> tf.Tensor:
    """Logits in which no object but background wins the pixels of its look-alikes.

    Args:
      logits: float32 [h, w, N]; the largest is a pixel's label.
      previous: int32 [h, w], channels of the frame before; those outside 0..N-1 are none.
      reach: how far from its pixels in the frame before, up, down, left and right, an object is
        looked for, as a share of the longer side; at least one pixel.

    Returns:
      float32 [h, w, N]: an object's logits where it wins and is a look-alike, below all others by
      a margin; all else as it was.
    """
    size = tf.shape(previous)
    radius = tf.cast(tf.round(reach * tf.cast(tf.reduce_max(size), tf.float32)), tf.int32)
    objects = tf.range(1, tf.shape(logits)[-1])
    labels = tf.argmax(logits, axis=-1, output_type=tf.int32)
    own, before = (tf.equal(x[:, :, tf.newaxis], objects) for x in (labels, previous))
    near = own & _grown(before, tf.maximum(radius, 1))
    near |= own & ~tf.reduce_any(near, axis=[0, 1])

    def spread(near: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
        wider = near
        for _ in range(_STEPS):
            wider = own & _grown(wider, 1)
        return wider, tf.reduce_any(wider ^ near)

    near, _ = tf.while_loop(lambda _, more: more, spread, (near, tf.reduce_any(own ^ near)))
    strays = tf.pad(own & ~near, [[0, 0], [0, 0], [1, 0]])
    lost = tf.reduce_min(logits, axis=-1, keepdims=True) - _LOSS
    return tf.where(strays, lost, logits)


def _grown(masks: tf.Tensor, radius: int | tf.Tensor) -> tf.Tensor:
    """Whether a mask bool [h, w, N] has a pixel in the square around each; by running sums."""
    for axis in (0, 1):
        length = tf.shape(masks)[axis]
        sums = tf.cumsum(tf.cast(masks, tf.int32), axis=axis)
        sums = tf.pad(sums, [[int(axis == i), 0] for i in range(3)])
        place = tf.range(length)
        ends = (tf.maximum(place - radius, 0), tf.minimum(place + radius + 1, length))
        first, last = (tf.gather(sums, end, axis=axis) for end in ends)
        masks = last > first
    return masks
