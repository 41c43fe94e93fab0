"""A training step against the released code's, from ../shared/golden/training_step.

The released code ran with dropout on the ASPP's output (keep 0.9), as it trains, and from a random
state that is not in the reference. So what follows the network is compared exactly, from the
reference's own logits and gradients; the network itself, whose agreement without dropout
test_golden.py shows, within the spread that other draws of the dropout give.
"""

import json
import sys

import numpy as np
import pytest
import tensorflow as tf

pytest.importorskip("official", reason="needs the extra train")

from feelvos_tf import ModelConfig, build_model, checkpoints
from feelvos_tf.training import experiments, forward, losses
from feelvos_tf.training.task import FeelvosTrainingTask

pytestmark = pytest.mark.compat
STEPS = (0, 50_000, 200_000)
DRAWS = 4


@pytest.fixture(scope="module")
def golden(shared):
    folder = shared / "golden" / "training_step"
    sys.path.insert(0, str(shared / "golden"))
    try:
        import weights as original
    finally:
        sys.path.pop(0)
    values = original.weights(folder)
    return (
        json.loads((folder / "spec.json").read_text()),
        dict(np.load(folder / "tensors.npz")),
        values,
    )


@pytest.fixture(scope="module")
def model(golden):
    model = build_model(ModelConfig(window=5))
    checkpoints.assign(model, golden[2], "golden")
    return model


@pytest.fixture(scope="module")
def draws(golden, model):
    """Loss and gradients at each step for several draws of the dropout."""
    tensors = golden[1]
    names = checkpoints.named_variables(model)
    batch = {
        "images": tf.constant(tensors["frames"].reshape(2, 3, 65, 97, 3), tf.float32),
        "labels": tf.constant(tensors["labels"].reshape(2, 3, 65, 97)),
        "valid": tf.constant([[True] * 3, [True, True, False]]),
    }
    params = experiments.paper_davis17()
    params.task.losses.divisor = 1.0
    params.task.bias_gradient_factor = 1.0
    task = FeelvosTrainingTask(params.task)
    optimizer = tf.keras.optimizers.legacy.SGD()

    @tf.function(autograph=False)
    def compute(index, step):
        return task.compute_gradients(model, optimizer, {**batch, "index": index}, step)

    ids = {id(v): name for name, v in names.items()}
    order = [ids[id(v)] for v in model.trainable_variables]
    result = {}
    for step in STEPS:
        result[step] = []
        for draw in range(DRAWS):
            index = tf.constant([2 * draw, 2 * draw + 1], tf.int64)
            _, parts, gradients = compute(index, tf.constant(step, tf.int64))
            result[step].append(
                (
                    float(parts["cross_entropy"]),
                    float(parts["weight_decay"]),
                    {n: float(tf.norm(g)) for n, g in zip(order, gradients)},
                )
            )
    return result


def test_loss_of_the_reference_logits(golden):
    spec, tensors, _ = golden
    for video in range(2):
        labels = tensors["labels"][3 * video + 2][np.newaxis]
        loss = losses.hard_pixel_cross_entropy(
            tensors[f"logits_video{video}"], labels, losses.kept_share(0, 0.15, 100_000)
        )
        np.testing.assert_allclose(loss[0], spec["step_0"]["per_video_loss"][video], rtol=1e-5)


def test_absent_channels_do_not_change_the_loss(golden):
    tensors = golden[1]
    logits, labels = tensors["logits_video1"], tensors["labels"][5][np.newaxis]
    padded = np.pad(logits, [[0, 0]] * 3 + [[0, 4]], constant_values=losses.ABSENT_LOGIT)
    for share in (1.0, 0.15):
        np.testing.assert_allclose(
            losses.hard_pixel_cross_entropy(padded, labels, share),
            losses.hard_pixel_cross_entropy(logits, labels, share),
            rtol=1e-6,
        )


def test_kept_share(golden):
    for step, share in zip(STEPS, (1.0, 0.575, 0.15)):
        np.testing.assert_allclose(losses.kept_share(step, 0.15, 100_000), share, rtol=1e-6)
    assert float(losses.kept_share(0, 0.15, 0)) == pytest.approx(0.15)


