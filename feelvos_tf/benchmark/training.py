"""Where the time of one training step goes, stage by stage."""

from __future__ import annotations

import dataclasses
import pathlib
import tempfile
from collections.abc import Callable, Iterator, Sequence

import tensorflow as tf
from official.core import config_definitions, task_factory, train_utils

from feelvos_tf import process_memory
from feelvos_tf.benchmark import report
from feelvos_tf.benchmark.timing import fastest
from feelvos_tf.data.synthetic import synthetic_clip
from feelvos_tf.training import forward, schedules
from feelvos_tf.training.run import read_params
from feelvos_tf.triplets import stills
from feelvos_tf.triplets.draws import Draws
from feelvos_tf.triplets.label_maps import remap_to_reference

_OBJECTS = 2


@dataclasses.dataclass(frozen=True)
class TrainingStage:
    """One row of the table.

    Attributes:
      crop: side of the square crops.
      stage: what is measured; "step" is the sum of the others.
      milliseconds: the fastest of the repetitions. "features, embeddings", "update" and "step"
        are timed on their own; "matching, heads, loss" is how much longer the whole forward pass
        takes than its first stage, "gradients" what is left of the step.
    """

    crop: int
    stage: str
    milliseconds: float


def run(
    params: config_definitions.ExperimentConfig, crop: int, repetitions: int = 3
) -> Iterator[TrainingStage]:
    """Times the training step of an experiment on one batch that is there already.

    Data are left out: `feelvos-benchmark data` times them, and a run tells the share of its time
    that it waited for them.

    Args:
      params: from `feelvos_tf.training.run.read_params`; neither its data nor its initial weights
        are read.
      crop: side of the square crops.
      repetitions: timed runs of a stage; the fastest counts.

    Yields:
      A TrainingStage, as each is done.
    """
    params = schedules.resolved(params)
    with tempfile.TemporaryDirectory() as folder:
        task = task_factory.get_task(params.task, logging_dir=folder)
    model = task.build_model()
    optimizer = train_utils.create_optimizer(task, params)
    if hasattr(optimizer, "shadow_copy"):  # of averaged weights; the trainer does the same
        optimizer.shadow_copy(model)
    data = params.task.train_data
    batch = _batch(data.global_batch_size, data.num_frames, crop, data.max_objects)
    step = tf.constant(params.trainer.train_steps, tf.int64)

    def embed() -> tf.Tensor:
        seeds = tf.zeros([data.global_batch_size, 2], tf.int32)
        return forward.embed_clips(
            model, batch["images"], seeds, params.task.aspp_dropout, params.task.train_batch_norm
        )[1]

    def loss() -> tf.Tensor:
        return task.compute_loss(model, batch, step)[0]

    gradients = tf.function(task.compute_gradients, autograph=False)(model, optimizer, batch, step)[
        2
    ]
    pairs = [(g, v) for g, v in zip(gradients, model.trainable_variables) if g is not None]

    def update() -> tf.Tensor:
        optimizer.apply_gradients(pairs)
        return optimizer.iterations

    def whole() -> tf.Tensor:
        return task.train_step({**batch, "step": step}, model, optimizer)["loss"]

    def elapsed(function: Callable[[], tf.Tensor]) -> float:
        return fastest(_finished(tf.function(function, autograph=False)), repetitions)

    embedded = elapsed(embed)
    yield TrainingStage(crop, "features, embeddings", embedded)
    forward_pass = elapsed(loss)
    yield TrainingStage(crop, "matching, heads, loss", forward_pass - embedded)
    updated, total = elapsed(update), elapsed(whole)
    yield TrainingStage(crop, "gradients", total - forward_pass - updated)
    yield TrainingStage(crop, "update", updated)
    yield TrainingStage(crop, "step", total)


def _batch(batch_size: int, num_frames: int, crop: int, max_objects: int) -> dict[str, tf.Tensor]:
    """Clips of two objects, as the input pipeline hands them over."""
    images, labels, valid = [], [], []
    for number in range(batch_size):
        clip = synthetic_clip(number, 1, crop, crop, _OBJECTS)
        frames, masks = stills.animate(clip.frames[0], clip.masks[0], num_frames, Draws(0, number))
        remapped, count, _ = remap_to_reference(tf.cast(masks, tf.int32), max_objects, 1)
        images.append(tf.cast(frames, tf.float32))
        labels.append(remapped)
        valid.append(tf.range(max_objects) < count)
    return {
        "images": tf.stack(images),
        "labels": tf.stack(labels),
        "valid": tf.stack(valid),
        "index": tf.range(batch_size, dtype=tf.int64),
    }


def _finished(function: Callable[[], tf.Tensor]) -> Callable[[], object]:
    """The function, which then returns when its results are there."""
    return lambda: [tensor.numpy() for tensor in tf.nest.flatten(function())]


def measure(
    folder: pathlib.Path, experiment: str, crops: Sequence[int], repetitions: int = 3
) -> None:
    """Measures a training step and writes training.md and .json.

    Args:
      folder: where to; made where it is missing.
      experiment: name of a registered experiment.
      crops: sides of the square crops.
      repetitions: timed runs at least.

    Raises:
      InputError: an unknown experiment.
    """
    params = read_params(experiment)
    stages = []
    for crop in crops:
        print(f"{experiment}, {params.task.train_data.global_batch_size} clips of {crop}x{crop}")
        for stage in run(params, crop, repetitions):
            stages.append(stage)
            print(f"  {stage.stage:22} {stage.milliseconds:9.1f} ms", flush=True)
    values = {(s.crop, s.stage): s.milliseconds for s in stages}
    table = report.markdown_table(
        ["ms", *(f"{crop}x{crop}" for crop in crops)],
        [
            [name, *(values[crop, name] for crop in crops)]
            for name in dict.fromkeys(s.stage for s in stages)
        ],
    )
    table += f"\n\npeak memory of the process: {process_memory.peak_mb():.0f} MB"
    print(table)
    report.write(folder, "training", [dataclasses.asdict(s) for s in stages], table)
