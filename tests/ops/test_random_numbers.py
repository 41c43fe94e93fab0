"""Random numbers: their range and spread, and that XLA and time change nothing."""

import numpy as np
import pytest
import tensorflow as tf

from feelvos_tf.ops import random_numbers

SEEDS = [[0, 0], [0, 1], [1, 0], [3, -5], [2**31 - 1, -(2**31)]]


def draw(shape, seed, **options):
    function = tf.function(random_numbers.uniform, **options)
    return function(shape, tf.constant(seed)).numpy()


@pytest.mark.parametrize("seed", SEEDS)
def test_numbers_are_spread_evenly(seed):
    numbers = draw([101, 97], seed)
    assert numbers.dtype == np.float32 and numbers.shape == (101, 97)
    assert 0 <= numbers.min() < 1e-3 and 1 - 1e-3 < numbers.max() < 1
    counts, _ = np.histogram(numbers, bins=20, range=(0, 1))
    # Chi-squared of 19 degrees of freedom: one draw in ten thousand exceeds 50.
    assert np.sum((counts - counts.mean()) ** 2) / counts.mean() < 50


def test_numbers_depend_on_seed_and_place_alone():
    drawn = np.stack([draw([4096], seed) for seed in SEEDS])
    assert np.abs(np.corrcoef(drawn) - np.eye(len(SEEDS))).max() < 0.07
    assert abs(np.corrcoef(drawn[:, 1:].ravel(), drawn[:, :-1].ravel())[0, 1]) < 0.03
    np.testing.assert_array_equal(draw([7], SEEDS[3]), drawn[3, :7])
    # What is drawn must not change: resumed runs and subsampled references go on with it.
    np.testing.assert_allclose(drawn[3, :3], [0.2252261, 0.29899263, 0.15169305], rtol=1e-6)


def test_compiled_and_plain_numbers_are_the_same():
    for seed in SEEDS:
        np.testing.assert_array_equal(draw((13, 5), seed, jit_compile=True), draw((13, 5), seed))


def test_no_numbers():
    assert draw([0], [1, 2]).shape == (0,)
