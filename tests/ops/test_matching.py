"""Matching against naive NumPy twins, at odd sizes and at the edges of its domain."""

import numpy as np
import pytest
import tensorflow as tf

from feelvos_tf.errors import InputError
from feelvos_tf.ops import local_correlation, matching, reference_search

LOCAL = [
    "tiled",
    "shifted",
    pytest.param(
        "correlation",
        marks=pytest.mark.skipif(
            not local_correlation.is_available(), reason="tensorflow-addons is not here"
        ),
    ),
]


def squash(d):
    return 2 / (1 + np.exp(-d)) - 1


def naive_global(query, reference, labels, num_objects, k=1, normalized=True):
    """All distances, sorted."""
    h, w, _ = query.shape
    result = np.full((h, w, num_objects), np.inf)
    for n in range(num_objects):
        own = reference[labels == n]
        if len(own):
            d = ((query[:, :, None] - own[None, None]) ** 2).sum(-1)
            d = np.sort(d, axis=-1)[:, :, :k]
            pad = np.repeat(d[:, :, -1:], k - d.shape[-1], axis=-1)
            result[:, :, n] = np.concatenate([d, pad], axis=-1).mean(-1)
    return squash(result) if normalized else np.minimum(result, matching.FARTHEST)


def naive_local(query, previous, labels, num_objects, window):
    """One pixel after the other."""
    h, w, _ = query.shape
    result = np.full((h, w, num_objects), np.inf)
    for y in range(h):
        for x in range(w):
            ys = slice(max(0, y - window), y + window + 1)
            xs = slice(max(0, x - window), x + window + 1)
            d = ((previous[ys, xs] - query[y, x]) ** 2).sum(-1)
            for n in range(num_objects):
                own = d[labels[ys, xs] == n]
                if own.size:
                    result[y, x, n] = own.min()
    return squash(result)


def frames(seed, h, w, c=5, num_objects=3, scale=0.4):
    rng = np.random.RandomState(seed)
    query = (scale * rng.standard_normal((h, w, c))).astype(np.float32)
    other = (scale * rng.standard_normal((h, w, c))).astype(np.float32)
    labels = rng.randint(0, num_objects, (h, w)).astype(np.int32)
    return query, other, labels


@pytest.mark.parametrize("k", [1, 3, 7])
@pytest.mark.parametrize("size", [(1, 1), (1, 13), (7, 1), (9, 11), (23, 37)])
def test_global_equals_naive(size, k):
    query, reference, labels = frames(1, *size)
    labels[labels == 1] = 2  # an object without pixels
    expected = naive_global(query, reference.reshape(-1, 5), labels.ravel(), 3, k)
    actual = matching.global_matching(query, reference, labels, 3, k)
    np.testing.assert_allclose(actual, expected, atol=1e-5)
    assert np.all(actual[..., 1].numpy() == 1.0)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("size", [(1, 1), (1, 13), (9, 11)])
def test_global_as_it_is_equals_naive(size, k):
    """At distances of some hundred, which squashed are all 1, and at some beyond the farthest."""
    query, reference, labels = frames(1, *size, scale=4)
    query[0, 0] += 100.0
    labels[labels == 1] = 2  # an object without pixels
    expected = naive_global(query, reference.reshape(-1, 5), labels.ravel(), 3, k, False)
    actual = matching.global_matching(query, reference, labels, 3, k, normalized=False)
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)
    assert np.all(actual[..., 1].numpy() == matching.FARTHEST)
    assert actual[0, 0, 2] == matching.FARTHEST and np.isfinite(actual).all()


@pytest.mark.parametrize("implementation", LOCAL)
@pytest.mark.parametrize(
    "size,window",
    [
        ((1, 1), 2),
        ((1, 13), 3),
        ((7, 1), 1),
        ((9, 19), 0),
        ((9, 19), 4),
        ((17, 33), 15),
        ((5, 6), 30),
    ],
)
def test_local_equals_naive(size, window, implementation):
    query, previous, labels = frames(2, *size)
    expected = naive_local(query, previous, labels, 4, window)
    actual = matching.local_matching(query, previous, labels, 4, window, implementation)
    np.testing.assert_allclose(actual, expected, atol=1e-5)
    assert np.all(actual[..., 3].numpy() == 1.0)


