"""Single steps: compiled and plain, longer clips, half precision, frozen parts, triplet loss."""

import numpy as np
import orbit
import pytest
import tensorflow as tf

from feelvos_tf.checkpoints import named_variables
from feelvos_tf.evaluation.baselines import NearestNeighbor
from feelvos_tf.training import run, schedules, trainer, triplet_pictures
from feelvos_tf.training.run_report import describe
from feelvos_tf.training.task import FeelvosTrainingTask
from feelvos_tf.video.overlay import contact_sheet


def first_batch(task):
    return next(iter(task.build_inputs(task.task_config.train_data).take(1)))


def noise_and_its_statistics(task, model):
    """A batch of noise, with batch norm's statistics set to those that it causes.

    On it the gradient is smooth: weights changed by 1e-7 change it by 2e-5. As it is, the network
    has hardly any output, and on flat areas of drawn clips rounding decides which pixel is the
    nearest: gradients of two runs of one function differ by up to 12 %.
    """
    batch = first_batch(task)
    batch["images"] = tf.constant(
        np.random.RandomState(3).uniform(0, 255, batch["images"].shape).astype(np.float32)
    )
    for unit in model.submodules:
        if isinstance(unit, tf.keras.layers.BatchNormalization):
            unit.momentum = 0.0
    model.embed(tf.reshape(batch["images"], [-1, *batch["images"].shape[2:]]), training=True)
    return batch


def one_step(params, folder, make_batch=lambda task, model: first_batch(task)):
    """Loss and gradients of a batch, by default the first one, by the variables' names."""
    params = schedules.resolved(params)
    task = FeelvosTrainingTask(params.task, logging_dir=str(folder))
    tf.keras.utils.set_random_seed(0)
    model = task.build_model()
    batch = make_batch(task, model)
    optimizer = task.create_optimizer(params.trainer.optimizer_config, params.runtime)

    @tf.function(autograph=False)
    def compute(batch):
        return task.compute_gradients(model, optimizer, batch, tf.constant(3, tf.int64))

    total, parts, gradients = compute(batch)
    ids = {id(v): name for name, v in named_variables(model).items()}
    names = [ids[id(v)] for v in model.trainable_variables]
    return float(total), {n: g for n, g in zip(names, gradients) if g is not None}, model, task


@pytest.mark.slow
def test_the_compiled_step_equals_the_plain_one(small_params, tmp_path):
    settings = "task: {aspp_dropout: 0.1, max_reference_pixels: 20, jit_compile: %s}"
    plain = one_step(small_params(settings % "false"), tmp_path, noise_and_its_statistics)
    compiled = one_step(small_params(settings % "true"), tmp_path, noise_and_its_statistics)
    assert plain[0] == pytest.approx(compiled[0], rel=1e-5)
    assert set(plain[1]) == set(compiled[1])
    largest = max(np.linalg.norm(gradient) for gradient in plain[1].values())
    for _, gradients, _, _ in (plain, compiled):  # softmax does not see what all objects share
        assert np.linalg.norm(gradients.pop("logits/semantic/biases")) < 1e-4 * largest
    for name, gradient in plain[1].items():
        difference = np.linalg.norm(compiled[1][name] - gradient)
        assert difference < 1e-3 * (np.linalg.norm(gradient) + 1e-3 * largest), name


def test_longer_clips_with_soft_masks(small_params, tmp_path):
    params = small_params(
        "task: {model: {previous_mask: probabilities}, "
        "train_data: {num_frames: 4, global_batch_size: 1}}"
    )
    loss, gradients, _, task = one_step(params, tmp_path)
    assert np.isfinite(loss) and first_batch(task)["images"].shape[1] == 4
    assert all(np.isfinite(g).all() for g in gradients.values())


def test_clips_with_a_memory(small_params, tmp_path):
    params = small_params(
        "task: {memory: {frames: 2, min_confidence: 0.0}, "
        "train_data: {num_frames: 5, global_batch_size: 1}}"
    )
    loss, gradients, _, _ = one_step(params, tmp_path)
    assert np.isfinite(loss) and all(np.isfinite(g).all() for g in gradients.values())


@pytest.mark.parametrize("row", ["no_first_frame_matching", "previous_global"])
def test_ablation_rows_train(small_params, tmp_path, row):
    switches = run.read_params(f"ablation_{row}").task.model.as_dict()
    chosen = {
        k: switches[k] for k in ("first_frame_matching", "previous_frame_matching", "previous_mask")
    }
    loss, gradients, _, _ = one_step(
        small_params(
            f"task: {{model: {chosen}, train_data: {{global_batch_size: 1}}}}".replace(
                "True", "true"
            ).replace("False", "false")
        ),
        tmp_path,
    )
    assert np.isfinite(loss) and gradients


def test_a_frozen_backbone_is_not_trained(small_params, tmp_path):
    _, rest, model, task = one_step(small_params("task: {freeze: backbone}"), tmp_path)
    assert rest and not any(name.startswith("MobilenetV2/") for name in rest)
    assert "decoder/feature_projection0/weights" in rest
    task.task_config.override({"freeze": "deeplab"})
    heads = {id(v) for v in task.build_model().trainable_variables}
    assert 0 < len(heads) < len(model.trainable_variables)


