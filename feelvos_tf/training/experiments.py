"""The registered experiments: `--experiment=NAME`, or a YAML file of experiments/ on top of one.

`feelvos_paper_davis17` is the published recipe and every other experiment is described by what it
changes in it.
"""

from __future__ import annotations

from official.core import exp_factory

from feelvos_tf.config import ABLATION_ROWS
from feelvos_tf.training.light_recipes import small, small_clips, small_hard, tiny
from feelvos_tf.training.paper_recipes import ablation, paper_davis17, paper_davis17_ytvos, pml

PREFIX = "feelvos_"

EXPERIMENTS = {
    "paper_davis17": paper_davis17,
    "paper_davis17_ytvos": paper_davis17_ytvos,
    "small": small,
    "small_clips": small_clips,
    "small_hard": small_hard,
    "tiny": tiny,
    "pml": pml,
    **{f"ablation_{row.name}": ablation(row) for row in ABLATION_ROWS},
}
for _name, _factory in EXPERIMENTS.items():
    exp_factory.register_config_factory(PREFIX + _name)(_factory)