@pytest.mark.parametrize("implementation", LOCAL)
def test_thirty_objects_and_ignored_pixels(implementation):
    query, previous, labels = frames(3, 13, 18, num_objects=30)
    labels[::3] = 255
    expected = naive_local(query, previous, labels, 30, 3)
    actual = matching.local_matching(query, previous, labels, 30, 3, implementation)
    np.testing.assert_allclose(actual, expected, atol=1e-5)
    expected = naive_global(query, previous.reshape(-1, 5), labels.ravel(), 30)
    actual = matching.global_matching(query, previous, labels, 30)
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_no_reference_pixel_at_all():
    query, _, labels = frames(4, 3, 5)
    nothing = np.zeros([0, 5], np.float32), np.zeros([0], np.int32)
    actual = matching.global_matching(query, *nothing, 2)
    np.testing.assert_array_equal(actual, np.ones([3, 5, 2], np.float32))
    actual = matching.local_matching(query, query, np.full_like(labels, 255), 2, 2)
    np.testing.assert_array_equal(actual, np.ones([3, 5, 2], np.float32))


def test_one_pixel_object_is_found_by_every_query():
    query, reference, labels = frames(5, 6, 7)
    labels[:] = 0
    labels[4, 2] = 1
    expected = squash(((query - reference[4, 2]) ** 2).sum(-1))
    for k in (1, 3):
        actual = matching.global_matching(query, reference, labels, 2, k)
        np.testing.assert_allclose(actual[..., 1], expected, atol=1e-5)


@pytest.mark.parametrize("implementation", LOCAL)
@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16])
def test_half_precision_accumulates_in_float32(dtype, implementation):
    query, previous, labels = frames(6, 9, 20, c=100, scale=0.1)
    query, previous = tf.cast(query, dtype), tf.cast(previous, dtype)
    q, p = (tf.cast(x, tf.float32).numpy() for x in (query, previous))
    actual = matching.local_matching(query, previous, labels, 3, 4, implementation)
    assert actual.dtype == tf.float32
    np.testing.assert_allclose(actual, naive_local(q, p, labels, 3, 4), atol=1e-5)
    actual = matching.global_matching(query, previous, labels, 3)
    expected = naive_global(q, p.reshape(-1, 100), labels.ravel(), 3)
    np.testing.assert_allclose(actual, expected, atol=1e-5)


@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.parametrize("static,compiled", [(False, False), (True, False), (True, True)])
def test_blocks_of_queries_and_columns_do_not_show(k, static, compiled, monkeypatch):
    """With room for 32 queries and two columns at a time."""
    monkeypatch.setattr(reference_search, "_BLOCK_QUERIES", 32)
    monkeypatch.setattr(reference_search, "_PRODUCT_ENTRIES", 2 * 32 * reference_search.SLOTS)
    # Without the functions' own traces, which may be older than these sizes.
    monkeypatch.setattr(reference_search, "nearest", reference_search.nearest.python_function)
    query, reference, labels = frames(7, 11, 29)
    expected = naive_global(query, reference.reshape(-1, 5), labels.ravel(), 3, k)
    shape = query.shape if static else [None, None, 5]

    @tf.function(
        jit_compile=compiled,
        input_signature=[
            tf.TensorSpec(shape),
            tf.TensorSpec(shape),
            tf.TensorSpec(shape[:2], tf.int32),
        ],
    )
    def match(query, reference, labels):
        return matching.global_matching(query, reference, labels, 3, k)

    np.testing.assert_allclose(match(query, reference, labels), expected, atol=1e-5)


def test_unknown_sizes_and_number_of_objects_in_a_graph():
    spec = [
        tf.TensorSpec([None, None, 5]),
        tf.TensorSpec([None, None, 5]),
        tf.TensorSpec([None, None], tf.int32),
        tf.TensorSpec([], tf.int32),
    ]

    @tf.function(input_signature=spec)
    def both(query, previous, labels, n):
        return (
            matching.local_matching(query, previous, labels, n, 3),
            matching.global_matching(query, previous, labels, n, 2),
            matching.global_matching(query, previous, labels, n),
        )

    for size, n in (((7, 9), 3), ((18, 5), 2), ((1, 1), 4)):
        query, previous, labels = frames(8, *size, num_objects=n)
        local, two, one = both(query, previous, labels, n)
        np.testing.assert_allclose(local, naive_local(query, previous, labels, n, 3), atol=1e-5)
        flat = previous.reshape(-1, 5), labels.ravel(), n
        np.testing.assert_allclose(two, naive_global(query, *flat, 2), atol=1e-5)
        np.testing.assert_allclose(one, naive_global(query, *flat), atol=1e-5)
    assert both.experimental_get_tracing_count() == 1


def test_wrong_arguments_are_named():
    query, previous, labels = frames(9, 3, 4)
    with pytest.raises(InputError, match="'fast' is unknown.*tiled"):
        matching.local_matching(query, previous, labels, 3, 1, "fast")
    with pytest.raises(InputError, match="window is -1"):
        matching.local_matching(query, previous, labels, 3, -1)
    with pytest.raises(InputError, match="k is 0"):
        matching.global_matching(query, previous, labels, 3, 0)
