"""Exact nearest-neighbor search among labeled reference pixels, as matrix products.

The reference comes sorted by object, in columns of one object each (ops/sorted_reference.py). One
pass over the product of keys and queries, a minimum over the rows, whole vectors at a time,
reduces it SLOTS-fold; what is left is a minimum over the columns of each object. The cost hardly
depends on the number of objects.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from feelvos_tf.ops.sorted_reference import ABSENT, SLOTS, Reference

# Entries of the product of keys and queries held at once: 16 MB, which stays in the cache until
# the minimum has read it, in rows of queries that fill the registers of the matrix product.
_PRODUCT_ENTRIES = 4 << 20
_QUERIES_MULTIPLE = 32
# Queries against which a block of keys is searched at once, so that keys too many for the cache
# are read from memory once for so many queries; and columns of keys in a block. Their product is
# 4 MB, and is read while it is in the cache.
_BLOCK_QUERIES = 1024
_BLOCK_COLUMNS = 32
# Sizes in the pyramid of `_k_smallest`: columns of a group, parts of a column.
_GROUP = 8
_PARTS = 4


@tf.function(autograph=False)
def nearest(
    query: tf.Tensor, prepared: Reference, num_channels: int | tf.Tensor, k: int = 1
) -> tf.Tensor:
    """Squared distance of each query to the nearest (mean of k nearest) pixel of each object.

    Args:
      query: float32 [Q, C].
      prepared: from `sorted_reference.prepare`.
      num_channels: integer or int32 scalar.
      k: at least 1.

    Returns:
      float32 [Q, num_channels], at least 0, inf where an object has no pixel.
    """
    if k == 1:
        distances = _smallest(query, prepared, num_channels)
    else:

        def search(product: tf.Tensor) -> tf.Tensor:
            distances, _ = _k_smallest(product, prepared.objects, num_channels, k)
            absent = distances[..., 0] >= ABSENT / 2
            mean = tf.reduce_mean(_repeat_farthest(distances), axis=-1)
            return tf.where(absent, ABSENT, mean)

        distances = _over_products(search, query, prepared, tf.float32)
    distances = tf.reshape(tf.transpose(distances, [0, 2, 1]), [-1, tf.shape(distances)[1]])[
        : tf.shape(query)[0]
    ]
    norm = tf.reduce_sum(query * query, axis=-1, keepdims=True)
    result = tf.where(distances >= ABSENT / 2, float("inf"), tf.maximum(distances + norm, 0.0))
    return _with_objects(result, query, num_channels)


@tf.function(autograph=False)
def nearest_winners(
    query: tf.Tensor, prepared: Reference, num_channels: int | tf.Tensor, k: int = 1
) -> tuple[tf.Tensor, tf.Tensor]:
    """The reference pixels behind `nearest`.

    Args: as in `nearest`.

    Returns:
      winners: int32 [Q, num_channels, k], indices of reference pixels, nearest first; -1 for none.
      weights: float32 [Q, num_channels, k], the share of each in the distance; they sum to 1
        where the object has a pixel, else they are 0.
    """

    def search(product: tf.Tensor) -> tf.Tensor:
        distances, rows = _k_smallest(product, prepared.objects, num_channels, k)
        pixels = tf.gather(prepared.pixels, rows)
        return tf.where(distances < ABSENT / 2, pixels, -1)

    winners = _over_products(search, query, prepared, tf.int32)
    winners = tf.reshape(tf.transpose(winners, [0, 2, 1, 3]), [-1, tf.shape(winners)[1], k])[
        : tf.shape(query)[0]
    ]
    valid = tf.cast(winners >= 0, tf.float32)
    count = tf.reduce_sum(valid, axis=-1, keepdims=True)
    farthest = tf.one_hot(tf.cast(count[..., 0], tf.int32) - 1, k)
    return winners, (valid + farthest * (k - count)) / k


def _smallest(query: tf.Tensor, prepared: Reference, num_channels: int | tf.Tensor) -> tf.Tensor:
    """The smallest entry of each object in the product of keys and queries.

    The product is made and reduced block by block, of columns as of queries: its rate does not
    fall with the size of the frame, as it does where every few queries read all keys.

    Returns:
      float32 [chunks, num_channels, q], ABSENT or the largest float for an object without keys.
    """
    channels = query.shape[-1] + 1
    columns = prepared.objects.shape[0] or tf.shape(prepared.objects)[0]
    # Minima by max pooling of what is negated: it keeps whole rows of queries in registers, and
    # takes a third of the time of a minimum over an axis.
    keys = -tf.transpose(tf.reshape(prepared.keys, [SLOTS, columns, channels]), [1, 0, 2])
    blocks = _at_least_one(_divide_up(columns, _BLOCK_COLUMNS))
    width = _divide_up(columns, blocks)
    # Blocks alike: the last one begins early and sees some columns twice, as a minimum may.
    starts = tf.minimum(tf.range(blocks) * width, columns - width)
    objects = tf.reshape(
        tf.gather(prepared.objects, starts[:, tf.newaxis] + tf.range(width)), [blocks * width]
    )

    def chunk(rows: tf.Tensor) -> tf.Tensor:
        def block(start: tf.Tensor) -> tf.Tensor:
            part = tf.slice(keys, [start, 0, 0], [width, SLOTS, channels])
            product = tf.matmul(tf.reshape(part, [SLOTS * width, channels]), rows, transpose_b=True)
            product = tf.reshape(product, [width, SLOTS, 1, tf.shape(rows)[0]])
            return tf.nn.max_pool2d(product, [SLOTS, 1], strides=1, padding="VALID")

        maxima = tf.map_fn(block, starts, fn_output_signature=tf.float32, parallel_iterations=1)
        maxima = tf.reshape(maxima, [blocks * width, tf.shape(rows)[0]])
        return -tf.math.unsorted_segment_max(maxima, objects, num_channels)

    return tf.map_fn(chunk, _chunks(query, _BLOCK_QUERIES), parallel_iterations=1)


def _over_products(
    search: Callable[[tf.Tensor], tf.Tensor], query: tf.Tensor, prepared: Reference, dtype: tf.DType
) -> tf.Tensor:
    """Maps `search` over the products [SLOTS, columns, q] of all keys with a chunk of queries.

    Returns:
      The results stacked: [chunks, ...].
    """
    num_keys = prepared.keys.shape[0] or tf.shape(prepared.keys)[0]
    multiples = _at_least_one(_PRODUCT_ENTRIES // num_keys // _QUERIES_MULTIPLE)

    def chunk(rows: tf.Tensor) -> tf.Tensor:
        product = tf.matmul(prepared.keys, rows, transpose_b=True)
        return search(tf.reshape(product, [SLOTS, -1, tf.shape(rows)[0]]))

    return tf.map_fn(
        chunk,
        _chunks(query, multiples * _QUERIES_MULTIPLE),
        fn_output_signature=dtype,
        parallel_iterations=1,
    )


def _chunks(query: tf.Tensor, largest: int | tf.Tensor) -> tf.Tensor:
    """Queries [Q, C] as factors [chunks, q, C + 1] of the product with keys, q at most `largest`.

    The last chunk is padded with zero queries.
    """
    num_queries = query.shape[0] if query.shape[0] is not None else tf.shape(query)[0]
    chunks = _at_least_one(_divide_up(num_queries, largest))
    # All chunks alike, or the last one might be padding for the most part.
    size = _divide_up(num_queries, chunks * _QUERIES_MULTIPLE) * _QUERIES_MULTIPLE
    # [-2 q, 1] times [r, |r|^2] is |q - r|^2 - |q|^2, so the norms cost no pass of their own.
    lifted = tf.concat([-2.0 * query, tf.ones_like(query[:, :1])], axis=-1)
    lifted = tf.pad(lifted, [[0, chunks * size - num_queries], [0, 0]])
    return tf.reshape(lifted, [chunks, size, query.shape[-1] + 1])


def _k_smallest(
    product: tf.Tensor, objects: tf.Tensor, num_channels: int | tf.Tensor, k: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """The k smallest entries of each object and query, with their rows among the keys.

    A pyramid of minima is searched from the top: the k smallest entries of a level lie below the
    k smallest of the level above, so few candidates are looked up one by one. The levels are
    groups of columns, columns (of one object each), parts of columns, keys. All objects go
    through one call of each op: on so small tensors a call costs more than its work.

    Args:
      product: float32 [SLOTS, columns, q].
      objects: int32 [columns].
      num_channels: integer or int32 scalar.
      k: at least 1.

    Returns:
      distances: float32 [num_channels, q, k], ascending, ABSENT where there are fewer than k.
      rows: int32 [num_channels, q, k].
    """
    num_columns, num_queries = tf.shape(product)[1], tf.shape(product)[2]
    parts = tf.reduce_min(
        tf.reshape(product, [SLOTS // _PARTS, _PARTS, num_columns, num_queries]), axis=0
    )
    minima = tf.reduce_min(parts, axis=0)

    num_groups = (num_columns + _GROUP - 1) // _GROUP + k - 1
    padding = [0, num_groups * _GROUP - num_columns]
    minima = tf.pad(minima, [padding, [0, 0]], constant_values=ABSENT)
    own = tf.range(num_channels)[:, tf.newaxis] == tf.pad(objects, [padding], constant_values=-1)
    minima = tf.where(own[:, :, tf.newaxis], minima, ABSENT)
    groups = tf.reduce_min(
        tf.reshape(minima, [num_channels, _GROUP, num_groups, num_queries]), axis=1
    )

    query_index = tf.range(num_queries)[:, tf.newaxis]

    def descend(
        level: tf.Tensor,
        fan: int,
        above: tf.Tensor,
        rows: tf.Tensor,
        num_rows: int | tf.Tensor,
        first: int | tf.Tensor = 0,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The k smallest of the `fan` entries below each of `rows`, one of every num_rows."""
        below = tf.reshape(
            rows[..., tf.newaxis] + num_rows * tf.range(fan), [num_channels, num_queries, k * fan]
        )
        values = tf.gather(tf.reshape(level, [-1]), (first + below) * num_queries + query_index)
        values = tf.where(tf.repeat(above < ABSENT / 2, fan, axis=-1), values, ABSENT)
        values, place = tf.math.top_k(-values, k)
        return -values, tf.gather(below, place, batch_dims=2)

    values, rows = tf.math.top_k(tf.transpose(-groups, [0, 2, 1]), k)
    first = tf.range(num_channels)[:, tf.newaxis, tf.newaxis] * (num_groups * _GROUP)
    values, rows = descend(minima, _GROUP, -values, rows, num_groups, first)
    rows = tf.minimum(rows, num_columns - 1)
    values, rows = descend(parts, _PARTS, values, rows, num_columns)
    return descend(product, SLOTS // _PARTS, values, rows, _PARTS * num_columns)


def _repeat_farthest(distances: tf.Tensor) -> tf.Tensor:
    """Replaces ABSENT entries by the largest real one along the last axis."""
    real = distances < ABSENT / 2
    farthest = tf.reduce_max(tf.where(real, distances, -ABSENT), axis=-1, keepdims=True)
    return tf.where(real, distances, farthest)


def _divide_up(value: int | tf.Tensor, divisor: int | tf.Tensor) -> int | tf.Tensor:
    return (value + divisor - 1) // divisor


def _at_least_one(value: int | tf.Tensor) -> int | tf.Tensor:
    return max(value, 1) if isinstance(value, int) else tf.maximum(value, 1)


def _with_objects(result: tf.Tensor, query: tf.Tensor, num_channels: int | tf.Tensor) -> tf.Tensor:
    static = num_channels if isinstance(num_channels, int) else None
    return tf.ensure_shape(result, [query.shape[0], static])
