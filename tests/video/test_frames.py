"""Folders of images as videos: order, conversion, damage, and reading ahead."""

import logging
import threading
import time

import numpy as np
import pytest
from PIL import Image

from feelvos_tf.errors import InputError
from feelvos_tf.video.frames import natural_key, open_frames, prefetch
from feelvos_tf.video.images import read_image


def save(path, value=0, size=(6, 8)):
    image = np.full(size + (3,), value, np.uint8)
    image[0, 0] = 255 - value
    Image.fromarray(image).save(path)
    return image


def truncate(path, share=0.6):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


def noisy(path, size=(40, 50)):
    """An image too complex to fit into the first bytes of its file."""
    pixels = np.random.default_rng(0).integers(0, 256, size + (3,), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_natural_order_of_any_names():
    names = ["b", "frame10", "frame2", "Frame1", "a", "frame02", "10", "9", "img-1-2", "img-1-10"]
    ordered = ["9", "10", "a", "b", "Frame1", "frame02", "frame2", "frame10", "img-1-2", "img-1-10"]
    assert sorted(names, key=natural_key) == ordered


def test_folder_is_read_in_order_with_names_and_size(tmp_path):
    for number in (10, 9, 1):
        save(tmp_path / f"x{number}.png", number)
    save(tmp_path / "x2.PNG", 2)
    save(tmp_path / ".hidden.png", 77, (3, 3))
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "folder.png").mkdir()
    source = open_frames(tmp_path)
    frames = list(source)
    assert source.names == ["x1", "x2", "x9", "x10"]
    assert [frame.name for frame in frames] == source.names
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert [int(frame.image[3, 3, 0]) for frame in frames] == [1, 2, 9, 10]
    assert len(source) == 4
    assert source.size == (6, 8)
    assert frames[0].image.dtype == np.uint8
    assert frames[0].image.shape == (6, 8, 3)


def test_a_folder_can_be_read_again_and_from_the_middle(tmp_path):
    for number in range(5):
        save(tmp_path / f"{number}.png", number)
    source = open_frames(tmp_path)
    assert [f.index for f in source.iterate(3)] == [3, 4]
    assert [f.index for f in source] == [f.index for f in source] == [0, 1, 2, 3, 4]


def test_jpeg_is_read_as_pillow_reads_it(tmp_path):
    noisy(tmp_path / "a.JPEG")
    expected = np.asarray(Image.open(tmp_path / "a.JPEG"))
    assert np.array_equal(next(iter(open_frames(tmp_path))).image, expected)


@pytest.mark.parametrize(
    ("pixels", "mode", "expected"),
    [
        (np.array([[0, 7, 255]], np.uint8), "L", [0, 7, 255]),
        (np.array([[0, 257, 65535]], np.uint16), "I;16", [0, 1, 255]),
        (np.array([[0, 1, 1]], bool), "1", [0, 255, 255]),
        (np.array([[[9, 0], [7, 128], [5, 255]]], np.uint8), "LA", [9, 7, 5]),
    ],
)
def test_grey_images_become_rgb(tmp_path, pixels, mode, expected):
    image = Image.fromarray(pixels)
    assert image.mode == mode
    image.save(tmp_path / "a.png")
    result = read_image(tmp_path / "a.png")
    assert result.dtype == np.uint8
    assert np.array_equal(result, np.repeat(np.array(expected)[None, :, None], 3, axis=2))


def test_alpha_is_dropped_and_palettes_are_resolved(tmp_path, recwarn):
    rgba = np.array([[[10, 20, 30, 0], [40, 50, 60, 255]]], np.uint8)
    Image.fromarray(rgba).save(tmp_path / "rgba.png")
    assert np.array_equal(read_image(tmp_path / "rgba.png"), rgba[:, :, :3])
    image = Image.frombytes("P", (2, 1), b"\x00\x01")
    image.putpalette([1, 2, 3, 4, 5, 6])
    image.save(tmp_path / "p.png", transparency=b"\x00\x80")
    assert read_image(tmp_path / "p.png").tolist() == [[[1, 2, 3], [4, 5, 6]]]
    assert not recwarn.list


def test_cmyk_jpeg_becomes_rgb(tmp_path):
    Image.new("CMYK", (4, 4), (0, 0, 0, 0)).save(tmp_path / "a.jpg")
    assert np.array_equal(read_image(tmp_path / "a.jpg"), np.full((4, 4, 3), 255))


def test_exif_orientation_leaves_the_pixels_as_stored(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (8, 4)).save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg").shape == (4, 8, 3)


@pytest.mark.parametrize("extension", ["jpg", "png"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.7, 0.99])
def test_truncated_images_are_named(tmp_path, extension, share):
    path = noisy(tmp_path / f"cut.{extension}")
    truncate(path, share)
    with pytest.raises(InputError, match=rf"cut\.{extension}: .*(truncated|empty|not a JPEG)"):
        read_image(path)


