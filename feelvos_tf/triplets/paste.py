"""Objects cut from one clip and pasted into another: multi-object clips from single-object data."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from feelvos_tf.triplets import paths
from feelvos_tf.triplets.draws import Draws
from feelvos_tf.triplets.label_maps import IGNORE

# An object is placed with its middle up to this share of the frame away from where it was, and
# follows its own motion from there. The reference and the other frames are placed apart.
_MAX_SHIFT = 0.3
# An object is pasted only where the reference then shows so many pixels and this share of it.
_MIN_PIXELS = 160
_MIN_SHARE = 0.25


class _Layer(NamedTuple):
    """An object as it lies over a clip.

    Attributes:
      paint: float32 [T, H, W, 3], its color times its cover.
      cover: float32 [T, H, W, 1], how much of a pixel it covers.
      mask: bool [T, H, W], its labels.
      area: float32 scalar, pixels of the whole object in the reference, seen or not.
    """

    paint: tf.Tensor
    cover: tf.Tensor
    mask: tf.Tensor
    area: tf.Tensor


def paste_object(
    images: tf.Tensor,
    labels: tf.Tensor,
    donor_images: tf.Tensor,
    donor_labels: tf.Tensor,
    draws: Draws,
    path: float = 0.0,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Pastes one object of a donor clip into a clip, in all frames.

    The object keeps the motion that it has in its own clip, or follows a path of its own. It lies
    in front of all of the clip's objects or behind them all, and the same in every frame. It covers
    no pixel labeled 255.

    Args:
      images: float32 [T, H, W, 3], the reference first.
      labels: int32 [T, H, W].
      donor_images, donor_labels: the other clip, of the same shapes; with a path the first frame
        is enough.
      draws: random numbers of this element.
      path: strength of the path (see `paths.move`), 0 for the motion of its own clip.

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

    def with_object() -> tuple[tf.Tensor, tf.Tensor]:
        chosen = tf.gather(candidates, draws.integer("object", tf.size(candidates)))
        alpha = tf.cast(donor_labels == tf.cast(chosen, tf.int32), tf.float32)
        in_front = draws.chance("in_front", 0.5)
        allowed = (labels != IGNORE) & (in_front | (labels == 0))
        if path:
            layer = _on_a_path(donor_images[0], alpha[0], allowed, path, draws.child("path"))
        else:
            layer = _in_its_own_motion(donor_images, alpha, allowed, draws)
        mixed = layer.paint + (1.0 - layer.cover) * images
        # What the reference hardly shows would only be background, or have the triplet dropped.
        seen = tf.reduce_sum(tf.cast(layer.mask[0], tf.float32))
        shown = (seen >= _MIN_PIXELS) & (seen >= _MIN_SHARE * layer.area)
        return tf.where(shown, mixed, images), tf.where(layer.mask & shown, new_id, labels)

    room = (tf.size(candidates) > 0) & (new_id < IGNORE)
    return tf.cond(room, with_object, lambda: (images, labels))


def _in_its_own_motion(
    images: tf.Tensor, alpha: tf.Tensor, allowed: tf.Tensor, draws: Draws
) -> _Layer:
    """The object as it moves in its own clip: alpha float32 [T, H, W], where it is."""
    height, width = allowed.shape[1:]
    shifts = tf.stack(
        [_shift(draws, "reference", height, width)]
        + [_shift(draws, "others", height, width)] * (allowed.shape[0] - 1)
    )
    cut = _shifted(tf.concat([images, alpha[..., tf.newaxis]], axis=-1), shifts)
    mask = (cut[..., 3] > 0.5) & allowed
    # Half a pixel of softness along the outline, within what may be covered.
    soft = tf.nn.avg_pool2d(tf.cast(mask, tf.float32)[..., tf.newaxis], 3, 1, "SAME")
    blend = tf.where(mask[..., tf.newaxis], tf.maximum(soft, 0.5), 0.0)
    return _Layer(blend * cut[..., :3], blend, mask, tf.reduce_sum(alpha[0]))


def _on_a_path(
    image: tf.Tensor, alpha: tf.Tensor, allowed: tf.Tensor, strength: float, draws: Draws
) -> _Layer:
    """The object of one frame, alpha float32 [H, W], on a path of its own."""
    paint, cover, area = paths.move(image, alpha, allowed.shape[0], strength, draws)
    may = tf.cast(allowed, tf.float32)[..., tf.newaxis]
    return _Layer(paint * may, cover * may, (cover[..., 0] > 0.5) & allowed, area)


def _shift(draws: Draws, name: str, height: int, width: int) -> tf.Tensor:
    share = draws.uniform(f"shift/{name}", -_MAX_SHIFT, _MAX_SHIFT, (2,))
    return tf.cast(tf.round(share * tf.constant([height, width], tf.float32)), tf.int32)


def _shifted(frames: tf.Tensor, shifts: tf.Tensor) -> tf.Tensor:
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
