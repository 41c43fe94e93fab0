"""Pictures for people."""

import numpy as np
import pytest

from feelvos_tf.errors import InputError
from feelvos_tf.video.colors import object_colors, to_oklab
from feelvos_tf.video.overlay import contact_sheet, overlay


def square():
    image = np.full((12, 14, 3), 100, np.uint8)
    labels = np.zeros((12, 14), np.uint8)
    labels[3:9, 4:10] = 2
    return image, labels


def test_inside_is_tinted_outline_is_full_and_the_rest_is_untouched():
    image, labels = square()
    result = overlay(image, labels, alpha=0.5)
    assert result.dtype == np.uint8
    assert (result[labels == 0] == 100).all()
    assert result[5, 6].tolist() == ((100 + object_colors()[2].astype(int)) // 2).tolist()
    assert result[3, 4].tolist() == result[8, 9].tolist() == object_colors()[2].tolist()
    assert (image == 100).all()


def test_colors_are_distinct_and_neither_white_nor_black():
    places = to_oklab(object_colors()[[*range(1, 33), 255]])
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1)
    assert apart[~np.eye(33, dtype=bool)].min() >= 0.11
    assert len({tuple(color) for color in object_colors()[1:].tolist()}) == 255
    everyone = to_oklab(object_colors()[1:])
    for grey in range(256):  # white and black among them
        assert np.linalg.norm(everyone - to_oklab(np.full(3, grey)), axis=1).min() > 0.09
    np.testing.assert_allclose(to_oklab(np.array([255, 255, 255])), [1, 0, 0], atol=1e-6)


def test_an_object_255_is_seen_on_white():
    labels = np.zeros((20, 30), np.uint8)
    labels[5:15, 5:25] = 255
    drawn = overlay(np.full((20, 30, 3), 255, np.uint8), labels)
    changed = np.linalg.norm(to_oklab(drawn) - [1, 0, 0], axis=-1)
    assert (changed[labels > 0] > 0.1).all()


def test_outline_follows_its_definition():
    """Naive twin: a pixel of an object with another label among its four neighbors."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (9, 11)).repeat(3, 0).repeat(3, 1)
    image = np.zeros(labels.shape + (3,), np.uint8)
    result = overlay(image, labels, alpha=0)
    padded = np.pad(labels, 1, mode="edge")
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            rows, columns = [y, y + 2, y + 1, y + 1], [x + 1, x + 1, x, x + 2]
            around = set(padded[rows, columns].tolist())
            on_line = labels[y, x] > 0 and around != {labels[y, x]}
            color = object_colors()[labels[y, x]]
            assert result[y, x].tolist() == (color.tolist() if on_line else [0, 0, 0])


def test_alpha_from_none_to_full():
    image, labels = square()
    assert overlay(image, labels, 0)[5, 6].tolist() == [100, 100, 100]
    assert overlay(image, labels, 1)[5, 6].tolist() == object_colors()[2].tolist()
    with pytest.raises(InputError, match="alpha 1.5"):
        overlay(image, labels, 1.5)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (7, 1)])
def test_tiny_overlays(size):
    labels = np.zeros(size, np.int64)
    labels[0, 0] = 255
    assert overlay(np.zeros(size + (3,), np.uint8), labels).shape == size + (3,)


def test_overlay_refuses_labels_of_another_size():
    with pytest.raises(InputError, match="expected"):
        overlay(np.zeros((4, 5, 3), np.uint8), np.zeros((5, 4), np.uint8))


def test_sheet_shows_images_row_by_row():
    images = [np.full((10, 20, 3), 40 * (i + 1), np.uint8) for i in range(5)]
    sheet = contact_sheet(images, columns=2)
    assert sheet.dtype == np.uint8
    assert sheet.shape == (3 * 14 + 4, 2 * 24 + 4, 3)
    for index in range(5):
        y, x = 4 + 14 * (index // 2), 4 + 24 * (index % 2)
        assert (sheet[y : y + 10, x : x + 20] == 40 * (index + 1)).all()


def test_sheet_scales_down_but_not_up():
    sheet = contact_sheet(
        [np.full((30, 600, 3), 9, np.uint8), np.full((5, 5, 3), 8, np.uint8)],
        columns=1,
        tile_width=300,
    )
    assert sheet.shape == (2 * (15 + 4) + 4, 300 + 8, 3)
    assert (sheet == 8).all(axis=2).sum() == 25


def test_captions_are_drawn_and_shortened_to_fit():
    images = [np.zeros((20, 40, 3), np.uint8)] * 2
    plain = contact_sheet(images, ["", ""], columns=2)
    sheet = contact_sheet(images, ["a", "a caption that is much too long for it"], columns=2)
    assert sheet.shape == plain.shape
    assert (sheet[:24] == plain[:24]).all()  # the images
    assert (sheet[24:, :48] != plain[24:, :48]).any()
    assert (sheet[24:, 48:] != plain[24:, 48:]).any()
    assert (sheet[:, -4:] == plain[:, -4:]).all()  # nothing beyond the last image


def test_sheet_refuses_nothing_and_wrong_captions():
    with pytest.raises(InputError, match="no images"):
        contact_sheet([])
    with pytest.raises(InputError, match="1 images with 2 captions"):
        contact_sheet([np.zeros((2, 2, 3), np.uint8)], ["a", "b"])
