"""A dry check of an experiment: one step, traced, compiled and timed, on whatever machine."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable

import tensorflow as tf
from official.core import config_definitions as cfg
from official.core import task_factory, train_utils

from feelvos_tf import process_memory
from feelvos_tf.errors import InputError
from feelvos_tf.training import configs, devices, schedules
from feelvos_tf.training.run_report import describe
from feelvos_tf.training.task import FeelvosTrainingTask
from feelvos_tf.training.trainer import Trainer

_CLIPS = 2  # drawn in the place of a dataset


def check_step(
    params: cfg.ExperimentConfig, strategy: tf.distribute.Strategy, say: Callable[[str], None]
) -> Trainer:
    """Runs two steps of an experiment in a folder that is thrown away, and says what they took.

    Where data or weights to start from are missing it says so and takes drawn clips and random
    weights. Without a GPU or TPU a replica gets one clip, as a whole batch may not fit.

    Args:
      params: from `run.read_params`; changed in a copy.
      strategy: what to compute on.
      say: takes a line to tell.

    Returns:
      the trainer, after the steps.

    Raises:
      InputError: settings cannot be used, or the loss is not finite.
    """
    params = schedules.resolved(params)
    replicas, config = strategy.num_replicas_in_sync, params.task
    devices.check_batch(config, replicas)
    kinds = {tf.DeviceSpec.from_string(n).device_type for n in strategy.extended.worker_devices}
    clips = config.train_data.global_batch_size
    if kinds <= {"CPU"} and clips > replicas:
        config.train_data.global_batch_size, config.accumulation = replicas, 1
        say(f"no GPU or TPU: one clip a replica is checked, not {clips} in all")
    with tempfile.TemporaryDirectory() as folder:
        task = _open(params, folder, say)
        with strategy.scope():
            tf.keras.utils.set_random_seed(config.train_data.seed)
            model = task.build_model()
            _initialize(task, model, say)
            trainer = Trainer(
                params, task, model, train_utils.create_optimizer(task, params), evaluate=False
            )
        for line in [*devices.describe_devices(strategy), *describe(task, model, replicas)]:
            say(line)
        with strategy.scope():
            first, _ = _step(trainer)
            process_memory.reset_peak()
            second, logs = _step(trainer)
    rate = config.train_data.global_batch_size / second
    say(f"first step, traced and compiled: {first:.1f} s")
    say(f"a step: {second:.2f} s, {rate:.2f} clips a second")
    say(f"memory: {_memory(strategy)}")
    loss = float(logs["training_loss"])
    say(f"loss {loss:.4g}, median distance {float(logs['median_distance']):.4g}")
    return trainer


def _open(
    params: cfg.ExperimentConfig, folder: str, say: Callable[[str], None]
) -> FeelvosTrainingTask:
    """The task with its data open, or drawn clips where they are missing."""
    data = params.task.train_data
    for source in data.sources:
        if source.dataset == configs.SYNTHETIC and not source.root:
            source.synthetic.count = _CLIPS  # their number takes time, and changes no step
    task = task_factory.get_task(params.task, logging_dir=folder)
    try:
        task.open_data(train=True, evaluate=False)
        return task
    except InputError as error:
        say(f"drawn clips in the place of the data: {error}")
    height, width = data.crop_size
    drawn = configs.SyntheticClips(
        count=_CLIPS, num_frames=max(data.num_frames, 4), height=height, width=width, max_objects=2
    )
    data.sources = [configs.Source(dataset=configs.SYNTHETIC, synthetic=drawn)]
    task = task_factory.get_task(params.task, logging_dir=folder)
    task.open_data(train=True, evaluate=False)
    return task


def _initialize(
    task: FeelvosTrainingTask, model: tf.keras.Model, say: Callable[[str], None]
) -> None:
    try:
        task.initialize(model)
    except InputError as error:
        say(f"random weights in the place of init_checkpoint: {error}")


def _step(trainer: Trainer) -> tuple[float, dict[str, tf.Tensor]]:
    """Seconds of one step, the results of its loop."""
    begin = time.monotonic()
    logs = trainer.train(tf.constant(1, tf.int32))
    return time.monotonic() - begin, logs


def _memory(strategy: tf.distribute.Strategy) -> str:
    peaks = []
    for name in strategy.extended.worker_devices:
        device = tf.DeviceSpec.from_string(name)
        if device.device_type == "GPU":
            label = f"GPU:{device.device_index or 0}"
            peak = tf.config.experimental.get_memory_info(label)["peak"]
            peaks.append(f"{label} {peak / 1024**2:.0f} MB at most")
    peaks.append(f"process {process_memory.peak_mb():.0f} MB at most")
    return ", ".join(peaks)
