"""Videos and masks to run, and a disk that is full."""

import numpy as np
import pytest
from PIL import Image
from segment_runs import SIZE, square

from feelvos_tf import files
from feelvos_tf.data.synthetic import synthetic_clip
from feelvos_tf.video.masks import write_mask


@pytest.fixture
def full_disk(monkeypatch):
    """Takes the names of files whose every write shall end in "no space left on device"."""

    def fill(*names):
        name_part, make_new, full = files._part_of, files._make_new, set()

        def named(final):
            part = name_part(final)
            if final.name in names:
                full.add(part)
            return part

        monkeypatch.setattr(files, "_part_of", named)
        monkeypatch.setattr(
            files,
            "_make_new",
            lambda part: part.symlink_to("/dev/full") if part in full else make_new(part),
        )

    return fill


@pytest.fixture
def frames(tmp_path):
    """A folder of twelve frames, frame0.jpg to frame11.jpg."""
    folder = tmp_path / "frames"
    folder.mkdir()
    rng = np.random.default_rng(3)
    for i in range(12):
        image = rng.integers(0, 256, SIZE + (3,), np.uint8)
        Image.fromarray(image).save(folder / f"frame{i}.jpg", quality=95)
    return folder


@pytest.fixture
def first(tmp_path):
    write_mask(tmp_path / "first.png", square(2, 200))
    return tmp_path / "first.png"


@pytest.fixture
def several(tmp_path):
    """Masks of frames 2 (ids 3, 9), 5 (9 again, 40 is new) and 8 (nothing new), 9 (7 is new)."""
    folder = tmp_path / "several"
    folder.mkdir()
    for index, ids in ((1, ()), (2, (3, 9)), (5, (9, 40)), (8, (3, 9)), (9, (7,))):
        write_mask(folder / f"frame{index}.png", square(*ids))
    return folder


@pytest.fixture(scope="module")
def labels():
    """Real-looking objects with ids 1..3, uint8 [60, 80]."""
    return synthetic_clip(3, 1, 60, 80, num_objects=3).masks[0]
