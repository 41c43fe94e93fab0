"""Objects that the told labels have lost, pasted objects on paths, light and blur."""

import numpy as np
import pytest
import tensorflow as tf

from feelvos_tf.triplets import appearance, lost, paste, paths
from feelvos_tf.triplets.draws import Draws


def disk(height=61, width=75, center=(30, 37), radius=12):
    rows, columns = np.mgrid[:height, :width]
    return (rows - center[0]) ** 2 + (columns - center[1]) ** 2 <= radius**2


@pytest.fixture(scope="module")
def three_objects():
    labels = np.zeros((48, 66), np.int32)
    labels[4:16, 5:20], labels[22:40, 8:22], labels[10:30, 40:60] = 1, 2, 3
    labels[:, -3:] = 255
    return labels


def lose(labels, num_objects, probability, index, max_objects=6):
    return lost.lose_objects(
        tf.constant(labels), tf.constant(num_objects), max_objects, probability, Draws(3, index)
    ).numpy()


def test_lost_objects_are_missing_elsewhere_or_mistaken(three_objects):
    kinds = {"kept": 0, "missing": 0, "elsewhere": 0, "mistaken": 0}
    for index in range(60):
        told = lose(three_objects, 4, 0.5, index)
        assert ((told == 255) == (three_objects == 255)).all()
        for number in (1, 2, 3):
            mine = three_objects == number
            there = np.unique(told[mine])
            if (told[mine] == number).all():
                kinds["kept"] += 1
            elif set(there) <= {1, 2, 3} - {number}:
                assert len(there) == 1
                kinds["mistaken"] += 1
            else:
                # It has left its place, but for what another object that is elsewhere covers.
                kinds["elsewhere" if (told[~mine] == number).any() else "missing"] += 1
    assert 60 < kinds["kept"] < 120  # half of 180
    assert min(kinds.values()) > 8


def test_nothing_is_lost_at_zero_and_a_lone_object_is_not_mistaken(three_objects):
    np.testing.assert_array_equal(lose(three_objects, 4, 0.0, 1), three_objects)
    alone = np.where(three_objects == 1, 1, 0).astype(np.int32)
    for index in range(12):
        told = lose(alone, 2, 1.0, index)
        assert set(np.unique(told)) <= {0, 1} and not (told[alone == 1] == 1).all()


def test_backward_maps_undo_shear_turn_scale_and_shift():
    rng = np.random.default_rng(2)
    middle = np.array([17.0, 29.0], np.float32)
    targets = rng.uniform(0, 60, (3, 2)).astype(np.float32)
    angle, shear = rng.uniform(-1, 1, (2, 3)).astype(np.float32)
    scale = np.array([0.4, 1.0, 1.9], np.float32)
    got = paths._backward(middle, tf.constant(targets), angle, scale, shear).numpy()
    for frame in range(3):
        for y, x in ([3.0, 9.0], [40.0, 12.0], [17.0, 29.0]):
            down, right = y - middle[0], x - middle[1]
            right = right + shear[frame] * down
            turned = np.array(
                [
                    np.sin(angle[frame]) * right + np.cos(angle[frame]) * down,
                    np.cos(angle[frame]) * right - np.sin(angle[frame]) * down,
                ]
            )
            there = targets[frame] + scale[frame] * turned
            back = [
                got[frame, 3:6] @ [there[1], there[0], 1],
                got[frame, :3] @ [there[1], there[0], 1],
            ]
            np.testing.assert_allclose(back, [y, x], atol=1e-3)


def moved(index, strength=1.0, num_frames=6, radius=12):
    mask = disk(radius=radius).astype(np.float32)
    image = np.where(mask[..., np.newaxis] > 0, 180.0, 20.0).repeat(3, axis=-1).astype(np.float32)
    parts = paths.move(tf.constant(image), tf.constant(mask), num_frames, strength, Draws(5, index))
    return [part.numpy() for part in parts]


def test_an_object_on_a_path_brings_its_own_color_and_nothing_else():
    for index in range(8):
        paint, cover, _ = moved(index)
        assert paint.shape == (6, 61, 75, 3) and cover.shape == (6, 61, 75, 1)
        assert cover.min() >= 0 and cover.max() <= 1 + 1e-6
        inner = cover[..., 0] > 0.999
        for frame in range(6):
            color = paint[frame][inner[frame]]
            if len(color):  # one light for the whole object
                assert np.ptp(color) < 1 and 180 * 0.6 < color.mean() < 180 * 1.4
        assert (paint[cover[..., 0] == 0] == 0).all()
        assert ((cover > 0) & (cover < 1)).any()  # a soft outline


