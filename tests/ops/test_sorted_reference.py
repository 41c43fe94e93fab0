"""References made smaller and larger."""

import numpy as np
import tensorflow as tf

from feelvos_tf.ops import sorted_reference


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
