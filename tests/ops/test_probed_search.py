"""The clustered reference and the search in its likeliest columns, against naive twins."""

import numpy as np
import pytest
import tensorflow as tf

from feelvos_tf.ops import clusters, probed_search, reference_search, sorted_reference
from feelvos_tf.ops.sorted_reference import ABSENT, SLOTS

ALL = 10_000  # more columns than any reference here has


def blobs(seed, num_pixels, num_objects, dim=5, num_blobs=9):
    """Pixels in clumps, as embeddings are: neighbors of a pixel are few, and near."""
    rng = np.random.RandomState(seed)
    centers = 3 * rng.standard_normal((num_blobs, dim))
    chosen = rng.randint(0, num_blobs, num_pixels)
    pixels = centers[chosen] + 0.3 * rng.standard_normal((num_pixels, dim))
    # Every object has clumps of its own, so that none of them is everywhere.
    return pixels.astype(np.float32), (chosen % num_objects).astype(np.int32)


def naive_distances(query, reference, labels, num_objects):
    flat = query.reshape(-1, query.shape[-1]).astype(np.float64)
    result = np.full((len(flat), num_objects), np.inf)
    for n in range(num_objects):
        own = reference[labels == n]
        if len(own):
            result[:, n] = ((flat[:, None] - own[None]) ** 2).sum(-1).min(-1)
    return result


def prepared(reference, labels, num_objects):
    return sorted_reference.prepare(tf.constant(reference), tf.constant(labels), num_objects)


def naive_tree(pixels, index):
    """Leaves of one object's k-d tree, as lists of pixels."""
    if len(index) <= SLOTS:
        return [sorted(index)]
    values = pixels[index]
    along = values[:, values.var(axis=0).argmax()]
    order = index[np.argsort(along, kind="stable")]
    left = (len(index) + SLOTS - 1) // SLOTS // 2 * SLOTS
    return naive_tree(pixels, order[:left]) + naive_tree(pixels, order[left:])


def columns_of(reference):
    """(object, its pixels, sorted) of every column that has any."""
    pixels = reference.pixels.numpy().reshape(SLOTS, -1).T
    objects = reference.objects.numpy()
    return [(n, sorted(p[p >= 0])) for n, p in zip(objects, pixels) if (p >= 0).any()]


def test_columns_are_the_leaves_of_a_tree_for_each_object():
    pixels, labels = blobs(0, 1037, 3)
    labels[::50] = 255  # unknown
    result = clusters.clustered(prepared(pixels, labels, 3), 3)
    expected = [
        (n, leaf) for n in range(3) for leaf in naive_tree(pixels, np.flatnonzero(labels == n))
    ]
    assert columns_of(result) == expected
    real = result.pixels.numpy() >= 0
    np.testing.assert_array_equal(
        result.keys.numpy()[real, :-1], pixels[result.pixels.numpy()[real]]
    )
    assert (result.keys.numpy()[~real, -1] == np.float32(ABSENT)).all()


def test_the_exact_search_finds_the_same_in_a_clustered_reference():
    pixels, labels = blobs(1, 533, 4)
    query = tf.constant(blobs(2, 77, 4)[0])
    plain = prepared(pixels, labels, 4)
    np.testing.assert_allclose(
        reference_search.nearest(query, clusters.clustered(plain, 4), 4),
        reference_search.nearest(query, plain, 4),
        rtol=1e-6,
    )


