"""The share of the loss that is of guided outlines."""

import numpy as np
import pytest
import tensorflow as tf

from feelvos_tf.errors import InputError
from feelvos_tf.ops import guided_filter

pytest.importorskip("official", reason="needs the extra train")

from feelvos_tf.training import clip_loss, forward, losses
from feelvos_tf.training.configs import Losses


def drawn():
    rng = np.random.default_rng(1)
    frames = rng.uniform(0, 255, (2, 33, 45, 3)).astype(np.float32)
    frames[1] = 80  # no color says anything
    logits = rng.normal(0, 2, (2, 9, 12, 4)).astype(np.float32)
    logits[0, ..., 3] = losses.ABSENT_LOGIT
    return logits, frames


def test_logits_are_refined_frame_by_frame():
    logits, frames = drawn()
    found = forward.guided_logits(tf.constant(logits), tf.constant(frames)).numpy()
    for one, frame, refined in zip(logits, frames, found):
        expected = guided_filter.refine(tf.constant(one), tf.constant(frame)).numpy()
        there = one.max(axis=(0, 1)) > losses.ABSENT_LOGIT
        np.testing.assert_allclose(refined[..., there], expected[..., there], atol=1e-5)
        assert (refined[..., ~there] == losses.ABSENT_LOGIT).all()


def test_gradients_are_finite_and_those_of_differences():
    logits, frames = drawn()
    labels = np.random.default_rng(2).integers(0, 3, (2, 33, 45)).astype(np.int32)

    def loss(values):
        refined = forward.guided_logits(values, tf.constant(frames))
        return tf.reduce_sum(losses.hard_pixel_cross_entropy(refined, labels, 1.0))

    values = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(values)
        total = loss(values)
    gradient = tape.gradient(total, values).numpy()
    assert np.isfinite(gradient).all() and (gradient[0, ..., 3] == 0).all()
    way = np.random.default_rng(3).normal(size=logits.shape).astype(np.float32)
    way[0, ..., 3] = 0
    for frame in (0, 1):
        step = np.zeros_like(way)
        step[frame] = 3e-3 * way[frame]
        slope = (loss(values + step) - loss(values - step)).numpy() / 2
        np.testing.assert_allclose(np.sum(gradient * step), slope, rtol=0.05, atol=1e-6)


def test_the_loss_of_clips_is_a_mean_of_both_outlines():
    logits, frames = drawn()
    labels = np.random.default_rng(2).integers(0, 3, (2, 3, 33, 45)).astype(np.int32)
    images = np.random.default_rng(3).uniform(0, 255, (2, 3, 33, 45, 3)).astype(np.float32)
    images[:, 2] = frames
    refined = forward.guided_logits(tf.constant(logits), tf.constant(frames))
    plain, guided = (
        losses.hard_pixel_cross_entropy(one, labels[:, 2], 0.5).numpy() for one in (logits, refined)
    )
    for share in (0.0, 0.3, 1.0):
        found = clip_loss.frame_losses(logits[:, np.newaxis], images, labels, 0.5, share)
        np.testing.assert_allclose(found, (1 - share) * plain + share * guided, rtol=1e-5)
    assert not np.allclose(plain, guided)


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_other_shares_are_named(share, small_params):
    with pytest.raises(InputError, match="task.losses.guided_share"):
        small_params(f"task: {{losses: {{guided_share: {share}}}}}")


def test_published_loss_has_none():
    assert Losses().guided_share == 0.0