def test_regularization_covers_the_same_weights(golden, model):
    spec = golden[0]
    covered = {
        name.split("/kernel/Regularizer")[0] + "/weights" for name in spec["step_0"]["regularized"]
    }
    variables = {name: v for name, v in checkpoints.named_variables(model).items() if v.trainable}
    assert set(variables) == set(spec["trainable"])
    assert {name for name in variables if losses.is_decayed(name)} == covered
    np.testing.assert_allclose(
        losses.weight_decay(variables, spec["weight_decay"]),
        spec["step_0"]["regularization"],
        rtol=1e-5,
    )


@pytest.mark.parametrize("step", STEPS)
def test_loss_within_the_spread_of_dropout(golden, draws, step):
    values = np.array([loss for loss, _, _ in draws[step]])
    expected = golden[0][f"step_{step}"]["cross_entropy"]
    assert values.std() > 0
    assert abs(values.mean() - expected) < 4 * values.std()
    np.testing.assert_allclose(values.mean(), expected, rtol=5e-3)


@pytest.mark.parametrize("step", STEPS)
def test_gradient_norms_within_the_spread_of_dropout(golden, draws, step):
    expected = {n: g["norm"] for n, g in golden[0][f"step_{step}"]["gradients"].items()}
    names = [name for name in expected if name != "logits/semantic/biases"]  # rounding of zero
    logs = np.log([[norms[name] for name in names] for _, _, norms in draws[step]])
    reference = np.log([expected[name] for name in names])
    assert set(expected) == set(draws[step][0][2])
    # Draws move all norms of a part of the network together, so single deviations are wide.
    spread = np.maximum(logs.std(axis=0), logs.std())
    assert np.median(np.abs(reference - logs.mean(axis=0))) < 2 * np.median(logs.std(axis=0))
    assert (np.abs(reference - logs.mean(axis=0)) / spread).max() < 4


def test_one_step_from_the_reference_gradients(golden):
    """The reference's variables moved by another draw's gradients: sizes agree, digits cannot."""
    spec, tensors, values = golden
    names = [key[len("after:") :] for key in tensors if key.startswith("after:")]
    params = experiments.paper_davis17()
    optimizer = FeelvosTrainingTask.create_optimizer(params.trainer.optimizer_config)
    rate = spec["learning_rate"]
    assert float(optimizer.learning_rate(0)) == pytest.approx(rate)
    variables = [tf.Variable(values[name]) for name in names]
    gradients = [tensors[f"grad:{name}"] for name in names]
    optimizer.apply_gradients(list(zip(map(tf.constant, gradients), variables)))
    for name, variable, gradient in zip(names, variables, gradients):
        norm = np.linalg.norm(gradient)
        expected = values[name] - rate * gradient * min(1.0, 5.0 / norm)
        np.testing.assert_allclose(variable, expected, rtol=1e-6, atol=1e-8, err_msg=name)
        if norm > 1e-5:
            moved = np.linalg.norm(tensors[f"after:{name}"] - values[name])
            np.testing.assert_allclose(rate * min(norm, 5.0), moved, rtol=0.2, err_msg=name)


def test_momentum_and_clipping_per_variable():
    params = experiments.paper_davis17()
    optimizer = FeelvosTrainingTask.create_optimizer(params.trainer.optimizer_config)
    large, small = tf.Variable([0.0, 0.0]), tf.Variable([0.0])
    for _ in range(2):
        optimizer.apply_gradients([(tf.constant([30.0, 40.0]), large), (tf.constant([1.0]), small)])
    rate = 0.0007
    np.testing.assert_allclose(large, -rate * 2.9 * np.array([3.0, 4.0]), rtol=1e-4)
    np.testing.assert_allclose(small, [-rate * 2.9], rtol=1e-4)


def test_bias_gradients_are_doubled_and_beta_is_not():
    names = ["logits/semantic/biases", "aspp0/BatchNorm/beta", "aspp0/weights", "x/biases"]
    scaled = losses.scale_bias_gradients([1.0, 1.0, 1.0, None], names, 2.0)
    assert scaled == [2.0, 1.0, 1.0, None]


def test_frozen_batch_norm_trains_gamma_and_beta_alone(golden, model):
    statistics = {
        name: v.numpy()
        for name, v in checkpoints.named_variables(model).items()
        if "moving" in name
    }
    assert not set(statistics) & set(golden[0]["trainable"])
    forward.embed_clips(
        model, tf.random.uniform([1, 3, 33, 33, 3]) * 255, tf.zeros([1, 2], tf.int32), 0.1, False
    )
    for name, value in statistics.items():
        np.testing.assert_array_equal(checkpoints.named_variables(model)[name], value)
