"""Schedules follow the length of the run, whichever way it is run."""

import pytest
import yaml
from official.core import exp_factory

from feelvos_tf.errors import InputError
from feelvos_tf.training import experiments, run, schedules
from feelvos_tf.training.task import FeelvosTrainingTask


def steps_of(params):
    decay = params.trainer.optimizer_config.learning_rate.get()
    return params.trainer.train_steps, decay.decay_steps, params.task.losses.hard_pixel_steps


def test_the_paper_is_as_long_as_published_and_scales_with_the_run():
    params = run.read_params("paper_davis17")
    assert steps_of(params) == (200_000, None, None)
    assert steps_of(schedules.resolved(params)) == (200_000, 200_000, 100_000)
    assert steps_of(params) == (200_000, None, None)  # only the copy is filled in
    short = schedules.resolved(
        run.read_params("paper_davis17", override="trainer: {train_steps: 400}")
    )
    assert steps_of(short) == (400, 400, 200)
    rate = FeelvosTrainingTask.create_optimizer(short.trainer.optimizer_config).learning_rate
    assert float(rate(0)) == pytest.approx(0.0007) and float(rate(400)) == 0.0


@pytest.mark.parametrize("name", ["small", "small_clips", "small_hard", "small_whole", "tiny"])
def test_light_recipes_fall_over_their_own_steps(name):
    params = schedules.resolved(run.read_params(name))
    assert steps_of(params)[0] == steps_of(params)[1]
    short = schedules.resolved(run.read_params(name, override="trainer: {train_steps: 50}"))
    assert steps_of(short) == (50, 50, params.task.losses.hard_pixel_steps)


def test_a_number_stays_what_it_is():
    text = (
        "trainer: {optimizer_config: {learning_rate: {polynomial: {decay_steps: 7}}}}\n"
        "task: {losses: {hard_pixel_steps: 0}}"
    )
    params = schedules.resolved(run.read_params("paper_davis17", override=text))
    assert steps_of(params)[1:] == (7, 0)


def test_settings_as_printed_still_follow_the_run(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(run.as_yaml(run.read_params("paper_davis17")))
    assert yaml.safe_load(path.read_text())["task"]["losses"]["hard_pixel_steps"] is None
    params = run.read_params("tiny", [path], "trainer: {train_steps: 10}")
    assert steps_of(schedules.resolved(params)) == (10, 10, 5)


def test_an_optimizer_needs_to_know():
    config = experiments.EXPERIMENTS["paper_davis17"]().trainer.optimizer_config
    with pytest.raises(InputError, match="decay_steps is null"):
        FeelvosTrainingTask.create_optimizer(config)


def test_model_gardens_own_way_checks_and_fills_in():
    params = exp_factory.get_exp_config("feelvos_paper_davis17")
    params.override({"trainer": {"train_steps": 600}, "runtime": {"enable_xla": True}})
    params.validate()
    assert steps_of(params) == (600, 600, 300) and params.task.jit_compile
    params.override({"task": {"freeze": "head"}})
    with pytest.raises(InputError, match="task.freeze"):
        params.validate()
