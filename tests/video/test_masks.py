"""Masks in and out: every way to store ids, and masks that must be refused."""

import struct
import zlib

import numpy as np
import pytest
from mask_files import FORMS, save
from PIL import Image

from feelvos_tf.errors import InputError
from feelvos_tf.video.masks import (
    DAVIS_PALETTE,
    describe_ids,
    questionable,
    read_mask,
    write_mask,
)


def test_palette_is_that_of_davis():
    assert DAVIS_PALETTE.shape == (256, 3)
    assert DAVIS_PALETTE.dtype == np.uint8
    assert DAVIS_PALETTE[:10].tolist() == [
        [0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0], [0, 0, 128],
        [128, 0, 128], [0, 128, 128], [128, 128, 128], [64, 0, 0], [192, 0, 0],
    ]  # fmt: skip
    assert DAVIS_PALETTE[[19, 56]].tolist() == [[128, 192, 0], [64, 64, 64]]
    assert len(np.unique(DAVIS_PALETTE, axis=0)) == 256


def test_written_masks_come_back(tmp_path):
    labels = np.random.default_rng(0).integers(0, 256, (7, 9), np.uint8)
    write_mask(tmp_path / "a.png", labels)
    assert np.array_equal(read_mask(tmp_path / "a.png"), labels)
    image = Image.open(tmp_path / "a.png")
    assert image.mode == "P"
    assert np.array_equal(np.array(image.convert("RGB")), DAVIS_PALETTE[labels])
    assert [f.name for f in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (5, 1)])
def test_tiny_masks(tmp_path, size):
    write_mask(tmp_path / "a.png", np.full(size, 9))
    assert np.array_equal(read_mask(tmp_path / "a.png", size), np.full(size, 9))


@pytest.mark.parametrize("dtype", [bool, np.int64, np.int32, np.uint16])
def test_any_integers_can_be_written(tmp_path, dtype):
    labels = np.array([[0, 1], [1, 0]], dtype)
    write_mask(tmp_path / "a.png", labels)
    assert read_mask(tmp_path / "a.png").tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array([[0, 256]]), "ids from 0 to 256"),
        (np.array([[-1, 0]]), "ids from -1 to 0"),
        (np.array([[0.0, 1.0]]), "type float64"),
        (np.zeros((2, 2, 3), np.uint8), r"shape \(2, 2, 3\)"),
        (np.zeros((0, 2), np.uint8), r"shape \(0, 2\)"),
    ],
)
def test_what_is_no_mask_is_not_written(tmp_path, labels, message):
    with pytest.raises(InputError, match=f"a.png: .*{message}"):
        write_mask(tmp_path / "a.png", labels)
    assert not list(tmp_path.iterdir())


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, full_disk):
    path = tmp_path / "a.png"
    write_mask(path, np.ones((2, 2), int))
    full_disk("a.png")
    with pytest.raises(InputError, match=r"a\.png: cannot be written \(No space left"):
        write_mask(path, np.zeros((2, 2), int))
    assert read_mask(path).tolist() == [[1, 1], [1, 1]]
    assert [f.name for f in tmp_path.iterdir()] == ["a.png"]
    with pytest.raises(InputError, match="cannot be written"):
        write_mask(tmp_path / "absent" / "a.png", np.zeros((2, 2), int))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palette_indices_are_ids_at_any_depth(tmp_path, bits):
    ids = np.arange(2**bits, dtype=np.uint8).reshape(1, -1)
    image = Image.frombytes("P", ids.shape[::-1], ids.tobytes())
    image.putpalette(bytes(range(255, -1, -1)) * 3)  # colors say nothing
    path = save(tmp_path, image, bits=bits, transparency=0)
    assert np.array_equal(read_mask(path), ids)


def png(width, height, depth, color, rows):
    """A PNG made by hand, for depths that Pillow does not write."""

    def chunk(kind, data):
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    content = zlib.compress(b"".join(b"\0" + row for row in rows))
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", content) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def test_grey_of_two_and_four_bits_keeps_its_values(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png(4, 1, 2, 0, [bytes([0b00011011])]))
    assert read_mask(path).tolist() == [[0, 1, 2, 3]]
    path.write_bytes(png(4, 1, 4, 0, [bytes([0x01, 0x9F])]))
    assert read_mask(path).tolist() == [[0, 1, 9, 15]]
    path.write_bytes(png(8, 1, 1, 0, [bytes([0b00110101])]))
    assert read_mask(path).tolist() == [[0, 0, 1, 1, 0, 1, 0, 1]]


