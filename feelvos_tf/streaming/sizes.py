"""At which sizes frames are computed, whatever their own."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from feelvos_tf.modeling.deeplab import DECODER_STRIDE
from feelvos_tf.ops import resize

Size = Sequence["int | tf.Tensor"]


class Sizes:
    """The rule by which a network's frames are computed.

    A stride of 2 begins at the second of an even number of pixels, at the first of an odd one, and
    what is resized later takes corners for corners all the same. So the coarsest features of
    854x480 lie 15 pixels off the frame at its top and 5 at its left, finer ones less, and all lie
    right toward the other ends. Crops in training, of 16 k + 1 pixels to a side, have none of it.
    The aligned grid brings each side to the nearest such number, at least to 17.

    Args:
      max_side: frames whose longer side exceeds it are reduced to it; None for none.
      stride: of the coarsest features, for the aligned grid; None for sizes as published.
    """

    def __init__(self, max_side: int | None, stride: int | None) -> None:
        self._max_side = max_side
        self.stride = stride

    def computed(self, size: Size) -> list[int | tf.Tensor]:
        """The size at which frames of a size (H, W) are computed.

        Args:
          size: integers or int32 scalars.

        Returns:
          the sides, integers where those given are and there is no max_side.
        """
        sides = list(size)
        if self._max_side is not None:
            stacked = tf.stack(sides)
            longest = tf.reduce_max(stacked)
            reduced = tf.maximum(1, stacked * self._max_side // longest)
            sides = tf.unstack(tf.where(longest > self._max_side, reduced, stacked))
        return self.aligned(sides)

    def aligned(self, size: Size) -> list[int | tf.Tensor]:
        """The nearest size on the grid, as integers where the sides given are."""
        stride = self.stride
        if stride is None:
            return list(size)
        counts = ((side - 1 + stride // 2) // stride for side in size)
        return [_at_least_one(count) * stride + 1 for count in counts]

    def small(self, size: Size) -> list[int | tf.Tensor]:
        """The size (h, w) at stride 4 of frames of a size (H, W), as integers likewise."""
        return [resize.scale_dimension(side, 1 / DECODER_STRIDE) for side in self.computed(size)]

    def resized(self, images: tf.Tensor, computed: Size) -> tf.Tensor:
        """Brings images float32 [B, H, W, 3] to a size, smoothed where it is much smaller."""
        if self._max_side is None and self.stride is None:
            return images
        size = size_of(images[0])
        if self._max_side is None:
            return resize.resize_bilinear(images, computed)
        # What the grid alone changes is not worth the time that smoothing takes.
        much = tf.reduce_max(tf.stack(size) - tf.stack(computed)) > (self.stride or 0)
        images = tf.cond(
            much,
            lambda: tf.image.resize(images, computed, antialias=True),
            lambda: resize.resize_bilinear(images, computed),
        )
        return tf.ensure_shape(images, [images.shape[0], None, None, 3])


def size_of(image: tf.Tensor) -> list[int | tf.Tensor]:
    """(h, w) of a tensor [h, w, ...], integers where they are static."""
    return [image.shape[axis] or tf.shape(image)[axis] for axis in range(2)]


def _at_least_one(count: int | tf.Tensor) -> int | tf.Tensor:
    return max(count, 1) if isinstance(count, int) else tf.maximum(count, 1)
