"""Settings from outside: names and types are checked before anything is changed."""

import pathlib

import pytest

from feelvos_tf.errors import InputError
from feelvos_tf.training import experiments, overrides, run

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", experiments.EXPERIMENTS)
def test_every_experiment_passes_its_own_settings(name):
    experiment = experiments.EXPERIMENTS[name]
    params = experiment()
    overrides.override(params, experiment().as_dict(), "x.yaml")
    assert params.as_dict() == experiment().as_dict()


@pytest.mark.parametrize("path", sorted(ROOT.glob("experiments/*.yaml")), ids=lambda p: p.stem)
def test_the_files_of_experiments_are_read(path):
    assert run.read_params("tiny", [path]).as_dict() != run.read_params("tiny").as_dict()


@pytest.mark.parametrize(
    "text,message",
    [
        (
            "trainer: {train_stepz: 1}",
            "unknown key 'train_stepz' in trainer, did you mean 'train_st",
        ),
        ("task: {train_data: {sources: [{datset: x}]}}", "'datset' in task.train_data.sources.0."),
        (
            "trainer: {train_steps: 1e3}",
            "trainer.train_steps is '1e3', expected a whole number .YAML",
        ),
        (
            "task: {losses: {weight_decay: 1e-5}}",
            "task.losses.weight_decay is '1e-5', expected a number .YAML takes 1e-5 for text; "
            "write 1.0e",
        ),
        ("trainer: {train_steps: true}", "trainer.train_steps is True, expected a whole number"),
        (
            "trainer: {train_steps: 99999999999999999999}",
            "is 99999999999999999999, expected a whole",
        ),
        ("trainer: {train_steps: null}", "trainer.train_steps is None, expected a whole number"),
        ("trainer: [1]", "trainer is .1., expected keys and values"),
        ("task: null", "task is None, expected keys and values"),
        ("task: {model: {atrous_rates: null}}", "task.model.atrous_rates is None, expected a list"),
        ("task: {model: {atrous_rates: [a]}}", "task.model.atrous_rates.0. is 'a'"),
        (
            "task: {train_data: {sources: [3]}}",
            "task.train_data.sources.0. is 3, expected keys and",
        ),
        (
            "task: {train_data: {sources: {a: 1}}}",
            "task.train_data.sources is .'a': 1., expected a l",
        ),
        (
            "task: {validation_data: {max_side: no}}",
            "max_side is False, expected a whole number or nu",
        ),
        (
            "trainer: {optimizer_config: {optimizer: {type: adamm}}}",
            "type is 'adamm', expected one of",
        ),
        (
            "trainer: {optimizer_config: {ema: {average_decay: .nan}}}",
            "average_decay is nan, expected",
        ),
        (
            "task: {differential_privacy_config: {clipping_norm: a}}",
            "clipping_norm is 'a', expected",
        ),
        ("{1: 2}", "unknown key 1"),
        ("task: {train_data: {global_batch_size: 2020-01-01}}", "is datetime.date"),
        ("- 1", "holds .1., expected keys and values such as"),
    ],
)
def test_what_does_not_fit_is_named(text, message):
    with pytest.raises(InputError, match=f"^--params_override: .*{message}"):
        run.read_params("tiny", override=text)


def test_null_and_either_type_where_they_are_allowed():
    params = run.read_params(
        "tiny",
        override="""
        runtime: {loss_scale: dynamic, mixed_precision_dtype: float16, all_reduce_alg: null}
        task: {validation_data: {max_side: null}, losses: {divisor: 2}}
        trainer: {optimizer_config: {warmup: {type: null}}}""",
    )
    assert params.runtime.loss_scale == "dynamic" and params.task.losses.divisor == 2
    assert params.trainer.optimizer_config.warmup.type is None


def test_an_error_changes_nothing():
    params = experiments.tiny()
    before = params.as_dict()
    with pytest.raises(InputError):
        overrides.override(params, {"runtime": {"num_gpus": 3}, "trainer": {"no": 1}}, "x.yaml")
    assert params.as_dict() == before
