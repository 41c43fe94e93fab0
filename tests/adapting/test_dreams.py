"""Dreamed clips: they hold the objects of the frame, from its first pixel to its last."""

import numpy as np
import pytest
import tensorflow as tf

from feelvos_tf.adapting.adaptation import Adaptation
from feelvos_tf.adapting.dreams import Cuts, dream
from feelvos_tf.errors import InputError

SMALL = Adaptation(crop_size=33, batch_size=2, num_frames=3, seed=5)


def noise(height, width):
    return np.random.RandomState(1).randint(0, 256, [height, width, 3]).astype(np.uint8)


def test_clips_are_the_same_every_time():
    mask = np.zeros([45, 61], np.uint8)
    mask[10:30, 20:40] = 1
    first, again = (list(dream([noise(45, 61)], [mask], SMALL, 2)) for _ in range(2))
    assert len(first) == 2
    for one, two in zip(first, again):
        for key in ("images", "labels", "valid", "index"):
            np.testing.assert_array_equal(one[key], two[key])
    assert not np.array_equal(first[0]["images"], first[1]["images"])
    assert first[0]["images"].shape == [2, 3, 33, 33, 3]
    assert not np.array_equal(first[0]["labels"][0, 0], first[0]["labels"][0, 2])


@pytest.mark.parametrize("size", [(45, 61), (9, 200), (300, 9), (721, 1280)])
@pytest.mark.parametrize("corner", [False, True])
def test_a_small_object_is_whole_in_its_cut(size, corner):
    mask = np.zeros(size, np.uint8)
    mask[:5, :5] = 1
    if corner:
        mask = np.ascontiguousarray(mask[::-1, ::-1])
    image, labels = read(Cuts([noise(*size)], [mask], 33), 0)
    assert (labels == 1).sum() == 25
    assert labels.shape == image.shape[:2] == tuple(min(side, 50) for side in size)


def test_each_object_of_each_frame_is_cut_with_its_surroundings():
    first, second = np.zeros([2, 200, 300], np.uint8)
    first[5:15, 5:15], first[150:190, 200:290] = 1, 2
    second[100, 100] = 2
    second[0, 0] = 255
    cuts = Cuts([noise(200, 300)] * 2, [first, second], 33)
    assert cuts.names == ["frame 0, object 1", "frame 0, object 2", "frame 1, object 2"]
    images, masks = zip(*(read(cuts, i) for i in range(3)))
    assert [image.shape[:2] for image in images] == [(50, 50), (80, 180), (50, 50)]
    assert (masks[0] == 1).sum() == 100 and (masks[1] == 2).sum() == 40 * 90
    assert (masks[2] == 2).sum() == 1


def test_frames_without_an_object_are_refused():
    with pytest.raises(InputError, match="no given frame has an object"):
        Cuts([noise(45, 61)], [np.full([45, 61], 255, np.uint8)], 33)


def test_large_frames_are_reduced():
    mask = np.ones([1000, 2000], np.uint8)
    mask[0] = 0
    image, labels = read(Cuts([noise(1000, 2000)], [mask], 33), 0)
    assert image.shape == (320, 640, 3) and labels.shape == (320, 640)
    assert set(np.unique(labels)) <= {0, 1}


def test_thirty_objects_and_unknown_pixels():
    mask = np.zeros([90, 130], np.uint8)
    mask[:, 125:] = 255
    for one in range(30):
        mask[15 * (one // 6) : 15 * (one // 6) + 9, 20 * (one % 6) : 20 * (one % 6) + 9] = one + 1
    batch = next(dream([noise(90, 130)], [mask], SMALL, 1))
    assert batch["valid"].shape == [2, 8] and batch["valid"].numpy().sum(axis=1).min() > 2
    assert {0, 1, 2} < set(np.unique(batch["labels"])) <= {*range(8), 255}


def read(cuts, video):
    images, masks = cuts.fetch(tf.constant(video, tf.int64), tf.zeros([1], tf.int32))
    return tf.io.decode_png(images[0]).numpy(), tf.io.decode_png(masks[0]).numpy()[..., 0]