def test_grey_values_are_ids(tmp_path, labels):
    assert np.array_equal(read_mask(save(tmp_path, labels * 50)), labels * 50)
    binary = np.where(labels > 0, 255, 0).astype(np.uint8)
    assert np.array_equal(np.unique(read_mask(save(tmp_path, binary))), [0, 255])
    assert np.array_equal(read_mask(save(tmp_path, labels > 0)), labels > 0)


def test_sixteen_bits(tmp_path, labels):
    assert np.array_equal(read_mask(save(tmp_path, labels.astype(np.uint16))), labels)
    with pytest.raises(InputError, match="16-bit gray values up to 900, expected ids of 0..255"):
        read_mask(save(tmp_path, labels.astype(np.uint16) * 300))
    path = tmp_path / "mask.png"
    path.write_bytes(png(1, 1, 16, 2, [b"\0\1\0\2\0\3"]))
    with pytest.raises(InputError, match="16 bits a color"):
        read_mask(path)


def test_colors_of_the_palette_become_their_index(tmp_path, labels):
    ids = np.array([0, 5, 21, 200], np.uint8)[labels]
    assert np.array_equal(read_mask(save(tmp_path, DAVIS_PALETTE[ids])), ids)
    # The palette inside the DAVIS files has 191 where the formula has 192.
    nine = np.where(labels[:, :, None] > 0, np.uint8([191, 0, 0]), np.uint8([0, 0, 0]))
    assert set(np.unique(read_mask(save(tmp_path, nine)))) == {0, 9}


def test_other_colors_count_from_one_in_order_of_appearance(tmp_path):
    colors = np.zeros((4, 6, 3), np.uint8)
    colors[0, 4:] = 250, 10, 20  # first in the top row
    colors[1:, :2] = 9, 200, 30
    colors[2:, 3] = 128, 0, 0  # palette: 1
    ids = read_mask(save(tmp_path, colors))
    assert ids[0, 5] == 2
    assert ids[2, 0] == 3
    assert ids[3, 3] == 1
    assert ids[3, 5] == 0


def test_a_color_keeps_its_id_over_the_masks_of_a_video(tmp_path):
    first, second = np.zeros((2, 4, 6, 3), np.uint8)
    first[:, :2] = 250, 10, 20
    second[:, :2] = 9, 200, 30
    second[:, 4:] = 250, 10, 20
    memory = {}
    assert read_mask(save(tmp_path, first), colors=memory)[0, 0] == 1
    ids = read_mask(save(tmp_path, second), colors=memory)
    assert ids[0].tolist() == [2, 2, 0, 0, 1, 1]
    assert memory == {(250, 10, 20): 1, (9, 200, 30): 2}
    assert read_mask(save(tmp_path, second))[0].tolist() == [1, 1, 0, 0, 2, 2]


def test_grey_stored_as_colors_is_read_as_grey(tmp_path, labels):
    ids = labels * 3
    assert np.array_equal(read_mask(save(tmp_path, np.repeat(ids[:, :, None], 3, 2))), ids)
    white = np.where(labels[:, :, None] > 0, 255, 0).astype(np.uint8).repeat(3, 2)
    memory = {}
    assert set(np.unique(read_mask(save(tmp_path, white), colors=memory))) == {0, 255}
    white[:, :4] = 250, 10, 20
    ids = read_mask(save(tmp_path, white), colors=memory)
    assert set(np.unique(ids)) == {0, 1, 255}


def test_transparent_pixels_are_background(tmp_path, labels):
    rgba = np.dstack([DAVIS_PALETTE[labels], np.full(labels.shape, 255, np.uint8)])
    assert np.array_equal(read_mask(save(tmp_path, rgba)), labels)
    rgba[labels == 2, 3] = 0
    assert np.array_equal(read_mask(save(tmp_path, rgba)), np.where(labels == 2, 0, labels))
    rgba[5, 5:9, 3] = 100
    with pytest.raises(InputError, match="4 pixels are half-transparent"):
        read_mask(save(tmp_path, rgba))
    grey = np.dstack([labels, np.where(labels == 1, 0, 255).astype(np.uint8)])
    assert np.array_equal(read_mask(save(tmp_path, grey)), np.where(labels == 1, 0, labels))


