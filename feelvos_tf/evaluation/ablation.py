"""The paper's ablation: the same evaluation with parts of the network's input left out.

A row can be evaluated in two ways, and they do not measure the same thing:

- with a network trained in the row's form, as in the paper: what the part is worth when the rest
  may learn to do without it;
- with one network trained in full, whose head is fed "no match" (distance 1) or an empty mask in
  place of the part: how much that network leans on it. The head has weights for these inputs and
  was never trained to miss them, so the loss is larger than that of retraining, as a rule much
  larger. Such rows are marked "fed neutral values" and must not be held against the paper's.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from feelvos_tf.checkpoint_file import identity
from feelvos_tf.checkpoints import load_model
from feelvos_tf.config import ABLATION_ROWS, AblationRow, ModelConfig
from feelvos_tf.errors import InputError
from feelvos_tf.evaluation import reports
from feelvos_tf.evaluation.datasets import (
    Outcome,
    Task,
    evaluate_method,
)
from feelvos_tf.evaluation.results_folder import PROGRAM
from feelvos_tf.files import replaced_when_done, write_json
from feelvos_tf.modeling.feelvos import Feelvos
from feelvos_tf.modeling.layers import register
from feelvos_tf.ops import matching
from feelvos_tf.output_folder import OutputFolder
from feelvos_tf.streaming.segmenter import VideoSegmenter
from feelvos_tf.streaming_settings import AS_PUBLISHED


@register
class NeutralInputs(Feelvos):
    """A trained network that is fed neutral values where a row leaves something out.

    It shares the trained network's layers and has no variables of its own.

    Args:
      trained: the network.
      config: its config with a row's switches; what it has, the trained network must have.

    Raises:
      InputError: the row needs what the trained network was built without.
    """

    def __init__(self, trained: Feelvos, config: ModelConfig) -> None:
        tf.keras.Model.__init__(self, name="feelvos_neutral_inputs")
        lacking = [
            what
            for what, needed, there in (
                (
                    "matching with the first frame",
                    config.first_frame_matching,
                    trained.config.first_frame_matching,
                ),
                (
                    "matching with the previous frame",
                    config.previous_frame_matching != "none",
                    trained.config.previous_frame_matching != "none",
                ),
                (
                    "the previous mask",
                    config.previous_mask != "none",
                    trained.config.previous_mask != "none",
                ),
            )
            if needed and not there
        ]
        if lacking:
            raise InputError(
                f"the checkpoint was trained without {lacking[0]}, which this row of "
                "the ablation needs; give one trained for the row"
            )
        self.config = config
        self.deeplab, self.embedding, self.head = trained.deeplab, trained.embedding, trained.head
        self._trained = trained
        self.built = trained.built  # there is nothing else to build

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values; the trained network by its own."""
        return {"trained": self._trained.get_config(), "config": self.config.to_dict()}

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> NeutralInputs:
        """The opposite of `get_config`, around a trained network of its own."""
        trained = Feelvos.from_config(config["trained"])
        return cls(trained, ModelConfig.from_dict(config["config"]))

    def segment(
        self,
        features: tf.Tensor,
        global_distance: tf.Tensor | None,
        previous_mask: tf.Tensor | None,
        previous_distance: tf.Tensor | None,
        num_objects: int | tf.Tensor,
    ) -> tf.Tensor:
        """As `Feelvos.segment`, with "no match" and empty masks for what the row leaves out."""
        shape = tf.concat([tf.shape(features)[:2], [num_objects]], axis=0)
        if not self.config.first_frame_matching:
            no_match = matching.as_features(float("inf"), self.config.normalized_distances)
            global_distance = tf.fill(shape, no_match)
        if self.config.previous_mask == "none":
            previous_mask = tf.zeros(shape)
        if self.config.previous_frame_matching == "none":
            previous_distance = tf.ones(shape)
        return self._trained.segment(
            features, global_distance, previous_mask, previous_distance, num_objects
        )


