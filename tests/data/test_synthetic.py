"""Generated clips: exact masks, objects that can be told apart, trees that read like DAVIS."""

import numpy as np
import pytest
from PIL import Image

from feelvos_tf.data.synthetic import synthetic_clip, write_clip
from feelvos_tf.data.textures import Texture, sample
from feelvos_tf.errors import InputError
from feelvos_tf.video.frames import open_frames
from feelvos_tf.video.masks import read_mask


@pytest.fixture(scope="module")
def clip():
    return synthetic_clip(5, 30, 90, 120, num_objects=4, late_objects=2)


def test_shapes_and_ids(clip):
    assert clip.frames.shape == (30, 90, 120, 3)
    assert clip.masks.shape == (30, 90, 120)
    assert clip.frames.dtype == clip.masks.dtype == np.uint8
    assert clip.ids == (1, 2, 3, 4)
    assert set(np.unique(clip.masks)) == {0, 1, 2, 3, 4}


def test_the_seed_decides_everything(clip):
    again = synthetic_clip(5, 30, 90, 120, num_objects=4, late_objects=2)
    assert np.array_equal(again.frames, clip.frames)
    assert np.array_equal(again.masks, clip.masks)
    other = synthetic_clip(6, 30, 90, 120, num_objects=4, late_objects=2)
    assert not np.array_equal(other.masks, clip.masks)


def test_late_objects_come_late_and_the_others_are_there_at_once(clip):
    assert clip.first_frames[1] == clip.first_frames[2] == 0
    assert 9 <= clip.first_frames[3] < clip.first_frames[4] < 30
    for i, first in clip.first_frames.items():
        assert (clip.masks[first] == i).any()
        assert not (clip.masks[:first] == i).any()


@pytest.mark.parametrize("num_objects", [1, 2, 3, 5])
def test_objects_start_visible_and_stay_mostly_in_view(num_objects):
    for seed in range(8):
        masks = synthetic_clip(seed, 24, 60, 80, num_objects).masks
        areas = np.array([[(mask == i).sum() for i in range(1, num_objects + 1)] for mask in masks])
        assert areas[0].min() >= 60
        assert (areas > 0).mean() > 0.9
        assert 0.05 < (masks > 0).mean() < 0.6


def test_objects_move_smoothly_and_occlude_each_other():
    moved, hidden = [], 0
    for seed in range(8):
        masks = synthetic_clip(seed, 24, 60, 80).masks
        areas = np.array([[(mask == i).sum() for i in (1, 2, 3)] for mask in masks])
        hidden += (areas.min(axis=0) < 0.6 * areas.max(axis=0)).any()
        for i in (1, 2, 3):
            pairs = [(a == i, b == i) for a, b in zip(masks, masks[1:])]
            overlaps = [(a & b).sum() / max(1, (a | b).sum()) for a, b in pairs]
            assert np.median(overlaps) > 0.6  # no jumps from frame to frame
            moved.append((pairs[0][0] & pairs[-1][1]).sum() < 0.9 * pairs[0][0].sum())
    assert hidden >= 5
    assert np.mean(moved) > 0.8


def test_masks_are_where_the_objects_are():
    """The saturated colors of an object end where its mask ends."""
    clip = synthetic_clip(2, 6, 120, 160, 3)
    for frame, mask in zip(clip.frames.astype(float), clip.masks):
        for i in (1, 2, 3):
            region = mask == i
            inner = eroded(region)
            ring = eroded(~region, 1) & ~eroded(~region, 4)
            if inner.sum() < 50:
                continue
            assert saturation(frame)[inner].mean() > saturation(frame)[ring & (mask == 0)].mean()


def eroded(region, times=2):
    for _ in range(times):
        padded = np.pad(region, 1, constant_values=True)
        region = (
            padded[1:-1, 1:-1] & padded[:-2, 1:-1] & padded[2:, 1:-1]
            & padded[1:-1, :-2] & padded[1:-1, 2:]
        )  # fmt: skip
    return region


def saturation(frame):
    return frame.max(axis=2) - frame.min(axis=2)


def test_objects_differ_in_color():
    clip = synthetic_clip(4, 1, 120, 160, 4)
    means = [clip.frames[0][clip.masks[0] == i].mean(axis=0) for i in range(5)]
    for i in range(5):
        for j in range(i):
            assert np.abs(means[i] - means[j]).max() > 20


def test_background_moves():
    frames = synthetic_clip(1, 12, 60, 80, 0).frames.astype(int)
    assert not synthetic_clip(1, 12, 60, 80, 0).masks.any()
    assert np.abs(frames[0] - frames[-1]).mean() > 4
    assert frames[0].std() > 5


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (7, 33)])
def test_odd_sizes(size):
    clip = synthetic_clip(0, 3, *size, num_objects=5, late_objects=5)
    assert clip.frames.shape == (3, *size, 3)
    assert clip.masks.shape == (3, *size)


def test_many_objects():
    clip = synthetic_clip(0, 1, 120, 160, 255)
    assert clip.ids[-1] == 255
    assert len(clip.first_frames) > 150  # the others are covered


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1}, "seed -1, expected at least 0"),
        ({"num_frames": 0}, "num_frames 0"),
        ({"height": 0}, "height 0"),
        ({"width": -3}, "width -3"),
        ({"num_objects": 256}, "num_objects 256, expected 0..255"),
        ({"num_objects": 2, "late_objects": 3}, "late_objects 3, expected 0..2"),
    ],
)
def test_impossible_requests(arguments, message):
    with pytest.raises(InputError, match=message):
        synthetic_clip(**{"seed": 0, **arguments})


def test_textures_are_sampled_bilinearly_and_repeat():
    rng = np.random.default_rng(0)
    texture = Texture(rng.uniform(0, 255, (8, 8, 3)).astype(np.float32), period=2.0)
    points = rng.uniform(-5, 5, (2, 40)).astype(np.float32)
    for y, x, color in zip(*points, sample(texture, *points)):
        y, x = float(y) * 4, float(x) * 4
        top, left = int(np.floor(y)), int(np.floor(x))
        expected = sum(
            abs(1 - i - (y - top)) * abs(1 - j - (x - left))
            * texture.image[(top + i) % 8, (left + j) % 8]
            for i in (0, 1)
            for j in (0, 1)
        )  # fmt: skip
        assert np.allclose(color, expected, atol=0.02)
    assert np.allclose(sample(texture, *points), sample(texture, *(points + 2)), atol=0.05)


def test_written_tree_reads_as_davis(tmp_path, clip):
    write_clip(clip, tmp_path, "first", split="train")
    write_clip(synthetic_clip(0, 2, 20, 30), tmp_path, "second", split="train")
    write_clip(synthetic_clip(0, 2, 20, 30), tmp_path, "second", split="train")
    write_clip(synthetic_clip(0, 2, 20, 30), tmp_path, "unlisted")
    assert (tmp_path / "ImageSets/2017/train.txt").read_text() == "first\nsecond\n"
    source = open_frames(tmp_path / "JPEGImages/480p/first")
    assert source.names == [f"{i:05d}" for i in range(30)]
    for frame in source:
        original = clip.frames[frame.index].astype(int)
        assert np.abs(frame.image - original).mean() < 6  # JPEG
        path = tmp_path / "Annotations/480p/first" / f"{frame.name}.png"
        assert np.array_equal(read_mask(path), clip.masks[frame.index])
        assert Image.open(path).mode == "P"
    assert not list(tmp_path.rglob(".*"))


def test_unwritable_tree(tmp_path, clip):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file.* cannot be written"):
        write_clip(clip, tmp_path / "file")
