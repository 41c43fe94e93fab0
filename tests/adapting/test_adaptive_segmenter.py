"""A segmenter that adapts: as a VideoSegmenter over an adapted network, video after video."""

import functools
import threading
from contextlib import nullcontext

import numpy as np
import pytest
from streaming_models import build, run

from feelvos_tf import Memory, VideoSegmenter
from feelvos_tf.adapting import adaptive_segmenter as adaptive
from feelvos_tf.adapting.adaptation import Adaptation
from feelvos_tf.adapting.adaptive_segmenter import AdaptiveSegmenter, labeled
from feelvos_tf.checkpoints import named_variables
from feelvos_tf.data.synthetic import synthetic_clip
from feelvos_tf.errors import InputError
from feelvos_tf.video.adapted import PassedFrame

SMALL = Adaptation(steps=2, crop_size=33, batch_size=1, num_frames=3, learning_rate=0.01)
OPTIONS = {"memory": Memory(every=2, frames=2, max_pixels=30, min_confidence=0.5), "probes": 2}


@pytest.fixture(scope="module")
def model():
    return build(head_layers=1)


@pytest.fixture(scope="module")
def segmenter(model):
    return AdaptiveSegmenter(model, SMALL, **OPTIONS)


@pytest.fixture
def trials(monkeypatch, model):
    """What the trial finds, in turn: after each pass, and always with the weights given."""
    found = [0.5, 0.75]
    real = adaptive.way_back

    def trial(segmenter, frames, *rest):
        assert 0 <= real(segmenter, frames, *rest) <= 1
        assert equal(weights_of(model), weights_of(segmenter.model))
        found.append(found.pop(0))
        return found[-1]

    monkeypatch.setattr(adaptive, "way_back", trial)
    return found


def clip(seed, num_objects=2, height=45):
    return synthetic_clip(seed=seed, num_frames=5, height=height, width=66, num_objects=num_objects)


def adapt(segmenter, drawn, **options):
    passes = functools.partial(labeled, segmenter, drawn.frames, drawn.masks[0])
    return segmenter.adapt(passes, **options)


def weights_of(model):
    return {name: variable.numpy() for name, variable in named_variables(model).items()}


def equal(one, other):
    return all(np.array_equal(one[name], value) for name, value in other.items())


@pytest.mark.compat
def test_each_video_is_adapted_to_from_the_weights_given(model, segmenter, trials):
    found = []
    for seed in (3, 4, 3):
        outcome = adapt(segmenter, clip(seed))
        assert outcome[3:6] == (0.5, 0.75, True) and outcome.steps == 2 and not outcome.note
        found.append(weights_of(segmenter.model))
    assert equal(found[0], found[2]) and not equal(found[0], found[1])
    assert not equal(weights_of(model), found[0])


def test_one_pass_has_the_weights_given_and_one_those_trained(model, segmenter, trials):
    adapt(segmenter, clip(4))
    drawn, seen = clip(3), []

    def passes():
        seen.append([])
        for frame in labeled(segmenter, drawn.frames, drawn.masks[0]):
            seen[-1].append(frame)
            yield frame

    segmenter.adapt(passes)
    plain = VideoSegmenter(model, **OPTIONS)
    expected = [run(one, drawn.frames, drawn.masks[0]) for one in (plain, segmenter)]
    found = [[frame.labels for frame in frames[1:]] for frames in seen]
    np.testing.assert_array_equal(found, expected)
    assert not np.array_equal(*found)
    for frames in seen:
        assert [frame.given for frame in frames] == [True] + 4 * [False]
        assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("after", [0.5, 0.25])
def test_what_finds_given_masks_no_better_is_not_kept(model, segmenter, trials, after):
    trials[:] = [0.5, after]
    outcome = adapt(segmenter, clip(3))
    assert not outcome.kept and outcome.steps == 2
    assert "not kept: the network stays as it came" in outcome.lines()[-1]
    assert equal(weights_of(model), weights_of(segmenter.model))


