"""The training stream: what its elements hold, and that seed and index alone make them."""

import numpy as np
import pytest
import tensorflow as tf
from data_trees import STEP
from streams import SMALL, take

from feelvos_tf.errors import InputError
from feelvos_tf.triplets import stream
from feelvos_tf.triplets.clip_sources import FrameSize, TreeSource
from feelvos_tf.triplets.draws import Draws
from feelvos_tf.triplets.stream import make_triplets
from feelvos_tf.triplets.triplet_config import TripletConfig


def same(first, second):
    assert len(first) == len(second)
    for a, b in zip(first, second):
        assert a["name"] == b["name"] and a["index"] == b["index"]
        np.testing.assert_array_equal(a["images"], b["images"])
        np.testing.assert_array_equal(a["labels"], b["labels"])


@pytest.mark.parametrize("scale_range", [(1.0, 1.3), (0.6, 0.9)])
def test_labels_stay_with_their_pixels(coordinate_videos, coordinate_source, scale_range):
    config = TripletConfig(crop_size=(49, 65), min_object_pixels=1, scale_range=scale_range)
    elements = take([coordinate_source], config, seed=5)
    assert len(elements) > 20
    by_name = {video.name: video for video in coordinate_videos}
    for element in elements:
        name, frames = element["name"].decode().split("/")[1].split(":")
        frames = [int(number) for number in frames.split(",")]
        assert frames[2] == frames[1] + 1
        reference = by_name[name].read_labels(frames[0])
        for position, frame in enumerate(frames):
            image, labels = element["images"][position], element["labels"][position]
            truth = by_name[name].read_labels(frame)
            inside = labels != 255
            rows, columns = image[..., 0] / STEP, image[..., 1] / STEP
            np.testing.assert_allclose(image[inside][:, 2], 10 * frame, atol=1e-3)
            assert (np.abs(image[~inside] - 127.5) < 1e-3).all()
            # Away from ties of the rounding, each label is the truth where its pixel came from.
            clear = inside & (np.abs(rows % 1 - 0.5) > 0.01) & (np.abs(columns % 1 - 0.5) > 0.01)
            found = truth[np.rint(rows[clear]).astype(int), np.rint(columns[clear]).astype(int)]
            kept = sorted(set(np.unique(reference)) - {0})
            if len(kept) + 1 == element["num_objects"]:
                expected = np.select([found == v for v in kept], range(1, len(kept) + 1), 0)
                np.testing.assert_array_equal(labels[clear], expected)


def test_frames_of_a_pair_share_geometry_and_the_reference_does_not(coordinate_source):
    differs = 0
    for element in take([coordinate_source]):
        reference, previous, current = element["images"][..., :2]
        np.testing.assert_allclose(previous, current, atol=1e-3)
        differs += np.abs(reference - previous).max() > 1
    assert differs > 10


@pytest.fixture(scope="module")
def whole(coordinate_videos):
    """The first 40 elements of a stream, made one at a time."""
    source = TreeSource("coordinates", coordinate_videos)
    return take([source], seed=3, num_parallel_calls=1)


def test_same_stream_for_any_parallel_calls_and_another_for_another_seed(whole, coordinate_source):
    same(whole, take([coordinate_source], seed=3, num_parallel_calls=7))
    other = take([coordinate_source], seed=4)
    assert [x["name"] for x in whole] != [x["name"] for x in other]


def test_resumes_at_an_index(whole, coordinate_source):
    start = int(whole[12]["index"]) + 1
    same(whole[13:], take([coordinate_source], seed=3, start=start))


def test_shards_cover_the_stream_without_overlap(whole, coordinate_source):
    parts = [
        take([coordinate_source], seed=3, start=5, num_shards=2, shard=shard) for shard in range(2)
    ]
    expected = [x for x in whole if x["index"] >= 5]
    same(expected, sorted((x for part in parts for x in part), key=lambda x: x["index"]))
    assert all(x["index"] % 2 == shard for shard, part in enumerate(parts) for x in part)


def test_iterator_state_can_be_saved(coordinate_source, tmp_path):
    iterator = iter(make_triplets([coordinate_source], SMALL, seed=1))
    for _ in range(5):
        next(iterator)
    checkpoint = tf.train.Checkpoint(iterator=iterator)
    path = checkpoint.write(str(tmp_path / "state"))
    expected = [next(iterator)["name"].numpy() for _ in range(5)]
    fresh = iter(make_triplets([coordinate_source], SMALL, seed=1))
    tf.train.Checkpoint(iterator=fresh).read(path).assert_consumed()
    assert [next(fresh)["name"].numpy() for _ in range(5)] == expected


