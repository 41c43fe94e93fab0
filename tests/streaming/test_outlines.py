"""Guided outlines: labels follow the frame's edges, and what the network feeds back does not."""

import numpy as np
import pytest
import tensorflow as tf
from streaming_models import IDS, build, shared, shared_model

from feelvos_tf import Memory, VideoSegmenter
from feelvos_tf.data.synthetic import synthetic_clip
from feelvos_tf.errors import InputError
from feelvos_tf.ops import guided_filter
from feelvos_tf.streaming.views import AveragedSegmenter
from feelvos_tf.streaming_settings import AS_PUBLISHED, StreamingSettings

pytestmark = pytest.mark.compat


@pytest.fixture(scope="module")
def clip():
    return synthetic_clip(seed=3, num_frames=6, height=45, width=66, num_objects=3)


def steps(segmenter, clip, mask=None):
    segmenter.reset(clip.frames[0], IDS[clip.masks[0]] if mask is None else mask)
    return [segmenter.step(frame, return_details=True) for frame in clip.frames[1:]]


@pytest.mark.parametrize("memory", [None, Memory(every=2, frames=2)])
@pytest.mark.parametrize("max_side", [None, 33])
def test_labels_are_refined_and_the_recurrence_is_as_published(clip, memory, max_side):
    options = {"memory": memory, "max_side": max_side}
    plain = steps(shared(**options), clip)
    guided = steps(shared(outlines="guided", **options), clip)
    changed = 0
    for one, other, frame in zip(plain, guided, clip.frames[1:]):
        np.testing.assert_array_equal(one.logits, other.logits)
        np.testing.assert_array_equal(one.previous_labels, other.previous_labels)
        refined = guided_filter.refine(tf.constant(other.logits), tf.constant(frame))
        np.testing.assert_array_equal(other.labels, IDS[np.argmax(refined, axis=-1)])
        changed += np.sum(one.labels != other.labels)
    assert changed > 0


@pytest.mark.parametrize("outlines", [None, "guided"])
def test_soft_masks_are_largest_at_the_label(clip, outlines):
    for result in steps(shared(outlines=outlines), clip):
        soft = result.soft_masks()
        assert soft.dtype == np.uint8 and soft.shape == (4, 45, 66)
        assert np.abs(soft.sum(axis=0, dtype=int) - 255).max() <= 2
        own = np.take_along_axis(soft, np.searchsorted(IDS, result.labels)[np.newaxis], axis=0)[0]
        np.testing.assert_array_equal(own, soft.max(axis=0))


@pytest.mark.parametrize("outlines", [None, "guided"])
def test_labels_and_soft_masks_of_a_steps_own_logits_are_its_own(clip, outlines):
    segmenter = shared(outlines=outlines)
    result = steps(segmenter, clip)[-1]
    frame, before = clip.frames[-1], segmenter.state()
    found = segmenter.labels_of(frame, result.logits, result.object_ids)
    np.testing.assert_array_equal(found, result.labels)
    soft = segmenter.soft_masks_of(frame, result.logits)
    np.testing.assert_array_equal(soft, result.soft_masks())
    others = np.array([0, 200, 9, 255], np.int32)
    found = segmenter.labels_of(frame, result.logits, others)
    np.testing.assert_array_equal(found, others[np.searchsorted(IDS, result.labels)])
    for name, value in segmenter.state().items():
        np.testing.assert_array_equal(value, before[name])
    with pytest.raises(InputError, match=r"for ids of shape \[3\], expected \[h, w, N\] and \[N\]"):
        segmenter.labels_of(frame, result.logits, others[:3])
    with pytest.raises(InputError, match=r"logits of shape \[4\], expected \[h, w, N\]"):
        segmenter.soft_masks_of(frame, others)


def test_interpolated_soft_masks_are_those_of_the_resized_logits(clip):
    (result, *_) = steps(shared(outlines=None), clip)
    full = tf.compat.v1.image.resize_bilinear(
        result.logits[np.newaxis], result.labels.shape, align_corners=True
    )
    expected = 255 * np.moveaxis(tf.nn.softmax(full[0]).numpy(), -1, 0)
    np.testing.assert_allclose(result.soft_masks(), expected, atol=0.51)


def test_labels_do_not_hold_what_is_fed_back(clip):
    segmenter = shared(outlines="guided")
    first, second, third, *_ = steps(segmenter, clip)
    assert not segmenter.labels_hold_all
    assert shared(outlines=None).labels_hold_all
    with pytest.raises(InputError, match="with guided outlines cannot resume from labels"):
        segmenter.resume(clip.frames[1], first.labels)
    segmenter.reset(clip.frames[0], IDS[clip.masks[0]])
    segmenter.step(clip.frames[1])
    state = segmenter.state()
    other = VideoSegmenter(segmenter.model, outlines="guided")
    other.restore(state)
    np.testing.assert_array_equal(other.step(clip.frames[2]), second.labels)
    np.testing.assert_array_equal(other.step(clip.frames[3]), third.labels)
    other.resume(clip.frames[3], third.labels, forget=True)


def test_one_view_is_the_segmenter(clip):
    averaged = AveragedSegmenter(shared_model(), outlines="guided")
    averaged.reset(clip.frames[0], IDS[clip.masks[0]])
    (result, *_) = steps(shared(outlines="guided"), clip)
    labels = averaged.step(clip.frames[1])
    assert np.mean(labels != result.labels) < 1e-2  # ties fall either way


def test_weights_say_what_suits_them(clip):
    model = build()
    assert model.recommended == AS_PUBLISHED and VideoSegmenter(model).labels_hold_all
    model.recommended = StreamingSettings(outlines="guided")
    assert not VideoSegmenter(model).labels_hold_all
    with pytest.raises(InputError, match="outlines is 'sharp', expected guided or None"):
        VideoSegmenter(model, outlines="sharp")
