"""Whole runs of a network that is as small as one can be."""

import glob
import json
import os
import pathlib
import random
import resource
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
import yaml

from feelvos_tf import VideoSegmenter, load_model
from feelvos_tf.errors import InputError
from feelvos_tf.file_lock import taken
from feelvos_tf.training import run
from feelvos_tf.training.trainer import BEST_MODEL, Trainer

HERE = pathlib.Path(__file__).parent
STEPS = 20
LONG = f"""
trainer:
  train_steps: {STEPS}
  steps_per_loop: 1
  summary_interval: 1
  checkpoint_interval: 5
  optimizer_config:
    learning_rate: {{type: constant, constant: {{learning_rate: 0.01}}}}
    warmup: {{type: null}}
task: {{aspp_dropout: 0.1, max_reference_pixels: 20}}
"""


def loss_curve(model_dir):
    """Loss by step, from the run's summaries; the last one said of a step counts."""
    curve = {}
    for path in sorted(glob.glob(f"{model_dir}/train/*"), key=os.path.getmtime):
        for event in tf.compat.v1.train.summary_iterator(path):
            for value in event.summary.value:
                if value.tag == "training_loss":
                    curve[event.step] = float(tf.make_ndarray(value.tensor))
    return curve


@pytest.fixture(scope="module")
def settings(small_settings, tmp_path_factory):
    """A file with the settings of the long run."""
    values = yaml.safe_load(small_settings)
    for part, more in yaml.safe_load(LONG).items():
        values[part].update(more)
    path = tmp_path_factory.mktemp("settings") / "long.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.fixture(scope="module")
def uninterrupted(settings, tmp_path_factory):
    """Folder of a run on one device, and what it said."""
    folder, said = tmp_path_factory.mktemp("one"), []
    run.run_experiment(run.read_params("tiny", [settings]), "train", str(folder), say=said.append)
    return folder, said


def start(kind, settings, folder, *mode, **environment):
    paths = os.pathsep.join([str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, str(HERE / "distributed_run.py"), kind, str(settings), str(folder), *mode],
        env={
            **os.environ,
            "PYTHONPATH": paths,
            "TF_USE_LEGACY_KERAS": "1",
            "CUDA_VISIBLE_DEVICES": "",
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process):
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output[-3000:]


def same_curve(folder, expected, tolerance):
    curve = loss_curve(folder)
    assert sorted(curve) == sorted(expected) == list(range(1, STEPS + 1))
    np.testing.assert_allclose(
        [curve[s] for s in sorted(curve)], [expected[s] for s in sorted(expected)], rtol=tolerance
    )


def test_the_start_says_what_will_happen(uninterrupted):
    folder, said = uninterrupted
    text = "\n".join(said)
    for what in (
        "effective batch: 4 clips of 3 frames on 1 replica",
        "crop: 33x49",
        "output stride 16",
        "triplets: 80 in 4 videos",
        "parameters:",
        "initialized: weights as the released code initializes them",
    ):
        assert what in text
    stored = run.read_params("tiny", [folder / "params.yaml"])
    assert stored.trainer.train_steps == STEPS
    curve = loss_curve(folder)
    assert curve[STEPS] < 0.9 * curve[1]  # or comparing curves would show nothing


def test_the_last_model_runs(uninterrupted):
    model = load_model(uninterrupted[0] / run.LAST_MODEL)
    segmenter = VideoSegmenter(model)
    frame, mask = np.zeros((33, 49, 3), np.uint8), np.zeros((33, 49), np.uint8)
    mask[8:20, 8:20] = 1
    segmenter.reset(frame, mask)
    assert segmenter.step(frame).shape == (33, 49)


@pytest.mark.slow
def test_two_mirrored_devices_give_the_same_curve(uninterrupted, settings, tmp_path):
    finish(start("two", settings, tmp_path))
    same_curve(tmp_path, loss_curve(uninterrupted[0]), 1e-4)


def run_two_workers(settings, folder, *mode):
    sockets = [socket.socket() for _ in range(2)]
    for s in sockets:
        s.bind(("localhost", 0))
    hosts = [f"localhost:{s.getsockname()[1]}" for s in sockets]
    for s in sockets:
        s.close()
    workers = [
        start(
            "worker",
            settings,
            folder,
            *mode,
            TF_CONFIG=json.dumps(
                {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}}
            ),
        )
        for index in range(2)
    ]
    for worker in workers:
        finish(worker)


