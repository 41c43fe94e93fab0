import numpy as np
import pytest
import tensorflow as tf
from streaming_models import build, run, shared

from feelvos_tf import VideoSegmenter
from feelvos_tf.data.synthetic import synthetic_clip
from feelvos_tf.errors import InputError
from feelvos_tf.ops import labels as label_ops
from feelvos_tf.ops import matching


@pytest.fixture(scope="module")
def clip():
    return synthetic_clip(seed=3, num_frames=6, height=45, width=66, num_objects=3)


def with_ids(mask, ids):
    return np.array([0, *ids], np.uint8)[mask]


@pytest.mark.compat
def test_streaming_equals_the_network_on_triplets(model, segmenter, clip):
    """Each step is the network's own answer for (first, previous, current) frame."""
    segmenter.reset(clip.frames[0], clip.masks[0])
    n = len(clip.ids) + 1
    size = (12, 17)
    first = label_ops.shrink(tf.constant(clip.masks[0], tf.int32), size, n)
    previous = first
    for t in range(1, 4):
        result = segmenter.step(clip.frames[t], return_details=True)
        logits = model(
            {
                "images": clip.frames[[0, t - 1, t]][np.newaxis].astype(np.float32),
                "num_objects": n,
                "reference_labels": first[tf.newaxis],
                "previous_labels": previous[tf.newaxis],
            }
        )
        np.testing.assert_allclose(result.logits, logits[0], rtol=1e-4, atol=1e-3)
        previous = tf.compat.v1.image.resize_nearest_neighbor(
            result.labels[np.newaxis, :, :, np.newaxis].astype(np.int32), size, align_corners=True
        )[0, :, :, 0]


def test_any_ids_give_the_same_regions(segmenter, clip):
    plain = run(segmenter, clip.frames, clip.masks[0])
    renamed = run(segmenter, clip.frames, with_ids(clip.masks[0], [9, 30, 255]))
    assert segmenter.object_ids == [9, 30, 255]
    for a, b in zip(plain, renamed):
        np.testing.assert_array_equal(with_ids(a, [9, 30, 255]), b)
        assert b.dtype == np.uint8


def test_ignored_pixels_are_neither_object_nor_background(clip):
    mask = clip.masks[0].copy()
    mask[:9] = 255
    segmenter = shared(ignore_label=255)
    segmenter.reset(clip.frames[0], mask)
    assert 255 not in segmenter.object_ids
    result = segmenter.step(clip.frames[1], return_details=True)
    assert (result.previous_labels[:2] == -1).all()
    assert 255 not in result.labels


def test_tiny_and_vanished_objects(segmenter, clip):
    mask = clip.masks[0].copy()
    mask[mask == 2] = 0
    mask[21, 30] = 2
    segmenter.reset(clip.frames[0], mask)
    result = segmenter.step(clip.frames[1], return_details=True)
    assert (result.previous_labels == 2).sum() == 1
    assert result.logits.shape == (12, 17, 4)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 1), (2, 3), (33, 50)])
def test_frames_of_any_size(segmenter, size):
    rng = np.random.RandomState(0)
    frames = rng.randint(0, 256, (3, *size, 3)).astype(np.uint8)
    mask = np.zeros(size, np.uint8)
    mask[-1, -1] = 5
    for labels in run(segmenter, frames, mask):
        assert labels.shape == size and set(np.unique(labels)) <= {0, 5}


def test_objects_are_added_at_any_time_without_disturbing_the_reference(model, segmenter, clip):
    segmenter.reset(clip.frames[0], np.where(clip.masks[0] == 3, 0, clip.masks[0]))
    labels = segmenter.step(clip.frames[1])
    new = np.where(clip.masks[1] == 3, 77, 0)
    combined = segmenter.add_objects(new)
    np.testing.assert_array_equal(combined, np.where(new > 0, 77, labels))
    assert segmenter.object_ids == [1, 2, 77]
    result = segmenter.step(clip.frames[2], return_details=True)
    assert result.logits.shape[-1] == 4
    # The new object is matched to its pixels in frame 1, the old ones to theirs in frame 0.
    _, embeddings = model.embed(clip.frames[:2].astype(np.float32))
    small = [
        label_ops.shrink(tf.constant(m.astype(np.int32)), (12, 17), 4)
        for m in (np.where(clip.masks[0] == 3, 0, clip.masks[0]), np.where(new > 0, 3, 0))
    ]
    reference = np.concatenate([e.numpy().reshape(-1, 6) for e in embeddings])
    labels = np.concatenate(
        [small[0].numpy().ravel(), np.where(small[1].numpy() == 3, 3, -1).ravel()]
    )
    expected = matching.global_matching(result.embeddings, reference, labels, 4)
    np.testing.assert_allclose(result.global_distance, expected, atol=1e-5)
    assert (result.previous_labels == 3).sum() == (small[1].numpy() == 3).sum()


