"""The `correct` signature: VideoSegmenter.correct, with the state in plain sight."""

import numpy as np
import pytest
import tensorflow as tf
from exported import state_of
from streaming_models import build

from feelvos_tf import Memory, VideoSegmenter
from feelvos_tf.data.synthetic import synthetic_clip
from feelvos_tf.export import export_model

IGNORED = 255
OPTIONS = {
    "memory": Memory(every=1, frames=2, max_pixels=40, min_confidence=0.3),
    "ignore_label": IGNORED,
}


@pytest.fixture(scope="module")
def clip():
    return synthetic_clip(seed=3, num_frames=7, height=45, width=66, num_objects=2)


@pytest.fixture(scope="module")
def model():
    return build()


@pytest.fixture(scope="module")
def run(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "1"
    export_model(model, folder, weights="test", **OPTIONS)
    return tf.saved_model.load(folder).signatures


def call(function, *arrays, **state):
    names = ("image", "mask")
    return function(**{n: tf.constant(a) for n, a in zip(names, arrays)}, **state)


def right_masks(clip):
    """Masks for frames 2, 3 and 5: an erased object; a new id and unknown pixels; no object."""
    erased = np.where(clip.masks[2] == 1, 0, clip.masks[2]).astype(np.uint8)
    other = clip.masks[3].copy()
    other[3:9, 4:11], other[30:] = 77, IGNORED
    return {2: erased, 3: other, 5: np.zeros_like(other)}


def test_it_is_the_segmenters(model, run, clip):
    segmenter, masks = VideoSegmenter(model, **OPTIONS), right_masks(clip)
    segmenter.reset(clip.frames[0], clip.masks[0])
    outputs = call(run["initialize"], clip.frames[0], clip.masks[0])
    for i in range(1, 7):
        outputs = call(run["step"], clip.frames[i], **state_of(outputs))
        labels = segmenter.step(clip.frames[i])
        if i in masks:
            outputs = call(run["correct"], clip.frames[i], masks[i], **state_of(outputs))
            labels = segmenter.correct(masks[i])
            np.testing.assert_array_equal(labels, np.where(masks[i] == IGNORED, 0, masks[i]))
            assert (outputs["memory_frames"].numpy() == 0).all()
        np.testing.assert_array_equal(outputs["labels"], labels, f"frame {i}")
        for name, value in segmenter.state().items():
            if name in outputs:
                np.testing.assert_allclose(outputs[name], value, atol=1e-4, err_msg=name)
    assert outputs["object_ids"].numpy().tolist() == [0, 1, 2, 77]


def test_what_it_refuses(run, clip):
    begun = call(run["initialize"], clip.frames[0], clip.masks[0])
    state = state_of(call(run["step"], clip.frames[1], **state_of(begun)))
    for frame, mask, said in (
        (clip.frames[4], clip.masks[1], "not the one handed to the last call"),
        (clip.frames[1], np.full((45, 66), IGNORED, np.uint8), "the mask tells nothing"),
        (clip.frames[1], clip.masks[1][:-1], "the mask is 66x44, but the image is 66x45"),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match=said):
            call(run["correct"], frame, mask, **state)
