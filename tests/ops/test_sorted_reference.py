"""References made smaller and larger."""

import numpy as np
import tensorflow as tf

from feelvos_tf.ops import reference_search, sorted_reference


def test_subsample_keeps_as_many_of_each_object_as_wanted():
    labels = np.array([0] * 50 + [1] * 3 + [2] * 20 + [255] * 5, np.int32)
    np.random.RandomState(0).shuffle(labels)
    kept = sorted_reference.subsample(tf.constant(labels), 4, 7, seed=3).numpy()
    assert [(kept == n).sum() for n in range(3)] == [7, 3, 7]
    assert (kept == 255).sum() == 5 and (kept == -1).sum() == 43 + 13
    assert ((kept == labels) | (kept == -1)).all()
    again = sorted_reference.subsample(tf.constant(labels), 4, 7, seed=3).numpy()
    np.testing.assert_array_equal(again, kept)
    other = sorted_reference.subsample(tf.constant(labels), 4, 7, seed=4).numpy()
    assert (other != kept).any()


def test_extending_a_reference_equals_preparing_all_at_once():
    rng = np.random.RandomState(5)
    first, more = rng.rand(37, 3).astype(np.float32), rng.rand(21, 3).astype(np.float32)
    labels = rng.randint(-1, 2, 37).astype(np.int32)
    new = rng.choice([-1, 2, 3], 21).astype(np.int32)
    query = rng.rand(9, 3).astype(np.float32)
    whole = sorted_reference.prepare(
        tf.constant(np.concatenate([first, more])), tf.constant(np.concatenate([labels, new])), 4
    )
    part = sorted_reference.extend(
        sorted_reference.prepare(tf.constant(first), tf.constant(labels), 2),
        tf.constant(more),
        tf.constant(new),
        4,
    )
    np.testing.assert_allclose(
        reference_search.nearest(query, part, 4),
        reference_search.nearest(query, whole, 4),
        atol=1e-6,
    )
