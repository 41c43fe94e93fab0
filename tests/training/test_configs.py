import dataclasses
import pathlib

import pytest
import tensorflow as tf

from feelvos_tf.config import ModelConfig
from feelvos_tf.errors import InputError
from feelvos_tf.training import devices, experiments, run, schedules
from feelvos_tf.training.configs import Network, TrainData, model_config, validation_config
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
    base = "paper_davis17" if path.stem.startswith("paper") else "small"
    assert run.read_params(base, [path]).as_dict() != run.read_params(base).as_dict()


@pytest.mark.parametrize("name,gpus", [("1_gpu", 1), ("8_gpus", 8), ("16_gpus", 16)])
def test_recipes_by_gpus_see_as_many_clips_at_a_rate_that_goes_with_the_batch(name, gpus):
    params = schedules.resolved(run.read_params("paper_davis17", [FOLDER / f"paper_{name}.yaml"]))
    batch, trainer = params.task.train_data.global_batch_size, params.trainer
    rate = trainer.optimizer_config.learning_rate.get()
    assert batch * trainer.train_steps == 1_200_000
    assert rate.initial_learning_rate == pytest.approx(0.0007 * batch / 6)
    assert rate.decay_steps == trainer.train_steps == 2 * params.task.losses.hard_pixel_steps
    assert params.runtime.num_gpus == gpus
    assert batch == 3 * gpus * params.task.accumulation
    devices.check_batch(params.task, gpus)


@pytest.mark.parametrize("replicas,batch", [(8, 24), (16, 48)])
def test_a_batch_that_cannot_be_shared_is_answered_with_what_to_set(replicas, batch):
    task = run.read_params("paper_davis17").task
    with pytest.raises(InputError, match=f"is 6, .* set it to {batch} .* or use 6 or 3 or 2 or 1"):
        devices.check_batch(task, replicas)
    devices.check_batch(task, 6)
    task.accumulation = 2
    with pytest.raises(InputError, match="of the 2 replicas times task.accumulation, 2"):
        devices.check_batch(run.read_params("small", override="task: {accumulation: 2}").task, 2)


@pytest.mark.parametrize(
    "setting,message",
    [
        ("run_eagerly: true", "runtime.run_eagerly is True, which training does not heed"),
        ("gpu_thread_mode: gpu_private", "expected null"),
        ("loss_scale: dynamic", "float16 alone"),
        ("mixed_precision_dtype: int8", "expected null, float32"),
        ("num_gpus: -2", "expected -1"),
    ],
)
def test_what_the_run_would_ignore_is_refused(setting, message):
    with pytest.raises(InputError, match=message):
        run.read_params("tiny", override=f"runtime: {{{setting}}}")


def test_all_gpus_are_none_on_this_machine_and_more_are_named():
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("needs a machine without a GPU")
    params = run.read_params("small", override="runtime: {num_gpus: -1}")
    strategy = devices.make_strategy(params.runtime)
    assert devices.describe_devices(strategy) == ["devices: CPU:0"]
    params = run.read_params("small", override="runtime: {num_gpus: 2}")
    with pytest.raises(InputError, match="num_gpus is 2, but TensorFlow sees 0"):
        devices.make_strategy(params.runtime)


def test_idle_gpus_are_named(monkeypatch):
    gpus = [tf.config.PhysicalDevice(f"/physical_device:GPU:{i}", "GPU") for i in range(2)]
    strategy = devices.make_strategy(run.read_params("small").runtime)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: gpus)
    (_, warning) = devices.describe_devices(strategy)
    assert "GPU:0, GPU:1 left idle" in warning


def test_the_paper_to_the_letter():
    params = schedules.resolved(run.read_params("feelvos_paper_davis17"))
    tested = validation_config(params.task)
    assert (tested.output_stride, tested.atrous_rates) == (8, (12, 24, 36))
    task, data = params.task, params.task.train_data
    assert model_config(task.model).backbone == "xception_65"
    assert (task.model.output_stride, list(task.model.atrous_rates)) == (16, [6, 12, 18])
    assert (task.model.window, task.model.previous_mask) == (15, "labels")
    assert list(data.crop_size) == [465, 465] and list(data.scale_range) == [1.0, 1.3]
    assert (data.num_frames, data.flip_probability, data.min_object_pixels) == (3, 0.5, 10)
    assert not (data.damage_previous or data.color_jitter or data.paste_objects)
    assert (data.global_batch_size, params.trainer.train_steps) == (6, 200_000)
    assert data.global_batch_size / task.losses.clips_per_replica == 2 and not task.losses.divisor
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
        (
            "task: {model: {atrous_rates: [6]}, validation_data: {model: {atrous_rates: [1, 2]}}}",
            "task.validation_data.model: atrous_rates has 2 rates, expected 1",
        ),
        (
            "task: {validation_data: {model: {output_stride: 4}}}",
            "task.validation_data.model: output_stride is 4",
        ),
        ("task: {validation_data: {model: {window: 4}}}", "unknown key 'window'"),
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
    assert isinstance(devices.make_strategy(params.runtime), tf.distribute.OneDeviceStrategy)
    params = run.read_params("small", override="runtime: {distribution_strategy: none}")
    with pytest.raises(InputError, match="runtime"):
        devices.make_strategy(params.runtime)


@pytest.mark.parametrize("name", experiments.EXPERIMENTS)
def test_no_experiment_warns_while_it_is_made(name, caplog):
    experiments.EXPERIMENTS[name]()
    assert not caplog.records
