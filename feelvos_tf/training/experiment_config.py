"""A whole experiment: Model Garden's, with checks of its own, by every way in which it is run."""

from __future__ import annotations

import dataclasses

from official.core import config_definitions as cfg

from feelvos_tf.data.layouts import DATASETS
from feelvos_tf.errors import InputError
from feelvos_tf.training import configs, devices, schedules
from feelvos_tf.triplets.clip_sources import FrameSize


@dataclasses.dataclass
class Experiment(cfg.ExperimentConfig):
    """An experiment with a `configs.FeelvosTask`."""

    def validate(self) -> None:
        """What Model Garden's own binary calls before a run: checks, and fills in what is null.

        `run.read_params` leaves null as it is, so that settings which are printed or kept follow
        other train_steps; `run.run_experiment` fills it in.

        Raises:
          InputError: see `check`.
        """
        super().validate()
        check(self)
        schedules.resolve(self)


def check(params: cfg.ExperimentConfig) -> None:
    """Checks what Model Garden does not.

    Raises:
      InputError: names the first key whose value cannot be used.
    """
    task, trainer = params.task, params.trainer
    devices.check_runtime(params.runtime)
    network = configs.model_config(task.model)
    configs.validation_config(task)
    task.train_data.triplets()
    for key, memory in (
        ("task", task.memory.memory()),
        ("task.validation_data", task.validation_data.memory.memory()),
    ):
        if memory is not None and not network.first_frame_matching:
            raise InputError(f"{key}.memory needs a network with first_frame_matching")
    try:
        task.validation_data.settings()
    except InputError as error:
        raise InputError(f"task.validation_data: {error}") from error
    for key, value, choices in (
        ("task.freeze", task.freeze, configs.FREEZABLE),
        ("task.losses.kind", task.losses.kind, configs.LOSSES),
        ("task.embedding_start", task.embedding_start, configs.EMBEDDING_STARTS),
        ("task.init_parts", task.init_parts, ("all", "deeplab", "backbone")),
    ):
        if value not in choices:
            raise InputError(f"{key} is {value!r}, expected one of {', '.join(choices)}")
    for key, value, low in (
        ("task.train_data.global_batch_size", task.train_data.global_batch_size, 1),
        ("task.accumulation", task.accumulation, 1),
        ("task.max_reference_pixels", task.max_reference_pixels, 1),
        ("task.losses.hard_pixel_steps", task.losses.hard_pixel_steps or 0, 0),
        ("task.image_interval", task.image_interval, 0),
        ("trainer.train_steps", trainer.train_steps, 1),
        ("trainer.steps_per_loop", trainer.steps_per_loop, 1),
        ("trainer.validation_interval", trainer.validation_interval, 1),
    ):
        if value < low:
            raise InputError(f"{key} is {value}, expected at least {low}")
    if trainer.summary_interval % trainer.steps_per_loop:
        raise InputError(
            f"trainer.summary_interval is {trainer.summary_interval}, expected a "
            f"multiple of trainer.steps_per_loop, {trainer.steps_per_loop}"
        )
    if task.losses.divisor is not None and not task.losses.divisor > 0:
        raise InputError(f"task.losses.divisor is {task.losses.divisor}, expected null")
    if not task.embedding_gain > 0:
        raise InputError(f"task.embedding_gain is {task.embedding_gain}, expected above 0")
    if not 0 <= task.aspp_dropout < 1:
        raise InputError(f"task.aspp_dropout is {task.aspp_dropout}, expected 0 to below 1")
    if not 0 <= task.losses.guided_share <= 1:
        raise InputError(f"task.losses.guided_share is {task.losses.guided_share}, expected 0 to 1")
    if not 0 < task.losses.hard_pixel_share <= 1 or not task.losses.clips_per_replica > 0:
        raise InputError(
            "task.losses: expected hard_pixel_share in 0..1 and clips_per_replica above 0, "
            f"found {task.losses.hard_pixel_share} and {task.losses.clips_per_replica}"
        )
    for source in [*task.train_data.sources, task.validation_data.source]:
        if source.dataset not in (*DATASETS, configs.SYNTHETIC):
            raise InputError(
                f"dataset {source.dataset!r} is unknown, expected one of "
                f"{', '.join((*DATASETS, configs.SYNTHETIC))}"
            )
        FrameSize.of(source.dataset, source.resize_min, source.scale_range)
