"""Options of an export, and the folder that it is written to."""

import pathlib
import types

import numpy as np
import pytest
import tensorflow as tf
from exported import state_of, stream
from streaming_models import build as build_small

from feelvos_tf import ModelConfig, VideoSegmenter, build_model
from feelvos_tf.data.synthetic import synthetic_clip
from feelvos_tf.errors import InputError
from feelvos_tf.export import FixedShape, export_model, saving
from feelvos_tf.streaming_settings import AS_PUBLISHED


def test_embed_takes_a_batch(mobilenet, loaded):
    embed = loaded.signatures["embed"]
    frames = mobilenet.clip["frames"][:3]
    batch = embed(image=tf.constant(frames))["embeddings"]
    single = embed(image=tf.constant(frames[1]))["embeddings"]
    assert batch.shape == (3, 17, 25, 8)
    np.testing.assert_allclose(batch[1], single, rtol=1e-5, atol=1e-5)


def test_options_are_the_segmenters(mobilenet, tmp_path):
    options = {
        "max_side": 80,
        "ignore_label": 255,
        "max_reference_pixels": 40,
        "mixed_precision": "mixed_bfloat16",
    }
    clip = {**mobilenet.clip, "frames": mobilenet.clip["frames"][:4], "late": 2}
    clip["first"] = clip["first"].copy()
    clip["first"][:5] = 255
    export_model(mobilenet.model, tmp_path / "export", weights="random", **options)
    run = tf.saved_model.load(tmp_path / "export").signatures
    outputs = run["initialize"](
        image=tf.constant(clip["frames"][0]), mask=tf.constant(clip["first"])
    )
    labels = [outputs["labels"]]
    for i in range(1, 4):
        outputs = run["step"](image=tf.constant(clip["frames"][i]), **state_of(outputs))
        if i == clip["late"]:
            outputs = run["add_objects"](
                image=tf.constant(clip["frames"][i]),
                mask=tf.constant(clip["late_mask"]),
                **state_of(outputs),
            )
        labels.append(outputs["labels"])
    expected, _ = stream(VideoSegmenter(mobilenet.model, **options), clip)
    expected[0] = np.where(clip["first"] == 255, 0, clip["first"])
    np.testing.assert_array_equal(np.array(labels), expected)


def test_distances_as_they_are(tmp_path):
    """The exported step is the segmenter's; squashed, its distances would be others."""
    model = build_small(previous_frame_matching="none", normalized_distances=False)
    clip = synthetic_clip(seed=3, num_frames=3, height=45, width=66, num_objects=2)
    export_model(model, tmp_path / "export", weights="random")
    run = tf.saved_model.load(tmp_path / "export").signatures
    segmenter = VideoSegmenter(model)
    segmenter.reset(clip.frames[0], clip.masks[0])
    outputs = run["initialize"](image=tf.constant(clip.frames[0]), mask=tf.constant(clip.masks[0]))
    for frame in clip.frames[1:]:
        outputs = run["step"](image=tf.constant(frame), **state_of(outputs))
        result = segmenter.step(frame, return_details=True)
        np.testing.assert_array_equal(outputs["labels"], result.labels)
    assert result.global_distance.max() > 1


@pytest.mark.parametrize("fixed", [None, FixedShape(45, 66, 2)])
@pytest.mark.parametrize("option", [{"reach": 0.1}, {"grid": "aligned"}])
def test_settings_are_the_segmenters(tmp_path, fixed, option):
    model = build_small()
    clip = synthetic_clip(seed=3, num_frames=4, height=45, width=66, num_objects=2)
    export_model(model, tmp_path / "export", weights="random", fixed=fixed, **option)
    run = tf.saved_model.load(tmp_path / "export").signatures
    segmenter = VideoSegmenter(model, **option)
    segmenter.reset(clip.frames[0], clip.masks[0])
    outputs = run["initialize"](image=tf.constant(clip.frames[0]), mask=tf.constant(clip.masks[0]))
    for frame in clip.frames[1:]:
        outputs = run["step"](image=tf.constant(frame), **state_of(outputs))
        assert np.mean(outputs["labels"] != segmenter.step(frame)) < (0.01 if fixed else 1e-9)


def test_fixed_shape_is_compiled(mobilenet, tmp_path):
    export_model(mobilenet.model, tmp_path / "fixed", weights="random", fixed=FixedShape(65, 97, 2))
    run = tf.saved_model.load(tmp_path / "fixed").signatures
    assert set(run) == {"initialize", "step", "embed"}
    frames, mask = mobilenet.clip["frames"], mobilenet.clip["first"]
    outputs = run["initialize"](image=tf.constant(frames[0]), mask=tf.constant(mask))
    for i in range(1, 4):
        outputs = run["step"](image=tf.constant(frames[i]), **state_of(outputs))
        assert (outputs["labels"] == mobilenet.labels[i]).numpy().mean() > 0.99
    with pytest.raises(tf.errors.InvalidArgumentError, match="holds 1 objects, expected 2"):
        run["initialize"](image=tf.constant(frames[0]), mask=tf.constant(np.minimum(mask, 1)))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"expected \[65, 97, 3\]"):
        run["step"](image=tf.constant(frames[0][1:]), **state_of(outputs))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ignore_label": 0}, "ignore_label is 0, expected a whole number from 1 to 255"),
        ({"max_side": 0}, "max_side is 0, expected a whole number from 1 up"),
        ({"fixed": FixedShape(4, 0, 1)}, "width is 0, expected at least 1"),
        ({"fixed": FixedShape(4, 4, 256)}, "num_objects is 256, expected at most 255"),
        ({"fixed": FixedShape(4, 4, 1), "max_side": 9}, "exclude each other"),
    ],
)
def test_options_out_of_range(tmp_path, options, message):
    model = types.SimpleNamespace(recommended=AS_PUBLISHED)
    with pytest.raises(InputError, match=message):
        export_model(model, tmp_path / "export", weights="none", **options)


def test_folder_must_be_new(tmp_path):
    (tmp_path / "export").mkdir()
    with pytest.raises(InputError, match="export: exists already"):
        export_model(None, tmp_path / "export", weights="none")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file is no folder"):
        export_model(None, tmp_path / "file" / "export", weights="none")


def test_parents_are_made(tmp_path, monkeypatch):
    monkeypatch.setattr(saving.Signatures, "functions", lambda _: {})
    monkeypatch.setattr(saving.descriptions, "describe", lambda *_: {})
    monkeypatch.setattr(saving.descriptions, "readme", lambda _: "")
    monkeypatch.setattr(saving, "write_warmup", lambda *_: None)
    model = build_model(ModelConfig(depth_multiplier=0.1, atrous_rates=(), embedding_dim=4))
    export_model(model, tmp_path / "models" / "feelvos" / "1", weights="none")
    assert (tmp_path / "models" / "feelvos" / "1" / "saved_model.pb").is_file()


def test_interrupted_export_leaves_nothing(tmp_path, monkeypatch, mobilenet):
    def interrupt(*_):
        raise KeyboardInterrupt

    empty = types.SimpleNamespace(structured_outputs={}, structured_input_signature=())
    monkeypatch.setattr(saving.Signatures, "functions", lambda _: {"initialize": empty})
    monkeypatch.setattr(tf.saved_model, "save", lambda _, path, **__: pathlib.Path(path).mkdir())
    monkeypatch.setattr(saving, "write_warmup", interrupt)
    with pytest.raises(KeyboardInterrupt):
        export_model(mobilenet.model, tmp_path / "export", weights="none")
    assert list(tmp_path.iterdir()) == []
