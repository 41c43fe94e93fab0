"""Model Garden's own runner, and the dry check."""

import pathlib

import numpy as np
import tensorflow as tf
from official.core import exp_factory, task_factory, train_lib

from feelvos_tf.training import run
from feelvos_tf.training.distances import GAUGE


def test_model_gardens_runner_trains_and_scores_a_registered_experiment(small_settings, tmp_path):
    settings = tmp_path / "settings.yaml"
    settings.write_text(small_settings)
    params = exp_factory.get_exp_config("feelvos_tiny")
    params.override(run.read_params("tiny", [settings]).as_dict())
    params.override({"trainer": {"train_steps": 2, "validation_interval": 2}})
    params.validate()  # as its train_utils.parse_configuration does
    params.lock()
    task = task_factory.get_task(params.task, logging_dir=str(tmp_path / "run"))
    model, _ = train_lib.run_experiment(
        tf.distribute.OneDeviceStrategy("CPU:0"),
        task,
        "train_and_eval",
        params,
        str(tmp_path / "run"),
    )
    assert all(np.isfinite(value).all() for value in model.get_weights())
    assert tf.train.latest_checkpoint(tmp_path / "run").endswith("ckpt-2")
    tags = {
        value.tag: float(tf.make_ndarray(value.tensor))
        for path in pathlib.Path(tmp_path / "run" / "validation").iterdir()
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
    }
    assert 0 <= tags["J_and_F"] <= 1


def test_a_check_needs_neither_data_nor_weights_nor_a_folder(small_params):
    said = []
    params = small_params(
        "task: {allow_random_init: false, accumulation: 2, "
        "train_data: {sources: [{dataset: davis2017, root: ''}]}}"
    )
    trainer = run.run_experiment(params, "check", "", say=said.append)
    text = "\n".join(said)
    for what in (
        "no GPU or TPU: one clip a replica is checked, not 4 in all",
        "drawn clips in the place of the data: no folder for davis2017",
        "random weights in the place of init_checkpoint: task.init_checkpoint is empty",
        "devices: CPU:0",
        "effective batch: 1 clips of 3 frames on 1 replica",
        "parameters:",
        "clips a second",
        "memory: process",
    ):
        assert what in text
    assert int(trainer.global_step.numpy()) == 2
    assert GAUGE.replace("_", " ") in text
    assert params.task.accumulation == 2  # the caller's settings are as they were
