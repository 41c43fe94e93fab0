"""The embedding's first values, both choices of what is initialized, what a run says of them."""

import numpy as np
import pytest
import tensorflow as tf

from feelvos_tf import ModelConfig, build_model, checkpoints
from feelvos_tf.errors import InputError
from feelvos_tf.modeling.heads import start_as_released
from feelvos_tf.training import distances, forward, run
from feelvos_tf.training import trainer as trainer_module
from feelvos_tf.training.task import FeelvosTrainingTask

PRETRAINED = ModelConfig(
    depth_multiplier=0.1,
    atrous_rates=(),
    aspp_filters=32,
    decoder_filters=64,
    embedding_dim=48,
    head_filters=4,
    head_layers=1,
)
SETTINGS = """
task:
  model: {{depth_multiplier: 0.1, atrous_rates: [], aspp_filters: 32, decoder_filters: 64,
          embedding_dim: 48, head_filters: 4, head_layers: 1}}
  init_checkpoint: {path}
  init_parts: {parts}
  embedding_start: {start}
  embedding_gain: 1.0
"""


@pytest.fixture(scope="module")
def noise():
    images = np.random.RandomState(3).uniform(0, 255, [1, 3, 49, 65, 3])
    labels = np.zeros([1, 3, 49, 65], np.int32)
    labels[:, :, 10:30, 10:40] = 1
    return {
        "images": tf.constant(images, tf.float32),
        "labels": tf.constant(labels),
        "valid": tf.constant([[True, True, False]]),
        "index": tf.constant([0], tf.int64),
    }


@pytest.fixture(scope="module")
def pretrained(noise, tmp_path_factory):
    """A DeepLab whose features are of order one, as those of a trained one, in a file."""
    tf.keras.utils.set_random_seed(1)
    model = build_model(PRETRAINED)
    for unit in model.submodules:
        if isinstance(unit, tf.keras.layers.BatchNormalization):
            unit.momentum = 0.0
    model.embed(noise["images"][0], training=True)
    path = tmp_path_factory.mktemp("deeplab") / "deeplab.npz"
    checkpoints.save_model(model, path)
    return path


def start(small_params, settings, noise):
    """Median distance at the start, and the largest gradient of the embedding's first kernel."""
    params = small_params(settings)
    task = FeelvosTrainingTask(params.task)
    tf.keras.utils.set_random_seed(2)
    model = task.build_model()
    task.initialize(model)
    kernel = model.embedding.depthwise.kernel
    with tf.GradientTape() as tape:
        _, embeddings = forward.embed_clips(
            model, noise["images"], tf.zeros([1, 2], tf.int32), 0.0, False
        )
        median = distances.median_distance(embeddings, noise["labels"], noise["valid"])
        # What the distances themselves teach, without the head's random weights.
        squashed = tf.reduce_sum((embeddings[0, 2] - embeddings[0, 0]) ** 2, axis=-1)
        loss = tf.reduce_mean(2.0 * tf.sigmoid(squashed) - 1.0)
    return float(median), float(tf.norm(tape.gradient(loss, kernel)))


@pytest.mark.parametrize("parts", ["backbone", "deeplab"])
def test_the_released_start_keeps_distances_alive(small_params, pretrained, noise, parts):
    settings = SETTINGS.format(path=pretrained, parts=parts, start="release")
    median, gradient = start(small_params, settings, noise)
    assert 0 < median < 0.9 and gradient > 1e-9
    if parts == "deeplab":
        assert gradient > 1e-5 and not distances.warning(median)


def test_identity_in_every_channel_of_a_whole_deeplab_teaches_nothing(
    small_params, pretrained, noise
):
    settings = SETTINGS.format(path=pretrained, parts="deeplab", start="every_channel")
    median, _ = start(small_params, settings, noise)
    assert median > distances.HIGHEST
    assert "next to 1" in distances.warning(median)
    assert not distances.warning(median, normalized=False)
    assert "next to 0" in distances.warning(0.0, normalized=False)


def test_the_released_kernel_is_identity_in_the_first_channel_alone():
    model = build_model(PRETRAINED)
    before = model.embedding.depthwise.kernel.numpy()
    start_as_released(model.embedding)
    kernel = model.embedding.depthwise.kernel.numpy()
    assert 0.9 < kernel[1, 1, 0, 0] < 1.1 and np.abs(kernel[1, 1, 1:]).max() < 0.1
    changed = np.argwhere(before != kernel)
    assert {tuple(place[[0, 1, 3]]) for place in changed} == {(1, 1, 0)} and len(changed) == 63


def test_recipes_say_how_they_start():
    for name in ("paper_davis17", "paper_davis17_ytvos", "pml", "ablation_full"):
        task = run.read_params(name).task
        assert (task.embedding_start, task.embedding_gain) == ("release", 1.0)
        assert task.init_parts == "backbone"
    for name in ("small", "small_clips", "small_hard", "small_whole", "tiny"):
        task = run.read_params(name).task
        assert (task.embedding_start, task.init_parts) == ("every_channel", "all")
    with pytest.raises(InputError, match="task.embedding_start is 'zero', expected one of release"):
        run.read_params("tiny", override="task: {embedding_start: zero}")


def test_the_median_is_that_of_all_pixels_of_the_grid():
    rng = np.random.RandomState(0)
    embeddings = rng.uniform(0, 0.4, [2, 3, 9, 9, 5]).astype(np.float32)
    labels = np.zeros([2, 3, 33, 33], np.int32)
    labels[:, 0, :16] = 1
    labels[:, 0, 16:20] = 255
    found = distances.median_distance(
        tf.constant(embeddings), tf.constant(labels), tf.constant([[True, True, False]] * 2)
    )
    rows = np.round(np.arange(9) * 4).astype(int)
    expected = []
    for clip in range(2):
        values = []
        for channel in range(2):
            own = embeddings[clip, 0][labels[clip, 0][np.ix_(rows, rows)] == channel]
            for query in embeddings[clip, 2, ::4, ::4].reshape(-1, 5):
                nearest = ((own - query) ** 2).sum(axis=1).min()
                values.append(2 / (1 + np.exp(-nearest)) - 1)
        expected.append(sorted(values)[(len(values) - 1) // 2])
    np.testing.assert_allclose(found, np.mean(expected), rtol=1e-4)


def test_what_is_said_of_a_median():
    assert not distances.warning(0.05)
    assert "next to 1" in distances.warning(0.995) and "release" in distances.warning(0.995)
    assert "next to 0" in distances.warning(1e-4)


def test_a_run_warns_of_dead_distances(small_params, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(
        trainer_module.logging, "warning", lambda text, *values: said.append(text % values)
    )
    params = small_params(
        "task: {embedding_gain: 1.0e-6, train_data: {global_batch_size: 1}}",
        "trainer: {train_steps: 2, steps_per_loop: 1, summary_interval: 1}",
    )
    run.run_experiment(params, "train", str(tmp_path), say=str)
    (told,) = [line for line in said if "distances of the first batch" in line]
    assert "next to 0" in told
    tags = {
        value.tag
        for path in (tmp_path / "train").iterdir()
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
    }
    assert distances.GAUGE in tags