def run_ablation(
    task: Task,
    checkpoint: str | os.PathLike[str] | None,
    trained: Mapping[str, str],
    output: str | os.PathLike[str],
    *,
    network: Mapping[str, Any] | None = None,
    rerun: bool = False,
    pictures: bool = False,
    say: Callable[[str], None] = print,
) -> dict[str, Outcome]:
    """Evaluates all six rows and writes one table of them.

    Each row has its own folder OUTPUT/ROW as `evaluate_method` fills it, so a stopped ablation
    goes on where it was. The table is in OUTPUT/ablation-SPLIT.md, .csv and .json.

    Args:
      task: from `read_task`.
      checkpoint: file of a network for the rows that have none of their own; None where all have.
      trained: name of a row -> file of the network trained for it.
      output: folder.
      network: output_stride and atrous_rates to run at, see `load_model`; by default the files'.
      rerun: run finished sequences again.
      pictures: draw plots for each row.
      say: takes a line of progress.

    Returns:
      The Outcome by row.

    Raises:
      InputError: an unknown row, a row without a network, or a network of another form.
    """
    names = [row.name for row in ABLATION_ROWS]
    unknown = [name for name in trained if name not in names]
    if unknown:
        raise InputError(f"ablation has no row {unknown[0]!r}, expected {', '.join(names)}")
    paths: dict[AblationRow, str | os.PathLike[str]] = {}
    for row in ABLATION_ROWS:
        path = trained.get(row.name, checkpoint)
        if path is None:
            raise InputError(
                f"row {row.name} of the ablation has no checkpoint; give one for it or "
                "one of the full network for all"
            )
        paths[row] = path
    # All of them before the first run, so that a wrong file is told before hours of work.
    network = dict(network or {})
    files = dict.fromkeys(map(str, paths.values()))
    loaded = {path: load_model(path, **network) for path in files}
    models = {
        row: _row_network(row, path, loaded[str(path)], row.name in trained)
        for row, path in paths.items()
    }
    outcomes = {}
    with OutputFolder(output, PROGRAM) as opened:
        opened.check(table_names(task.split))
        opened.record(table_names(task.split))
        for row, path in paths.items():
            say(f"ablation: {row.name} with {path}")
            outcomes[row.name] = evaluate_method(
                task,
                functools.partial(VideoSegmenter, models[row], **AS_PUBLISHED._asdict()),
                {"ablation": row.name, **identity(path), **network},
                Path(output) / row.name,
                rerun=rerun,
                pictures=pictures,
                say=say,
            )
        forms = {
            row.name: "fed neutral values" if isinstance(model, NeutralInputs) else "trained so"
            for row, model in models.items()
        }
        _write_table(Path(output), task.split, outcomes, forms)
    return outcomes


def table_names(split: str) -> tuple[str, str, str]:
    """Names of the files of the whole ablation: text, CSV, JSON."""
    return f"ablation-{split}.md", f"ablation-{split}.csv", f"ablation-{split}.json"


def _row_network(
    row: AblationRow, path: str | os.PathLike[str], model: Feelvos, own: bool
) -> Feelvos:
    """The network that plays a row: the model itself where it fits, else fed neutral values."""
    if row.fits(model.config):
        return model
    if own:
        raise InputError(
            f"{path}: was not trained as row {row.name} of the ablation; its "
            f"switches are {_switches(model.config)}"
        )
    return NeutralInputs(model, row.config(model.config))


def _switches(config: ModelConfig) -> str:
    return (
        f"first_frame_matching={config.first_frame_matching}, previous_frame_matching="
        f"{config.previous_frame_matching}, previous_mask={config.previous_mask}"
    )


def _write_table(
    output: Path, split: str, outcomes: Mapping[str, Outcome], forms: Mapping[str, str]
) -> None:
    columns = (
        "Row",
        "First frame",
        "Previous frame",
        "Previous mask",
        "Network",
        "J&F",
        "J",
        "F",
        "Paper (DAVIS 2017 val)",
    )
    rows = []
    for row in ABLATION_ROWS:
        outcome = outcomes[row.name]
        scores = [
            f"{100 * outcome.summary[key]:.1f}" if outcome.summary else "-"
            for key in ("J&F-Mean", "J-Mean", "F-Mean")
        ]
        network = forms[row.name] + (", incomplete" if outcome.failures else "")
        rows.append(
            [
                row.name,
                "global" if row.first_frame_matching else "none",
                row.previous_frame_matching,
                "yes" if row.previous_mask else "no",
                network,
                *scores,
                f"{row.paper:.1f}",
            ]
        )
    text = "\n".join(
        [
            f"# Ablation, split {split}",
            "",
            *reports.table(columns, rows),
            "",
            '"Trained so" is a network trained in the row\'s form, as in the paper. "Fed neutral '
            'values" is the full network with distance 1 (no match) or an empty mask in place of '
            "what the row leaves out; it was never trained to miss it, so these rows show how much "
            "the network leans on a part, not what the part is worth.",
            "",
        ]
    )
    report, table, every_value = (output / name for name in table_names(split))
    with replaced_when_done(report, durable=True) as temporary:
        temporary.write_text(text, encoding="utf-8")
    reports.write_csv(table, columns, rows)
    write_json(
        every_value,
        {
            row.name: {
                "network": forms[row.name],
                "summary": dict(outcomes[row.name].summary),
                "failures": dict(outcomes[row.name].failures),
            }
            for row in ABLATION_ROWS
        },
    )
