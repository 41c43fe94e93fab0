"""Streaming that searches the likeliest columns alone: with enough of them it is exact."""

import numpy as np
import pytest
from streaming_models import build, run, shared

from feelvos_tf import VideoSegmenter
from feelvos_tf.config import Memory
from feelvos_tf.data.synthetic import synthetic_clip
from feelvos_tf.errors import InputError
from feelvos_tf.streaming_settings import StreamingSettings

MEMORY = Memory(every=2, frames=3, max_pixels=40, min_confidence=0.3)
ALL = 10_000


@pytest.fixture(scope="module")
def model():
    return build()


@pytest.fixture(scope="module")
def clip():
    return synthetic_clip(seed=3, num_frames=8, height=45, width=66, num_objects=3)


@pytest.fixture(scope="module")
def probing(model):
    return VideoSegmenter(model, memory=MEMORY, probes=ALL)


def edited(segmenter, clip):
    """Every way in which the reference changes, and a result after each."""
    segmenter.reset(clip.frames[0], np.where(clip.masks[0] == 3, 0, clip.masks[0]))
    results = [segmenter.step(clip.frames[1], return_details=True)]
    segmenter.add_objects(np.where(clip.masks[1] == 3, 77, 0))
    results.append(segmenter.step(clip.frames[2], return_details=True))
    segmenter.correct(np.where(clip.masks[2] == 3, 77, clip.masks[2]))
    results += [segmenter.step(frame, return_details=True) for frame in clip.frames[3:6]]
    segmenter.add_reference(clip.frames[7], np.where(clip.masks[7] == 3, 77, clip.masks[7]))
    results.append(segmenter.step(clip.frames[6], return_details=True))
    segmenter.remove_object(1)
    return [*results, segmenter.step(clip.frames[7], return_details=True)]


@pytest.mark.compat
def test_with_all_columns_it_streams_as_the_exact_search(probing, clip):
    exact = edited(shared(memory=MEMORY), clip)
    for found, expected in zip(edited(probing, clip), exact):
        np.testing.assert_array_equal(found.labels, expected.labels)
        np.testing.assert_allclose(found.global_distance, expected.global_distance, atol=1e-5)


def test_few_columns_find_real_pixels_farther_away(clip):
    """The first step, before results feed on results."""
    exact, few = (shared(probes=probes) for probes in (None, 1))
    distances = []
    for segmenter in (exact, few):
        segmenter.reset(clip.frames[0], clip.masks[0])
        distances.append(segmenter.step(clip.frames[5], return_details=True).global_distance)
    apart = distances[1] - distances[0]
    assert apart.min() > -1e-5 and apart.max() > 1e-4


def test_its_state_goes_on(probing, clip):
    whole = run(probing, clip.frames, clip.masks[0])
    run(probing, clip.frames[:4], clip.masks[0])
    state = probing.state()
    run(probing, clip.frames[:2, :30, :41], clip.masks[0][:30, :41])
    probing.restore(state)
    rest = [probing.step(frame) for frame in clip.frames[4:]]
    np.testing.assert_array_equal(rest, whole[3:])


def test_auto_is_what_the_weights_recommend(clip):
    model = build()
    model.recommended = StreamingSettings(probes=1)
    few, auto, exact = (
        run(either, clip.frames[:4], clip.masks[0])
        for either in (shared(probes=1), VideoSegmenter(model, memory=None), shared())
    )
    np.testing.assert_array_equal(auto, few)
    assert (np.array(auto) != np.array(exact)).any()


@pytest.mark.parametrize(
    "changes,probes,message",
    [
        ({}, 0, "probes is 0"),
        ({}, "8", "probes is '8'"),
        ({"k_nearest_neighbors": 3}, 8, "the network averages 3"),
        ({"first_frame_matching": False}, 8, "need a network with first_frame_matching"),
    ],
)
def test_wrong_probes_are_named(changes, probes, message):
    with pytest.raises(InputError, match=message):
        VideoSegmenter(build(**changes), memory=None, probes=probes)
