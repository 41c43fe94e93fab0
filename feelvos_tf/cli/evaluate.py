"""Scores video object segmentation: J and F as the official DAVIS evaluation defines them.

Run a checkpoint over a split and score it while frames stream by:
  feelvos-evaluate --dataset=davis2017 --dataset_dir=DAVIS --split=val --output=OUT \\
      --checkpoint=model.npz
(without --checkpoint: the weights that come with the package; --checkpoint=feelvos_davis17: the
paper's own network at the settings that the release tests with, see feelvos-models)

As the paper tests, a network that was trained at stride 16 with rates 6,12,18:
  feelvos-evaluate --dataset=davis2017 --dataset_dir=DAVIS --split=val --output=OUT \\
      --checkpoint=runs/paper/last_model.npz --output_stride=8 --atrous_rates=12,24,36 --memory=none
and with several sizes of every frame, also mirrored: --scales=0.75,1,1.25 --flip

Score results that exist, ours or anybody's, laid out as FOLDER/VIDEO/FRAME.png:
  feelvos-evaluate --dataset=davis2016 --dataset_dir=DAVIS --split=val --results=FOLDER --output=OUT

Compare with the first mask copied, or with hard nearest neighbors in the same embedding:
  feelvos-evaluate ... --baseline=first_mask --output=OUT
  feelvos-evaluate ... --baseline=nearest_neighbor --output=OUT

The paper's ablation, six rows, with one network or with those trained for a row:
  feelvos-evaluate ... --ablation --checkpoint=model.npz --output=OUT
  feelvos-evaluate ... --ablation --checkpoint=model.npz \\
      --ablation_checkpoints=no_previous_mask=a.npz,first_frame_only=b.npz --output=OUT

OUT gets global_results-SPLIT.csv and per-sequence_results-SPLIT.csv in the official form,
results-SPLIT.json with every value, report-SPLIT.md, plots/, worst_frames-SPLIT.png and, of a run,
masks/. A run that was stopped goes on where it was when the same command is given again.

The exit code is 0 when every sequence was scored, else 1; a sequence that fails is named and the
others go on. The two CSV files are written for complete evaluations only.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from absl import app as absl_app
from absl import flags

from feelvos_tf.cli import (
    adapt_flags,
    app,
    checkpoint_flag,
    method_flags,
    network_flags,
    roi_flag,
    streaming_flags,
)
from feelvos_tf.errors import InputError
from feelvos_tf.evaluation import datasets, protocols

MAX_WORKERS = 6

_DATASET = flags.DEFINE_enum(
    "dataset",
    None,
    protocols.PROTOCOLS,
    "Layout of the dataset and rules of its benchmark. davis2016: one object, all ids merged. "
    "davis2017: the first frame's objects; both leave the first and last frame out. youtube_vos: "
    "each object after its own first mask, seen and unseen categories apart. folder: your own "
    "videos as JPEGImages/VIDEO/* and Annotations/VIDEO/*, by the rules of youtube_vos.",
    required=True,
)
_DATASET_DIR = flags.DEFINE_string("dataset_dir", None, "Folder of the dataset.", required=True)
_SPLIT = flags.DEFINE_string(
    "split",
    "",
    "Name of the split, such as val; a folder needs none. A split whose masks are "
    "not public is run and packed (--zip) but not scored.",
)
_OUTPUT = flags.DEFINE_string("output", None, "Folder for reports and masks.", required=True)
_CHECKPOINT = checkpoint_flag.CHECKPOINT
for _module in (
    checkpoint_flag,
    streaming_flags,
    network_flags,
    adapt_flags,
    method_flags,
    roi_flag,
):
    flags.adopt_module_key_flags(_module)
_RESULTS = flags.DEFINE_string(
    "results", None, "Score these results, FOLDER/VIDEO/FRAME.png, instead of running anything."
)
_ABLATION = flags.DEFINE_bool(
    "ablation",
    False,
    "Run the six rows of the paper's ablation, each in OUTPUT/ROW, and put "
    "them in ablation-SPLIT.md. A row without a checkpoint of its own feeds the network of "
    "--checkpoint neutral values in place of what the row leaves out, which is not the same as "
    "training without it: such rows are marked.",
)
_ABLATION_CHECKPOINTS = flags.DEFINE_list(
    "ablation_checkpoints",
    [],
    "ROW=FILE,... (or names, as --checkpoint): networks trained for rows of the ablation: full, "
    "previous_global, no_previous_matching, first_frame_only, no_previous_mask, "
    "no_first_frame_matching.",
)
_SAVE_EMBEDDINGS = flags.DEFINE_bool(
    "save_embeddings",
    False,
    "Keep OUTPUT/embeddings/VIDEO/FRAME.npy, float32 [height, width, channels] at stride 4: 10 MB "
    "a frame of 854x480 for 100 channels.",
)
_RERUN = flags.DEFINE_bool("rerun", False, "Run finished sequences again.")
_ZIP = flags.DEFINE_bool(
    "zip", False, "Pack the masks as submission-SPLIT.zip in the layout of the benchmark's server."
)
_PICTURES = flags.DEFINE_bool(
    "pictures", True, "Draw J and F over time, their distribution and the worst frames."
)
_ONLY = flags.DEFINE_string(
    "only", None, "Text file with a video's name on each line: take these videos of the split."
)
_RESOLUTION = flags.DEFINE_enum(
    "resolution", "480p", ["480p", "Full-Resolution"], "Which size of DAVIS to read."
)
_SEEN_CLASSES = flags.DEFINE_string(
    "seen_classes",
    None,
    "Categories of YouTube-VOS that training had: a text file with one a "
    "line, or the training split's meta.json; by default DATASET_DIR/train/meta.json if there.",
)
_WORKERS = flags.DEFINE_integer(
    "workers",
    None,
    f"Processes that score --results; by default one for each core, at most {MAX_WORKERS}.",
    lower_bound=1,
)


def main(argv: list[str]) -> int:
    """Evaluates as the flags say; returns the exit code."""
    del argv
    _check_flags()
    task = datasets.read_task(
        _DATASET.value,
        _DATASET_DIR.value,
        _SPLIT.value,
        only=_ONLY.value,
        resolution=_RESOLUTION.value,
        seen_classes=_SEEN_CLASSES.value,
    )
    if _ABLATION.value:
        from feelvos_tf.evaluation import ablation

        outcomes = ablation.run_ablation(
            task,
            str(checkpoint_flag.chosen()),
            _trained_rows(),
            _OUTPUT.value,
            network=network_flags.chosen(),
            rerun=_RERUN.value,
            pictures=_PICTURES.value,
            say=_say,
        )
        _say(f"table in {os.path.join(_OUTPUT.value, f'ablation-{task.split}.md')}")
        codes = [_conclude(outcome, f"{name}: ") for name, outcome in outcomes.items()]
        return max(codes)
    if _RESULTS.value:
        outcome = datasets.evaluate_results(
            task,
            _RESULTS.value,
            _OUTPUT.value,
            workers=_WORKERS.value or _default_workers(),
            pictures=_PICTURES.value,
            pack=_ZIP.value,
            say=_say,
        )
    else:
        method, make_segmenter = method_flags.chosen(_say)
        outcome = datasets.evaluate_method(
            task,
            make_segmenter,
            method,
            _OUTPUT.value,
            rerun=_RERUN.value,
            save_embeddings=_SAVE_EMBEDDINGS.value,
            pictures=_PICTURES.value,
            pack=_ZIP.value,
            say=_say,
        )
    return _conclude(outcome)


def _check_flags() -> None:
    if _RESULTS.value and (_CHECKPOINT.value or method_flags.BASELINE.value):
        raise absl_app.UsageError(
            "--results scores files; it goes with neither --checkpoint nor --baseline"
        )
    if _ABLATION.value and (_RESULTS.value or method_flags.BASELINE.value or _ZIP.value):
        raise absl_app.UsageError("--ablation goes with none of --results, --baseline, --zip")
    options = (
        streaming_flags.MAX_SIDE.present,
        streaming_flags.MAX_REFERENCE_PIXELS.value,
        streaming_flags.PROBES.present,
        streaming_flags.OUTLINES.present,
        streaming_flags.REACH.present,
        streaming_flags.GRID.present,
        streaming_flags.MEMORY.present,
        roi_flag.chosen(),
        adapt_flags.chosen() is not None,
        method_flags.SCALES.present,
        method_flags.FLIP.value,
        _SAVE_EMBEDDINGS.value,
    )
    if any(options) and (_RESULTS.value or method_flags.BASELINE.value or _ABLATION.value):
        raise absl_app.UsageError(
            "--max_side, --max_reference_pixels, --probes, --outlines, --reach, --grid, --memory, "
            "--roi, --adapt, --scales, --flip and --save_embeddings go with the whole network "
            "only: with none of --results, --baseline, --ablation"
        )
    whole = (streaming_flags.MAX_SIDE.present, _SAVE_EMBEDDINGS.value, adapt_flags.ADAPT.value)
    if any(whole) and (method_flags.SCALES.present or method_flags.FLIP.value):
        raise absl_app.UsageError(
            "--max_side, --adapt and --save_embeddings go with neither --scales nor --flip"
        )
    if roi_flag.chosen() and (
        _SAVE_EMBEDDINGS.value or method_flags.SCALES.present or method_flags.FLIP.value
    ):
        raise absl_app.UsageError(
            "--roi=auto goes with none of --save_embeddings, --scales, --flip: it sees a part of "
            "each frame"
        )
    if network_flags.chosen() and (_RESULTS.value or method_flags.BASELINE.value == "first_mask"):
        raise absl_app.UsageError("--output_stride and --atrous_rates need a network to run")
    if _ABLATION_CHECKPOINTS.value and not _ABLATION.value:
        raise absl_app.UsageError("--ablation_checkpoints needs --ablation")
    if method_flags.BASELINE.value == "first_mask" and _CHECKPOINT.value:
        raise absl_app.UsageError("--baseline=first_mask needs no --checkpoint")


def _trained_rows() -> dict[str, str]:
    rows = {}
    for entry in _ABLATION_CHECKPOINTS.value:
        name, separator, path = entry.partition("=")
        if not separator or not path:
            raise InputError(f"--ablation_checkpoints has {entry!r}, expected ROW=FILE")
        rows[name] = str(checkpoint_flag.resolved(path))
    return rows


def _default_workers() -> int:
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        cores = os.cpu_count() or 1
    return min(cores, MAX_WORKERS)


def _conclude(outcome: datasets.Outcome, prefix: str = "") -> int:
    """Prints the scores, where the reports are, and what failed; returns the exit code."""
    if outcome.summary:
        _say(prefix + ", ".join(f"{key} {100 * v:.1f}" for key, v in outcome.summary.items()))
    for path in outcome.files:
        _say(f"{prefix}wrote {path}")
    _name_failures(outcome.failures, prefix)
    return 1 if outcome.failures else 0


def _name_failures(failures: Mapping[str, str], prefix: str) -> None:
    for name, reason in failures.items():
        print(f"error: {prefix}sequence {name} failed: {reason}", file=sys.stderr)


def _say(line: str) -> None:
    print(line, flush=True)


def main_cli() -> None:
    """Entry point of the console script."""
    app.run(main)


if __name__ == "__main__":
    main_cli()
