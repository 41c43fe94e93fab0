"""Runs an experiment: strategy, task, trainer, reporting and saved files."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator

import tensorflow as tf
import yaml
from official.core import config_definitions as cfg
from official.core import task_factory, train_lib, train_utils
from official.modeling import performance

from feelvos_tf import settings
from feelvos_tf.checkpoints import save_model
from feelvos_tf.errors import InputError
from feelvos_tf.file_lock import taken
from feelvos_tf.training import devices, experiments, initialization, inputs, overrides, schedules
from feelvos_tf.training.experiment_config import check
from feelvos_tf.training.run_report import describe, latest_position
from feelvos_tf.training.step_check import check_step
from feelvos_tf.training.stopping import Stopped
from feelvos_tf.training.trainer import BestModel, Trainer
from feelvos_tf.training.triplet_pictures import TripletPictures

MODES = ("train", "eval", "train_and_eval", "continuous_eval", "check")
LAST_MODEL = "last_model.npz"
_LOCK = ".lock"


def read_params(
    experiment: str,
    config_files: Iterable[str | os.PathLike[str]] = (),
    override: str = "",
    tpu: str | None = None,
) -> cfg.ExperimentConfig:
    """Puts an experiment's settings together.

    Args:
      experiment: a name of `experiments.EXPERIMENTS`, with or without its prefix.
      config_files: YAML files laid over it, in this order.
      override: YAML text or the name of a YAML file, laid over all.
      tpu: address of a TPU.

    Returns:
      the settings, checked and locked.

    Raises:
      InputError: an unknown experiment or key, an unreadable file, a value out of range.
    """
    name = experiment.removeprefix(experiments.PREFIX)
    if name not in experiments.EXPERIMENTS:
        raise InputError(
            f"experiment {experiment!r} is unknown, expected one of "
            f"{', '.join(experiments.EXPERIMENTS)}"
        )
    params = experiments.EXPERIMENTS[name]()
    for path in config_files:
        overrides.override(params, settings.read(path), str(path))
    if tpu is not None:
        params.override({"runtime": {"tpu": tpu, "distribution_strategy": "tpu"}})
    if override:
        named = os.path.isfile(override)
        source = override if named else "--params_override"
        values = settings.read(override) if named else settings.parse(override, source)
        overrides.override(params, values, source)
    check(params)
    params.lock()
    return params


def as_yaml(params: cfg.ExperimentConfig) -> str:
    """All settings as YAML text, which `read_params` takes back as a file."""
    # By way of JSON, which knows no tuples: YAML would tag them.
    return yaml.safe_dump(json.loads(json.dumps(params.as_dict())), sort_keys=False)


def run_experiment(
    params: cfg.ExperimentConfig,
    mode: str,
    model_dir: str,
    *,
    strategy: tf.distribute.Strategy | None = None,
    say: Callable[[str], None] = print,
) -> Trainer:
    """Trains or evaluates; a run that was stopped goes on from its newest checkpoint.

    Or checks, see `check_step`.

    In `model_dir`: params.yaml (the settings in full), ckpt-* (newest last), train/ and
    validation/ (TensorBoard), best/ (best checkpoint, best_model.npz), last_model.npz.

    Args:
      params: from `read_params`.
      mode: one of MODES.
      model_dir: folder of the run; "check" needs none.
      strategy: in place of the one that the settings name.
      say: takes a line to tell.

    Returns:
      the trainer, after the run.

    Raises:
      InputError: data, checkpoint or settings cannot be used, the loss is not finite, or another
        process trains in the folder.
      KeyboardInterrupt: Ctrl-C came; a run in one process has saved a checkpoint before. So has
        one that SIGTERM ends.
    """
    if mode not in MODES:
        raise InputError(f"mode is {mode!r}, expected one of {', '.join(MODES)}")
    if "eval" in mode and not inputs.has_validation(params.task.validation_data):
        raise InputError(
            f"mode {mode} needs videos to validate on: set task.validation_data.source.root"
        )
    strategy = strategy or devices.make_strategy(params.runtime)
    if "train" in mode:
        devices.check_batch(params.task, strategy.num_replicas_in_sync)
        if not tf.train.latest_checkpoint(model_dir):
            initialization.require_weights(params.task)
    precision = params.runtime.mixed_precision_dtype
    before = tf.keras.mixed_precision.global_policy()
    if precision:
        performance.set_mixed_precision_policy(precision)
    try:
        if mode == "check":
            return check_step(params, strategy, say)
        # Reading batch norm's statistics is a sum over workers, so all of them must take part in
        # writing weights, though the chief alone keeps the files.
        with tempfile.TemporaryDirectory() as discarded, contextlib.ExitStack() as held:
            kept = model_dir if strategy.extended.should_checkpoint else discarded
            return _run(params, mode, model_dir, kept, strategy, say, held)
    finally:
        tf.keras.mixed_precision.set_global_policy(before)


def _run(
    params: cfg.ExperimentConfig,
    mode: str,
    model_dir: str,
    kept: str,
    strategy: tf.distribute.Strategy,
    say: Callable[[str], None],
    held: contextlib.ExitStack,
) -> Trainer:
    chief = strategy.extended.should_checkpoint
    given, params = params, schedules.resolved(params)
    task = task_factory.get_task(params.task, logging_dir=model_dir)
    # Before the trainer asks for them: to an error raised in there gin adds words of its own.
    task.open_data(train="train" in mode, evaluate="eval" in mode)
    if "train" in mode and chief:
        held.enter_context(_alone_in(model_dir))
        train_utils.serialize_config(given, model_dir)
    with strategy.scope():
        # Both inside the scope: the network's initial values are drawn once for all replicas.
        tf.keras.utils.set_random_seed(params.task.train_data.seed)
        task.position = latest_position(model_dir)
        exporter = _best_model(params.trainer, model_dir, kept) if "eval" in mode else None
        trainer = Trainer(
            params,
            task,
            task.build_model(),
            train_utils.create_optimizer(task, params),
            train="train" in mode,
            evaluate="eval" in mode,
            checkpoint_exporter=exporter,
        )
    actions = []
    if "train" in mode and chief and params.task.image_interval:
        actions.append(TripletPictures(task, trainer, os.path.join(model_dir, "train")))
    runner = train_lib.OrbitExperimentRunner(
        strategy,
        task,
        mode,
        params,
        model_dir,
        train_actions=actions,
        trainer=trainer,
        save_summary=chief,
    )
    latest = tf.train.latest_checkpoint(model_dir)
    if latest and not chief:
        # Model Garden lets the other workers look into an empty folder for what to resume from.
        trainer.checkpoint.restore(latest)
    step = int(trainer.global_step.numpy())
    if step:
        task.initialized = f"this run's checkpoint of step {step} in {model_dir}"
    elif mode == "eval":
        raise InputError(f"{model_dir}: holds no checkpoint to evaluate")
    if "train" in mode:
        report = describe(task, trainer.model, strategy.num_replicas_in_sync)
        for line in [*devices.describe_devices(strategy), *report]:
            say(line)
    # Workers would have to stop at the same step, since all take part in writing a checkpoint.
    if "train" in mode and task.num_pipelines == 1:
        _run_until_stopped(runner, trainer, model_dir, say)
    else:
        runner.run()
    if "train" in mode:
        with strategy.scope():
            trainer.swap_averages()
            save_model(trainer.model, os.path.join(kept, LAST_MODEL))
            trainer.swap_averages()
        trainer.signals.deliver()  # it came when nothing was left to stop
    return trainer


@contextlib.contextmanager
def _alone_in(model_dir: str) -> Iterator[None]:
    """Keeps a second run out of a folder, whose checkpoints would replace those of the first."""
    if "://" in model_dir:  # of a file system that has no locks
        yield
        return
    folder = pathlib.Path(model_dir)
    folder.mkdir(parents=True, exist_ok=True)
    with taken(folder / _LOCK, "choose another --model_dir"):
        yield


def _run_until_stopped(
    runner: train_lib.OrbitExperimentRunner,
    trainer: Trainer,
    model_dir: str,
    say: Callable[[str], None],
) -> None:
    """Runs; Ctrl-C or SIGTERM first saves a checkpoint, and then does what it always does."""
    with trainer.signals as signals:
        try:
            runner.run()
        except Stopped:
            step = int(trainer.global_step.numpy())
            with runner.strategy.scope():
                manager = runner.checkpoint_manager
                # None where this step's checkpoint is there already.
                path = manager.save(checkpoint_number=step, check_interval=False)
            say(
                f"stopped after step {step}, all of it kept in "
                f"{path or manager.latest_checkpoint}: the same command goes on from there"
            )
            signals.deliver()
            raise KeyboardInterrupt from None  # whatever the signal does, the run is over


def _best_model(settings: cfg.TrainerConfig, model_dir: str, kept: str) -> BestModel | None:
    """What keeps the best model in `kept`, None where the settings want none."""
    if not settings.best_checkpoint_export_subdir:
        return None
    folders = [
        os.path.join(parent, settings.best_checkpoint_export_subdir) for parent in (model_dir, kept)
    ]
    if kept != model_dir and os.path.isdir(folders[0]):
        # All workers must find the same model better, so all begin with the chief's best score.
        shutil.copytree(folders[0], folders[1], ignore=shutil.ignore_patterns("*ckpt*", "*.npz"))
    return BestModel(
        folders[1], settings.best_checkpoint_eval_metric, settings.best_checkpoint_metric_comp
    )
