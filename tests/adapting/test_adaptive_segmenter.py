"""A segmenter that adapts: as a VideoSegmenter over an adapted network, video after video."""

import threading
from contextlib import nullcontext

import numpy as np
import pytest
from streaming_models import build, run

from feelvos_tf import Memory, VideoSegmenter
from feelvos_tf.adapting.adaptation import Adaptation
from feelvos_tf.adapting.adapter import Adapter, as_channels
from feelvos_tf.adapting.adaptive_segmenter import AdaptiveSegmenter
from feelvos_tf.checkpoints import assign
from feelvos_tf.data.synthetic import synthetic_clip
from feelvos_tf.errors import InputError

SMALL = Adaptation(steps=2, crop_size=33, batch_size=1, num_frames=3, learning_rate=0.01)
OPTIONS = {"memory": Memory(every=2, frames=2, max_pixels=30, min_confidence=0.5), "probes": 2}


@pytest.fixture(scope="module")
def model():
    return build()


@pytest.fixture(scope="module")
def segmenter(model):
    return AdaptiveSegmenter(model, SMALL, on_reset=True, **OPTIONS)


def clip(seed):
    return synthetic_clip(seed=seed, num_frames=4, height=45, width=66, num_objects=2)


def test_each_video_is_segmented_by_a_network_adapted_to_it_alone(model, segmenter):
    plain, adapter, found = VideoSegmenter(build(), **OPTIONS), Adapter(model, SMALL), []
    for seed in (3, 4, 3):
        drawn = clip(seed)
        found.append(run(segmenter, drawn.frames, drawn.masks[0]))
        told = as_channels([(drawn.frames[0], drawn.masks[0])], None)
        own = adapter.adapt(*told).weights
        assign(plain.model, own, "the adaptation", own)
        np.testing.assert_array_equal(found[-1], run(plain, drawn.frames, drawn.masks[0]))
    np.testing.assert_array_equal(found[0], found[2])


def test_what_is_saved_is_a_checkpoint_that_gives_the_same_masks(model, segmenter, tmp_path):
    drawn = clip(3)
    expected = run(segmenter, drawn.frames, drawn.masks[0])
    segmenter.save_adapted(tmp_path / "adapted.npz")
    other = AdaptiveSegmenter(model, SMALL, **OPTIONS)
    other.load_adapted(tmp_path / "adapted.npz")
    np.testing.assert_array_equal(run(other, drawn.frames, drawn.masks[0]), expected)


def test_a_wrong_mask_is_named_before_anything_is_trained(segmenter, monkeypatch):
    monkeypatch.setattr(segmenter, "adapt", None)
    with pytest.raises(InputError, match="the mask holds no object"):
        segmenter.reset(np.zeros([45, 66, 3], np.uint8), np.zeros([45, 66], np.uint8))


def test_an_event_of_the_block_ends_it(model):
    stop = threading.Event()
    stop.set()
    drawn = clip(3)
    segmenter = AdaptiveSegmenter(model, SMALL, stopping=lambda: nullcontext(stop))
    adapted = segmenter.adapt(drawn.frames[:1], drawn.masks[:1])
    assert adapted.steps == 0 and "stopped after 0 of 2" in adapted.note