@pytest.mark.slow
def test_two_workers_give_the_same_curve(uninterrupted, settings, tmp_path):
    run_two_workers(settings, tmp_path)
    same_curve(tmp_path, loss_curve(uninterrupted[0]), 1e-4)


@pytest.mark.slow
def test_two_workers_keep_one_best_model(small_settings, tmp_path):
    values = yaml.safe_load(small_settings)
    settings, folder = tmp_path / "settings.yaml", tmp_path / "run"
    for steps in (2, 4):  # the second time from the checkpoint and the best score of the first
        values["trainer"].update(train_steps=steps, validation_interval=2)
        settings.write_text(yaml.safe_dump(values))
        run_two_workers(settings, folder, "train_and_eval")
    best = json.loads((folder / "best" / "info.json").read_text())
    assert best["best_ckpt_global_step"] in (2, 4) and 0 <= best["J_and_F"] <= 1
    assert load_model(folder / "best" / BEST_MODEL).config.embedding_dim == 8


@pytest.mark.slow
def test_a_killed_run_goes_on_as_if_nothing_had_happened(uninterrupted, settings, tmp_path):
    process = start("one", settings, tmp_path)
    deadline = time.monotonic() + 240
    while not list(tmp_path.glob("ckpt-*.index")) and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[0][-3000:]
        time.sleep(0.05)
    time.sleep(random.uniform(0, 0.4))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    said = []
    run.run_experiment(run.read_params("tiny", [settings]), "train", str(tmp_path), say=said.append)
    assert any("this run's checkpoint of step" in line for line in said)
    same_curve(tmp_path, loss_curve(uninterrupted[0]), 1e-3)