@pytest.mark.parametrize("form", FORMS)
def test_objects_of_one_pixel_are_objects(tmp_path, labels, form):
    labels = np.where(labels == 1, 1, 0).astype(np.uint8)
    labels[0, 0], labels[0, 40] = 2, 3
    expected = 2 if form == "binary grey" else 4
    assert len(np.unique(read_mask(save(tmp_path, FORMS[form](labels))))) == expected
    write_mask(tmp_path / "p.png", labels)
    assert np.array_equal(read_mask(tmp_path / "p.png"), labels)


def test_many_single_pixels_in_a_palette_are_objects(tmp_path):
    labels = np.random.default_rng(1).integers(0, 256, (40, 40), np.uint8)
    write_mask(tmp_path / "p.png", labels)
    assert np.array_equal(read_mask(tmp_path / "p.png"), labels)


def test_255_objects_and_more(tmp_path):
    blocks = np.arange(256).reshape(16, 16).repeat(4, 0).repeat(4, 1)
    colors = np.stack([blocks, 255 - blocks // 2, np.full_like(blocks, 77)], -1).astype(np.uint8)
    with pytest.raises(InputError, match="more than 255 colors"):
        read_mask(save(tmp_path, colors))
    colors[:4, :4] = 0
    assert len(np.unique(read_mask(save(tmp_path, colors)))) == 256
    noise = np.random.default_rng(0).integers(0, 256, (30, 30, 3), np.uint8)
    with pytest.raises(InputError, match="900 colors"):
        read_mask(save(tmp_path, noise))


def test_size_says_both(tmp_path):
    path = save(tmp_path, np.zeros((4, 6), np.uint8))
    assert read_mask(path, (4, 6)).shape == (4, 6)
    with pytest.raises(
        InputError,
        match=r"mask of 6x4 pixels \(width x height\), expected 4x6 "
        r"pixels \(width x height\) .*the video seems rotated",
    ):
        read_mask(path, (6, 4))
    with pytest.raises(InputError, match=r"mask of 6x4 .* expected 5x4 .* like the frames$"):
        read_mask(path, (4, 5))


def test_jpeg_is_refused_as_a_mask(tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "a.jpg")
    with pytest.raises(InputError, match=r"a\.jpg: is a JPEG"):
        read_mask(tmp_path / "a.jpg")


def test_truncated_mask_is_refused(tmp_path, labels):
    write_mask(tmp_path / "a.png", labels)
    data = (tmp_path / "a.png").read_bytes()
    for length in range(len(data)):
        (tmp_path / "a.png").write_bytes(data[:length])
        with pytest.raises(InputError, match=r"a\.png"):
            read_mask(tmp_path / "a.png")


def test_ids_described():
    assert describe_ids(np.array([[0, 7, 7], [1, 0, 7]])) == "1 (1 px), 7 (3 px)"
    assert describe_ids(np.zeros((2, 2), int)) == "no objects"


def test_real_masks(shared):
    paths = sorted(shared.glob("data/davis2016-train/Annotations/480p/*/00000.png"))
    assert paths
    for path in paths[:5]:
        assert set(np.unique(read_mask(path, (480, 854)))) == {0, 1}


@pytest.mark.parametrize("extension", ["bmp", "tif"])
def test_bmp_and_tiff_are_read(tmp_path, labels, extension):
    path = tmp_path / f"a.{extension}"
    for form in ("grey", "palette colors", "bright colors"):
        FORMS[form](labels).save(path)
        assert np.array_equal(read_mask(path), read_mask(save(tmp_path, FORMS[form](labels))))
    image = Image.fromarray(labels)
    image.putpalette(DAVIS_PALETTE.tobytes())
    image.save(path)
    assert np.array_equal(read_mask(path), labels)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(InputError, match=rf"a\.{extension}"):
        read_mask(path)


def test_tiff_of_numbers_or_pages_is_refused(tmp_path):
    Image.fromarray(np.ones((4, 5), np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match=r"a\.tif: has pixels of type F"):
        read_mask(tmp_path / "a.tif")
    page = Image.new("L", (5, 4))
    page.save(tmp_path / "a.tif", save_all=True, append_images=[page])
    with pytest.raises(InputError, match=r"a\.tif: has 2 pages"):
        read_mask(tmp_path / "a.tif")


def test_an_object_around_everything_is_questioned():
    labels = np.full((9, 14), 7)
    labels[3:6, 4:8] = 0
    assert "object 7 covers the border all around and 90 %" in questionable(labels)
    assert questionable(np.where(labels == 7, 0, 7)) is None
    labels[0, 3] = 0
    assert questionable(labels) is None
