"""The published recipe, its ablation and its baseline, as Model Garden experiments.

Sources: the paper, section 4; tensorflow/models research/feelvos/train.py and train.sh (the
comment, not the command line: that one trains on crops of 300 and a batch of 1).
"""

from __future__ import annotations

from collections.abc import Callable

from official.core import config_definitions as cfg
from official.modeling import optimization

from feelvos_tf.config import AblationRow
from feelvos_tf.presets import RELEASE_CONFIG
from feelvos_tf.training.configs import (
    FeelvosTask,
    Network,
    Source,
    TrainData,
    ValidationData,
    ValidationNetwork,
)
from feelvos_tf.training.experiment_config import Experiment

_PAPER_STEPS = 200_000


def _optimization(learning_rate: float, steps: int) -> optimization.OptimizationConfig:
    """SGD with momentum 0.9, poly schedule, each variable's gradient clipped to norm 5."""
    return optimization.OptimizationConfig(
        {
            "optimizer": {"type": "sgd", "sgd": {"momentum": 0.9, "clipnorm": 5.0}},
            "learning_rate": {
                "type": "polynomial",
                "polynomial": {
                    "initial_learning_rate": learning_rate,
                    "decay_steps": steps,
                    "end_learning_rate": 0.0,
                    "power": 0.9,
                },
            },
        }
    )


def paper_davis17() -> cfg.ExperimentConfig:
    """Xception-65 on DAVIS 2017 alone, as published: 69.1 J&F on its validation set.

    The released code ran 8 workers of 2 GPUs that update asynchronously, each with 6 clips; a step
    is one worker's update. Here a step is the same update, however many devices share it.
    """
    task = FeelvosTask(
        model=Network(backbone="xception_65"),
        train_data=TrainData(sources=[Source()], global_batch_size=6),
        validation_data=ValidationData(
            model=ValidationNetwork(
                output_stride=RELEASE_CONFIG.output_stride,
                atrous_rates=list(RELEASE_CONFIG.atrous_rates),
            )
        ),
    )
    task.init_parts = "backbone"
    task.image_interval = 1000
    trainer = cfg.TrainerConfig(
        train_steps=_PAPER_STEPS,
        steps_per_loop=100,
        summary_interval=100,
        checkpoint_interval=1000,
        validation_interval=10_000,
        eval_tf_function=False,
        optimizer_config=_optimization(0.0007, _PAPER_STEPS),
        best_checkpoint_export_subdir="best",
        best_checkpoint_eval_metric="J_and_F",
        # The trainer stops by itself at the step that gave a loss that is no number.
        recovery_max_trials=-1,
    )
    return Experiment(
        task=task, trainer=trainer, runtime=cfg.RuntimeConfig(distribution_strategy="mirrored")
    )


def paper_davis17_ytvos() -> cfg.ExperimentConfig:
    """The same on DAVIS 2017 and YouTube-VOS, half of the triplets each: 71.5 J&F."""
    params = paper_davis17()
    params.task.train_data.sources = [Source(), Source(dataset="youtube_vos")]
    return params


def pml() -> cfg.ExperimentConfig:
    """The embedding alone, by triplet loss, assigned by hard nearest neighbors (PML)."""
    params = paper_davis17()
    params.task.losses.kind = "triplet"
    return params


def ablation(row: AblationRow) -> Callable[[], cfg.ExperimentConfig]:
    """Returns the maker of one row of the ablation, with a docstring of its own."""

    def experiment() -> cfg.ExperimentConfig:
        params = paper_davis17()
        params.task.model.override(
            {
                "first_frame_matching": row.first_frame_matching,
                "previous_frame_matching": row.previous_frame_matching,
                "previous_mask": "labels" if row.previous_mask else "none",
            }
        )
        return params

    experiment.__doc__ = f"Row {row.name} of the paper's ablation: {row.paper} J&F."
    return experiment