@pytest.fixture
def signals_heard():
    """Ctrl-C as in a terminal: what starts a suite in the background may have it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("signals_heard")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_a_checkpoint_and_the_run_goes_on(
    uninterrupted, settings, tmp_path, monkeypatch, number
):
    class Terminated(KeyboardInterrupt):
        """What the command lines make of SIGTERM."""

    def terminate(*_):
        raise Terminated

    before = [signal.signal(signal.SIGTERM, terminate), signal.getsignal(signal.SIGINT)]
    params, said = run.read_params("tiny", [settings]), []
    end_of_loop = Trainer.train_loop_end
    with monkeypatch.context() as patch:

        def with_signal(trainer):
            if trainer.global_step.numpy() == 7:  # no checkpoint is due
                signal.raise_signal(number)
            return end_of_loop(trainer)

        patch.setattr(Trainer, "train_loop_end", with_signal)
        with pytest.raises(KeyboardInterrupt) as error:
            run.run_experiment(params, "train", str(tmp_path), say=said.append)
    assert error.type is (Terminated if number == signal.SIGTERM else KeyboardInterrupt)
    assert signal.getsignal(signal.SIGTERM) is terminate
    assert signal.getsignal(signal.SIGINT) is before[1]
    signal.signal(signal.SIGTERM, before[0])
    assert tf.train.latest_checkpoint(tmp_path).endswith("ckpt-7")
    assert "stopped after step 7" in said[-1] and "the same command goes on" in said[-1]
    assert not (tmp_path / run.LAST_MODEL).exists()
    if number == signal.SIGINT:
        run.run_experiment(params, "train", str(tmp_path), say=said.append)
        assert any("this run's checkpoint of step 7" in line for line in said)
        same_curve(tmp_path, loss_curve(uninterrupted[0]), 1e-3)


@pytest.mark.usefixtures("signals_heard")
def test_a_signal_in_an_evaluation_keeps_the_weights_of_training(
    small_params, tmp_path, monkeypatch
):
    params = small_params("trainer: {optimizer_config: {ema: {average_decay: 0.5}}}")
    kept, said = {}, []
    begin = Trainer.eval_begin

    def begin_with_signal(trainer):
        kept["weights"] = trainer.model.get_weights()
        begin(trainer)
        kept["averages"] = trainer.model.get_weights()
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Trainer, "eval_begin", begin_with_signal)
    with pytest.raises(KeyboardInterrupt):
        run.run_experiment(params, "train_and_eval", str(tmp_path), say=said.append)
    assert "stopped after step 4" in said[-1] and "ckpt-4" in said[-1]
    names = [
        name
        for name, _ in tf.train.list_variables(tf.train.latest_checkpoint(tmp_path))
        if name.startswith("model/")
        and name.endswith("VARIABLE_VALUE")
        and ".OPTIMIZER_SLOT" not in name
    ]
    stored = [tf.train.load_variable(str(tmp_path), name) for name in names]

    def total(arrays):
        return sum(float(np.abs(a).sum()) for a in arrays)

    assert len(stored) == len(kept["weights"])
    np.testing.assert_allclose(total(stored), total(kept["weights"]), rtol=1e-7)
    assert abs(total(kept["averages"]) / total(kept["weights"]) - 1) > 1e-6


def test_a_full_disk_leaves_the_last_checkpoint(small_params, tmp_path):
    trainer = run.run_experiment(small_params(), "train", str(tmp_path), say=str)
    manager = tf.train.CheckpointManager(
        trainer.checkpoint, tmp_path, max_to_keep=5, step_counter=trainer.global_step
    )
    latest = manager.latest_checkpoint
    assert latest.endswith("ckpt-4")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(tf.errors.OpError):
            manager.save(checkpoint_number=6)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert tf.train.latest_checkpoint(tmp_path) == latest
    trainer.checkpoint.restore(latest).assert_existing_objects_matched()


def test_a_loss_that_is_no_number_stops_the_run(small_params, tmp_path):
    params = small_params(
        "trainer: {steps_per_loop: 1, summary_interval: 1, checkpoint_interval: 1, "
        "optimizer_config: {warmup: {type: null}, "
        "learning_rate: {type: constant, constant: {learning_rate: 1.0e+30}}}}"
    )
    with pytest.raises(InputError) as error:
        run.run_experiment(params, "train", str(tmp_path), say=str)
    message = str(error.value)
    assert "not finite at step 1" in message and "synthetic/train" in message
    assert "ckpt-1 is as it was" in message
    assert tf.train.latest_checkpoint(tmp_path).endswith("ckpt-1")


@pytest.mark.parametrize(
    "override,message",
    [
        ("task: {train_data: {sources: []}}", "no training data"),
        (
            "task: {train_data: {sources: [{dataset: davis2017, root: ''}]}}",
            "no folder for davis2017",
        ),
        ("task: {init_checkpoint: missing.npz}", "missing.npz"),
    ],
)
def test_what_is_missing_is_named(small_params, tmp_path, override, message):
    with pytest.raises(InputError, match=message) as error:
        run.run_experiment(small_params(override), "train", str(tmp_path), say=str)
    assert "configurable" not in str(error.value)  # gin's words about Model Garden's insides


def test_data_that_cannot_be_read_leave_no_file(small_params, tmp_path):
    params = small_params(
        f"task: {{train_data: {{sources: [{{dataset: davis2017, root: '{tmp_path}'}}]}}}}"
    )
    with pytest.raises(InputError, match="train.txt"):
        run.run_experiment(params, "train", str(tmp_path / "run"), say=str)
    assert not (tmp_path / "run").exists()


def test_a_second_run_in_a_folder_is_told_of_the_first(small_params, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    with taken(folder / run._LOCK, ""):
        with pytest.raises(InputError, match="run: process .* writes to it; .*choose another"):
            run.run_experiment(small_params(), "train", str(folder))
    assert not [path.name for path in folder.iterdir() if path.name != "synthetic"]


def test_evaluation_without_videos_or_checkpoint(small_params, tmp_path):
    with pytest.raises(InputError, match="holds no checkpoint"):
        run.run_experiment(small_params(), "eval", str(tmp_path), say=str)
    with pytest.raises(InputError, match="needs videos to validate on"):
        params = small_params("task: {validation_data: {source: {dataset: davis2016, root: ''}}}")
        run.run_experiment(params, "train_and_eval", str(tmp_path), say=str)
