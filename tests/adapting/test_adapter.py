"""The loop: what it changes and what it leaves alone, when it ends, and what it refuses."""

import dataclasses
import threading

import numpy as np
import pytest
from streaming_models import build

from feelvos_tf.adapting import adapter as adapters
from feelvos_tf.adapting.adaptation import Adaptation
from feelvos_tf.adapting.adapter import Adapter, adapt, as_channels
from feelvos_tf.adapting.dreams import dream
from feelvos_tf.checkpoints import named_variables
from feelvos_tf.data.synthetic import synthetic_clip
from feelvos_tf.errors import InputError

SMALL = Adaptation(steps=6, crop_size=33, batch_size=1, num_frames=3, learning_rate=0.03)


@pytest.fixture(scope="module")
def model():
    return build(head_layers=1)  # which learns from its first step on


@pytest.fixture(scope="module")
def given():
    clip = synthetic_clip(seed=3, num_frames=2, height=45, width=66, num_objects=2)
    return clip.frames[0], clip.masks[0]


@pytest.fixture(scope="module")
def adapter(model):
    return Adapter(model, SMALL)


def dreamed(told):
    return lambda steps: adapters.dreams.dream(*told, SMALL, steps)


def weights_of(model):
    return {name: variable.numpy() for name, variable in named_variables(model).items()}


@pytest.mark.compat
def test_head_and_embedding_change_and_nothing_else(model, given):
    before = weights_of(model)
    reports = []
    adapted = weights_of(adapt(model, [given], SMALL, report=reports.append))
    assert all(np.array_equal(before[name], value) for name, value in weights_of(model).items())
    for name, value in adapted.items():
        scope = name.split("/")[0]
        trained = scope in ("embedding", "embedding_seg", "logits") and "moving" not in name
        assert np.array_equal(before[name], value) != trained, name
    assert [progress.step for progress in reports] == [1, 2, 3, 4, 5, 6]
    assert reports[4].seconds_left is None and reports[5].seconds_left == 0.0
    assert all(np.isfinite(progress.loss) for progress in reports)


def test_it_trains_on_the_clips_it_is_given(adapter, given):
    told, asked = as_channels([given], None), []

    def mirrored(steps):
        asked.append(steps)
        frames, channels = ([x[:, ::-1] for x in part] for part in told)
        return adapters.dreams.dream(frames, channels, SMALL, steps)

    found, others = adapter.adapt(mirrored, steps=3), adapter.adapt(dreamed(told), steps=3)
    assert asked == [3] and found.steps == 3
    assert any(not np.array_equal(others.weights[n], value) for n, value in found.weights.items())
    assert adapter.adapt(lambda steps: iter(())).steps == 0


def test_the_decoder_on_request(model, given):
    adapter = Adapter(model, dataclasses.replace(SMALL, parts=("decoder",)))
    adapted = adapter.adapt(dreamed(as_channels([given], None)), steps=0)
    assert {name.split("/")[0] for name in adapted.weights} == {"decoder"}


def test_the_same_arguments_give_the_same_weights(adapter, given):
    told = as_channels([given], None)
    first, second = adapter.adapt(dreamed(told)), adapter.adapt(dreamed(told))
    assert first.steps == 6 and first.loss == second.loss and not first.note
    for name, value in first.weights.items():
        np.testing.assert_array_equal(second.weights[name], value)


def test_the_loss_falls(adapter, given, monkeypatch):
    monkeypatch.setattr(adapters, "_SPAN", 1)
    monkeypatch.setattr(adapters, "_is_flat", lambda seen: False)
    seen = []
    told = as_channels([given], None)
    adapter.adapt(dreamed(told), steps=60, report=lambda progress: seen.append(progress.loss))
    assert seen[-1] < 0.3 * seen[0]


def test_an_event_ends_it_with_what_there_is(adapter, model, given):
    stop = threading.Event()
    told = as_channels([given], None)
    adapted = adapter.adapt(dreamed(told), report=lambda p: p.step == 2 and stop.set(), stop=stop)
    assert adapted.steps == 2 and adapted.note == "stopped after 2 of 6 steps"
    before = weights_of(model)
    assert any(not np.array_equal(before[name], value) for name, value in adapted.weights.items())


def test_a_share_goes_part_of_the_way(adapter, model, given, monkeypatch):
    before, told = weights_of(model), as_channels([given], None)
    found = {}
    for share in (0.0, 0.5, 1.0):
        monkeypatch.setattr(adapter, "_adaptation", dataclasses.replace(SMALL, share=share))
        found[share] = adapter.adapt(dreamed(told)).weights
    for name, value in found[0.5].items():
        np.testing.assert_array_equal(found[0.0][name], before[name])
        middle = (found[0.0][name] + found[1.0][name]) / 2
        np.testing.assert_allclose(value, middle, rtol=1e-5, atol=1e-6)


