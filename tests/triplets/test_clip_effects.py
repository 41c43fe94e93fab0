"""Motion of stills, pasted objects, damaged masks."""

import numpy as np
import pytest
import tensorflow as tf

from feelvos_tf.triplets import damage, paste, stills
from feelvos_tf.triplets.draws import Draws


def disk_mask(height=120, width=100, center=(60, 45), radius=24, value=3):
    rows, columns = np.mgrid[:height, :width]
    inside = (rows - center[0]) ** 2 + (columns - center[1]) ** 2 <= radius**2
    return np.where(inside, value, 0).astype(np.uint8)


def centers(masks):
    return np.array([np.argwhere(mask).mean(axis=0) for mask in masks])


@pytest.mark.parametrize("index", range(4))
def test_moved_labels_stay_with_the_object(index):
    mask = disk_mask()
    image = np.where(mask[..., np.newaxis] > 0, 220, 40).astype(np.uint8).repeat(3, axis=2)
    images, masks = stills.animate(image, mask, 5, Draws(1, index))
    assert images.shape == (5, 120, 100, 3) and masks.shape == (5, 120, 100)
    images, masks = images.numpy()[..., 0], masks.numpy()
    for frame, labels in zip(images, masks):
        assert set(np.unique(labels)) <= {0, 3} and (labels == 3).sum() > 500
        # Nothing of the object stays behind where it has left, and it is whole where it went.
        assert ((frame > 130) != (labels == 3)).sum() < 0.02 * frame.size
    steps = np.linalg.norm(np.diff(centers(masks[1:]), axis=0), axis=1)
    assert steps.max() < 12 and steps.max() - steps.min() < 3  # one smooth path


def test_motion_differs_between_elements_and_repeats_for_one():
    rng = np.random.default_rng(0)
    image, mask = rng.integers(0, 256, (40, 50, 3)).astype(np.uint8), disk_mask(40, 50, (20, 25), 9)
    first, again = (stills.animate(image, mask, 3, Draws(1, 7))[0].numpy() for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first.astype(int) - stills.animate(image, mask, 3, Draws(1, 8))[0]).mean() > 5


def test_no_motion_is_the_identity():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (31, 47, 4)).astype(np.uint8)
    size = tf.constant([31, 47])
    still = tf.zeros(4 + stills._GRID**2 * 2)
    places = stills._coordinates(size, [still, still])
    rows, columns = np.mgrid[:31, :47]
    np.testing.assert_allclose(places, np.stack([rows, columns], axis=-1), atol=1e-4)
    sampled = stills._sample_bilinear(stills._neighbors(image), places, size)
    np.testing.assert_allclose(sampled, image, atol=0.05)


def test_sampling_equals_a_naive_twin():
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (9, 12, 2)).astype(np.uint8)
    places = rng.uniform([0, 0], [8, 11], (6, 5, 2)).astype(np.float32)
    got = stills._sample_bilinear(stills._neighbors(image), places, tf.constant([9, 12])).numpy()
    for row in range(6):
        for column in range(5):
            y, x = places[row, column]
            top, left = int(y), int(x)
            down, right = y - top, x - left
            expected = 0
            for dy, wy in ((0, 1 - down), (1, down)):
                for dx, wx in ((0, 1 - right), (1, right)):
                    pixel = image[min(top + dy, 8), min(left + dx, 11)].astype(float)
                    expected = expected + wy * wx * pixel
            np.testing.assert_allclose(got[row, column], expected, atol=1e-3)


def test_holes_are_filled_from_their_surroundings():
    image = np.full((33, 50, 3), 90.0, np.float32)
    image[:, 25:] = 180.0
    hole = np.zeros((33, 50, 1), np.float32)
    hole[8:25, 10:20] = 1
    spoiled = np.where(hole > 0, 0, image)
    filled = stills.fill_hole(spoiled, hole).numpy()
    np.testing.assert_allclose(filled[hole[..., 0] == 0], image[hole[..., 0] == 0], atol=1e-3)
    assert np.abs(filled[8:25, 10:16] - 90).max() < 30
    everything = stills.fill_hole(image, np.ones((33, 50, 1), np.float32)).numpy()
    assert np.isfinite(everything).all()


def clip(value, labels):
    labels = np.stack(labels).astype(np.int32)
    return tf.fill([*labels.shape, 3], float(value)), tf.constant(labels)


