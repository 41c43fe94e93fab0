"""Frames set right, further given frames, objects removed: what the next frames follow from."""

import numpy as np
import pytest
from streaming_models import build, pixels_of, run, shrunk

from feelvos_tf import VideoSegmenter
from feelvos_tf.config import Memory
from feelvos_tf.errors import InputError
from feelvos_tf.ops import matching


def assert_same_state(first, second):
    """Equal but for the numbers and the order of the reference's pixels."""
    assert first.keys() == second.keys()
    for name in first.keys() - {"reference_keys", "reference_pixels", "reference_objects"}:
        np.testing.assert_array_equal(first[name], second[name], name)
    assert pixels_of(first) == pixels_of(second)


@pytest.mark.compat
def test_the_next_frame_follows_from_the_correction(model, segmenter, clip):
    """Global matching with both given frames, local matching with the mask."""
    segmenter.reset(clip.frames[0], np.where(clip.masks[0] == 3, 0, clip.masks[0]))
    segmenter.step(clip.frames[1])
    segmenter.step(clip.frames[2])
    right = clip.masks[2].copy()
    right[right == 2] = 0  # erased; 1 is known and 3 is new
    np.testing.assert_array_equal(segmenter.correct(right), right)
    assert segmenter.object_ids == [1, 2, 3]
    result = segmenter.step(clip.frames[3], return_details=True)
    np.testing.assert_array_equal(result.previous_labels, shrunk(right))
    _, embeddings = model.embed(clip.frames[[0, 2]].astype(np.float32))
    labels = [shrunk(np.where(clip.masks[0] == 3, 0, clip.masks[0])), shrunk(right)]
    expected = matching.global_matching(
        result.embeddings,
        np.concatenate([e.numpy().reshape(-1, 6) for e in embeddings]),
        np.concatenate([part.ravel() for part in labels]),
        4,
    )
    np.testing.assert_allclose(result.global_distance, expected, atol=1e-5)


def test_a_correction_of_the_first_frame_is_another_beginning(remembering, clip):
    remembering.reset(clip.frames[0], clip.masks[1])
    remembering.correct(clip.masks[0])
    corrected = remembering.state()
    remembering.reset(clip.frames[0], clip.masks[0])
    assert_same_state(corrected, remembering.state())


def test_correcting_twice_is_correcting_once(remembering, clip):
    states = []
    for masks in ([2], [1, 2], [1, 1, 2]):
        run(remembering, clip.frames[:3], clip.masks[0])
        for index in masks:
            remembering.correct(clip.masks[index])
        states.append(remembering.state())
    assert_same_state(states[0], states[1])
    assert_same_state(states[0], states[2])


def test_the_memory_of_wrong_frames_is_gone_and_fills_again(remembering, clip):
    run(remembering, clip.frames[:4], clip.masks[0])
    assert remembering.state()["memory_frames"].all()
    remembering.correct(clip.masks[3])
    state = remembering.state()
    assert not state["memory_frames"].any() and (state["memory_objects"] == -1).all()
    assert state["memory_steps"] == 3
    result = remembering.step(clip.frames[4], return_details=True)
    assert (result.reference_frame == 0).all()
    assert remembering.state()["memory_frames"].max() == 4


def test_ignored_pixels_are_unknown(remembering, clip):
    mask = clip.masks[1].copy()
    mask[:20] = 255
    run(remembering, clip.frames[:2], clip.masks[0])
    np.testing.assert_array_equal(remembering.correct(mask), np.where(mask == 255, 0, mask))
    state = remembering.state()
    assert (state["previous_labels"][:5] == -1).all()
    assert 255 not in remembering.object_ids
    # What the frame itself said there before is unsaid.
    remembering.correct(clip.masks[1])
    remembering.correct(mask)
    assert pixels_of(remembering.state()) == pixels_of(state)
    with pytest.raises(InputError, match=r"tells nothing: all 2970 pixels are ignored \(255\)"):
        remembering.correct(np.full_like(mask, 255))


def test_an_empty_mask_erases_all(segmenter, clip):
    run(segmenter, clip.frames[:2], clip.masks[0])
    assert not segmenter.correct(np.zeros_like(clip.masks[0])).any()
    assert segmenter.object_ids == [1, 2, 3]
    result = segmenter.step(clip.frames[2], return_details=True)
    assert not result.previous_labels.any()
    assert (result.global_distance[..., 1:] < 1).any()


def test_one_pixel_and_id_255(segmenter, clip):
    run(segmenter, clip.frames[:2], clip.masks[0])
    mask = np.zeros_like(clip.masks[0])
    mask[21, 30] = 255
    segmenter.correct(mask)
    assert segmenter.object_ids == [1, 2, 3, 255]
    result = segmenter.step(clip.frames[2], return_details=True)
    assert (result.previous_labels == 4).sum() == 1


@pytest.mark.parametrize("gone", [1, 2, 3])
def test_a_removed_object_was_never_marked(remembering, clip, gone):
    remembering.reset(clip.frames[0], clip.masks[0])
    rest = np.where(clip.masks[0] == gone, 0, clip.masks[0])
    np.testing.assert_array_equal(remembering.remove_object(gone), rest)
    removed = remembering.state()
    expected = run(remembering, clip.frames, rest)
    remembering.restore(removed)
    for frame, labels in zip(clip.frames[1:], expected):
        np.testing.assert_array_equal(remembering.step(frame), labels)


