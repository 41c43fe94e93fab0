"""The registered experiments: `--experiment=NAME`, or a YAML file of experiments/ on top of one.

`feelvos_paper_davis17` is the published recipe and every other experiment is described by what it
changes in it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from official.core import config_definitions as cfg
from official.core import exp_factory

from feelvos_tf.config import ABLATION_ROWS
from feelvos_tf.training.light_recipes import small, small_clips, small_hard, small_whole, tiny
from feelvos_tf.training.paper_recipes import ablation, paper_davis17, paper_davis17_ytvos, pml
from feelvos_tf.training.schedules import follow_run

PREFIX = "feelvos_"


def _following(recipe: Callable[[], cfg.ExperimentConfig]) -> Callable[[], cfg.ExperimentConfig]:
    """The recipe with schedules that follow the length of the run."""

    @functools.wraps(recipe)
    def experiment() -> cfg.ExperimentConfig:
        return follow_run(recipe())

    return experiment


_RECIPES = {
    "paper_davis17": paper_davis17,
    "paper_davis17_ytvos": paper_davis17_ytvos,
    "small": small,
    "small_clips": small_clips,
    "small_hard": small_hard,
    "small_whole": small_whole,
    "tiny": tiny,
    "pml": pml,
    **{f"ablation_{row.name}": ablation(row) for row in ABLATION_ROWS},
}
EXPERIMENTS = {name: _following(recipe) for name, recipe in _RECIPES.items()}
for _name, _factory in EXPERIMENTS.items():
    exp_factory.register_config_factory(PREFIX + _name)(_factory)
