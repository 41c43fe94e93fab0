"""Trains FEELVOS on TensorFlow Model Garden.

A first try on synthetic clips, minutes on two cores:
  feelvos-train --experiment=tiny --mode=train_and_eval --model_dir=runs/tiny

The recipe of the weights that ship, in four parts (data/ as experiments/small/LOG.md tells):
  feelvos-train --experiment=small --mode=train_and_eval --model_dir=runs/small
  feelvos-train --experiment=small_clips --mode=train_and_eval --model_dir=runs/small_clips
  feelvos-train --experiment=small_hard --mode=train_and_eval --model_dir=runs/small_hard
  feelvos-train --experiment=small_whole --mode=train_and_eval --model_dir=runs/small_whole

The published recipe (16 GPUs in the paper): --experiment=paper_davis17, paper_davis17_ytvos, with
--config_file=experiments/paper_1_gpu.yaml, paper_8_gpus.yaml or paper_16_gpus.yaml over it; its
ablation: --experiment=ablation_ROW; the triplet-loss baseline: --experiment=pml.

Weights to start from are a file or a name that feelvos-models lists, fetched at the first time:
  --params_override='task: {init_checkpoint: xception_65_coco, init_parts: backbone}'

Settings are the experiment's, then each --config_file in turn, then --params_override; an unknown
key is an error. --print_config prints what results; a run keeps it in MODEL_DIR/params.yaml.
Ctrl-C or SIGTERM saves a checkpoint at the end of the loop that runs (trainer.steps_per_loop); the
same command goes on from there.
MODEL_DIR/best/best_model.npz and MODEL_DIR/last_model.npz are checkpoints for the other commands.

Losses, scores and pictures of what the network sees are for TensorBoard, also while it runs:
  tensorboard --logdir=MODEL_DIR

What a step takes here, before a long run: --mode=check.
Several devices: --params_override='runtime: {num_gpus: -1}', all there are; several machines:
distribution_strategy multi_worker_mirrored with TF_CONFIG set, or worker_hosts and task_index; a
TPU: --tpu=ADDRESS.
Half precision: runtime.mixed_precision_dtype float16 (with loss_scale dynamic) or bfloat16.
"""

from __future__ import annotations

from absl import app as absl_app
from absl import flags

from feelvos_tf.cli import app
from feelvos_tf.errors import InputError

_EXPERIMENT = flags.DEFINE_string(
    "experiment",
    None,
    "Name of a registered experiment, such as tiny, small, paper_davis17, "
    "paper_davis17_ytvos, pml or ablation_full.",
    required=True,
)
_CONFIG_FILE = flags.DEFINE_multi_string(
    "config_file", [], "YAML file with settings; may be given several times."
)
_PARAMS_OVERRIDE = flags.DEFINE_string(
    "params_override", "", "YAML text, or a YAML file, with settings that win over all others."
)
_MODE = flags.DEFINE_enum(
    "mode",
    "train",
    ["train", "eval", "train_and_eval", "continuous_eval", "check"],
    "train; eval: score the newest checkpoint; train_and_eval: score now and then and keep the "
    "best; continuous_eval: score every checkpoint that another process writes; check: trace, "
    "compile and time one step on this machine, with drawn clips where data are missing.",
)
_MODEL_DIR = flags.DEFINE_string(
    "model_dir", None, "Folder of the run: checkpoints, summaries, results."
)
_PRINT_CONFIG = flags.DEFINE_bool(
    "print_config",
    False,
    "Print all settings as YAML, those of files and overrides over those of "
    "the experiment, and do nothing else.",
)
_TPU = flags.DEFINE_string("tpu", None, "Name or address of a TPU.")


def main(argv: list[str]) -> None:
    """Trains or evaluates as the flags say."""
    del argv
    if not (_MODEL_DIR.value or _PRINT_CONFIG.value or _MODE.value == "check"):
        raise absl_app.UsageError(
            "give --model_dir (or --print_config alone, or --mode=check); see --help"
        )
    try:
        import official  # noqa: F401
    except ImportError as error:
        raise InputError(
            "training needs the Model Garden: pip install 'feelvos_tf[train]'"
        ) from error
    from feelvos_tf.training import run

    params = run.read_params(
        _EXPERIMENT.value, _CONFIG_FILE.value, _PARAMS_OVERRIDE.value, _TPU.value
    )
    if _PRINT_CONFIG.value:
        print(run.as_yaml(params), end="", flush=True)
        return
    folder = _MODEL_DIR.value or ""  # a check needs none
    run.run_experiment(params, _MODE.value, folder, say=lambda s: print(s, flush=True))


def main_cli() -> None:
    """Entry point of the console script."""
    app.run(main)


if __name__ == "__main__":
    main_cli()
