"""A bound on how far an object is looked for: what streams, and what it must not change."""

import numpy as np
import pytest
import tensorflow as tf
from streaming_models import IDS, build, shared, shrunk

from feelvos_tf import VideoSegmenter
from feelvos_tf.errors import InputError
from feelvos_tf.ops import look_alikes
from feelvos_tf.streaming.views import AveragedSegmenter
from feelvos_tf.streaming_settings import StreamingSettings

pytestmark = pytest.mark.compat


def steps(segmenter, clip):
    segmenter.reset(clip.frames[0], IDS[clip.masks[0]])
    return [segmenter.step(frame, return_details=True) for frame in clip.frames[1:]]


def test_each_step_holds_to_the_one_before(clip):
    plain = steps(shared(), clip)
    bound = steps(shared(reach=0.1), clip)
    first = shrunk(clip.masks[0])
    given = first[..., np.newaxis] == np.arange(4)
    expected = look_alikes.removed(
        tf.constant(plain[0].logits), tf.constant(first), tf.constant(given), 0.1
    )
    np.testing.assert_array_equal(bound[0].logits, expected)
    assert (bound[0].logits != plain[0].logits).any()
    for before, after in zip(bound, bound[1:]):
        again = look_alikes.removed(
            tf.constant(after.logits),
            tf.constant(after.previous_labels),
            tf.constant(given),
            0.1,
        )
        np.testing.assert_array_equal(after.logits, again)  # nothing is left to remove
        assert after.previous_labels.shape == before.logits.shape[:2]


def test_the_whole_frame_is_no_bound(clip):
    plain = steps(shared(), clip)
    bound = steps(shared(reach=1.0), clip)
    for one, other in zip(plain, bound):
        np.testing.assert_array_equal(one.logits, other.logits)
        np.testing.assert_array_equal(one.labels, other.labels)


def test_one_view_is_the_segmenter(model, clip):
    averaged = AveragedSegmenter(model, reach=0.1)
    averaged.reset(clip.frames[0], IDS[clip.masks[0]])
    (result, *_) = steps(shared(reach=0.1), clip)
    labels = averaged.step(clip.frames[1])
    assert np.mean(labels != result.labels) < 1e-2  # ties fall either way


def test_labels_hold_all(clip):
    """So a run goes on from its masks, as without a bound."""
    segmenter = shared(reach=0.1)
    _, second, third, *_ = steps(segmenter, clip)
    assert segmenter.labels_hold_all
    segmenter.reset(clip.frames[0], IDS[clip.masks[0]])
    segmenter.resume(clip.frames[2], second.labels)
    np.testing.assert_array_equal(segmenter.step(clip.frames[3]), third.labels)


def test_weights_say_what_suits_them(clip):
    model = build()
    model.recommended = StreamingSettings(reach=0.1)
    auto, bound, plain = (
        steps(either, clip)[0].logits
        for either in (VideoSegmenter(model), shared(reach=0.1), shared())
    )
    np.testing.assert_array_equal(auto, bound)
    assert (auto != plain).any()


@pytest.mark.parametrize("reach", [0, -0.5, 1.5, float("nan"), True, "far", [0.1]])
def test_other_bounds_are_named(model, reach):
    with pytest.raises(InputError, match="reach is .*, expected a number above 0, at most 1"):
        VideoSegmenter(model, reach=reach)