@pytest.mark.parametrize("frames", [1, 2])
def test_a_video_without_a_way_leaves_the_network(model, segmenter, frames):
    drawn = clip(3)
    outcome = segmenter.adapt(lambda: labeled(segmenter, drawn.frames[:frames], drawn.masks[0]))
    assert outcome[3:6] == (None, None, False) and outcome.steps == 0
    assert outcome.note == "ended after 0 of 2 steps: the objects make too few clips"
    assert equal(weights_of(model), weights_of(segmenter.model))


def test_frames_larger_than_the_longest_side_are_reduced(model, monkeypatch):
    seen, drawn = [], clip(3)
    monkeypatch.setattr(
        adaptive, "way_back", lambda _, frames, *rest: seen.extend(x.image.shape for x in frames)
    )
    frames = [PassedFrame(0, drawn.frames[0], drawn.masks[0], True)]
    AdaptiveSegmenter(model, SMALL, max_side=50, **OPTIONS).adapt(lambda: frames)
    AdaptiveSegmenter(model, SMALL, max_side=66, **OPTIONS).adapt(lambda: frames)
    assert seen == [(34, 50, 3), (45, 66, 3)]


def test_what_is_saved_is_a_checkpoint_of_the_same_weights(model, segmenter, trials, tmp_path):
    adapt(segmenter, clip(3))
    segmenter.save_adapted(tmp_path / "adapted.npz")
    other = AdaptiveSegmenter(model, SMALL, **OPTIONS)
    other.load_adapted(tmp_path / "adapted.npz")
    assert equal(weights_of(other.model), weights_of(segmenter.model))
    assert not equal(weights_of(other.model), weights_of(model))


def test_a_wrong_mask_is_named_before_anything_is_trained(segmenter):
    frames = np.zeros([3, 45, 66, 3], np.uint8)
    with pytest.raises(InputError, match="the mask holds no object"):
        segmenter.adapt(lambda: labeled(segmenter, frames, np.zeros([45, 66], np.uint8)))


def test_an_event_of_the_block_ends_the_first_pass_too(model, monkeypatch):
    stop, drawn = threading.Event(), clip(3)
    segmenter = AdaptiveSegmenter(model, SMALL, stopping=lambda: nullcontext(stop))
    monkeypatch.setattr(adaptive, "way_back", lambda *all: 0.5)

    def stopping():
        for index, (frame, mask) in enumerate(zip(drawn.frames, drawn.masks)):
            assert not stop.is_set()
            if index == 3:
                stop.set()
            yield PassedFrame(index, frame, mask, index == 0)

    outcome = segmenter.adapt(stopping)
    assert outcome.steps == 0 and "stopped after 0 of 2" in outcome.note and not outcome.kept


def test_an_event_ends_the_trial_and_what_was_learned_is_left(model, monkeypatch):
    stop, drawn, passes = threading.Event(), clip(3), []
    segmenter = AdaptiveSegmenter(model, SMALL, stopping=lambda: nullcontext(stop))
    monkeypatch.setattr(adaptive, "way_back", lambda *all: 0.5)

    def stopping():
        passes.append([])
        for index, (frame, mask) in enumerate(zip(drawn.frames, drawn.masks)):
            if len(passes) == 2 and index == 3:
                stop.set()
            passes[-1].append(index)
            yield PassedFrame(index, frame, mask, index == 0)

    outcome = segmenter.adapt(stopping)
    assert len(passes) == 2 and passes[1] == [0, 1, 2, 3]
    assert outcome.steps == 2 and outcome.after is None and not outcome.kept
    assert outcome.lines() == [
        "the adaptation stopped before its trial ended; what it learned is left"
    ]
    for ours, given in zip(segmenter.model.get_weights(), model.get_weights()):
        np.testing.assert_array_equal(ours, given)