def test_pasted_objects_keep_their_motion_and_their_depth():
    target = [disk_mask(60, 60, (30, 30), 15, 1)] * 3
    donor = [disk_mask(60, 60, (30, 20 + 4 * t), 8, 7) for t in range(3)]
    fronts = 0
    for index in range(30):
        images, labels = paste.paste_object(*clip(50, target), *clip(200, donor), Draws(2, index))
        images, labels = images.numpy(), labels.numpy()
        assert set(np.unique(labels)) <= {0, 1, 2}
        pasted = labels == 2
        assert (images[pasted] > 120).all()
        np.testing.assert_allclose(images[~pasted], 50, atol=1e-3)
        covered = [(np.stack(target)[t] == 1) & pasted[t] for t in range(3)]
        hit = any(c.any() for c in covered)
        fronts += hit
        # The same depth in every frame: in front it is whole, behind it covers nothing.
        if pasted[1:].any(axis=(1, 2)).all() and not hit:
            assert (labels == 1).sum() == (np.stack(target) == 1).sum()
        if pasted[1].sum() == pasted[2].sum() == (donor[1] == 7).sum():
            np.testing.assert_allclose(
                centers(pasted[1:])[1] - centers(pasted[1:])[0], [0, 4], atol=1e-6
            )
    assert 3 < fronts < 27


def test_pasting_spares_what_is_ignored_and_needs_an_object():
    target = [np.full((40, 40), 255)] * 2
    donor = [disk_mask(40, 40, (20, 20), 10, 3)] * 2
    images, labels = paste.paste_object(*clip(50, target), *clip(200, donor), Draws(0, 1))
    assert (labels.numpy() == 255).all() and (images.numpy() == 50).all()
    empty = [np.zeros((40, 40))] * 2
    images, labels = paste.paste_object(*clip(50, donor), *clip(200, empty), Draws(0, 1))
    np.testing.assert_array_equal(labels, np.stack(donor))
    np.testing.assert_array_equal(images, np.full((2, 40, 40, 3), 50))


def test_damage_cuts_some_objects(monkeypatch):
    labels = tf.constant(disk_mask(100, 120, (50, 60), 20, 2).astype(np.int32))
    fixed_growth(monkeypatch, 0.5)
    shares = []
    for index in range(60):
        damaged = damage.damage_labels(labels, 4, Draws(0, index)).numpy() == 2
        assert not (damaged & (labels.numpy() != 2)).any()  # nothing is added
        shares.append(damaged.sum() / (labels.numpy() == 2).sum())
    cut = np.array(shares) < 0.96
    assert 8 < cut.sum() < 30  # 30 % of 60
    assert np.std(np.array(shares)[cut]) > 0.1


def test_damage_grows_shrinks_and_moves_a_little(monkeypatch):
    monkeypatch.setattr(damage, "_CUT_PROBABILITY", 0.0)
    labels = disk_mask(100, 120, (50, 60), 20, 2).astype(np.int32)
    labels[:, :3] = 255
    sizes, moves = [], []
    for index in range(40):
        damaged = damage.damage_labels(tf.constant(labels), 4, Draws(0, index)).numpy()
        assert set(np.unique(damaged)) == {0, 2, 255}
        assert (damaged[:, :3] == 255).all()
        sizes.append((damaged == 2).sum())
        moves.append(np.linalg.norm(centers([damaged == 2])[0] - [50, 60]))
    # A disk of radius 20 grown or shrunk by up to 5, scaled by up to 2.5 %, moved by up to 2.
    assert np.pi * 13.5**2 < min(sizes) < np.pi * 17**2
    assert np.pi * 23**2 < max(sizes) < np.pi * 27**2
    # As often the one as the other: otherwise a network learns to undo what does not happen.
    assert abs(np.mean(np.sqrt(np.array(sizes) / np.pi)) - 20) < 1
    assert len(set(sizes)) > 20 and 0.3 < max(moves) < 5


def fixed_growth(monkeypatch, share):
    for name in ("_MAX_SHIFT", "_MAX_SCALE", "_MAX_DEGREES"):
        monkeypatch.setattr(damage, name, 0.0)
    uniform = Draws.uniform
    monkeypatch.setattr(
        Draws,
        "uniform",
        lambda self, name, *values: (
            tf.fill(values[2], share) if name == "growth" else uniform(self, name, *values)
        ),
    )


