"""Masks whose edges are smoothed or half-transparent: refused, or snapped and cut on request."""

import numpy as np
import pytest
from mask_files import FORMS, SMOOTHINGS, save
from PIL import ImageFilter

from feelvos_tf.errors import InputError
from feelvos_tf.video.masks import (
    read_mask,
)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("smoothing", SMOOTHINGS)
def test_smoothed_masks_are_refused(tmp_path, labels, form, smoothing):
    image = FORMS[form](labels)
    assert len(np.unique(read_mask(save(tmp_path, image)))) == (2 if form == "binary grey" else 4)
    with pytest.raises(InputError, match=r"mask\.png: \d+ (gray levels|colors) \(most frequent: "):
        read_mask(save(tmp_path, SMOOTHINGS[smoothing](image)))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("smoothing", ["blur", "slight blur", "jpeg"])
def test_smoothed_masks_can_be_snapped(tmp_path, labels, form, smoothing):
    exact = read_mask(save(tmp_path, FORMS[form](labels)))
    path = save(tmp_path, SMOOTHINGS[smoothing](FORMS[form](labels)))
    with pytest.raises(InputError, match="--snap_mask .* --mask_threshold"):
        read_mask(path)
    ids = read_mask(path, snap=True)
    assert len(np.unique(ids)) == len(np.unique(exact))
    assert ((ids > 0) == (exact > 0)).mean() > 0.95


def test_snapping_leaves_sharp_masks_alone(tmp_path, labels):
    for form in FORMS.values():
        path = save(tmp_path, form(labels))
        assert np.array_equal(read_mask(path, snap=True), read_mask(path))


def test_threshold_makes_one_object(tmp_path, labels):
    image = FORMS["binary grey"](labels)
    ids = read_mask(save(tmp_path, image.filter(ImageFilter.GaussianBlur(1))), threshold=128)
    assert set(np.unique(ids)) == {0, 1}
    assert ((ids > 0) == (labels > 0)).mean() > 0.98
    image.save(tmp_path / "a.jpg", quality=80)
    with pytest.raises(InputError, match="is a JPEG.*--snap_mask"):
        read_mask(tmp_path / "a.jpg")
    assert np.array_equal(read_mask(tmp_path / "a.jpg", threshold=128), labels > 0)
    assert np.array_equal(read_mask(tmp_path / "a.jpg", snap=True), 255 * (labels > 0))


def test_black_on_transparent_ground_is_an_object(tmp_path, labels):
    shape = (labels > 0).astype(np.uint8)
    rgba = np.dstack([np.zeros_like(shape)] * 3 + [255 * shape])
    assert np.array_equal(read_mask(save(tmp_path, rgba)), shape)
    assert np.array_equal(read_mask(save(tmp_path, rgba[:, :, 2:])), shape)  # gray and alpha
    rgba[0, :9, 3] = 90
    path = save(tmp_path, rgba)
    with pytest.raises(InputError, match="half-transparent.*--mask_threshold"):
        read_mask(path)
    assert np.array_equal(read_mask(path, threshold=128), shape)
    assert np.array_equal(read_mask(path, snap=True), shape)
    rgba[:, :, 3] = 255
    assert not read_mask(save(tmp_path, rgba)).any()
