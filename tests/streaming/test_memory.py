"""The memory against a naive twin, and what it must not do to a stream."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from streaming_models import build, run, shared

from feelvos_tf import VideoSegmenter
from feelvos_tf.config import Memory
from feelvos_tf.data.synthetic import synthetic_clip
from feelvos_tf.errors import InputError
from feelvos_tf.ops import reference_search
from feelvos_tf.streaming import memory as memories

ALL = Memory(every=1, frames=3, max_pixels=4096, min_confidence=0.0)


@pytest.fixture(scope="module")
def model():
    return build()


@pytest.fixture(scope="module")
def clip():
    return synthetic_clip(seed=3, num_frames=8, height=45, width=66, num_objects=3)


def naive_distances(query, kept, num_channels):
    """Squared distances [Q, F, N] to lists of (embedding, channel), one list a frame."""
    result = np.full([len(query), len(kept), num_channels], np.inf, np.float32)
    for f, pixels in enumerate(kept):
        for embedding, channel in pixels:
            distance = ((query - embedding) ** 2).sum(-1)
            result[:, f, channel] = np.minimum(result[:, f, channel], distance)
    return result


def remembered(state):
    """Lists of (embedding, channel), one list a frame, out of a MemoryState."""
    kept = []
    for keys, objects in zip(state.keys.numpy(), state.objects.numpy()):
        real = keys[..., -1] < 1e29
        assert not (real & (objects < 0)).any()
        kept.append(
            [(keys[slot, column, :-1], objects[column]) for slot, column in zip(*np.nonzero(real))]
        )
    return kept


@pytest.mark.parametrize("frames,steps", [(3, 7), (4, 2), (1, 3)])
def test_memory_against_its_naive_twin(frames, steps):
    """Every confident pixel of the last frames, and no other, under its predicted channel."""
    rng = np.random.RandomState(steps)
    memory = Memory(every=2, frames=frames, max_pixels=999, min_confidence=0.5)
    size, channels, dim = (5, 7), 3, 4
    state = memories.empty(memory, size, channels, dim)
    expected = [[] for _ in range(frames)]
    for step in range(1, steps + 1):
        embedding = rng.rand(*size, dim).astype(np.float32)
        probabilities = rng.dirichlet([0.4] * channels, size).astype(np.float32)
        state = memories.remember(state, memory, tf.constant(embedding), tf.constant(probabilities))
        if step % 2 == 0:
            expected[(step // 2 - 1) % frames] = [
                (embedding[y, x], probabilities[y, x].argmax())
                for y, x in np.ndindex(*size)
                if probabilities[y, x].max() > 0.5
            ]
    for found, wanted in zip(remembered(state), expected):
        assert sorted((c, *e) for e, c in found) == sorted((c, *e) for e, c in wanted)
    query = rng.rand(11, dim).astype(np.float32)
    np.testing.assert_allclose(
        memories.distances(
            lambda reference, groups: reference_search.nearest(
                tf.constant(query), reference, groups
            ),
            len(query),
            state,
            channels,
        ),
        naive_distances(query, expected, channels),
        atol=1e-5,
    )


def test_a_channel_keeps_at_most_max_pixels_and_the_draw_is_seeded():
    rng = np.random.RandomState(0)
    memory = Memory(every=1, frames=2, max_pixels=5, min_confidence=0.9)
    embedding = tf.constant(rng.rand(9, 13, 3), tf.float32)
    labels = rng.randint(0, 3, [9, 13])
    probabilities = tf.one_hot(labels, 3)
    states = []
    for _ in range(2):
        state = memories.empty(memory, (9, 13), 3, 3)
        for _ in range(2):
            state = memories.remember(state, memory, embedding, probabilities)
        states.append(state)
    for kept in remembered(states[0]):
        assert np.bincount([channel for _, channel in kept]).tolist() == [5, 5, 5]
        for pixel, channel in kept:
            place = np.argwhere((embedding.numpy() == pixel).all(-1))
            assert labels[tuple(place[0])] == channel
    first, second = remembered(states[0])
    assert {tuple(e) for e, _ in first} != {tuple(e) for e, _ in second}
    for a, b in zip(tf.nest.flatten(states[0]), tf.nest.flatten(states[1])):
        np.testing.assert_array_equal(a, b)


def test_without_confident_pixels_nothing_changes(model, clip):
    """No probability exceeds 1, so this memory stays empty."""
    plain = run(shared(), clip.frames, clip.masks[0])
    segmenter = VideoSegmenter(model, memory=Memory(every=1, min_confidence=1.0))
    for a, b in zip(plain, run(segmenter, clip.frames, clip.masks[0])):
        np.testing.assert_array_equal(a, b)
    result = segmenter.step(clip.frames[0], return_details=True)
    assert (result.reference_frame == 0).all()


def test_the_winning_reference_frame_is_told(clip):
    """A frame seen before and remembered whole is nearer than the given one: distance 0."""
    segmenter = shared(memory=ALL)
    segmenter.reset(clip.frames[0], clip.masks[0])
    for t in (1, 2, 3, 4, 5):
        segmenter.step(clip.frames[t])
    result = segmenter.step(clip.frames[4], return_details=True)
    nearest = np.take_along_axis(
        result.reference_frame, result.global_distance.argmin(-1)[..., np.newaxis], -1
    )
    assert result.global_distance.min(-1).max() < 1e-4
    assert np.mean(nearest == 4) > 0.9
    assert set(np.unique(result.reference_frame)) <= {0, 3, 4, 5}


def test_given_pixels_never_leave(clip):
    """The given frame, seen again after any number of others, is found at distance 0."""
    segmenter = shared(memory=ALL)
    run(segmenter, clip.frames, clip.masks[0])
    result = segmenter.step(clip.frames[0], return_details=True)
    assert result.global_distance.min(-1).max() < 1e-4


def test_nothing_is_traced_again_and_sizes_stay(model, clip):
    segmenter = VideoSegmenter(
        model, memory=Memory(every=2, frames=3, max_pixels=20, min_confidence=0.3)
    )
    sizes = []
    segmenter.reset(clip.frames[0], clip.masks[0])
    for t in range(24):
        segmenter.step(clip.frames[t % 8])
        sizes.append([tuple(part.shape) for part in segmenter._video.state.memory])
    assert segmenter._advance.experimental_get_tracing_count() == 1
    assert sizes == sizes[:1] * len(sizes)
    segmenter.reset(clip.frames[0], clip.masks[0])
    assert not segmenter._video.state.memory.frames.numpy().any()
    assert not any(remembered(segmenter._video.state.memory))


def test_a_late_object_gets_room_and_background_is_forgotten(model, clip):
    first, late = clip.masks[0].copy(), clip.masks[3].copy()
    first[first == 3], late[late != 3] = 0, 0
    segmenter = VideoSegmenter(model, memory=dataclasses.replace(ALL, max_pixels=30))
    segmenter.reset(clip.frames[0], first)
    for t in range(1, 4):
        segmenter.step(clip.frames[t])
    before = remembered(segmenter._video.state.memory)
    segmenter.add_objects(late)
    after = remembered(segmenter._video.state.memory)
    for old, new in zip(before, after):
        assert [p for p in map(str, old) if not p.endswith(", 0)")] == list(map(str, new))
    labels = run_on(segmenter, clip.frames[4:])
    assert any((frame == 3).any() for frame in labels)
    assert {c for kept in remembered(segmenter._video.state.memory) for _, c in kept} == {
        0,
        1,
        2,
        3,
    }


def run_on(segmenter, frames):
    return [segmenter.step(frame) for frame in frames]


@pytest.mark.parametrize("size", [(1, 1), (1, 37), (23, 1)])
def test_frames_of_a_pixel_or_a_line(size):
    rng = np.random.RandomState(0)
    segmenter = shared(memory=ALL)
    frames = rng.randint(0, 256, [4, *size, 3]).astype(np.uint8)
    mask = np.zeros(size, np.uint8)
    mask[-1, -1] = 255
    for labels in run(segmenter, frames, mask):
        assert labels.shape == size and set(np.unique(labels)) <= {0, 255}


def test_255_objects_are_bounded_by_the_frame(model):
    rng = np.random.RandomState(0)
    mask = np.arange(256).reshape(16, 16).repeat(4, 0).repeat(4, 1).astype(np.uint8)
    segmenter = VideoSegmenter(model, memory=dataclasses.replace(ALL, max_pixels=65536))
    run(segmenter, rng.randint(0, 256, [3, 64, 64, 3]).astype(np.uint8), mask)
    # 16 x 16 pixels at stride 4 fill 8 columns, and each channel may leave one half empty.
    assert segmenter._video.state.memory.objects.shape == [3, 8 + 256]


@pytest.mark.parametrize(
    "changes", [{"k_nearest_neighbors": 3}, {"previous_mask": "probabilities"}]
)
def test_other_networks_have_a_memory_too(changes, clip):
    segmenter = VideoSegmenter(build(**changes), memory=ALL)
    labels = run(segmenter, clip.frames[:4], clip.masks[0])
    assert all(set(np.unique(frame)) <= {0, 1, 2, 3} for frame in labels)


@pytest.mark.parametrize(
    "values,message",
    [
        ({"every": 0}, "every is 0, expected a whole number from 1 up"),
        ({"frames": 65}, "frames is 65, expected a whole number from 1 to 64"),
        ({"max_pixels": 2.5}, "max_pixels is 2.5, expected a whole number"),
        ({"min_confidence": 1.5}, "min_confidence is 1.5, expected 0 to 1"),
        ({"min_confidence": float("nan")}, "min_confidence is nan, expected 0 to 1"),
        ({"size": 3}, "'size' is unknown, expected every, frames, max_pixels, min_confidence"),
        ([1], "memory is \\[1\\], expected every"),
    ],
)
def test_bad_numbers_are_named(values, message):
    with pytest.raises(InputError, match=message):
        Memory.from_dict(values)


def test_a_network_without_global_matching_has_no_memory():
    with pytest.raises(InputError, match="a memory needs a network with first_frame_matching"):
        VideoSegmenter(build(first_frame_matching=False), memory=Memory())
    assert Memory.from_dict(Memory(every=7).to_dict()) == Memory(every=7)


def test_a_command_line_names_a_memory():
    assert Memory.parse("none") is None
    assert Memory.parse("every=3, min_confidence=0.5") == Memory(every=3, min_confidence=0.5)
    for text in ("", "every", "every=x", "every=3;frames=2", "size=1", "None"):
        with pytest.raises(InputError, match="memory: "):
            Memory.parse(text)
