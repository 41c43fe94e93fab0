"""A region of interest: which cells it has, and that nothing but time depends on it."""

import numpy as np
import pytest
import tensorflow as tf
from streaming_models import run, shared

from feelvos_tf import VideoSegmenter
from feelvos_tf.config import Memory
from feelvos_tf.errors import InputError
from feelvos_tf.streaming import regions
from feelvos_tf.streaming.sizes import Sizes

pytestmark = pytest.mark.compat
SIZES = Sizes(None, 16)


@pytest.fixture(scope="module")
def segmenter(model):
    """One for all, which saves compiling; each test begins a video of its own."""
    return VideoSegmenter(model, roi=True)


def clip(num_frames=5, height=353, width=577, start=(40, 60), speed=(4, 7), side=31):
    """Frames of noise with a brighter square that moves, and its masks (id 9)."""
    rng = np.random.RandomState(2)
    ground = rng.randint(0, 120, [height, width, 3]).astype(np.uint8)
    square = rng.randint(130, 256, [side, side, 3]).astype(np.uint8)
    frames, masks = np.stack([ground] * num_frames), np.zeros([num_frames, height, width], np.uint8)
    for i in range(num_frames):
        top, left = (a + i * step for a, step in zip(start, speed))
        frames[i, top : top + side, left : left + side] = square
        masks[i, top : top + side, left : left + side] = 9
    return frames, masks


def box(labels, num_channels=2):
    return [int(x) for x in regions.around(tf.constant(labels), num_channels, SIZES)]


def test_a_region_lies_around_the_objects():
    labels = np.zeros([121, 213], np.int32)
    labels[60:64, 100:130] = 1
    # A margin of 24 cells, more than half of 30: rows 36 to 87, columns 76 to 153.
    assert box(labels) == [36, 76, 65, 81]
    labels[60:64, 100] = 2
    assert box(labels, 3) == [36, 76, 65, 81]


def test_larger_objects_have_wider_margins():
    labels = np.zeros([241, 401], np.int32)
    labels[100, 100:200] = 1  # 50 on each side
    assert box(labels) == [48, 48, 113, 209]


@pytest.mark.parametrize("corner", [(0, 0), (0, 212), (120, 0), (120, 212)])
def test_a_region_ends_where_the_frame_does(corner):
    labels = np.zeros([121, 213], np.int32)
    labels[corner] = 1
    top, left, height, width = box(labels)
    assert (height, width) == (33, 33)
    assert top == (0 if corner[0] == 0 else 88) and left == (0 if corner[1] == 0 else 180)


@pytest.mark.parametrize(
    "labels",
    [
        np.zeros([121, 213], np.int32),  # no object is in sight
        np.eye(121, 213, dtype=np.int32),  # from end to end
        np.full([121, 213], -1, np.int32),
        np.pad([[2]], [[60, 60], [90, 122]]),  # object 1 is not in sight
        np.pad([[1]], [[0, 0], [20, 0]]),  # one row
    ],
)
def test_all_of_a_frame_is_sought(labels):
    assert box(labels.astype(np.int32), 3 if labels.max() == 2 else 2) == [0, 0, *labels.shape]


@pytest.mark.parametrize("seed", range(20))
def test_every_object_is_inside_and_the_grid_is_kept(seed):
    rng = np.random.RandomState(seed)
    size = 4 * rng.randint(1, 60, 2) + 1
    labels = np.zeros(size, np.int32)
    for channel in range(1, 4):
        labels[rng.randint(size[0]), rng.randint(size[1])] = channel
    num_channels = labels.max() + 1
    top, left, height, width = box(labels, num_channels)
    inside = labels[top : top + height, left : left + width]
    assert set(np.unique(inside)) | {0} == set(np.unique(labels)) | {0}
    assert top % 4 == left % 4 == 0 and height % 4 == width % 4 == 1
    assert top + height <= size[0] and left + width <= size[1]


def test_parts_come_back_to_their_place():
    region = regions.Region(*map(tf.constant, (4, 8, 5, 9)))
    size, rng = (13, 21), np.random.RandomState(0)
    whole, part = rng.rand(13, 21, 3).astype(np.float32), rng.rand(5, 9, 3).astype(np.float32)
    expected = whole.copy()
    expected[4:9, 8:17] = part
    np.testing.assert_array_equal(regions.pasted(tf.constant(part), whole, region), expected)
    np.testing.assert_array_equal(regions.cut(tf.constant(expected), region), part)
    padded = regions.padded(tf.constant(part), size, region).numpy()
    assert (padded[:4] == part.max()).all() and (padded[4:9, 8:17] == part).all()
    logits = regions.background_around(tf.constant(part), size, region).numpy()
    assert (logits[:4, :, 0] - logits[:4, :, 1:].max(axis=-1) >= 20).all()
    assert regions.inside(size, region).numpy().sum() == 45
    image = rng.rand(49, 81, 3)
    np.testing.assert_array_equal(
        regions.cut_pixels(tf.constant(image), region), image[16:33, 32:65]
    )


def test_small_objects_are_seen_larger():
    labels = np.zeros([1080, 1920], np.int32)
    labels[500:560, 900:990] = 1

    def found(labels, max_side=960):
        sizes = Sizes(max_side, 16)
        computed = sizes.computed(labels.shape)
        size = regions.enlarged(tf.constant(labels), computed, labels.max() + 1, sizes)
        return [int(side) for side in size]

    assert found(labels) == [1073, 1921]  # the frame's own, on the grid
    assert found(labels, 480) == [545, 961]
    labels[300:800, 300:1500] = 1
    assert found(labels) == [545, 961]  # that of whole frames
    labels[::500] = 2  # and it is no less where objects are everywhere
    assert found(labels) == [545, 961]