def test_the_memory_forgets_a_removed_object_and_keeps_the_others(remembering, clip):
    def kept(channels):
        state = remembering.state()
        found = [
            [sorted(map(tuple, keys[:, c][keys[:, c, -1] < 1e29].tolist())), o]
            for keys, objects in zip(state["memory_keys"], state["memory_objects"])
            for c, o in enumerate(objects)
        ]
        return sorted([channels[o], *keys] for keys, o in found if channels.get(o) is not None)

    run(remembering, clip.frames[:5], clip.masks[0])
    before = kept({0: 0, 1: 1, 3: 2})
    remembering.remove_object(2)
    assert kept({0: 0, 1: 1, 2: 2}) == before
    remembering.restore(remembering.state())
    assert set(np.unique(remembering.step(clip.frames[5]))) <= {0, 1, 3}
    remembering.correct(clip.masks[5])  # the id may come again
    assert remembering.object_ids == [1, 3, 2]


def test_nothing_is_traced_again(remembering, clip):
    for size in ((45, 66), (30, 41)):
        frames = clip.frames[:, : size[0], : size[1]]
        masks = clip.masks[:, : size[0], : size[1]]
        run(remembering, frames[:3], np.maximum(masks[0], 1))
        remembering.correct(masks[2])
        remembering.add_reference(frames[4], masks[4])
        remembering.add_objects(np.eye(*size, dtype=np.uint8) * 99)
        remembering.remove_object(99)
        remembering.step(frames[3])
    for name in ("_correct", "_add_reference", "_extend", "_remove", "_advance"):
        assert getattr(remembering, name).experimental_get_tracing_count() == 1


def test_restored_streams_are_corrected_alike(remembering, clip):
    run(remembering, clip.frames[:4], clip.masks[0])
    state = remembering.state()
    results = []
    for _ in range(2):
        remembering.restore(state)
        remembering.correct(clip.masks[3])
        remembering.add_reference(clip.frames[6], clip.masks[6])
        results.append([remembering.step(frame) for frame in clip.frames[4:]])
    np.testing.assert_array_equal(*results)


def test_resumed_streams_are_corrected_alike(segmenter, clip):
    run(segmenter, clip.frames[:4], clip.masks[0])
    labels = segmenter.correct(clip.masks[3])
    expected = [segmenter.step(frame) for frame in clip.frames[4:]]
    segmenter.reset(clip.frames[0], clip.masks[0])
    segmenter.resume(clip.frames[3], labels)
    segmenter.correct(clip.masks[3])
    segmenter.resume(clip.frames[4], expected[0])
    np.testing.assert_array_equal(
        [segmenter.step(frame) for frame in clip.frames[5:]], expected[1:]
    )


@pytest.mark.parametrize("options", [{"max_side": 20}, {"memory": Memory(every=1)}])
def test_frames_of_any_size(model, options):
    segmenter = VideoSegmenter(model, **options)
    rng = np.random.RandomState(0)
    for size in [(1, 1), (1, 9), (7, 1), (33, 50)]:
        frames = rng.randint(0, 256, (4, *size, 3)).astype(np.uint8)
        mask = np.zeros(size, np.uint8)
        mask[-1, -1] = 5
        run(segmenter, frames[:2], mask)
        segmenter.correct(mask)
        segmenter.add_reference(frames[3], mask)
        assert set(np.unique(segmenter.step(frames[2]))) <= {0, 5}


@pytest.mark.parametrize(
    "changes",
    [
        {"k_nearest_neighbors": 3},
        {"previous_mask": "probabilities"},
        {"first_frame_matching": False},
    ],
)
def test_other_networks_are_corrected_too(changes, clip):
    segmenter = VideoSegmenter(build(**changes))
    run(segmenter, clip.frames[:3], clip.masks[0])
    segmenter.correct(clip.masks[2])
    segmenter.remove_object(2)
    assert set(np.unique(segmenter.step(clip.frames[3]))) <= {0, 1, 3}


def test_bad_input_is_named(model, clip):
    segmenter = VideoSegmenter(model)
    frame, mask = clip.frames[1], clip.masks[1]
    for call in (
        lambda: segmenter.correct(mask),
        lambda: segmenter.add_reference(frame, mask),
        lambda: segmenter.remove_object(1),
    ):
        with pytest.raises(InputError, match="no video has begun: call reset"):
            call()
    segmenter.reset(clip.frames[0], np.minimum(clip.masks[0], 2))
    before = segmenter.state()
    for bad, message in (
        (mask[:-1], "mask is 66x44 .*frame is 66x45"),
        (mask.astype(float), "mask is float64"),
        (mask.astype(int) * 200, "id 600"),
        (-mask.astype(int), "id -3"),
    ):
        with pytest.raises(InputError, match=message):
            segmenter.correct(bad)
        with pytest.raises(InputError, match=message):
            segmenter.add_reference(frame, bad)
    with pytest.raises(InputError, match="holds id 3, expected those tracked: 1, 2"):
        segmenter.correct(mask, allow_new=False)
    with pytest.raises(InputError, match="holds id 3, expected those tracked: 1, 2"):
        segmenter.add_reference(frame, mask, allow_new=False)
    with pytest.raises(InputError, match="frame is 66x30 .*first frame is 66x45"):
        segmenter.add_reference(frame[:30], mask[:30])
    with pytest.raises(InputError, match="frame is float32"):
        segmenter.add_reference(frame.astype(np.float32), mask)
    with pytest.raises(InputError, match="object 9 is not tracked, expected one of 1, 2"):
        segmenter.remove_object(9)
    many = np.arange(45 * 66).reshape(45, 66) % 250
    with pytest.raises(InputError, match="249 objects do not fit"):
        segmenter.correct(many)
    after = segmenter.state()
    for name, value in before.items():
        np.testing.assert_array_equal(value, after[name])
    segmenter.remove_object(1)
    with pytest.raises(InputError, match="object 2 is the only one tracked"):
        segmenter.remove_object(2)
    with pytest.raises(InputError, match="max_given_pixels is 0"):
        VideoSegmenter(model, max_given_pixels=0)
