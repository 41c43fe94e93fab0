"""What a run says at its start, and where an earlier one has come to."""

from __future__ import annotations

import os

import tensorflow as tf

from feelvos_tf.training import inputs
from feelvos_tf.training.task import FeelvosTrainingTask


def describe(task: FeelvosTrainingTask, model: tf.Module, replicas: int) -> list[str]:
    """What a person should know at the start, a line each.

    Args:
      task: the task, whose data are open.
      model: its network.
      replicas: devices that share a step.
    """
    config, network = task.task_config, task.task_config.model
    data = config.train_data
    number = inputs.count_triplets(task.sources, data.num_frames)
    trained = sum(v.shape.num_elements() for v in model.trainable_variables)
    every = sum(v.shape.num_elements() for v in model.variables)
    rates = ", ".join(str(rate) for rate in network.atrous_rates)
    clips = data.global_batch_size // (replicas * config.accumulation)
    parts = f", {clips} at a time" if config.accumulation > 1 else ""
    rates = f"atrous rates {rates}" if rates else "no atrous rates"
    return [
        f"effective batch: {data.global_batch_size} clips of {data.num_frames} frames on "
        f"{replicas} {'replica' if replicas == 1 else 'replicas'}{parts}",
        f"crop: {data.crop_size[0]}x{data.crop_size[1]}, output stride "
        f"{network.output_stride} with {rates}, matching at stride 4",
        f"triplets: {number} in "
        + ", ".join(f"{len(s.lengths)} videos of {s.name}" for s in task.sources),
        f"parameters: {every}, of which {trained} are trained; backbone {network.backbone}",
        f"initialized: {task.initialized}",
    ]


def latest_position(model_dir: str) -> list[int]:
    """Where the data of a run's newest checkpoint goes on; empty where there is none."""
    path = tf.train.latest_checkpoint(model_dir) if os.path.isdir(model_dir) else None
    if path is None:
        return []
    reader = tf.train.load_checkpoint(path)
    key = "data_position/.ATTRIBUTES/VARIABLE_VALUE"
    if not reader.has_tensor(key):
        return []
    return [int(i) for i in reader.get_tensor(key)]
