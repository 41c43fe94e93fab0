"""The trial of a network: how well given masks are found again."""

import numpy as np
import pytest

from feelvos_tf.adapting.trial import way_back
from feelvos_tf.video.adapted import PassedFrame

SIZE = (20, 30)


class Told:
    """A segmenter that knows all labels by a frame's color, and what it was asked."""

    def __init__(self, labels):
        self.labels, self.asked = labels, []

    def reset(self, frame, mask):
        assert mask.any()
        self.asked.append([int(frame[0, 0, 0])])

    def resume(self, frame, labels, *, forget):
        assert forget
        self.asked[-1].append(int(frame[0, 0, 0]))

    def step(self, frame):
        self.asked[-1].append(int(frame[0, 0, 0]))
        return self.labels(int(frame[0, 0, 0]))


def half(index):
    labels = np.zeros(SIZE, np.uint8)
    labels[:, :15] = 1
    return labels


def video(count, labels, given=(0,)):
    return [
        PassedFrame(i, np.full([*SIZE, 3], i, np.uint8), labels(i), i in given)
        for i in range(count)
    ]


def test_it_begins_at_frames_all_over_the_video_and_ends_at_the_given_one():
    told = Told(half)
    assert way_back(told, video(40, half), 4) == 1.0
    assert [asked[0] for asked in told.asked] == [1, 14, 26, 39]
    assert [asked[1:] for asked in told.asked] == [[2, 1, 0], [4, 2, 0], [6, 3, 0], [8, 4, 0]]


def test_it_is_the_mean_overlap_of_the_objects():
    def truth(index):
        labels = half(index)
        labels[:, 20:] = 2
        return labels

    def wrong(index):
        labels = truth(index)
        labels[:10, :15] = 0  # half of the first object
        return labels

    assert way_back(Told(wrong), video(9, truth), 3) == pytest.approx((0.5 + 1) / 2)


def test_unknown_pixels_do_not_count():
    def truth(index):
        labels = half(index)
        labels[:, 10:20] = 255
        return labels

    assert way_back(Told(half), video(9, truth), 2, ignore_label=255) == 1.0
    assert way_back(Told(half), video(9, truth), 2) < 1.0


@pytest.mark.parametrize(
    "frames",
    [
        [],
        video(1, half),
        video(2, half),
        video(9, half, given=()),
        video(9, lambda i: half(i) * (i == 0)),  # lost
        video(9, lambda i: half(i) * (1 + (i > 0))),  # another object alone
    ],
)
def test_where_there_is_no_way_it_says_nothing(frames):
    assert way_back(Told(half), frames, 3) is None
