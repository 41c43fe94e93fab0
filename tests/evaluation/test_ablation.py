"""The six rows of the ablation on small networks."""

import csv

import numpy as np
import pytest
import tensorflow as tf
from small_networks import TINY

from feelvos_tf.checkpoints import save_model
from feelvos_tf.config import ABLATION_ROWS, ModelConfig
from feelvos_tf.data import synthetic
from feelvos_tf.errors import InputError
from feelvos_tf.evaluation import ablation, baselines, datasets
from feelvos_tf.modeling.feelvos import build_model
from feelvos_tf.streaming.segmenter import VideoSegmenter
from feelvos_tf.streaming_settings import AS_PUBLISHED


@pytest.fixture(scope="module")
def network():
    tf.keras.utils.set_random_seed(5)
    return build_model(TINY)


@pytest.fixture(scope="module")
def checkpoint(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "full.npz"
    save_model(network, path)
    return path


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    folder = tmp_path_factory.mktemp("davis")
    clip = synthetic.synthetic_clip(1, num_frames=4, height=33, width=41, num_objects=1)
    synthetic.write_clip(clip, folder, "ant", "val")
    return datasets.read_task("davis2017", folder, "val")


def test_rows_are_the_switches_of_the_paper():
    forms = {
        (r.first_frame_matching, r.previous_frame_matching, r.previous_mask) for r in ABLATION_ROWS
    }
    assert len(forms) == len(ABLATION_ROWS) == 6
    for row in ABLATION_ROWS:
        assert row.fits(row.config(TINY))
        assert [other.name for other in ABLATION_ROWS if other.fits(row.config(TINY))] == [row.name]
    soft = ModelConfig(previous_mask="probabilities")
    assert ABLATION_ROWS[0].config(soft) == soft


def test_neutral_inputs_are_what_the_trained_head_gets(network):
    rng = np.random.default_rng(0)
    features = tf.constant(rng.random((5, 6, 8)), tf.float32)
    parts = [tf.constant(rng.random((5, 6, 3)), tf.float32) for _ in range(3)]
    ones, zeros = tf.ones((5, 6, 3)), tf.zeros((5, 6, 3))
    for row in ABLATION_ROWS:
        fed = [
            parts[0] if row.first_frame_matching else ones,
            parts[1] if row.previous_mask else zeros,
            parts[2] if row.previous_frame_matching != "none" else ones,
        ]
        expected = network.segment(features, *fed, 3)
        neutral = ablation.NeutralInputs(network, row.config(TINY))
        given = [
            part if there else None
            for part, there in zip(
                parts,
                (
                    row.first_frame_matching,
                    row.previous_mask,
                    row.previous_frame_matching != "none",
                ),
            )
        ]
        np.testing.assert_array_equal(neutral.segment(features, *given, 3), expected)
    images = rng.integers(0, 256, (1, 33, 41, 3)).astype(np.float32)
    for found, wanted in zip(neutral.embed(images), network.embed(images)):
        np.testing.assert_array_equal(found, wanted)


def test_neutral_inputs_match_as_the_row_says(network):
    query, previous = tf.random.stateless_uniform((2, 9, 11, 4), (1, 2))
    labels = tf.cast(tf.random.stateless_uniform((9, 11), (3, 4)) * 2, tf.int32)
    by_row = {
        row.name: ablation.NeutralInputs(network, row.config(TINY)).match_previous(
            query, previous, labels, 2
        )
        for row in ABLATION_ROWS
    }
    assert by_row["first_frame_only"] is None and by_row["no_previous_matching"] is None
    assert np.all(by_row["previous_global"] <= by_row["full"] + 1e-6)
    assert np.any(by_row["previous_global"] < by_row["full"] - 1e-6)


def test_a_network_without_a_part_cannot_play_a_row_that_needs_it():
    rows = {row.name: row for row in ABLATION_ROWS}
    smaller = build_model(rows["no_previous_mask"].config(TINY))
    with pytest.raises(InputError, match="trained without the previous mask"):
        ablation.NeutralInputs(smaller, TINY)
    ablation.NeutralInputs(smaller, rows["first_frame_only"].config(TINY))


@pytest.mark.compat
def test_neutral_inputs_survive_a_keras_file(network, tmp_path):
    row = next(r for r in ABLATION_ROWS if r.name == "first_frame_only")
    neutral = ablation.NeutralInputs(network, row.config(TINY))
    neutral.save(tmp_path / "m.keras")
    again = tf.keras.models.load_model(tmp_path / "m.keras")
    assert type(again) is ablation.NeutralInputs and again.config == neutral.config
    image = tf.random.stateless_uniform((1, 33, 41, 3), (5, 6)) * 255
    (features, embeddings), (expected, _) = again.embed(image), neutral.embed(image)
    np.testing.assert_array_equal(features, expected)
    distance = tf.reduce_mean(embeddings[0], axis=-1, keepdims=True)
    inputs = (features[0], tf.concat([distance, 1 - distance], -1), None, None, 2)
    np.testing.assert_array_equal(again.segment(*inputs), neutral.segment(*inputs))


class Shortcut(baselines.FirstMask):
    """A segmenter without a network's work, which takes minutes to compile six times."""

    def __init__(self, model, **settings):
        assert settings == AS_PUBLISHED._asdict()
        super().__init__()
        self.model = model

    def step(self, frame):
        config = self.model.config
        moved = 2 * config.first_frame_matching + (config.previous_mask != "none")
        return np.roll(super().step(frame), moved, axis=1)


def test_the_streaming_engine_runs_a_network_with_neutral_inputs(network):
    row = next(r for r in ABLATION_ROWS if r.name == "first_frame_only")
    segmenter = VideoSegmenter(ablation.NeutralInputs(network, row.config(TINY)))
    clip = synthetic.synthetic_clip(1, num_frames=2, height=33, width=41, num_objects=1)
    segmenter.reset(clip.frames[0], clip.masks[0])
    details = segmenter.step(clip.frames[1], return_details=True)
    assert details.labels.shape == (33, 41) and details.previous_distance is None
    features, _ = network.embed(clip.frames[1][np.newaxis].astype(np.float32))
    h, w, n = details.global_distance.shape
    expected = network.segment(
        features[0], details.global_distance, tf.zeros((h, w, n)), tf.ones((h, w, n)), n
    )
    np.testing.assert_allclose(details.logits, expected, atol=1e-4)


def test_one_table_of_six_rows(task, checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(ablation, "VideoSegmenter", Shortcut)
    row = next(r for r in ABLATION_ROWS if r.name == "no_previous_mask")
    own = tmp_path / "own.npz"
    save_model(build_model(row.config(TINY)), own)
    lines = []
    outcomes = ablation.run_ablation(
        task, checkpoint, {"no_previous_mask": str(own)}, tmp_path / "out", say=lines.append
    )
    assert list(outcomes) == [r.name for r in ABLATION_ROWS]
    assert all(not o.failures and 0 <= o.summary["J&F-Mean"] <= 1 for o in outcomes.values())
    assert outcomes["full"].summary != outcomes["no_previous_mask"].summary
    with open(tmp_path / "out" / "ablation-val.csv", newline="", encoding="utf-8") as file:
        header, *rows = list(csv.reader(file))
    networks = {r[0]: r[header.index("Network")] for r in rows}
    assert networks == {
        "full": "trained so",
        "no_previous_mask": "trained so",
        **{
            name: "fed neutral values"
            for name in (
                "previous_global",
                "no_previous_matching",
                "first_frame_only",
                "no_first_frame_matching",
            )
        },
    }
    mean = outcomes["previous_global"].summary["J&F-Mean"]
    assert rows[1][header.index("J&F")] == f"{100 * mean:.1f}"
    text = (tmp_path / "out" / "ablation-val.md").read_text()
    assert text.count("| fed neutral values |") == 4 and "not what the part is worth" in text
    lines.clear()
    ablation.run_ablation(
        task, checkpoint, {"no_previous_mask": str(own)}, tmp_path / "out", say=lines.append
    )
    assert sum(line.endswith("finished before") for line in lines) == 6


def test_wrong_rows_and_checkpoints_are_input_errors(task, checkpoint, tmp_path):
    with pytest.raises(InputError, match="no row 'fulll'"):
        ablation.run_ablation(task, checkpoint, {"fulll": "a.npz"}, tmp_path)
    with pytest.raises(InputError, match="row full of the ablation has no checkpoint"):
        ablation.run_ablation(task, None, {"previous_global": "a.npz"}, tmp_path)
    trained = {"full": str(checkpoint), "previous_global": str(checkpoint)}
    with pytest.raises(InputError, match="was not trained as row previous_global"):
        ablation.run_ablation(task, checkpoint, trained, tmp_path, say=lambda line: None)