def test_every_video_once_a_pass(coordinate_source):
    config = TripletConfig(crop_size=(49, 65), min_object_pixels=1, scale_range=(0.4, 0.5))
    names = [
        x["name"].decode().split("/")[1].split(":")[0] for x in take([coordinate_source], config)
    ]
    assert len(names) == 40  # small scales: the whole frame is in the crop, nothing is dropped
    passes = [sorted(names[i : i + 5]) for i in range(0, 40, 5)]
    assert all(p == [f"clip{n}" for n in range(5)] for p in passes)
    assert names[:5] != names[5:10] or names[5:10] != names[10:15]


def test_sources_are_mixed_by_weight(coordinate_videos):
    first = TreeSource("first", coordinate_videos[:2], weight=3.0)
    second = TreeSource("second", coordinate_videos[2:], weight=1.0)
    maker = stream._Maker([first, second], SMALL, 3, np.array([0.75, 0.25]))
    choose = tf.data.Dataset.range(2000).map(lambda i: maker._choose(Draws(3, i), i))
    chosen = np.array(list(choose.as_numpy_iterator()))
    assert chosen[:1000, 0].sum() == chosen[1000:, 0].sum() == 250
    assert 0.15 < chosen[:100, 0].mean() < 0.35  # mixed, not one after the other
    for number, length in ((0, 2), (1, 3)):
        videos = chosen[chosen[:, 0] == number, 1]
        whole = videos[: len(videos) // length * length].reshape(-1, length)
        assert (np.sort(whole, axis=1) == np.arange(length)).all()


def test_a_source_has_its_own_size_and_scale(coordinate_videos):
    """Frames of 60x80 at half the size and as they are; the frame lies in the crop's corner."""
    config = TripletConfig(crop_size=(61, 81), min_object_pixels=1, scale_range=(1.0, 1.0))
    sources = [
        TreeSource("half", coordinate_videos[:2], frame_size=FrameSize.of("half", 30, [])),
        TreeSource("own", coordinate_videos[2:4], frame_size=FrameSize.of("own", 30, [0.5, 0.5])),
        TreeSource("whole", coordinate_videos[4:]),
    ]
    covered = {}
    for element in take(sources, config):
        inside = element["labels"][0] != 255
        covered[element["name"].decode().split("/")[0]] = (
            inside.any(axis=1).sum(),
            inside.any(axis=0).sum(),
        )
    assert covered == {"half": (30, 40), "own": (15, 20), "whole": (60, 80)}


@pytest.mark.parametrize(
    "size,message",
    [((-1, []), "resize_min is -1"), ((0, [2, 1]), "scale_range is"), ((0, [1]), "two")],
)
def test_sizes_that_cannot_be_are_refused(size, message):
    with pytest.raises(InputError, match=f"clips: .*{message}"):
        FrameSize.of("clips", *size)


def test_shapes_are_static_and_validity_counts_objects(coordinate_source):
    dataset = make_triplets([coordinate_source], SMALL)
    spec = dataset.element_spec
    assert spec["images"].shape == (3, 49, 65, 3) and spec["images"].dtype == tf.float32
    assert spec["labels"].shape == (3, 49, 65) and spec["labels"].dtype == tf.int32
    assert spec["valid"].shape == (4,) and spec["num_objects"].shape == ()
    for element in dataset.take(10).as_numpy_iterator():
        assert element["valid"].sum() == element["num_objects"] >= 2
        assert element["valid"][: element["num_objects"]].all()
        labels = element["labels"]
        assert labels[labels != 255].max() < element["num_objects"]


def test_longer_clips(coordinate_source):
    config = TripletConfig(crop_size=(49, 65), num_frames=5, min_object_pixels=1)
    for element in take([coordinate_source], config, limit=10):
        frames = [int(n) for n in element["name"].decode().split(":")[1].split(",")]
        assert len(frames) == 5 and np.all(np.diff(frames[1:]) == 1)
        assert element["images"].shape == (5, 49, 65, 3)


def test_strides_leave_gaps_of_one_length(coordinate_source):
    config = TripletConfig(
        crop_size=(49, 65), num_frames=4, min_object_pixels=1, max_stride=3, scale_range=(0.4, 0.5)
    )
    strides = []
    for element in take([coordinate_source], config, limit=60):
        name, numbers = element["name"].decode().split("/")[1].split(":")
        frames = [int(number) for number in numbers.split(",")]
        length = 4 + int(name[-1])
        assert 0 <= min(frames) and max(frames) < length
        gaps = set(np.diff(frames[1:]))
        assert len(gaps) == 1
        strides.append((gaps.pop(), length))
        for image, frame in zip(element["images"], frames):
            assert np.abs(image[..., 2] - 10 * frame).min() < 1e-3
    assert {stride for stride, _ in strides} == {1, 2, 3}
    assert all(stride <= (length - 1) // 2 for stride, length in strides)


HARD = {
    "max_stride": 2,
    "still_motion": 2.0,
    "light": 0.3,
    "blur": 1.0,
    "paste_paths": 1.0,
    "lost_probability": 0.3,
    "occluder_probability": 0.8,
}


def test_every_hard_part_together_depends_on_seed_and_index_alone(coordinate_videos):
    sources = [
        TreeSource("videos", coordinate_videos[:3]),
        TreeSource("stills", coordinate_videos[3:], still=True),
    ]
    config = TripletConfig(
        crop_size=(97, 97),
        min_object_pixels=1,
        paste_objects=3,
        paste_probability=0.8,
        damage_previous=True,
        max_objects=6,
        **HARD,
    )
    elements = take(sources, config, limit=12, num_parallel_calls=1)
    later = [element for element in elements if element["index"] >= 5]
    same(later, take(sources, config, limit=12, start=5, num_parallel_calls=4))
    assert max(element["num_objects"] for element in elements) >= 4
    for element in elements:
        labels = element["labels"]
        assert labels[labels != 255].max(initial=0) < element["num_objects"]


PLAIN = dict(
    crop_size=(97, 97),
    num_frames=4,
    min_object_pixels=1,
    paste_objects=1,
    paste_probability=1.0,
)


@pytest.fixture(scope="module")
def plain_stills(coordinate_videos):
    sources = [TreeSource("stills", coordinate_videos, still=True)]
    return sources, take(sources, TripletConfig(**PLAIN), limit=6, seed=1)


@pytest.mark.parametrize("name", HARD)
def test_each_hard_part_changes_the_stream(coordinate_videos, plain_stills, name):
    sources, before = plain_stills
    if name == "max_stride":
        sources = [TreeSource("videos", coordinate_videos)]
        before = take(sources, TripletConfig(**PLAIN), limit=6, seed=1)
    after = take(sources, TripletConfig(**PLAIN, **{name: HARD[name]}), limit=6, seed=1)
    after = {element["index"]: element for element in after}
    both = [(one, after[one["index"]]) for one in before if one["index"] in after]
    key = {"lost_probability": "labels", "max_stride": "name"}.get(name, "images")
    assert both and any(not np.array_equal(one[key], other[key]) for one, other in both)
    if name in ("light", "blur"):
        assert all(np.array_equal(one["labels"], other["labels"]) for one, other in both)


def test_every_part_together_is_deterministic(coordinate_videos):
    sources = [
        TreeSource("videos", coordinate_videos[:3]),
        TreeSource("stills", coordinate_videos[3:], still=True),
    ]
    config = TripletConfig(
        crop_size=(49, 65),
        min_object_pixels=1,
        paste_objects=1,
        paste_probability=0.8,
        damage_previous=True,
        color_jitter=0.2,
    )
    elements = take(sources, config, limit=10, num_parallel_calls=1)
    same(elements, take(sources, config, limit=10, num_parallel_calls=4))
    assert max(element["num_objects"] for element in elements) == 4


@pytest.mark.parametrize(
    "bad",
    [
        {"crop_size": (0, 5)},
        {"scale_range": (1.3, 1.0)},
        {"num_frames": 2},
        {"max_objects": 1},
        {"color_jitter": 1.5},
        {"max_stride": 0},
        {"still_motion": -1.0},
        {"light": 1.0},
        {"blur": -0.1},
        {"paste_paths": 1.5},
        {"lost_probability": 2.0},
        {"occluder_probability": -0.1},
    ],
)
def test_config_refuses_what_makes_no_sense(bad):
    with pytest.raises(InputError, match=next(iter(bad))):
        TripletConfig(**bad)


def test_arguments_are_checked(coordinate_source):
    with pytest.raises(InputError, match="no source"):
        make_triplets([], SMALL)
    with pytest.raises(InputError, match="shard 2 of 2"):
        make_triplets([coordinate_source], SMALL, num_shards=2, shard=2)
