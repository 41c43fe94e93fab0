"""Objects cut from one clip and pasted into another: multi-object clips from single-object data."""

from __future__ import annotations

import tensorflow as tf

from feelvos_tf.triplets.draws import Draws
from feelvos_tf.triplets.label_maps import IGNORE

# An object is placed with its middle up to this share of the frame away from where it was, and
# follows its own motion from there. The reference and the other frames are placed apart.
_MAX_SHIFT = 0.3
# An object is pasted only where the reference then shows so many pixels and this share of it.
_MIN_PIXELS = 160
_MIN_SHARE = 0.25


def paste_object(images, labels, donor_images, donor_labels, draws: Draws):
    """Pastes one object of a donor clip into a clip, in all frames.

    The object keeps the motion that it has in its own clip. It lies in front of all of the clip's
    objects or behind them all, and the same in every frame. It covers no pixel labeled 255.

    Args:
      images: float32 [T, H, W, 3], the reference first.
      labels: int32 [T, H, W].
      donor_images, donor_labels: the other clip, of the same shapes.
      draws: random numbers of this element.

    Returns:
      images and labels with the object, whose id is the smallest above all ids of the clip. Where
      the donor's reference holds no object, or too little of it would be seen in the clip's
      reference, the clip as it was.
    """
    counts = tf.math.bincount(
        tf.reshape(donor_labels[0], [-1]), minlength=256, maxlength=256, dtype=tf.int32
    )
    ids = tf.range(256)
    candidates = tf.where((counts > 0) & (ids > 0) & (ids < IGNORE))[:, 0]
    existing = tf.where(labels == IGNORE, 0, labels)
    new_id = tf.reduce_max(existing) + 1

    def with_object():
        chosen = tf.gather(candidates, draws.integer("object", tf.size(candidates)))
        alpha = tf.cast(donor_labels == tf.cast(chosen, tf.int32), tf.float32)[..., tf.newaxis]
        height, width = labels.shape[1], labels.shape[2]
        shifts = tf.stack([_shift(draws, "reference", height, width)]
                          + [_shift(draws, "others", height, width)] * (labels.shape[0] - 1))
        cut = _shifted(tf.concat([donor_images, alpha], axis=-1), shifts)
        in_front = draws.chance("in_front", 0.5)
        allowed = (labels != IGNORE) & (in_front | (labels == 0))
        mask = (cut[..., 3] > 0.5) & allowed
        # Half a pixel of softness along the outline, within what may be covered.
        soft = tf.nn.avg_pool2d(tf.cast(mask, tf.float32)[..., tf.newaxis], 3, 1, "SAME")
        blend = tf.where(mask[..., tf.newaxis], tf.maximum(soft, 0.5), 0.0)
        mixed = blend * cut[..., :3] + (1.0 - blend) * images
        # What the reference hardly shows would only be background, or have the triplet dropped.
        seen = tf.reduce_sum(tf.cast(mask[0], tf.float32))
        shown = (seen >= _MIN_PIXELS) & (seen >= _MIN_SHARE * tf.reduce_sum(alpha[0]))
        return tf.where(shown, mixed, images), tf.where(mask & shown, new_id, labels)

    room = (tf.size(candidates) > 0) & (new_id < IGNORE)
    return tf.cond(room, with_object, lambda: (images, labels))


def _shift(draws: Draws, name: str, height: int, width: int):
    share = draws.uniform(f"shift/{name}", -_MAX_SHIFT, _MAX_SHIFT, (2,))
    return tf.cast(tf.round(share * tf.constant([height, width], tf.float32)), tf.int32)


def _shifted(frames, shifts):
    """Moves each of [T, H, W, C] by int32 [T, 2] whole pixels (down, right); zeros come in."""
    count, height, width, _ = frames.shape
    moved = []
    for number in range(count):
        down, right = shifts[number, 0], shifts[number, 1]
        padded = tf.pad(
            frames[number],
            [
                [tf.maximum(down, 0), tf.maximum(-down, 0)],
                [tf.maximum(right, 0), tf.maximum(-right, 0)],
                [0, 0],
            ],
        )
        top, left = tf.maximum(-down, 0), tf.maximum(-right, 0)
        moved.append(padded[top : top + height, left : left + width])
    return tf.ensure_shape(tf.stack(moved), frames.shape)
