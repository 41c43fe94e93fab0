"""Nearest-neighbor search that looks into the likeliest columns of the reference alone.

The columns of a clustered reference (ops/clusters.py) hold pixels that are near one another, and
neighboring queries have near embeddings. So four queries, two by two, choose together: of each
object the few columns whose mean is nearest to their own mean. Exact distances are computed to
the pixels of those columns. What is found is the distance to a real pixel, at least the exact one;
how often it is the exact one depends on the number of columns, `probes`.

Pairs of (tile of queries, column) are sorted by column and worked off in rows of tiles that share
one, so a column is gathered once for many tiles, and all is matrix products. The work grows with
the pairs, linearly in the queries, not with the product of queries and reference pixels; choosing
costs one 128th of that product.
"""

from __future__ import annotations

import tensorflow as tf

from feelvos_tf.ops import clusters
from feelvos_tf.ops.sorted_reference import ABSENT, SLOTS, Reference

# Side of a tile of queries.
_SIDE = 2
# Tiles that a column is multiplied with at once.
_ROW = 16
# Rows worked off at once: their products are 8 MB.
_ROWS = 1024
# Distances of tiles to columns that are computed at once, 4 MB; all of a 4K frame's would be 8 GB.
_SCORES = 1 << 20
# Columns of which the nearest is found first: a minimum is several times as fast as picking out the
# few nearest of all.
_FOLD = 8


@tf.function(autograph=False)
def nearest(
    query: tf.Tensor, prepared: Reference, num_groups: int | tf.Tensor, probes: int | tf.Tensor
) -> tf.Tensor:
    """Squared distance of each query to a near pixel of each object.

    Args:
      query: float32 [h, w, C], a map: neighbors are searched together.
      prepared: from `clusters.clustered`; the columns of a group stand side by side.
      num_groups: integer or int32 scalar, objects (or objects of frames) in `prepared.objects`.
      probes: at least 1, columns of each group that a query is compared with.

    Returns:
      float32 [h * w, num_groups], at least the exact distance, inf where a group has no pixel.
    """
    height, width, channels = tf.shape(query)[0], tf.shape(query)[1], query.shape[-1]
    tiles = _tiles(query)
    pairs, columns, groups = _choose(tiles, prepared, num_groups, probes)
    found = _search(tiles, prepared, pairs, columns)
    num_tiles = tf.shape(tiles)[0]
    least = tf.math.unsorted_segment_min(found, pairs * num_groups + groups, num_tiles * num_groups)
    least = tf.reshape(least, [num_tiles, num_groups, _SIDE * _SIDE])
    distances = _untiled(tf.transpose(least, [0, 2, 1]), height, width)
    flat = tf.reshape(query, [-1, channels])
    norm = tf.reduce_sum(flat * flat, axis=-1, keepdims=True)
    return tf.where(distances >= ABSENT / 2, float("inf"), tf.maximum(distances + norm, 0.0))