def test_flipped_bit_in_a_png_is_found(tmp_path):
    path = noisy(tmp_path / "a.png")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"a\.png: is a damaged"):
        read_image(path)


def test_stop_and_skip_at_an_unreadable_frame(tmp_path, caplog):
    for number in range(4):
        noisy(tmp_path / f"{number}.png")
    truncate(tmp_path / "2.png")
    reader = iter(open_frames(tmp_path))
    assert [next(reader).index, next(reader).index] == [0, 1]
    with pytest.raises(InputError, match=r"2\.png: is a truncated image"):
        next(reader)
    with caplog.at_level(logging.WARNING):
        frames = list(open_frames(tmp_path, on_error="skip"))
    assert [(f.index, f.name) for f in frames] == [(0, "0"), (1, "1"), (3, "3")]
    assert "2.png" in caplog.text


def test_skip_takes_the_size_of_the_first_readable_frame(tmp_path):
    noisy(tmp_path / "0.png", (9, 7))
    truncate(tmp_path / "0.png")
    noisy(tmp_path / "1.png", (5, 6))
    source = open_frames(tmp_path, on_error="skip")
    assert source.size == (5, 6)
    assert [f.index for f in source] == [1]
    with pytest.raises(InputError, match=r"0\.png"):
        _ = open_frames(tmp_path).size


def test_nothing_readable_at_all(tmp_path):
    (tmp_path / "0.png").write_bytes(b"nothing")
    source = open_frames(tmp_path, on_error="skip")
    with pytest.raises(InputError, match="none of its 1 images"):
        list(source)
    with pytest.raises(InputError, match="none of its 1 images"):
        _ = source.size


def test_frames_of_different_sizes_say_both(tmp_path):
    save(tmp_path / "0.png", size=(6, 8))
    save(tmp_path / "1.png", size=(8, 6))
    for on_error in ("stop", "skip"):
        with pytest.raises(InputError, match=r"1\.png: frame of 6x8 .* expected 8x6 "):
            list(open_frames(tmp_path, on_error=on_error))
    with pytest.raises(InputError, match="expected 8x6"):
        list(open_frames(tmp_path).iterate(1))


def test_unusable_paths(tmp_path):
    with pytest.raises(InputError, match="no such folder or video"):
        open_frames(tmp_path / "absent")
    with pytest.raises(InputError, match="found nothing, expected JPEG or PNG"):
        open_frames(tmp_path)
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(InputError, match="found 1 other entries"):
        open_frames(tmp_path)
    with pytest.raises(InputError, match="on_error is 'ignore'"):
        open_frames(tmp_path, on_error="ignore")
    with pytest.raises(InputError, match="no such file"):
        read_image(tmp_path / "absent.png")
    with pytest.raises(InputError, match="is a folder"):
        read_image(tmp_path)


def test_two_images_of_one_name_are_refused(tmp_path):
    save(tmp_path / "7.png")
    save(tmp_path / "7.jpg")
    with pytest.raises(InputError, match=r"both 7\.jpg and 7\.png"):
        open_frames(tmp_path)


def threads():
    return [t for t in threading.enumerate() if t.name == "prefetch"]


@pytest.mark.parametrize("depth", [1, 3, 100])
def test_prefetch_keeps_items_and_order(depth):
    assert list(prefetch(range(50), depth)) == list(range(50))
    assert list(prefetch([], depth)) == []
    assert list(prefetch([None, None], depth)) == [None, None]
    assert not threads()


def test_prefetch_reads_ahead_no_further_than_its_depth():
    produced = []

    def items():
        for number in range(20):
            produced.append(number)
            yield number

    reader = prefetch(items(), 3)
    assert next(reader) == 0
    deadline = time.monotonic() + 5
    while len(produced) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert len(produced) == 5  # one taken, three ready, one waiting for room
    reader.close()


def test_prefetch_raises_errors_at_their_place():
    def items():
        yield 1
        yield 2
        raise InputError("third")

    reader = prefetch(items(), 5)
    assert [next(reader), next(reader)] == [1, 2]
    with pytest.raises(InputError, match="third"):
        next(reader)
    assert not threads()


def test_prefetch_stops_with_its_consumer_and_closes_the_source():
    closed = []

    def items():
        try:
            yield from range(1000)
        finally:
            closed.append(threading.current_thread().name)

    for item in prefetch(items(), 2):
        if item == 3:
            break
    reader = prefetch(items(), 2)
    next(reader)
    reader.close()
    with pytest.raises(KeyError):
        for _ in prefetch(items(), 2):
            raise KeyError
    assert closed == ["prefetch"] * 3
    assert not threads()


def test_prefetch_refuses_no_depth():
    with pytest.raises(InputError, match="depth is 0"):
        prefetch([1], 0)