@pytest.mark.parametrize("share,naive", [(0.0, "binary_dilation"), (1.0, "binary_erosion")])
def test_damage_without_randomness_is_dilation_to_erosion(monkeypatch, share, naive):
    from scipy import ndimage

    fixed_growth(monkeypatch, share)
    monkeypatch.setattr(damage, "_CUT_PROBABILITY", 0.0)
    labels = disk_mask(50, 60, (20, 30), 9, 1).astype(np.int32)
    rows, columns = np.mgrid[-5:6, -5:6]
    expected = getattr(ndimage, naive)(labels == 1, rows**2 + columns**2 <= 25)
    damaged = damage.damage_labels(tf.constant(labels), 3, Draws(0, 0)).numpy()
    np.testing.assert_array_equal(damaged == 1, expected)


def test_damage_of_one_pixel_and_of_nothing(monkeypatch):
    labels = np.zeros((20, 30), np.int32)
    labels[9, 11] = 1
    fixed_growth(monkeypatch, 0.0)
    monkeypatch.setattr(damage, "_CUT_PROBABILITY", 0.0)
    damaged = damage.damage_labels(tf.constant(labels), 3, Draws(0, 0)).numpy()
    assert (damaged == 1).sum() == 81  # the disk
    empty = damage.damage_labels(tf.zeros([20, 30], tf.int32), 3, Draws(0, 0)).numpy()
    assert (empty == 0).all()


def test_damage_maps_a_known_shift_scale_and_turn(monkeypatch):
    """The one combined map against its three steps, on the corners of an object."""
    labels = np.zeros((1, 80, 90), bool)
    labels[0, 20:41, 30:61] = True
    draws = Draws(3, 5)
    matrix = damage._transforms(tf.constant(labels), draws).numpy()[0]
    reach = 0.05 * np.sqrt(20 * 30)
    shift = np.array([float(draws.uniform(f"shift_{a}", -1.0, 1.0, (1,))[0]) for a in "yx"]) * reach
    zoom = float(draws.uniform("scale", 0.975, 1.025, (1,))[0])
    angle = np.deg2rad(float(draws.uniform("angle", -3.0, 3.0, (1,))[0]))
    middle, center = np.array([30.0, 45.0]) + shift, np.array([40.0, 45.0])
    for point in ([20.0, 30.0], [40.0, 60.0], [20.0, 60.0]):
        moved = (np.array(point) + shift - middle) * zoom + middle - center
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        y, x = turn @ moved + center
        back = [matrix[3:6] @ [x, y, 1.0], matrix[0:3] @ [x, y, 1.0]]
        np.testing.assert_allclose(back, point, atol=1e-3)


def test_the_released_damage_equals_its_steps_one_by_one():
    """Shift, scale about half the box's size, turn about the image's middle, growth by 5 pixels."""
    from scipy import ndimage

    labels = np.zeros((80, 90), np.int32)
    labels[20:41, 30:61] = 1
    labels[50:60, 5:30] = 2
    labels[70, 70] = 255
    draws = Draws(3, 5)
    damaged = damage.damage_labels(tf.constant(labels), 3, draws, "release").numpy()
    drawn = {
        name: draws.uniform(name, low, high, (2,)).numpy()
        for name, low, high in (
            ("shift_y", -1, 1),
            ("shift_x", -1, 1),
            ("scale", 0.975, 1.025),
            ("angle", -3, 3),
        )
    }
    rows, columns = np.mgrid[-5:6, -5:6]
    disk = rows**2 + columns**2 <= 25
    expected = np.where(labels == 255, 255, 0)
    order = 1 + draws.permutation("depth", 2).numpy()
    for i in np.argsort(order):
        mask = labels == i + 1
        y, x = np.nonzero(mask)
        reach = 0.05 * np.sqrt((y.max() - y.min()) * (x.max() - x.min()))
        shift = [reach * drawn["shift_y"][i], reach * drawn["shift_x"][i]]
        mask = ndimage.shift(mask.astype(np.uint8), shift, order=0).astype(bool)
        y, x = np.nonzero(mask)
        middle = 0.5 * np.array([y.max() - y.min(), x.max() - x.min()])
        center, angle = np.array([40.0, 45.0]), np.deg2rad(drawn["angle"][i])
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        for matrix, about in ((np.eye(2) / drawn["scale"][i], middle), (turn, center)):
            values = ndimage.affine_transform(
                mask.astype(float), matrix, about - matrix @ about, order=1
            )
            mask = values > 0.5
        expected[ndimage.binary_dilation(mask, disk)] = i + 1
    assert (damaged != labels).sum() > 300
    assert (damaged != expected).sum() <= 3  # pixels next to a half


def test_the_released_damage_of_nothing_is_nothing():
    assert (
        (damage.damage_labels(tf.zeros([20, 30], tf.int32), 3, Draws(0, 0), "release") == 0)
        .numpy()
        .all()
    )