def _choose(
    tiles: tf.Tensor, prepared: Reference, num_groups: int | tf.Tensor, probes: int | tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The columns that each tile looks into.

    Returns:
      Three int32 [P]: tile, column and group of each pair.
    """
    centers = tf.reduce_mean(tiles, axis=1)
    lifted = tf.concat([-2.0 * centers, tf.ones_like(centers[:, :1])], axis=-1)
    means = clusters.means(prepared)
    objects = prepared.objects
    num_columns, num_tiles = tf.size(objects), tf.shape(tiles)[0]
    # One segment more for padding.
    segments = tf.where(objects >= 0, objects, num_groups)
    counts = tf.math.unsorted_segment_sum(tf.ones_like(objects), segments, num_groups + 1)
    first = tf.math.unsorted_segment_min(tf.range(num_columns), segments, num_groups + 1)

    def group(index: tf.Tensor, chosen: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
        most = tf.minimum(probes, counts[index])
        # A group without a column begins past the end, at the largest integer.
        begin = tf.minimum(first[index], num_columns)
        place = _nearest_columns(lifted, means[begin : begin + counts[index]], most)
        tile = tf.repeat(tf.range(num_tiles), most)
        rows = [tile, tf.reshape(place + begin, [-1]), tf.fill(tf.shape(tile), index)]
        return index + 1, chosen.write(index, tf.stack(rows, axis=1))

    chosen = tf.TensorArray(
        tf.int32, num_groups, infer_shape=False, element_shape=tf.TensorShape([None, 3])
    )
    _, chosen = tf.while_loop(
        lambda index, _: index < num_groups, group, (0, chosen), parallel_iterations=1
    )
    pairs = chosen.concat()
    return pairs[:, 0], pairs[:, 1], pairs[:, 2]


def _nearest_columns(lifted: tf.Tensor, means: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """The nearest columns of each tile, in no order, a part of the tiles at a time.

    Args:
      lifted: float32 [T, C + 1], whose products with means are distances, but for a constant.
      means: float32 [M, C + 1].
      count: how many, at most M.

    Returns:
      int32 [T, count].
    """
    num_tiles, dim = tf.shape(lifted)[0], lifted.shape[-1]
    num_columns = tf.shape(means)[0]
    folds = (num_columns + _FOLD - 1) // _FOLD
    spare = folds * _FOLD - num_columns
    far = tf.concat([tf.zeros([spare, dim - 1]), tf.fill([spare, 1], ABSENT)], axis=1)
    means = tf.concat([means, far], axis=0)
    kept = tf.minimum(count, folds)
    size = tf.clip_by_value(_SCORES // tf.maximum(folds * _FOLD, 1), 1, num_tiles)
    parts = (num_tiles + size - 1) // size
    lifted = tf.pad(lifted, [[0, parts * size - num_tiles], [0, 0]])

    def part(own: tf.Tensor) -> tf.Tensor:
        scores = tf.reshape(tf.matmul(own, means, transpose_b=True), [size, _FOLD, folds])
        # The nearest columns lie in the folds whose nearest ones are nearest.
        fold = tf.math.top_k(-tf.reduce_min(scores, axis=1), kept, sorted=False)[1]
        scores = tf.reshape(tf.gather(scores, fold, axis=2, batch_dims=1), [size, _FOLD * kept])
        place = tf.math.top_k(-scores, count, sorted=False)[1]
        kept_or_one = tf.maximum(kept, 1)  # without a column there is nothing to divide
        own_fold = tf.gather(fold, place % kept_or_one, batch_dims=1)
        return place // kept_or_one * folds + own_fold

    found = tf.map_fn(
        part,
        tf.reshape(lifted, [parts, size, dim]),
        fn_output_signature=tf.TensorSpec([None, None], tf.int32),
        parallel_iterations=2,
    )
    return tf.reshape(found, [parts * size, count])[:num_tiles]


def _search(
    tiles: tf.Tensor, prepared: Reference, pairs: tf.Tensor, columns: tf.Tensor
) -> tf.Tensor:
    """The smallest entry of the product of a tile's queries with a column's keys, pair by pair.

    Args:
      tiles: float32 [T, queries, C].
      prepared: the reference.
      pairs: int32 [P], tiles.
      columns: int32 [P].

    Returns:
      float32 [P, queries]: squared distances less the squared norm of the query.
    """
    num_tiles, queries, channels = tf.shape(tiles)[0], tiles.shape[1], tiles.shape[2] + 1
    num_columns = tf.size(prepared.objects)
    counts = tf.math.bincount(columns, minlength=num_columns)
    rows = (counts + _ROW - 1) // _ROW
    order = tf.argsort(columns, stable=True)
    by_column = tf.gather(columns, order)
    rank = tf.range(tf.size(columns)) - tf.gather(tf.cumsum(counts, exclusive=True), by_column)
    place = tf.gather(tf.cumsum(rows, exclusive=True), by_column) * _ROW + rank
    place = tf.scatter_nd(order[:, tf.newaxis], place, tf.shape(order))

    # Blocks alike, the last one padded; places that hold no pair hold a tile of zeros.
    total = tf.maximum(tf.reduce_sum(rows), 1)
    blocks = (total + _ROWS - 1) // _ROWS
    size = (total + blocks - 1) // blocks
    held = tf.tensor_scatter_nd_update(
        tf.fill([blocks * size * _ROW], num_tiles), place[:, tf.newaxis], pairs
    )
    column = tf.searchsorted(tf.cumsum(rows), tf.range(blocks * size), side="right")
    column = tf.minimum(column, num_columns - 1)
    lifted = tf.concat([-2.0 * tiles, tf.ones_like(tiles[..., :1])], axis=-1)
    lifted = tf.pad(tf.reshape(lifted, [num_tiles, queries * channels]), [[0, 1], [0, 0]])
    keys = tf.transpose(tf.reshape(prepared.keys, [SLOTS, num_columns, channels]), [1, 2, 0])

    def block(part: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        own, tile = part
        rows = tf.reshape(tf.gather(lifted, tile), [-1, _ROW * queries, channels])
        return tf.reduce_min(tf.matmul(rows, tf.gather(keys, own)), axis=2)

    found = tf.map_fn(
        block,
        (tf.reshape(column, [blocks, size]), tf.reshape(held, [blocks, size * _ROW])),
        fn_output_signature=tf.float32,
        parallel_iterations=1,
    )
    return tf.gather(tf.reshape(found, [-1, queries]), place)


def _tiles(query: tf.Tensor) -> tf.Tensor:
    """A map [h, w, C] as tiles [T, queries, C], the last row and column repeated where odd."""
    height, width, channels = tf.shape(query)[0], tf.shape(query)[1], query.shape[-1]
    rows, columns = (height + _SIDE - 1) // _SIDE, (width + _SIDE - 1) // _SIDE
    y = tf.minimum(tf.range(rows * _SIDE), height - 1)
    x = tf.minimum(tf.range(columns * _SIDE), width - 1)
    even = tf.gather(tf.gather(query, y, axis=0), x, axis=1)
    parts = tf.reshape(even, [rows, _SIDE, columns, _SIDE, channels])
    parts = tf.transpose(parts, [0, 2, 1, 3, 4])
    return tf.reshape(parts, [rows * columns, _SIDE * _SIDE, channels])


def _untiled(tiles: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """What `_tiles` made, [T, queries, N], back as [height * width, N]."""
    rows, columns = (height + _SIDE - 1) // _SIDE, (width + _SIDE - 1) // _SIDE
    depth = tf.shape(tiles)[2]
    parts = tf.reshape(tiles, [rows, columns, _SIDE, _SIDE, depth])
    parts = tf.transpose(parts, [0, 2, 1, 3, 4])
    whole = tf.reshape(parts, [rows * _SIDE, columns * _SIDE, depth])
    return tf.reshape(whole[:height, :width], [height * width, depth])
