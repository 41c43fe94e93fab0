"""The state as plain arrays: what goes on from it is what would have come."""

import numpy as np
import pytest
from streaming_models import build, run, shared

from feelvos_tf import VideoSegmenter
from feelvos_tf.config import Memory
from feelvos_tf.data.synthetic import synthetic_clip
from feelvos_tf.errors import InputError
from feelvos_tf.streaming import state as states

MEMORY = Memory(every=2, frames=2, max_pixels=50, min_confidence=0.3)


@pytest.fixture(scope="module")
def clip():
    return synthetic_clip(seed=3, num_frames=9, height=45, width=66, num_objects=3)


@pytest.fixture(scope="module")
def segmenter():
    """With all that a state can hold: probabilities fed back, and a memory."""
    return VideoSegmenter(build(previous_mask="probabilities"), memory=MEMORY)


@pytest.fixture(scope="module")
def state(segmenter, clip):
    run(segmenter, clip.frames[:5], clip.masks[0])
    return segmenter.state()


@pytest.mark.compat
def test_restored_streams_go_on_as_if_never_stopped(segmenter, state, clip, tmp_path):
    segmenter.restore(state)
    expected = [segmenter.step(frame).copy() for frame in clip.frames[5:]]
    states.save(tmp_path / "state.npz", state)
    segmenter.reset(clip.frames[7], np.minimum(clip.masks[0], 1))  # another video in between
    segmenter.restore(states.load(tmp_path / "state.npz"))
    assert segmenter.object_ids == [1, 2, 3]
    for frame, labels in zip(clip.frames[5:], expected):
        np.testing.assert_array_equal(segmenter.step(frame), labels)


def test_a_state_is_a_copy(segmenter, state, clip):
    segmenter.restore(state)
    first = segmenter.step(clip.frames[5]).copy()
    again = segmenter.state()
    for value in again.values():
        if value.ndim:
            value[...] = 0
    segmenter.restore(state)
    np.testing.assert_array_equal(segmenter.step(clip.frames[5]), first)


def test_late_objects_after_restore(segmenter, state, clip):
    mask = np.zeros([45, 66], np.uint8)
    mask[3:9, 4:11] = 77
    segmenter.restore(state)
    expected = segmenter.add_objects(mask).copy(), segmenter.step(clip.frames[6]).copy()
    segmenter.restore(state)
    np.testing.assert_array_equal(segmenter.add_objects(mask), expected[0])
    np.testing.assert_array_equal(segmenter.step(clip.frames[6]), expected[1])


def test_without_a_memory_there_are_fewer_parts(clip):
    plain = VideoSegmenter(build())
    with pytest.raises(InputError, match="no video has begun"):
        plain.state()
    plain.reset(clip.frames[0], clip.masks[0])
    assert not any(name.startswith("memory") for name in plain.state())


@pytest.mark.parametrize(
    "change,message",
    [
        ({"version": np.int32(2)}, "the state is of version 2, expected 1"),
        ({"memory_keys": None}, "the state has no memory_keys: it is of a segmenter with other"),
        ({"more": np.zeros(3)}, "the state has more"),
        (
            {"labels": np.zeros([45, 66])},
            "labels in the state is float64 \\[45, 66\\], expected uint8",
        ),
        ({"labels": np.zeros([44, 66], np.uint8)}, "previous_embedding in the state is"),
        ({"labels": np.zeros([0, 66], np.uint8)}, "labels in the state are empty"),
        (
            {"object_ids": np.array([0, 1, 1, 3], np.int32)},
            "object_ids in the state are \\[0, 1, 1, 3",
        ),
        (
            {"previous_labels": np.full([12, 17], 4, np.int32)},
            "previous_labels in the state hold 4 to 4, expected -1 to 3",
        ),
        ({"memory_steps": np.int32(-1)}, "memory_steps in the state is -1"),
        (
            {"previous_mask": np.full([12, 17, 4], np.nan, np.float32)},
            "previous_mask in the state has",
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_state_that_does_not_fit_is_named(segmenter, state, change, message):
    values = {name: value for name, value in {**state, **change}.items() if value is not None}
    with pytest.raises(InputError, match=message):
        segmenter.restore(values)


def test_damaged_files_are_named(state, tmp_path):
    path = tmp_path / "state.npz"
    with pytest.raises(InputError, match="state.npz: no such file"):
        states.load(path)
    states.save(path, state)
    data = bytearray(path.read_bytes())
    for cut in (0, 10, len(data) // 2, len(data) - 5):
        path.write_bytes(data[:cut])
        with pytest.raises(InputError, match="state.npz: not the state of a video"):
            states.load(path)
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(InputError, match="state.npz: not the state of a video"):
        states.load(path)


def test_labels_cannot_stand_for_a_memory(segmenter, state, clip):
    memory = shared(memory=MEMORY)
    memory.reset(clip.frames[0], clip.masks[0])
    with pytest.raises(InputError, match="cannot resume from labels, which do not hold it"):
        memory.resume(clip.frames[1], clip.masks[1])


def test_what_labels_do_not_hold_can_be_forgotten(clip):
    """From any frame on as from the given frame with an empty memory, steps counted on."""
    memory = shared(memory=MEMORY)
    memory.reset(clip.frames[0], clip.masks[0])
    for frame in clip.frames[1:5]:
        labels = memory.step(frame)
    assert (memory.state()["memory_frames"] > 0).any()
    memory.resume(clip.frames[4], labels, forget=True)
    assert not (memory.state()["memory_frames"] > 0).any()
    assert memory.state()["memory_steps"] == 4
    expected = memory.step(clip.frames[5])

    plain = shared()
    plain.reset(clip.frames[0], clip.masks[0])
    plain.resume(clip.frames[4], labels)
    np.testing.assert_array_equal(plain.step(clip.frames[5]), expected)
    soft = VideoSegmenter(build(previous_mask="probabilities"), memory=None)
    soft.reset(clip.frames[0], clip.masks[0])
    soft.resume(clip.frames[4], labels, forget=True)
    assert soft.step(clip.frames[5]).shape == labels.shape
