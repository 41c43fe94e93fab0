"""Local matching as matrix products over blocks of pixels.

A tile of query pixels shares most of its windows, so the product of the tile with the keys of all
its windows (the tile enlarged by the window) covers every shift at once; entries outside a
pixel's own window are masked. Keys stand along the rows of the product, so that the minimum of each
object is one pass over whole vectors, whatever the number of objects.
"""

from __future__ import annotations

import tensorflow as tf

from feelvos_tf.ops.sorted_reference import ABSENT

# Measured on two CPU cores: smaller tiles waste less outside the windows, larger ones feed
# the matrix unit better; two tiles a step keep both cores busy and 2 MB of product in the cache.
_TILE = (8, 16)
_TILES_PER_STEP = 2


@tf.function(autograph=False)
def search(
    query: tf.Tensor,
    previous: tf.Tensor,
    labels: tf.Tensor,
    num_channels: int | tf.Tensor,
    window: int,
    with_winners: bool,
) -> tuple[tf.Tensor | None, tf.Tensor | None]:
    """Squared distances to the nearest pixel of each object within the window.

    Args and returns: as in `local_shifted.search`.
    """
    tiling = _Tiling(query, previous, window)
    labels = tf.where((labels >= 0) & (labels < num_channels), labels, -1)
    labels = tf.pad(labels, tiling.border, constant_values=-1)
    outside = _outside_window(tiling.up, tiling.left)

    def step(i: tf.Tensor) -> tf.Tensor:
        product = tiling.product(i) + outside
        near = tiling.neighborhoods(labels, i)
        if with_winners:
            tops, lefts = tiling.corners(i)
            return _winners(
                product,
                near,
                num_channels,
                tops - tiling.up,
                lefts - tiling.left,
                tiling.key_w,
                tiling.width,
            )
        return _minima(product, near, num_channels)

    dtype = tf.int32 if with_winners else tf.float32
    result = tf.map_fn(
        step, tf.range(tiling.steps), fn_output_signature=dtype, parallel_iterations=2
    )
    result = tiling.assemble(result)
    static = num_channels if isinstance(num_channels, int) else None
    result = tf.ensure_shape(result, [*query.shape[:2], static])
    if with_winners:
        return None, result
    norm = tf.reduce_sum(query * query, axis=-1, keepdims=True)
    return tf.where(result >= ABSENT / 2, float("inf"), tf.maximum(result + norm, 0.0)), None


def bare_product(query: tf.Tensor, previous: tf.Tensor, window: int) -> tf.Tensor:
    """The matrix products of `search` and nothing else: the floor of its time.

    Args:
      query: float32 [H, W, C].
      previous: float32 [H, W, C].
      window: pixels to each side.

    Returns:
      float32 [steps], one entry of each product, so that none is optimized away.
    """
    tiling = _Tiling(query, previous, window)
    return tf.map_fn(
        lambda i: tiling.product(i)[0, 0, 0],
        tf.range(tiling.steps),
        fn_output_signature=tf.float32,
        parallel_iterations=2,
    )


