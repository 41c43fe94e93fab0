"""Clips that come back to a given frame: what is true in them, and which frames are kept."""

import dataclasses

import numpy as np
import pytest

from feelvos_tf.adapting.adaptation import Adaptation
from feelvos_tf.adapting.cycles import cycles, kept, ways_back
from feelvos_tf.video.adapted import PassedFrame

SMALL = Adaptation(crop_size=33, batch_size=2, num_frames=4, seed=5)


def video(count, labels, given=(0,), size=(45, 61)):
    """Frames whose color is their index, up to 255; `labels` makes those of a frame."""
    return [
        PassedFrame(
            index,
            np.full([*size, 3], index % 256, np.uint8),
            np.asarray(labels(index)),
            index in given,
        )
        for index in range(count)
    ]


def square(index, one=1, size=(45, 61)):
    """A square that moves a pixel a frame to the right."""
    labels = np.zeros(size, np.uint8)
    labels[5:30, index : index + 25] = one
    return labels


def colors(clip):
    """The mean color of each frame of a clip, light left out by the first frame's."""
    return clip["images"].numpy().mean(axis=(2, 3, 4))


def test_a_clip_leads_to_the_given_frame_from_both_sides():
    frames = video(20, square, given=(9,))
    found = set()
    for batch in cycles(frames, SMALL, 40):
        assert batch["images"].shape == [2, 4, 33, 33, 3]
        assert batch["labels"].shape == [2, 4, 33, 33]
        for means, labels in zip(colors(batch), batch["labels"].numpy()):
            steps = means[1:] / means[3] * 9  # the light is the same in all frames of a clip
            far, near, last = steps.round().astype(int)
            found.add((far, near))
            assert last == 9 and far - near == near - last
            assert round(means[0] / means[3] * 9) != 9
            assert (labels[2] == 255).all()
            assert set(np.unique(labels[[0, 1, 3]])) <= {0, 1}
    assert found == {(9 + 2 * s, 9 + s) for s in (-4, -3, -2, -1, 1, 2, 3, 4)}


def test_labels_lie_where_their_frames_are():
    """Pixels that hold the object's own color are the object, mirrored or not."""
    frames = [
        dataclasses.replace(
            frame, image=np.where(frame.labels[..., None] == 1, 200, 20).repeat(3, 2)
        )
        for frame in video(9, square)
    ]
    for batch in cycles(frames, SMALL, 5):
        images, labels = batch["images"].numpy()[..., 0], batch["labels"].numpy()
        for t in (0, 1, 3):
            np.testing.assert_array_equal(images[:, t] > 100, labels[:, t] == 1)


def test_the_same_seed_gives_the_same_clips():
    frames = video(9, square)
    first, again = (list(cycles(frames, SMALL, 3)) for _ in range(2))
    other = list(cycles(frames, dataclasses.replace(SMALL, seed=6), 3))
    for one, two in zip(first, again):
        for key, value in one.items():
            np.testing.assert_array_equal(two[key], value)
    assert not np.array_equal(first[0]["images"], other[0]["images"])
    assert [batch["index"].numpy().tolist() for batch in first] == [[0, 1], [2, 3], [4, 5]]


def test_objects_that_the_reference_does_not_show_are_unknown():
    def labels(index):
        found = square(0, 7)
        found[40, 30] = 9 if index == 0 else 0  # seen in the given frame alone
        found[0, 0] = 255
        return found

    batch = next(cycles(video(9, labels), dataclasses.replace(SMALL, crop_size=65), 1))
    assert batch["labels"].shape == [2, 4, 45, 61]
    for told, valid in zip(batch["labels"].numpy(), batch["valid"].numpy()):
        assert valid.tolist() == [True, True] + 6 * [False]
        assert set(np.unique(told[0])) <= {0, 1, 255} and 1 in told[0] and 1 in told[3]
        assert (told != 2).all()


def test_thirty_objects_fill_the_channels_with_one_of_them_in_any_case():
    def labels(index):
        rows, columns = np.indices([45, 61])
        return 1 + rows // 9 * 6 + np.minimum(columns // 10, 5)

    batch = next(cycles(video(9, labels), SMALL, 1))
    assert batch["valid"].numpy().all()
    assert set(np.unique(batch["labels"][:, 0])) == {*range(1, 8), 255}


def test_an_object_of_one_pixel():
    def labels(index):
        found = np.zeros([45, 61], np.uint8)
        found[44, 60 - index] = 3
        return found

    batches = list(cycles(video(9, labels), SMALL, 4))
    assert len(batches) == 4
    for batch in batches:
        assert (batch["labels"].numpy()[:, [0, 3]] == 1).sum(axis=(2, 3)).tolist() == [[1, 1]] * 2


@pytest.mark.parametrize("size", [(1, 50), (200, 9)])
def test_a_line_of_pixels(size):
    frames = video(9, lambda index: np.ones(size, np.uint8), size=size)
    sides = [min(33, side) for side in size]
    assert next(cycles(frames, SMALL, 1))["images"].shape == [2, 4, *sides, 3]


@pytest.mark.parametrize(
    "frames",
    [
        [],
        video(2, square),
        video(9, lambda index: np.zeros([45, 61], np.uint8)),
        video(9, lambda index: square(index, 1 + (index > 0))),  # lost in all later frames
        video(9, square, given=()),
    ],
)
def test_without_an_object_on_a_way_there_are_no_clips(frames):
    assert list(cycles(frames, SMALL, 2)) == []


def test_a_debris_of_the_object_is_no_reference():
    def labels(index):
        found = square(0)
        if index > 0:
            found[5:30, 3:] = 0  # 75 of 625 pixels
        return found

    assert list(cycles(video(9, labels), SMALL, 1)) == []


def test_few_frames_are_kept_of_a_long_video_and_all_near_given_ones():
    given = (3, 500)
    read = []

    def frames():
        for frame in video(1000, lambda index: np.zeros([1, 1]), given, size=(1, 1)):
            read.append(frame.index)
            yield frame

    found = [frame.index for frame in kept(frames())]
    near = {*range(0, 12), *range(492, 509)}
    assert read == list(range(1000)) and found == sorted(found)
    assert near <= set(found) and len(found) <= 65 + len(near)
    rest = sorted(set(found) - near)
    assert set(np.diff([index for index in rest if index > 508])) == {16}
    assert len(ways_back(kept(video(30, square, size=(45, 61))))[0]) == 4


def test_of_many_given_frames_some_keep_their_neighbors():
    count, given = 400, tuple(range(0, 400, 10))
    found = kept(video(count, lambda index: np.ones([1, 1]), given, size=(1, 1)))
    assert 2 <= len(ways_back(found)) <= 8 + 65 and len(found) < 65 + 8 * 17


def test_a_short_video_is_kept_whole():
    frames = video(30, square)
    assert kept(iter(frames)) == frames