def test_the_loss_is_that_of_the_outlines_which_the_weights_recommend(model, given, monkeypatch):
    shares = []
    real = adapters.clip_loss.frame_losses
    monkeypatch.setattr(
        adapters.clip_loss, "frame_losses", lambda *all: shares.append(all[-1]) or real(*all)
    )
    told = as_channels([given], None)
    guided = build(head_layers=1)
    guided.recommended = guided.recommended._replace(outlines="guided")
    found = [Adapter(one, SMALL).adapt(dreamed(told), steps=2).weights for one in (model, guided)]
    assert shares == [0.0, 0.5]
    assert any(not np.array_equal(found[0][name], value) for name, value in found[1].items())


def test_no_steps_leave_the_weights(adapter, model, given):
    adapted = adapter.adapt(dreamed(as_channels([given], None)), steps=0)
    before = weights_of(model)
    assert adapted.steps == 0 and np.isnan(adapted.loss)
    assert all(np.array_equal(before[name], value) for name, value in adapted.weights.items())


def test_a_clock_cuts_the_steps_once_it_is_known_how_long_one_takes(adapter, given, monkeypatch):
    now = iter(np.arange(0.0, 10000.0, 0.5))
    monkeypatch.setattr(adapters.time, "monotonic", lambda: float(next(now)))
    planned = []
    timed = dataclasses.replace(SMALL, steps=500, seconds=12.0)
    monkeypatch.setattr(adapter, "_adaptation", timed)
    adapted = adapter.adapt(dreamed(as_channels([given], None)), planned=planned.append)
    assert planned == [adapted.steps] and 10 <= adapted.steps < 40


def test_a_loss_that_is_no_number_keeps_the_last_good_weights(model, given, monkeypatch):
    real = adapters.clip_loss.frame_losses
    broken = Adapter(model, SMALL)

    def loss(*arguments):
        found = real(*arguments)
        bad = broken._optimizer.iterations >= 3
        return adapters.tf.where(bad, np.float32("nan"), found)

    monkeypatch.setattr(adapters.clip_loss, "frame_losses", loss)
    told = as_channels([given], None)
    adapted = broken.adapt(dreamed(told))
    assert adapted.note == "ended after 3 of 6 steps: the loss is nan" and adapted.steps == 3
    assert all(np.isfinite(value).all() for value in adapted.weights.values())


def test_it_ends_where_the_loss_falls_no_more():
    assert not adapters._is_flat([1.0] * 79)
    assert adapters._is_flat([1.0] * 80)
    assert not adapters._is_flat([1.0] * 40 + [0.9] * 40)
    assert not adapters._is_flat([1.0] * 85)


def test_objects_of_several_frames_share_their_channels():
    frame = np.zeros([9, 11, 3], np.uint8)
    first, second = np.zeros([2, 9, 11], np.uint8)
    first[0, :3] = [7, 200, 255]
    second[0, :3] = [200, 3, 0]
    _, (one, two) = as_channels([(frame, first), (frame, second)], 255)
    assert one[0, :4].tolist() == [2, 3, 255, 0] and two[0, :4].tolist() == [3, 1, 0, 0]
    _, (one,) = as_channels([(frame, first)], None)
    assert one[0, :4].tolist() == [1, 2, 3, 0]


def test_a_mask_of_every_id_leaves_the_last_one_out():
    frame = np.zeros([16, 16, 3], np.uint8)
    _, (channels,) = as_channels([(frame, np.arange(256).reshape(16, 16))], None)
    assert channels.ravel().tolist() == list(range(256))  # id 255 has become "unknown"


@pytest.mark.parametrize(
    "frame,mask,message",
    [
        (np.zeros([9, 8, 3], np.uint8), np.ones([9, 8], np.uint8), "too small to adapt to"),
        (np.zeros([45, 66, 3], np.uint8), np.ones([44, 66], np.uint8), "44"),
        (np.zeros([45, 66], np.uint8), np.ones([45, 66], np.uint8), "frame"),
    ],
)
def test_what_cannot_be_adapted_to_is_named(model, frame, mask, message):
    with pytest.raises(InputError, match=message):
        adapt(model, [(frame, mask)], SMALL)


def test_a_plan_is_told_where_an_event_ends_it_before_its_time_is_known(
    adapter, given, monkeypatch
):
    stop, planned = threading.Event(), []
    stop.set()
    monkeypatch.setattr(adapter, "_adaptation", dataclasses.replace(SMALL, seconds=9.0))
    adapter.adapt(dreamed(as_channels([given], None)), planned=planned.append, stop=stop)
    assert planned == [6]


def test_an_object_that_no_clip_shows_ends_with_a_line(adapter, given, monkeypatch):
    monkeypatch.setattr(adapters.dreams, "dream", dream)
    monkeypatch.setattr(adapters.dreams, "_TRIES", 0)
    adapted = adapter.adapt(dreamed(as_channels([given], None)), steps=1)
    assert adapted.note == "ended after 0 of 1 steps: the objects make too few clips"


@pytest.mark.parametrize(
    "change",
    [
        {"steps": -1},
        {"seconds": float("nan")},
        {"parts": ()},
        {"parts": ("head", "head")},
        {"parts": ("backbone",)},
        {"learning_rate": 0.0},
        {"num_frames": 2},
        {"crop_size": 8},
    ],
)
def test_settings_out_of_range(change):
    with pytest.raises(InputError, match=f"Adaptation: {next(iter(change))}="):
        Adaptation(**change)
