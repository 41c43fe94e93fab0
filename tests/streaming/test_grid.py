"""Frames computed at sizes at which feature maps lie on top of each other."""

import numpy as np
import pytest
import tensorflow as tf
from streaming_models import IDS, build, run, shared

from feelvos_tf import VideoSegmenter
from feelvos_tf.data.synthetic import synthetic_clip
from feelvos_tf.errors import InputError
from feelvos_tf.ops import resize
from feelvos_tf.streaming.sizes import Sizes
from feelvos_tf.streaming.steps import StreamingSteps
from feelvos_tf.streaming.views import AveragedSegmenter
from feelvos_tf.streaming_settings import StreamingSettings

pytestmark = pytest.mark.compat
ALIGNED = StreamingSettings(grid="aligned")


@pytest.fixture(scope="module")
def segmenter(model):
    """One for all, which saves compiling; each test begins a video of its own."""
    return shared(grid="aligned")


def larger(image, size):
    return tf.cast(tf.round(resize.resize_bilinear(image[np.newaxis], size)[0]), tf.uint8).numpy()


@pytest.mark.parametrize(
    "size,expected",
    [
        ((480, 854), (481, 849)),
        ((481, 849), (481, 849)),
        ((1, 8), (17, 17)),
        ((24, 25), (17, 33)),
        ((1080, 1920), (1073, 1921)),
    ],
)
def test_sides_are_of_whole_strides_and_one(size, expected):
    sizes = Sizes(None, 16)
    assert sizes.computed(size) == list(expected)
    dynamic = [tf.constant(side) for side in size]
    assert [int(side) for side in sizes.computed(dynamic)] == list(expected)
    assert sizes.small(size) == [(side - 1) // 4 + 1 for side in expected]
    assert Sizes(None, None).computed(size) == list(size)


@pytest.mark.parametrize("size,expected", [((540, 960), (273, 481)), ((90, 160), (97, 161))])
def test_reduced_frames_are_aligned_too(size, expected):
    assert [int(side) for side in Sizes(480, 16).computed(size)] == list(expected)


def test_a_stride_of_eight_has_its_own_sizes():
    steps = StreamingSteps(build(output_stride=8), settings=ALIGNED)
    assert steps.sizes.computed((480, 854)) == [481, 857]


def test_aligned_frames_are_computed_as_ever(segmenter):
    clip = synthetic_clip(seed=4, num_frames=4, height=49, width=65, num_objects=3)
    results = [run(either, clip.frames, IDS[clip.masks[0]]) for either in (segmenter, shared())]
    np.testing.assert_array_equal(*results)


def test_other_frames_are_brought_to_the_grid(model, segmenter, clip):
    """As one would by hand, but for what is rounded."""
    segmenter.reset(clip.frames[0], IDS[clip.masks[0]])
    result = segmenter.step(clip.frames[1], return_details=True)
    assert result.logits.shape == (13, 17, 4) and result.labels.shape == (45, 66)
    frame = larger(clip.frames[1], (49, 65))
    embedding = model.embed(frame[np.newaxis].astype(np.float32))[1][0]
    spread = np.abs(result.embeddings).max()
    assert np.abs(result.embeddings - embedding).max() < 0.1 * spread


@pytest.mark.parametrize("height,width", [(1, 66), (45, 1), (8, 8), (23, 31)])
def test_frames_of_few_pixels(segmenter, height, width):
    frames = np.random.RandomState(5).randint(0, 256, [3, height, width, 3], np.uint8)
    mask = np.zeros([height, width], np.uint8)
    mask[height // 2, width // 2] = 7
    for labels in run(segmenter, frames, mask):
        assert labels.shape == (height, width)
        assert set(np.unique(labels)) <= {0, 7}


def test_a_state_goes_on(model, clip):
    segmenter = VideoSegmenter(model, grid="aligned", max_side=40)
    segmenter.reset(clip.frames[0], IDS[clip.masks[0]])
    segmenter.step(clip.frames[1])
    state = segmenter.state()
    expected = segmenter.step(clip.frames[2])
    again = VideoSegmenter(model, grid="aligned", max_side=40)
    again.restore(state)
    np.testing.assert_array_equal(again.step(clip.frames[2]), expected)
    with pytest.raises(InputError, match="in the state"):
        VideoSegmenter(model, max_side=40).restore(state)


def test_one_view_is_the_segmenter(model, segmenter, clip):
    mask = IDS[clip.masks[0]]
    averaged = run(AveragedSegmenter(model, grid="aligned"), clip.frames[:2], mask)
    single = run(segmenter, clip.frames[:2], mask)
    assert np.mean(averaged[0] != single[0]) < 1e-2  # ties fall either way


def test_weights_say_what_suits_them(segmenter, clip):
    model = build()
    model.recommended = ALIGNED
    auto, aligned, plain = (
        run(either, clip.frames[:2], IDS[clip.masks[0]])[0]
        for either in (VideoSegmenter(model), segmenter, shared())
    )
    np.testing.assert_array_equal(auto, aligned)
    assert (auto != plain).any()


def test_another_grid_is_named(model):
    with pytest.raises(InputError, match="grid is 16, expected aligned or None"):
        VideoSegmenter(model, grid=16)