def test_paths_shift_scale_and_leave():
    places, ratios, gone = [], [], 0
    for index in range(60):
        masks = moved(index, radius=8)[1][..., 0] > 0.5
        sizes = masks.sum(axis=(1, 2))
        edges = masks[:, [0, -1]].any() or masks[:, :, [0, -1]].any()
        if not edges and sizes.all():
            places.append([np.argwhere(mask).mean(axis=0) for mask in masks[1:]])
            ratios.append(sizes[-1] / sizes[1])
        gone += any(sizes[frame] == 0 and sizes[[1, 5]].all() for frame in (2, 3, 4))
    places = np.array(places)
    assert len(places) > 8 and 2 < gone < 25
    # A straight path of even steps, now longer than half an object, now shorter.
    steps = np.diff(places, axis=1)
    np.testing.assert_allclose(steps - steps.mean(axis=1, keepdims=True), 0, atol=0.7)
    assert np.linalg.norm(steps.sum(axis=1), axis=1).max() > 12
    assert min(ratios) < 0.6 and max(ratios) > 1.6


def test_no_strength_leaves_the_object_as_it_is_but_for_its_place_and_size():
    for index in range(20):
        paint, cover, area = moved(index, strength=0.0, num_frames=3)
        np.testing.assert_array_equal(cover[1], cover[2])
        np.testing.assert_array_equal(paint[1], paint[2])
        mask = cover[0, ..., 0] > 0.5
        if mask.any() and not (mask[[0, -1]].any() or mask[:, [0, -1]].any()):
            assert 0.85 < mask.sum() / area < 1.15


def test_paths_of_pasted_objects_keep_labels_and_depth():
    target = np.stack([disk(center=(30, 30), radius=14)] * 4).astype(np.int32) * 4
    target[:, :, :5] = 255
    donor = disk(radius=10).astype(np.int32)[np.newaxis] * 9
    images = tf.fill([*target.shape, 3], 50.0)
    paint = np.where(donor[..., np.newaxis] > 0, 200, 120).repeat(3, axis=-1).astype(np.float32)
    pastes = fronts = 0
    for index in range(30):
        got, labels = (
            x.numpy()
            for x in paste.paste_object(
                images,
                tf.constant(target),
                tf.constant(paint),
                tf.constant(donor),
                Draws(1, index),
                1.0,
            )
        )
        pasted = labels == 5
        assert set(np.unique(labels)) <= {0, 4, 5, 255}
        np.testing.assert_array_equal(labels == 255, target == 255)
        if not pasted.any():
            np.testing.assert_array_equal(got, images)
            continue
        pastes += 1
        assert pasted[0].sum() >= 160 and (got[pasted] > 80).all()
        np.testing.assert_array_equal(labels[~pasted], target[~pasted])
        # Away from the object, and from what it may lie behind, nothing changes.
        objects = tf.cast(pasted | (target == 4), tf.float32)[..., tf.newaxis]
        near = tf.nn.max_pool2d(objects, 13, 1, "SAME")
        np.testing.assert_allclose(got[near.numpy()[..., 0] == 0], 50.0)
        fronts += bool((pasted & (target == 4)).any())
    assert pastes > 10 and 1 < fronts < pastes


def test_blur_is_a_gaussian_and_the_reference_has_its_own():
    from scipy import ndimage

    rng = np.random.default_rng(3)
    image = rng.uniform(0, 255, (1, 21, 34, 3)).astype(np.float32)
    got = appearance._gaussian(tf.constant(image), tf.constant(1.3), 4).numpy()
    expected = ndimage.gaussian_filter(image, (0, 1.3, 1.3, 0), mode="nearest", radius=4)
    np.testing.assert_allclose(got, expected, atol=0.02)
    clip = tf.constant(np.repeat(image, 3, axis=0))
    sharp = []
    for index in range(30):
        blurred = appearance.blur(clip, 1.5, Draws(0, index)).numpy()
        np.testing.assert_array_equal(blurred[1], blurred[2])
        sharp.append([np.array_equal(blurred[frame], clip[frame]) for frame in (0, 1)])
    sharp = np.array(sharp)
    assert (5 < sharp.sum(axis=0)).all() and (sharp.sum(axis=0) < 26).all()
    assert (sharp[:, 0] != sharp[:, 1]).any()


def test_light_is_a_slope_that_flickers():
    clip = tf.fill([4, 20, 31, 3], 100.0)
    for index in range(10):
        lit = appearance.shade(clip, 0.4, Draws(2, index)).numpy()
        assert (np.ptp(lit, axis=-1) == 0).all()  # a gain, not a color
        gain = lit[..., 0] / 100.0
        assert 0.5 < gain.min() and gain.max() < 1.6
        field = gain / gain.mean(axis=(1, 2), keepdims=True)
        np.testing.assert_allclose(np.diff(field, n=2, axis=2), 0, atol=1e-4)
        np.testing.assert_allclose(field[1:], field[1:2].repeat(3, axis=0), atol=1e-4)
        assert np.ptp(gain[1:].mean(axis=(1, 2))) > 1e-4
        assert np.abs(field[0] - field[1]).max() > 1e-4
    assert appearance.shade(tf.fill([3, 8, 8, 3], 255.0), 0.4, Draws(2, 0)).numpy().max() <= 255