class _Tiling:
    """A frame cut into tiles, _TILES_PER_STEP of them at a time."""

    def __init__(self, query: tf.Tensor, previous: tf.Tensor, window: int) -> None:
        height, width = self.height, self.width = _size(query)
        self.up = window if not isinstance(height, int) else min(window, height - 1)
        self.left = window if not isinstance(width, int) else min(window, width - 1)
        tile_h, tile_w = _TILE
        self.key_h, self.key_w = tile_h + 2 * self.up, tile_w + 2 * self.left
        self.rows, self.columns = (height + tile_h - 1) // tile_h, (width + tile_w - 1) // tile_w
        self.steps = (self.rows * self.columns + _TILES_PER_STEP - 1) // _TILES_PER_STEP
        below, right = self.rows * tile_h - height, self.columns * tile_w - width
        self.border = [[self.up, self.up + below], [self.left, self.left + right]]

        # [-2 q, 1] times [p, |p|^2] is |q - p|^2 - |q|^2.
        channels = query.shape[-1] + 1
        lifted = tf.concat([-2.0 * query, tf.ones_like(query[..., :1])], axis=-1)
        tiles = tf.pad(lifted, [[0, below], [0, right], [0, 0]])
        tiles = tf.reshape(tiles, [self.rows, tile_h, self.columns, tile_w, channels])
        self.tiles = tf.reshape(
            tf.transpose(tiles, [0, 2, 1, 3, 4]),
            [self.rows * self.columns, tile_h * tile_w, channels],
        )
        norm = tf.reduce_sum(previous * previous, axis=-1, keepdims=True)
        self.keys = tf.pad(tf.concat([previous, norm], axis=-1), [*self.border, [0, 0]])

    def _indices(self, i: tf.Tensor) -> tf.Tensor:
        """The tiles of step i; the last step repeats the last tile where it has none left."""
        last = self.rows * self.columns - 1
        return tf.minimum(i * _TILES_PER_STEP + tf.range(_TILES_PER_STEP), last)

    def corners(self, i: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Top and left pixel of each tile of step i, int32 [tiles] each."""
        indices = self._indices(i)
        return indices // self.columns * _TILE[0], indices % self.columns * _TILE[1]

    def neighborhoods(self, image: tf.Tensor, i: tf.Tensor) -> tf.Tensor:
        """Cuts what each tile of step i can see from a padded image: [tiles, keys, ...]."""
        tops, lefts = self.corners(i)
        rest = image.shape.as_list()[2:]
        return tf.stack(
            [
                tf.reshape(
                    tf.slice(
                        image,
                        [tops[t], lefts[t]] + [0] * len(rest),
                        [self.key_h, self.key_w, *rest],
                    ),
                    [-1, *rest],
                )
                for t in range(_TILES_PER_STEP)
            ]
        )

    def product(self, i: tf.Tensor) -> tf.Tensor:
        """|q - p|^2 - |q|^2 of the tiles of step i: float32 [tiles, keys, pixels of a tile]."""
        keys = self.neighborhoods(self.keys, i)
        return tf.matmul(keys, tf.gather(self.tiles, self._indices(i)), transpose_b=True)

    def assemble(self, results: tf.Tensor) -> tf.Tensor:
        """Puts [steps, tiles, objects, pixels of a tile] together to [H, W, objects]."""
        tile_h, tile_w = _TILE
        objects, count = tf.shape(results)[2], self.rows * self.columns
        results = tf.reshape(results, [self.steps * _TILES_PER_STEP, objects, tile_h, tile_w])
        results = tf.reshape(results[:count], [self.rows, self.columns, objects, tile_h, tile_w])
        results = tf.reshape(
            tf.transpose(results, [0, 3, 1, 4, 2]),
            [self.rows * tile_h, self.columns * tile_w, objects],
        )
        return results[: self.height, : self.width]


def _size(image: tf.Tensor) -> tuple[int | tf.Tensor, int | tf.Tensor]:
    """Height and width, integers where static."""
    dynamic = tf.shape(image)
    return tuple(dynamic[i] if image.shape[i] is None else image.shape[i] for i in range(2))


def _outside_window(up: int | tf.Tensor, left: int | tf.Tensor) -> tf.Tensor:
    """float32 [keys, pixels of a tile]: 0 where the key lies in the pixel's window, else ABSENT."""

    def distance(keys: int | tf.Tensor, pixels: int, reach: int | tf.Tensor) -> tf.Tensor:
        offset = tf.range(keys)[:, tf.newaxis] - tf.range(pixels)[tf.newaxis, :]
        return (offset < 0) | (offset > 2 * reach)

    tile_h, tile_w = _TILE
    key_h, key_w = tile_h + 2 * up, tile_w + 2 * left
    vertical = distance(key_h, tile_h, up)[:, tf.newaxis, :, tf.newaxis]
    horizontal = distance(key_w, tile_w, left)[tf.newaxis, :, tf.newaxis, :]
    outside = tf.where(vertical | horizontal, ABSENT, 0.0)
    return tf.reshape(outside, [key_h * key_w, tile_h * tile_w])


def _segments(labels: tf.Tensor, num_channels: int | tf.Tensor) -> tf.Tensor:
    """A number for each object of each tile, int32 [tiles * keys]; negative for no object."""
    first = tf.range(labels.shape[0])[:, tf.newaxis] * num_channels
    return tf.reshape(tf.where(labels >= 0, labels + first, -1), [-1])


def _minima(product: tf.Tensor, labels: tf.Tensor, num_channels: int | tf.Tensor) -> tf.Tensor:
    """Minimum over each object's keys: [tiles, keys, pixels] -> [tiles, num_channels, pixels]."""
    tiles, pixels = product.shape[0], product.shape[2]
    minima = tf.math.unsorted_segment_min(
        tf.reshape(product, [-1, pixels]), _segments(labels, num_channels), tiles * num_channels
    )
    return tf.reshape(minima, [tiles, num_channels, pixels])


def _winners(
    product: tf.Tensor,
    labels: tf.Tensor,
    num_channels: int | tf.Tensor,
    tops: tf.Tensor,
    lefts: tf.Tensor,
    key_w: int | tf.Tensor,
    width: int | tf.Tensor,
) -> tf.Tensor:
    """Nearest key of each object as y * width + x: -> int32 [tiles, num_channels, pixels].

    The first of the keys as near as the minimum, all objects in one pass: a search of each object
    by itself would read the product anew for each.
    """
    tiles, pixels = product.shape[0], product.shape[2]
    segments = _segments(labels, num_channels)
    minima = _minima(product, labels, num_channels)
    flat = tf.reshape(minima, [-1, pixels])
    own = tf.reshape(tf.gather(flat, tf.maximum(segments, 0)), tf.shape(product))
    keys = tf.range(tf.shape(product)[1])[tf.newaxis, :, tf.newaxis]
    nearest = tf.reshape(tf.where(product <= own, keys, tf.int32.max), [-1, pixels])
    best = tf.math.unsorted_segment_min(nearest, segments, tiles * num_channels)
    best = tf.reshape(best, tf.shape(minima))
    y = tops[:, tf.newaxis, tf.newaxis] + best // key_w
    x = lefts[:, tf.newaxis, tf.newaxis] + best % key_w
    return tf.where(minima < ABSENT / 2, y * width + x, -1)