def test_resume_goes_on_as_if_never_stopped(segmenter, clip):
    late = np.where(clip.masks[2] == 2, 9, 0)
    whole = segmenter
    whole.reset(clip.frames[0], np.where(clip.masks[0] == 2, 0, clip.masks[0]))
    results = [whole.step(clip.frames[t]) for t in (1, 2)]
    results[1] = whole.add_objects(late)
    results += [whole.step(clip.frames[t]) for t in (3, 4, 5)]

    again = segmenter
    again.reset(clip.frames[0], np.where(clip.masks[0] == 2, 0, clip.masks[0]))
    again.resume(clip.frames[2], results[1])
    again.add_objects(late)
    again.resume(clip.frames[3], results[2])
    for t in (4, 5):
        np.testing.assert_array_equal(again.step(clip.frames[t]), results[t - 1])


def test_probabilities_cannot_resume_from_labels(clip):
    segmenter = VideoSegmenter(build(previous_mask="probabilities"))
    segmenter.reset(clip.frames[0], clip.masks[0])
    result = segmenter.step(clip.frames[1], return_details=True)
    np.testing.assert_allclose(result.probabilities.sum(-1), 1.0, atol=1e-5)
    with pytest.raises(InputError, match="cannot resume"):
        segmenter.resume(clip.frames[1], result.labels)


@pytest.mark.parametrize(
    "changes",
    [
        {"first_frame_matching": False},
        {"previous_frame_matching": "none"},
        {"previous_frame_matching": "global"},
        {"previous_mask": "none"},
        {"first_frame_matching": False, "previous_frame_matching": "none", "previous_mask": "none"},
        {"k_nearest_neighbors": 3},
        {"output_stride": 8},
    ],
)
def test_every_switch_runs(changes, clip):
    labels = run(VideoSegmenter(build(**changes)), clip.frames[:3], clip.masks[0])
    assert set(np.unique(labels)) <= {0, 1, 2, 3}


@pytest.mark.parametrize(
    "options", [{"local_matching": "shifted"}, {"max_reference_pixels": 10**6}, {"max_side": 66}]
)
def test_options_that_change_nothing(model, segmenter, clip, options):
    segmenter.reset(clip.frames[0], clip.masks[0])
    expected = segmenter.step(clip.frames[1], return_details=True)
    other = VideoSegmenter(model, **options)
    other.reset(clip.frames[0], clip.masks[0])
    actual = other.step(clip.frames[1], return_details=True)
    np.testing.assert_allclose(actual.global_distance, expected.global_distance, atol=1e-5)
    np.testing.assert_allclose(actual.previous_distance, expected.previous_distance, atol=1e-5)
    np.testing.assert_allclose(actual.logits, expected.logits, rtol=1e-3, atol=5e-3)


def test_reduced_size_returns_full_size_labels(model, clip):
    segmenter = VideoSegmenter(model, max_side=33)
    segmenter.reset(clip.frames[0], clip.masks[0])
    result = segmenter.step(clip.frames[1], return_details=True)
    assert result.labels.shape == (45, 66)
    assert result.logits.shape[:2] == (6, 9)


def test_fewer_reference_pixels_are_drawn_by_seed(model, segmenter, clip):
    def distance(engine):
        engine.reset(clip.frames[0], clip.masks[0])
        return engine.step(clip.frames[1], return_details=True).global_distance

    exact = distance(segmenter)
    thin = VideoSegmenter(model, max_reference_pixels=5)
    first = distance(thin)
    np.testing.assert_array_equal(distance(thin), first)
    assert (first >= exact - 1e-5).all() and (first > exact + 1e-4).any()


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_changes_little(model, segmenter, clip, precision):
    def distances(engine):
        engine.reset(clip.frames[0], clip.masks[0])
        result = engine.step(clip.frames[1], return_details=True)
        return result.global_distance, result.previous_distance, result.logits

    mixed = VideoSegmenter(model, mixed_precision=precision)
    expected, actual = distances(segmenter), distances(mixed)
    for a, b in zip(actual, expected):
        assert a.dtype == np.float32
        np.testing.assert_allclose(a, b, atol=0.1 * np.abs(b).max())
    assert mixed.model is not model and model.dtype_policy.name == "float32"


