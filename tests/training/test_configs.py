import dataclasses
import pathlib

import pytest
import tensorflow as tf

from feelvos_tf.config import ModelConfig
from feelvos_tf.errors import InputError
from feelvos_tf.training import experiments, run
from feelvos_tf.training.configs import Network, TrainData, model_config
from feelvos_tf.triplets.triplet_config import TripletConfig

FOLDER = pathlib.Path(__file__).parents[2] / "experiments"


def defaults(config):
    """Name of each field -> its default with its type; a list counts as a tuple."""
    made = config()
    values = {field.name: getattr(made, field.name) for field in dataclasses.fields(config)}
    values = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
    return {name: (type(value), value) for name, value in values.items()}


def test_settings_of_the_network_are_those_of_model_config():
    assert defaults(Network) == defaults(ModelConfig)


def test_settings_of_the_data_hold_those_of_triplet_config():
    settings, wanted = defaults(TrainData), defaults(TripletConfig)
    assert {name: settings.get(name) for name in wanted} == wanted
    assert set(settings) - set(wanted) == {"sources", "global_batch_size", "seed"}


@pytest.mark.parametrize("name", experiments.EXPERIMENTS)
def test_printed_settings_are_read_back_as_they_were(name, tmp_path):
    registered = run.read_params(name)
    (tmp_path / "all.yaml").write_text(run.as_yaml(registered))
    # Over another experiment: all that is printed has to be read.
    other = "pml" if name == "tiny" else "tiny"
    again = run.read_params(other, [tmp_path / "all.yaml"])
    assert run.as_yaml(again) == run.as_yaml(registered)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_files_of_experiments_are_short_and_change_something(path):
    assert len(path.read_text().splitlines()) <= 30
    assert run.read_params("small", [path]).as_dict() != run.read_params("small").as_dict()


def test_the_paper_to_the_letter():
    params = run.read_params("feelvos_paper_davis17")
    task, data = params.task, params.task.train_data
    assert model_config(task.model).backbone == "xception_65"
    assert (task.model.output_stride, list(task.model.atrous_rates)) == (16, [6, 12, 18])
    assert (task.model.window, task.model.previous_mask) == (15, "labels")
    assert list(data.crop_size) == [465, 465] and list(data.scale_range) == [1.0, 1.3]
    assert (data.num_frames, data.flip_probability, data.min_object_pixels) == (3, 0.5, 10)
    assert not (data.damage_previous or data.color_jitter or data.paste_objects)
    assert (data.global_batch_size, task.losses.divisor, params.trainer.train_steps) == (
        6,
        2.0,
        200_000,
    )
    assert (task.losses.hard_pixel_share, task.losses.hard_pixel_steps) == (0.15, 100_000)
    assert (task.losses.weight_decay, task.bias_gradient_factor) == (4e-5, 2.0)
    assert (task.max_reference_pixels, task.aspp_dropout) == (1024, 0.1)
    assert not task.train_batch_norm and task.freeze == "none"
    optimizer = params.trainer.optimizer_config
    assert optimizer.optimizer.get().momentum == 0.9 and optimizer.optimizer.get().clipnorm == 5.0
    assert optimizer.ema is None


@pytest.mark.parametrize(
    "override,message",
    [
        ("task: {modle: {window: 3}}", "modle"),
        ("task: {model: {windw: 3}}", "windw"),
        ("task: {model: {window: 0}}", "window is 0"),
        ("task: {train_data: {crop_size: [3, 3]}}", "crop_size"),
        ("task: {losses: {kind: dice}}", "task.losses.kind is 'dice'"),
        ("task: {freeze: head}", "task.freeze"),
        ("trainer: {steps_per_loop: 7}", "summary_interval"),
        ("trainer: [", "not valid YAML"),
        ("nothing", "expected keys"),
        ("task: {validation_data: {source: {dataset: davis}}}", "davis"),
    ],
)
def test_what_cannot_be_used_is_named(override, message):
    with pytest.raises(InputError, match=message):
        run.read_params("small", override=override)


def test_files_are_laid_over_each_other_in_order(tmp_path):
    for number, steps in enumerate((5, 6)):
        (tmp_path / f"{number}.yaml").write_text(f"trainer: {{train_steps: {steps}}}")
    files = [tmp_path / "0.yaml", tmp_path / "1.yaml"]
    assert run.read_params("small", files).trainer.train_steps == 6
    assert run.read_params("small", files, "trainer: {train_steps: 9}").trainer.train_steps == 9
    with pytest.raises(InputError, match="missing.yaml"):
        run.read_params("small", [tmp_path / "missing.yaml"])
    with pytest.raises(InputError, match="experiment 'large' is unknown"):
        run.read_params("large")


def test_one_device_strategies():
    params = run.read_params("small")
    assert isinstance(run.make_strategy(params.runtime), tf.distribute.OneDeviceStrategy)
    params = run.read_params("small", override="runtime: {distribution_strategy: none}")
    with pytest.raises(InputError, match="runtime"):
        run.make_strategy(params.runtime)


@pytest.mark.parametrize("name", experiments.EXPERIMENTS)
def test_no_experiment_warns_while_it_is_made(name, caplog):
    experiments.EXPERIMENTS[name]()
    assert not caplog.records
