"""Gradients of matching: against finite differences in float64, a naive form, and under XLA."""

import numpy as np
import pytest
import tensorflow as tf

from feelvos_tf.ops import local_correlation, matching

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


def inputs(seed, h, w, c=4, objects=3):
    rng = np.random.RandomState(seed)
    query, other = (0.5 * rng.standard_normal((2, h, w, c))).astype(np.float32)
    labels = rng.randint(0, objects, (h, w)).astype(np.int32)
    upstream = rng.standard_normal((h, w, objects + 1)).astype(np.float32)
    return query, other, labels, upstream


def naive(query, other, labels, objects, allowed, k=1):
    """The loss in plain tensor operations of any type: all distances, then the k smallest."""
    c = query.shape[-1]
    q, r = tf.reshape(query, [-1, 1, c]), tf.reshape(other, [1, -1, c])
    d = tf.reduce_sum((q - r) ** 2, -1)
    columns = []
    for n in range(objects):
        own = allowed & (labels.ravel() == n)[None]
        masked = tf.where(own, d, np.inf)
        best = -tf.math.top_k(-masked, k)[0]
        count = own.sum(1)
        last = tf.gather(best, np.clip(count, 1, k) - 1, batch_dims=1)
        best = tf.where(np.arange(k)[None] < count[:, None], best, last[:, None])
        squashed = (
            2
            * tf.sigmoid(
                tf.reduce_mean(tf.where((count == 0)[:, None], tf.zeros_like(best), best), -1)
            )
            - 1
        )
        columns.append(tf.where(count == 0, tf.ones_like(squashed), squashed))
    return tf.stack(columns, -1)


def window_mask(h, w, window):
    y, x = np.divmod(np.arange(h * w), w)
    near = np.abs(y[:, None] - y[None]) <= window
    return near & (np.abs(x[:, None] - x[None]) <= window)


def finite_differences(loss, arrays, places, step=1e-6):
    """Central differences of `loss(*arrays)` in float64 at some flat places of each array."""
    arrays = [a.astype(np.float64) for a in arrays]
    result = []
    for i in range(len(arrays)):
        slopes = []
        for place in places:
            values = []
            for sign in (1, -1):
                moved = [a.copy() for a in arrays]
                moved[i].flat[place] += sign * step
                values.append(float(loss(*moved)))
            slopes.append((values[0] - values[1]) / (2 * step))
        result.append(np.array(slopes))
    return result


def check(function, naive_function, query, other, upstream):
    with tf.GradientTape() as tape:
        tensors = [tf.constant(query), tf.constant(other)]
        tape.watch(tensors)
        loss = tf.reduce_sum(function(*tensors) * upstream)
    gradients = tape.gradient(loss, tensors)

    def exact_loss(q, r):
        values = naive_function(tf.constant(q, tf.float64), tf.constant(r, tf.float64))
        return tf.reduce_sum(values * upstream.reshape(values.shape).astype(np.float64))

    with tf.GradientTape() as tape:
        tensors = [tf.constant(query, tf.float64), tf.constant(other, tf.float64)]
        tape.watch(tensors)
        loss = exact_loss(*tensors)
    for actual, expected in zip(gradients, tape.gradient(loss, tensors)):
        np.testing.assert_allclose(actual, expected, atol=2e-5)
    places = [0, 5, query.size // 2, query.size - 1]
    for actual, expected in zip(gradients, finite_differences(exact_loss, (query, other), places)):
        np.testing.assert_allclose(actual.numpy().flat[places], expected, atol=2e-5)


@pytest.mark.parametrize("k", [1, 3])
def test_global(k):
    query, other, labels, upstream = inputs(0, 5, 9)
    labels[labels == 2] = 1
    labels[0, 0] = 2  # fewer pixels than k
    everywhere = np.ones((45, 45), bool)
    check(
        lambda q, r: matching.global_matching(q, r, labels, 4, k),
        lambda q, r: naive(q, r, labels, 4, everywhere, k),
        query,
        other,
        upstream,
    )


@pytest.mark.parametrize("implementation", LOCAL)
@pytest.mark.parametrize("size,window", [((5, 9), 2), ((1, 7), 1), ((11, 18), 3)])
def test_local(size, window, implementation):
    query, other, labels, upstream = inputs(1, *size)
    check(
        lambda q, r: matching.local_matching(q, r, labels, 4, window, implementation),
        lambda q, r: naive(q, r, labels, 4, window_mask(*size, window)),
        query,
        other,
        upstream,
    )


def test_no_gradient_without_pixels():
    query, _, labels, _ = inputs(2, 3, 4)
    tensors = [tf.constant(query), tf.zeros([0, 4])]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        loss = tf.reduce_sum(
            matching.global_matching(tensors[0], tensors[1], tf.zeros([0], tf.int32), 2)
        )
    for gradient in tape.gradient(loss, tensors):
        np.testing.assert_array_equal(gradient, np.zeros(gradient.shape))


@pytest.mark.parametrize(
    "function",
    [
        lambda q, r, labels: matching.global_matching(q, r, labels, 4),
        lambda q, r, labels: matching.global_matching(q, r, labels, 4, 3),
        lambda q, r, labels: matching.local_matching(q, r, labels, 4, 3, "tiled"),
        lambda q, r, labels: matching.local_matching(q, r, labels, 4, 3, "shifted"),
    ],
    ids=["global", "global k=3", "tiled", "shifted"],
)
def test_xla_computes_the_same_forward_and_backward(function):
    query, other, labels, upstream = inputs(3, 11, 18)

    def both(q, r, labels):
        with tf.GradientTape() as tape:
            tape.watch([q, r])
            loss = tf.reduce_sum(function(q, r, labels) * upstream)
        return loss, *tape.gradient(loss, [q, r])

    arguments = [tf.constant(query), tf.constant(other), tf.constant(labels)]
    for compiled, plain in zip(tf.function(both, jit_compile=True)(*arguments), both(*arguments)):
        np.testing.assert_allclose(compiled, plain, rtol=1e-4, atol=2e-5)


def test_global_gradients_as_they_are_equal_those_of_a_naive_form():
    """At distances that squashed would give none; an object without a pixel gives none either."""
    query, other, labels, upstream = inputs(7, 5, 9)
    query, other = (tf.constant(10 * x) for x in (query, other))
    found = []
    for form in ("ours", "naive"):
        with tf.GradientTape() as tape:
            tape.watch([query, other])
            if form == "ours":
                result = matching.global_matching(query, other, labels, 4, normalized=False)
            else:
                apart = tf.reduce_sum((query[:, :, None, None] - other[None, None]) ** 2, -1)
                own = [tf.where(labels == n, apart, np.inf) for n in range(3)]
                result = tf.stack([tf.reduce_min(d, axis=[2, 3]) for d in own], -1)
                result = tf.pad(result, [[0, 0], [0, 0], [0, 1]])
            loss = tf.reduce_sum(result * upstream)
        found.append(tape.gradient(loss, [query, other]))
    for ours, naive_one in zip(*found):
        assert np.abs(naive_one).max() > 1
        np.testing.assert_allclose(ours, naive_one, rtol=1e-4, atol=1e-4)