def test_trained_batch_norm_moves_its_statistics(small_params, tmp_path):
    _, _, model, _ = one_step(small_params("task: {train_batch_norm: true}"), tmp_path)
    assert np.abs(named_variables(model)["MobilenetV2/Conv/BatchNorm/moving_mean"]).max() > 0


def test_half_precision(small_params, tmp_path):
    params = small_params(
        "runtime: {mixed_precision_dtype: float16, loss_scale: dynamic}",
        "task: {train_data: {global_batch_size: 1}}",
        "trainer: {train_steps: 2}",
    )
    trainer = run.run_experiment(params, "train", str(tmp_path), say=str)
    assert trainer.model.deeplab.compute_dtype == "float16"
    assert all(v.dtype == tf.float32 for v in trainer.model.trainable_variables)
    assert isinstance(trainer.optimizer, tf.keras.mixed_precision.LossScaleOptimizer)
    assert all(np.isfinite(v).all() for v in trainer.model.get_weights())


def test_bfloat16(small_params, tmp_path):
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        loss, gradients, model, _ = one_step(
            small_params("task: {train_data: {global_batch_size: 1}}"), tmp_path
        )
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    assert model.deeplab.compute_dtype == "bfloat16" and np.isfinite(loss)
    assert all(g.dtype == tf.float32 for g in gradients.values())


def test_triplet_loss_trains_the_embedding_and_is_scored_by_nearest_neighbors(
    small_params, tmp_path
):
    loss, gradients, model, task = one_step(
        small_params("task: {losses: {kind: triplet}}"), tmp_path
    )
    assert np.isfinite(loss) and "embedding/split_separable_conv2d_pointwise/biases" in gradients
    segmenter = task.make_segmenter(model)
    assert isinstance(segmenter, NearestNeighbor)
    assert 0 <= task.validate_video(0, segmenter).objects[0].mean <= 1


def test_the_picture_shows_frames_and_distances(small_params, tmp_path, monkeypatch):
    _, _, model, task = one_step(
        small_params("task: {train_data: {global_batch_size: 1}}"), tmp_path
    )
    drawn = {}

    def recorded(tiles, captions):
        drawn.update(zip(captions, tiles))
        return contact_sheet(tiles, captions)

    monkeypatch.setattr(triplet_pictures, "contact_sheet", recorded)
    clip = first_batch(task)
    sheet = triplet_pictures.picture(model, clip)
    assert sheet.dtype == np.uint8 and sheet.ndim == 3 and sheet.std() > 10

    distances = [tile for caption, tile in drawn.items() if caption.startswith("distance")]
    assert distances and max(tile.std() for tile in distances) > 0
    for tile in distances:
        assert tile.dtype == np.uint8
        assert tile.shape == drawn["current"].shape == (*clip["images"].shape[2:4], 3)


@pytest.mark.parametrize("rates,words", [([], "no atrous rates"), ([6, 12], "atrous rates 6, 12")])
def test_rates_are_named_or_said_to_be_none(small_params, tmp_path, rates, words):
    params = small_params(f"task: {{model: {{atrous_rates: {rates}}}}}")
    task = FeelvosTrainingTask(params.task, logging_dir=str(tmp_path))
    task.open_data(train=True, evaluate=False)
    (line,) = [line for line in describe(task, tf.Module(), 1) if "output stride" in line]
    assert f"with {words}, matching" in line


def test_results_of_a_loop_print_without_braces():
    figures = trainer.Figures(
        training_loss=np.float32(0.123456),
        minutes_left=3.0,
        learning_rate=tf.constant(7e-4),
        note="a",
    )
    figures = tf.nest.map_structure(orbit.utils.get_value, figures)  # as Orbit does
    line = orbit.controller._format_output(figures)
    assert "training loss 0.1235" in line and "learning rate 0.0007" in line
    assert "minutes left 3" in line and not set("{}'\n") & set(line)


def test_pictures_and_averages_are_written_on_the_way(small_params, tmp_path):
    params = small_params(
        "task: {image_interval: 2, train_data: {global_batch_size: 1}}",
        "trainer: {train_steps: 2, validation_interval: 2, "
        "optimizer_config: {ema: {average_decay: 0.9}}}",
    )
    run.run_experiment(params, "train_and_eval", str(tmp_path), say=str)
    assert (tmp_path / "best" / "best_model.npz").is_file()
    assert list((tmp_path / "train").glob("*.pictures"))
    assert (tmp_path / "ema_checkpoints").is_dir()


def test_validation_runs_at_another_stride_with_the_weights_of_now(small_params, tmp_path):
    text = "task: {model: {atrous_rates: [2]}, validation_data: {model: %s}}"
    same = schedules.resolved(small_params(text % "{}"))
    task = FeelvosTrainingTask(same.task, logging_dir=str(tmp_path))
    model = task.build_model()
    assert task.tested(model) is model

    params = schedules.resolved(small_params(text % "{output_stride: 8, atrous_rates: [4]}"))
    task = FeelvosTrainingTask(params.task, logging_dir=str(tmp_path))
    segmenter = task.make_segmenter(model)
    tested = segmenter.model
    assert tested.config == model.config.at(8, [4])
    for variable in model.variables:
        variable.assign(variable + 1)
    assert task.tested(model) is tested  # the one that the segmenter runs
    for ours, theirs in zip(model.get_weights(), tested.get_weights()):
        np.testing.assert_array_equal(ours, theirs)