def test_a_frame_that_is_all_region_is_the_aligned_one(segmenter):
    frames, masks = clip(height=65, width=97, side=9)
    whole = run(shared(grid="aligned"), frames, masks[0])
    np.testing.assert_array_equal(run(segmenter, frames, masks[0]), whole)


def test_what_is_computed_is_that_of_whole_frames(model):
    """Away from the region's border, behind which a crop holds nothing."""
    frames, masks = clip()
    memory = Memory(every=1, frames=2, max_pixels=64, min_confidence=0.0)
    whole = VideoSegmenter(model, grid="aligned", memory=memory)
    part = VideoSegmenter(model, roi=True, memory=memory)
    for segmenter in (whole, part):
        segmenter.reset(frames[0], masks[0])
    top, left, height, width = box(part.state()["previous_labels"])
    assert (top, left, height, width) == (0, 0, 49, 49)
    expected = whole.step(frames[1], return_details=True)
    found = part.step(frames[1], return_details=True)
    inner = np.s_[: height - 8, : width - 8]
    np.testing.assert_allclose(found.embeddings[inner], expected.embeddings[inner], atol=1e-5)
    np.testing.assert_allclose(found.logits[inner], expected.logits[inner], atol=1e-5)
    np.testing.assert_allclose(
        found.global_distance[inner], expected.global_distance[inner], atol=1e-5
    )
    assert found.logits.shape == expected.logits.shape == (89, 145, 2)
    # What was not computed is not remembered.
    remembered = part.state()["memory_keys"]
    seen = found.embeddings[:height, :width].reshape(-1, remembered.shape[-1] - 1)
    kept = remembered[..., :-1][(remembered[..., -1] < 1e9) & (remembered[..., :-1] != 0).any(-1)]
    apart = np.abs(kept[:, np.newaxis] - seen).max(axis=-1).min(axis=1)
    assert len(kept) == 128 and apart.max() < 1e-5


def test_the_network_sees_the_region_alone(segmenter):
    """So pixels outside cannot matter, and labels there are background."""
    frames, masks = clip()
    results = []
    for noise in (0, 90):
        segmenter.reset(frames[0], masks[0])
        frame = frames[1].copy()
        frame[200:] += noise
        frame[:, 300:] += noise
        results.append(segmenter.step(frame))
        assert not results[-1][210:].any() and not results[-1][:, 310:].any()
    np.testing.assert_array_equal(*results)


def test_the_network_is_given_few_pixels(segmenter):
    frames, masks = clip()
    segmenter.reset(frames[0], masks[0])
    previous = segmenter.state()["previous_labels"]
    _, _, height, width = box(previous)
    assert height * width < 0.3 * previous.size


def test_objects_may_come_where_nothing_was_computed(model, segmenter):
    frames, masks = clip()
    segmenter.reset(frames[0], masks[0])
    segmenter.step(frames[1])
    added = np.zeros_like(masks[0])
    added[300:340, 500:560] = 4
    labels = segmenter.add_objects(added)
    assert {4} <= set(np.unique(labels))
    embedding = model.embed(frames[1][np.newaxis].astype(np.float32))[1][0].numpy()
    np.testing.assert_allclose(segmenter.embedding, embedding, atol=1e-4)
    segmenter.step(frames[2])
    segmenter.correct(np.where(added > 0, added, masks[2]))
    embedding = model.embed(frames[2][np.newaxis].astype(np.float32))[1][0].numpy()
    np.testing.assert_allclose(segmenter.embedding, embedding, atol=1e-4)
    segmenter.add_reference(frames[4], masks[4])
    segmenter.remove_object(9)
    assert segmenter.step(frames[3]).shape == masks[0].shape


@pytest.mark.parametrize("max_side", [None, 289])
def test_a_state_goes_on(model, max_side):
    frames, masks = clip()
    segmenter = VideoSegmenter(model, roi=True, max_side=max_side)
    segmenter.reset(frames[0], masks[0])
    segmenter.step(frames[1])
    state = segmenter.state()
    np.testing.assert_array_equal(state["frame"], frames[1])
    expected = segmenter.correct(masks[1]), segmenter.step(frames[2])
    again = VideoSegmenter(model, roi=True, max_side=max_side)
    again.restore(state)
    np.testing.assert_array_equal(again.correct(masks[1]), expected[0])
    np.testing.assert_array_equal(again.step(frames[2]), expected[1])
    with pytest.raises(InputError, match="has frame: it is of a segmenter with other options"):
        VideoSegmenter(model, max_side=max_side, grid="aligned").restore(state)
    for name in ("frame", "previous_mask"):
        with pytest.raises(InputError, match=f"{name} in the state is"):
            again.restore({**state, name: state[name][1:]})
    names = ("previous_labels", "previous_mask", "previous_embedding")
    off_the_grid = {name: state[name][1:] for name in names}
    with pytest.raises(InputError, match="previous_embedding in the state is"):
        again.restore({**state, **off_the_grid})


def test_finished_masks_are_gone_on_from(segmenter):
    frames, masks = clip()
    _, second, third, _ = run(segmenter, frames, masks[0])
    segmenter.reset(frames[0], masks[0])
    segmenter.resume(frames[2], second)
    assert np.mean(segmenter.step(frames[3]) != third) < 0.1  # the whole frame is known now
