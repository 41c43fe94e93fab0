"""Schedules that follow the length of the run: null in the settings, numbers once a run begins."""

from __future__ import annotations

from official.core import config_definitions as cfg
from official.modeling import optimization

from feelvos_tf.errors import InputError


def follow_run(params: cfg.ExperimentConfig) -> cfg.ExperimentConfig:
    """Leaves open what an experiment has from its train_steps, so that other steps take it along.

    Args:
      params: an experiment with numbers, changed in place.

    Returns:
      `params`; decay_steps of the learning rate is null where it was train_steps, and
      task.losses.hard_pixel_steps where it was half of them.
    """
    steps = params.trainer.train_steps
    decay = params.trainer.optimizer_config.learning_rate.get()
    if getattr(decay, "decay_steps", None) == steps:
        decay.decay_steps = None
    if params.task.losses.hard_pixel_steps == steps // 2:
        params.task.losses.hard_pixel_steps = None
    return params


def resolve(params: cfg.ExperimentConfig) -> None:
    """Puts in place what null stands for: train_steps, and half of them for hard pixels.

    And runtime.enable_xla, which is Model Garden's word for task.jit_compile.

    Args:
      params: an experiment that is not locked, changed in place.
    """
    steps = params.trainer.train_steps
    decay = params.trainer.optimizer_config.learning_rate.get()
    if hasattr(decay, "decay_steps") and decay.decay_steps is None:
        decay.decay_steps = steps
    if params.runtime.enable_xla:
        params.task.jit_compile = True
    if params.task.losses.hard_pixel_steps is None:
        params.task.losses.hard_pixel_steps = steps // 2


def resolved(params: cfg.ExperimentConfig) -> cfg.ExperimentConfig:
    """A copy of an experiment that `resolve` has filled in; not locked."""
    copy = params.replace()
    resolve(copy)
    return copy


def check_resolved(config: optimization.OptimizationConfig) -> None:
    """Refuses a schedule without its length.

    Raises:
      InputError: decay_steps is null.
    """
    decay = config.learning_rate.get()
    if hasattr(decay, "decay_steps") and decay.decay_steps is None:
        raise InputError(
            "trainer.optimizer_config.learning_rate: decay_steps is null and stands for "
            "train_steps, which an optimizer does not know; see feelvos_tf.training.schedules"
        )