def test_means_leave_padding_out():
    pixels, labels = blobs(3, 45, 2)
    reference = clusters.clustered(prepared(pixels, labels, 3), 3)
    means = clusters.means(reference).numpy()
    for mean, (_, own) in zip(means, columns_of(reference)):
        np.testing.assert_allclose(mean[:-1], pixels[own].mean(0), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(mean[-1], (pixels[own].mean(0) ** 2).sum(), rtol=1e-5)


@pytest.mark.parametrize(
    "size", [(7, 11), (1, 13), (9, 1), (1, 1), (2, 2)], ids=lambda size: f"{size[0]}x{size[1]}"
)
def test_with_all_columns_it_is_exact(size):
    pixels, labels = blobs(4, 701, 3)
    query = blobs(5, size[0] * size[1], 3)[0].reshape(*size, -1)
    found = probed_search.nearest(
        tf.constant(query), clusters.clustered(prepared(pixels, labels, 3), 3), 3, ALL
    )
    np.testing.assert_allclose(
        found, naive_distances(query, pixels, labels, 3), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("scores", [probed_search._SCORES, 40, 1])
def test_a_tile_looks_into_the_columns_with_the_nearest_means(monkeypatch, scores):
    """A twin that chooses as the search does and then compares one by one.

    Nine tiles choose among some 15 columns of each object: all at once, two at a time, one.
    """
    monkeypatch.setattr(probed_search, "_SCORES", scores)
    nearest = tf.function(probed_search.nearest.python_function, autograph=False)  # traced anew
    pixels, labels = blobs(6, 900, 2)
    query = blobs(7, 5 * 6, 2)[0].reshape(5, 6, -1)
    reference = clusters.clustered(prepared(pixels, labels, 2), 2)
    probes = 3
    found = nearest(tf.constant(query), reference, 2, probes).numpy()
    columns = columns_of(reference)
    expected = np.full((5, 6, 2), np.inf)
    for top in range(0, 5, 2):
        for left in range(0, 6, 2):
            # The last row of tiles has one row of pixels, which counts twice.
            tile = query[[top, min(top + 1, 4)]][:, left : left + 2].reshape(4, -1)
            for n in range(2):
                own = [p for o, p in columns if o == n]
                apart = [((tile.mean(0) - pixels[p].mean(0)) ** 2).sum() for p in own]
                near = np.concatenate([own[i] for i in np.argsort(apart)[:probes]])
                part = query[top : top + 2, left : left + 2]
                d = ((part[:, :, None] - pixels[near]) ** 2).sum(-1).min(-1)
                expected[top : top + 2, left : left + 2, n] = d
    np.testing.assert_allclose(found, expected.reshape(-1, 2), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("num_columns", [1, 7, 8, 9, 43])
@pytest.mark.parametrize("count", [1, 3, 20])
def test_the_nearest_columns_are_those_of_sorting_all(num_columns, count):
    """More and fewer columns than are judged together, and all of them."""
    rng = np.random.RandomState(num_columns)
    tiles, means = (rng.standard_normal([n, 6]).astype(np.float32) for n in (11, num_columns))
    tiles[:, -1] = 1
    count = min(count, num_columns)
    found = probed_search._nearest_columns(
        tf.constant(tiles), tf.constant(means), tf.constant(count)
    ).numpy()
    expected = np.argsort(tiles @ means.T, axis=1)[:, :count]
    np.testing.assert_array_equal(np.sort(found, axis=1), np.sort(expected, axis=1))


def test_more_probes_come_nearer_and_never_below_the_exact_distance():
    pixels, labels = blobs(8, 2500, 3, num_blobs=40)
    query = blobs(9, 12 * 10, 3, num_blobs=40)[0].reshape(12, 10, -1)
    reference = clusters.clustered(prepared(pixels, labels, 3), 3)
    exact = naive_distances(query, pixels, labels, 3)
    errors = []
    for probes in (1, 4, 16, ALL):
        found = probed_search.nearest(tf.constant(query), reference, 3, probes).numpy()
        assert (found >= exact - 1e-4).all()
        errors.append((found - exact).mean())
    assert errors[0] > errors[1] > errors[2] >= errors[3]
    assert errors[3] < 1e-4


@pytest.mark.parametrize("probes", [1, 8])
def test_objects_without_pixels_and_objects_of_one_pixel(probes):
    """Objects 1 and 4 are absent, object 3 is one pixel; with 30 objects most are absent."""
    pixels, labels = blobs(10, 300, 2)
    labels = np.where(labels == 1, 2, 0).astype(np.int32)
    labels[17] = 3
    query = blobs(11, 21, 2)[0].reshape(3, 7, -1)
    for num_objects in (5, 30):
        reference = clusters.clustered(prepared(pixels, labels, num_objects), num_objects)
        found = probed_search.nearest(tf.constant(query), reference, num_objects, probes).numpy()
        assert found.shape == (21, num_objects)
        absent = [n for n in range(num_objects) if n not in (0, 2, 3)]
        assert np.isinf(found[:, absent]).all()
        assert np.isfinite(found[:, [0, 2, 3]]).all()
        one = ((query.reshape(21, -1) - pixels[17]) ** 2).sum(-1)
        np.testing.assert_allclose(found[:, 3], one, rtol=1e-4, atol=1e-4)


def test_a_reference_without_any_pixel():
    pixels, labels = blobs(12, 40, 2)
    reference = clusters.clustered(prepared(pixels, np.full_like(labels, 255), 2), 2)
    found = probed_search.nearest(tf.constant(pixels[:12].reshape(3, 4, -1)), reference, 2, 8)
    assert np.isinf(found).all() and found.shape == (12, 2)
