"""Exports with a memory: the state carries it, and the labels are VideoSegmenter's."""

import json

import numpy as np
import pytest
import tensorflow as tf
from streaming_models import build

from feelvos_tf import Memory, VideoSegmenter
from feelvos_tf.data.synthetic import synthetic_clip
from feelvos_tf.export import FixedShape, export_model
from feelvos_tf.streaming.state import State

MEMORY = Memory(every=2, frames=2, max_pixels=40, min_confidence=0.3)
PARTS = {name for name in State._fields if name.startswith("memory")}


@pytest.fixture(scope="module")
def clip():
    return synthetic_clip(seed=3, num_frames=8, height=45, width=66, num_objects=2)


@pytest.mark.compat
@pytest.mark.parametrize("fixed", [None, FixedShape(45, 66, 2)], ids=["any size", "fixed"])
def test_an_export_remembers_as_the_segmenter_does(clip, tmp_path, fixed):
    model = build()
    export_model(model, tmp_path / "1", weights="test", memory=MEMORY, fixed=fixed)
    described = json.loads((tmp_path / "1" / "signatures.json").read_text())
    assert described["options"]["memory"] == MEMORY.to_dict()
    assert PARTS < set(described["state"])
    functions = tf.saved_model.load(tmp_path / "1").signatures
    segmenter = VideoSegmenter(model, memory=MEMORY)
    segmenter.reset(clip.frames[0], clip.masks[0])
    outputs = functions["initialize"](
        image=tf.constant(clip.frames[0]), mask=tf.constant(clip.masks[0])
    )
    for frame in clip.frames[1:]:
        state = {name: outputs[name] for name in described["state"]}
        outputs = functions["step"](image=tf.constant(frame), **state)
        labels = segmenter.step(frame)
        # Compiled by XLA, pixels that are ties may fall the other way.
        assert np.mean(outputs["labels"].numpy() != labels) <= (0.0 if fixed is None else 0.01)
    np.testing.assert_array_equal(outputs["memory_frames"], [6, 4])
    if fixed is None:
        mask = np.zeros([45, 66], np.uint8)
        mask[3:9, 4:11] = 77
        state = {name: outputs[name] for name in described["state"]}
        outputs = functions["add_objects"](
            image=tf.constant(clip.frames[-1]), mask=tf.constant(mask), **state
        )
        segmenter.add_objects(mask)
        for name, value in segmenter.state().items():
            if name in described["state"]:
                np.testing.assert_allclose(outputs[name], value, atol=1e-4)
        wrong = {
            **{name: outputs[name] for name in described["state"]},
            "memory_steps": tf.constant(-1),
        }
        with pytest.raises(tf.errors.InvalidArgumentError, match="memory_steps in the state is -1"):
            functions["step"](image=tf.constant(clip.frames[0]), **wrong)


def test_without_a_memory_the_state_has_no_such_parts(tmp_path):
    export_model(build(), tmp_path / "1", weights="test", memory=None)
    assert not PARTS & set(json.loads((tmp_path / "1" / "signatures.json").read_text())["state"])
