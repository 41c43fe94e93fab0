"""A batch in parts is the batch; a batch on several devices as well; weights that must be there."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from feelvos_tf.checkpoints import named_variables
from feelvos_tf.errors import InputError
from feelvos_tf.training import initialization, run, schedules
from feelvos_tf.training.task import FeelvosTrainingTask

HERE = pathlib.Path(__file__).parent


def noise(count):
    """Clips of noise with two or one objects: on flat areas rounding would pick the nearest."""
    rng = np.random.RandomState(3)
    labels = np.zeros([count, 3, 33, 49], np.int32)
    labels[:, :, 8:20, 10:30] = 1
    labels[::2, :, 20:30, 30:45] = 2
    return {
        "images": tf.constant(rng.uniform(0, 255, [count, 3, 33, 49, 3]), tf.float32),
        "labels": tf.constant(labels),
        "valid": tf.constant([[True, True, number % 2 == 0] for number in range(count)]),
        "index": tf.range(count, dtype=tf.int64),
    }


def gradients(params, batch, kind="plain"):
    """Loss, its parts and gradients by name, from the same weights each time."""
    params = schedules.resolved(params)
    task = FeelvosTrainingTask(params.task)
    tf.keras.utils.set_random_seed(0)
    model = task.build_model()
    for unit in model.submodules:
        if isinstance(unit, tf.keras.layers.BatchNormalization):
            unit.momentum = 0.0
    model.embed(tf.reshape(batch["images"], [-1, 33, 49, 3]), training=True)
    optimizer = task.create_optimizer(params.trainer.optimizer_config, params.runtime)

    @tf.function(autograph=False)
    def compute(batch):
        return task.compute_gradients(model, optimizer, batch, tf.constant(3, tf.int64))

    total, parts, found = compute(batch)
    ids = {id(v): name for name, v in named_variables(model).items()}
    names = [ids[id(v)] for v in model.trainable_variables]
    return float(total), parts, {n: g.numpy() for n, g in zip(names, found) if g is not None}


@pytest.mark.parametrize("loss", ["cross_entropy", "triplet"])
def test_parts_add_up_to_the_batch(small_params, loss):
    settings = (
        "task: {{accumulation: {}, aspp_dropout: 0.1, max_reference_pixels: 20, "
        "train_data: {{global_batch_size: 4}}, losses: {{kind: {}}}}}"
    )
    batch = noise(4)
    whole = gradients(small_params(settings.format(1, loss)), batch)
    parts = gradients(small_params(settings.format(2, loss)), batch)
    assert parts[0] == pytest.approx(whole[0], rel=1e-5)
    for name, value in whole[1].items():
        assert float(parts[1][name]) == pytest.approx(float(value), rel=1e-5), name
    assert set(parts[2]) == set(whole[2])
    largest = max(np.linalg.norm(gradient) for gradient in whole[2].values())
    for name, gradient in whole[2].items():
        difference = np.linalg.norm(parts[2][name] - gradient)
        assert difference < 1e-5 * (np.linalg.norm(gradient) + 0.1 * largest), name


def test_the_loss_keeps_its_scale_with_the_batch(small_params):
    """Twice the same clips: twice the sum, as many clips, the same loss."""
    one = noise(2)
    two = {key: tf.concat([value, value], axis=0) for key, value in one.items()}
    settings = "task: {{train_data: {{global_batch_size: {}}}}}"
    losses = [
        float(gradients(small_params(settings.format(n)), batch)[1]["cross_entropy"])
        for n, batch in ((2, one), (4, two))
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5) and losses[0] > 0


def test_random_weights_under_a_frozen_batch_norm_are_refused(small_params, tmp_path):
    params = small_params("task: {allow_random_init: false}")
    with pytest.raises(InputError, match="init_checkpoint is empty.*allow_random_init"):
        run.run_experiment(params, "train", str(tmp_path / "run"), say=str)
    assert not (tmp_path / "run").exists()
    with pytest.raises(InputError, match="init_checkpoint is empty"):
        FeelvosTrainingTask(params.task).initialize(tf.Module())
    for allowed in ("allow_random_init: true", "train_batch_norm: true", "init_checkpoint: a.npz"):
        text = f"task: {{allow_random_init: false, {allowed}}}"
        text = text.replace("allow_random_init: false, allow", "allow")
        initialization.require_weights(small_params(text).task)
    with pytest.raises(InputError):
        initialization.require_weights(run.read_params("paper_davis17").task)


@pytest.mark.slow
def test_a_batch_of_six_is_the_same_on_one_two_and_six_devices(small_settings, tmp_path):
    """Ten steps: in parts on one device, in parts on two, a clip each on six."""
    curves = []
    for kind, parts in (("one", 1), ("one", 6), ("two", 3), ("six", 1)):
        settings, folder = tmp_path / f"{kind}{parts}.yaml", tmp_path / f"{kind}{parts}"
        text = small_settings.replace("global_batch_size: 4", "global_batch_size: 6")
        text = text.replace(
            "train_batch_norm: false", f"accumulation: {parts}\n  train_batch_norm: false"
        )
        text = text.replace(
            "steps: 4, steps_per_loop: 2, summary_interval: 2",
            "steps: 10, steps_per_loop: 1, summary_interval: 1",
        )
        settings.write_text(text)
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")]),
            "TF_USE_LEGACY_KERAS": "1",
            "CUDA_VISIBLE_DEVICES": "",
        }
        command = [
            sys.executable,
            str(HERE / "distributed_run.py"),
            kind,
            str(settings),
            str(folder),
        ]
        # On a machine that others keep busy a process may get a tenth of its time.
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=3600
        )
        assert done.returncode == 0, done.stderr[-3000:]
        curve = {
            event.step: float(tf.make_ndarray(value.tensor))
            for path in (folder / "train").iterdir()
            for event in tf.compat.v1.train.summary_iterator(str(path))
            for value in event.summary.value
            if value.tag == "training_loss"
        }
        assert sorted(curve) == list(range(1, 11))
        curves.append([curve[step] for step in sorted(curve)])
    for curve in curves[1:]:
        np.testing.assert_allclose(curve, curves[0], rtol=1e-4)