@pytest.mark.compat
def test_nothing_is_traced_again(segmenter, clip):
    small = clip.frames[:, :30, :41]
    run(segmenter, clip.frames, clip.masks[0])
    run(segmenter, small, (small[0, :, :, 0] > 128).astype(np.uint8) + 1)
    segmenter.add_objects(np.eye(30, 41, dtype=np.uint8) * 200)
    segmenter.step(small[0])
    assert segmenter._advance.experimental_get_tracing_count() == 1
    assert segmenter._begin.experimental_get_tracing_count() == 1


def test_thirty_objects(segmenter):
    rng = np.random.RandomState(2)
    mask = rng.randint(0, 31, (40, 40)).astype(np.uint8)
    frames = rng.randint(0, 256, (2, 40, 40, 3)).astype(np.uint8)
    assert run(segmenter, frames, mask)[0].shape == (40, 40)
    assert segmenter.object_ids == list(range(1, 31))


def test_bad_input_is_named(model, clip):
    segmenter = VideoSegmenter(model)
    frame, mask = clip.frames[0], clip.masks[0]
    with pytest.raises(InputError, match="call reset"):
        segmenter.step(frame)
    with pytest.raises(InputError, match="call reset"):
        segmenter.add_objects(mask)
    for bad, message in (
        (frame.astype(np.float32), "frame is float32"),
        (frame[..., 0], r"\[45, 66\]"),
    ):
        with pytest.raises(InputError, match=message):
            segmenter.reset(bad, mask)
    for bad, message in (
        (mask[:-1], "mask is 66x44 .*frame is 66x45"),
        (mask * 0, "holds no object"),
        (mask.astype(float), "mask is float64"),
        (mask.astype(int) * 200, "id 600"),
        (-mask.astype(int), "id -3"),
        (mask[..., None], r"\[45, 66, 1\]"),
    ):
        with pytest.raises(InputError, match=message):
            segmenter.reset(frame, bad)
    with pytest.raises(InputError, match="256 objects|255 objects do not fit"):
        segmenter.reset(np.zeros([16, 16, 3], np.uint8), np.arange(256).reshape(16, 16))
    segmenter.reset(frame, mask)
    with pytest.raises(InputError, match="frame is 66x30 .*first frame is 66x45"):
        segmenter.step(frame[:30])
    with pytest.raises(InputError, match="object 1, 2, 3 is tracked already"):
        segmenter.add_objects(mask)
    with pytest.raises(InputError, match="no new object"):
        segmenter.add_objects(mask * 0)
    assert segmenter.step(frame).shape == mask.shape  # still usable


@pytest.mark.parametrize(
    "options,message",
    [
        ({"max_side": 0}, "max_side is 0"),
        ({"max_side": "640"}, "max_side is '640'"),
        ({"max_side": 64.0}, "max_side is 64.0"),
        ({"ignore_label": "255"}, "ignore_label is '255'"),
        ({"memory": 4}, "memory is 4, expected a Memory"),
        ({"max_reference_pixels": 0}, "max_reference_pixels"),
        ({"ignore_label": 0}, "ignore_label is 0"),
        ({"local_matching": "fast"}, "'fast'"),
        ({"mixed_precision": "float8"}, "precision is 'float8'"),
    ],
)
def test_bad_options_are_named(model, options, message):
    with pytest.raises(InputError, match=message):
        VideoSegmenter(model, **options)


def test_a_path_is_no_network():
    with pytest.raises(InputError, match=r"the model is 'x.npz', expected a network: load_model"):
        VideoSegmenter("x.npz")


def test_the_embedding_is_that_of_the_frame_handed_over_last(model, segmenter, clip):
    segmenter.reset(clip.frames[0], clip.masks[0])
    for t, frame in enumerate(clip.frames[:2]):
        if t:
            segmenter.step(frame)
        np.testing.assert_allclose(
            segmenter.embedding, model.embed(frame[np.newaxis])[1][0], rtol=1e-4, atol=1e-5
        )


def test_labels_belong_to_the_caller(segmenter, clip):
    segmenter.reset(clip.frames[0], np.where(clip.masks[0] == 3, 0, clip.masks[0]))
    late = np.where(clip.masks[1] == 3, 3, 0)
    results = [
        segmenter.step(clip.frames[1]),
        segmenter.step(clip.frames[1], return_details=True).labels,
    ]
    expected = results[-1].copy()
    for labels in results:
        labels[:] = 9
    added = segmenter.add_objects(late)
    np.testing.assert_array_equal(added, np.where(late > 0, 3, expected))
    added[:] = 9
    np.testing.assert_array_equal(segmenter.state()["labels"], np.where(late > 0, 3, expected))
