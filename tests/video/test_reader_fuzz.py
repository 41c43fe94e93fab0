"""No file, however damaged, gets anything but an InputError out of the readers."""

import io
import pathlib
import tempfile
import warnings

import numpy as np
import pytest
from films import damaged
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from feelvos_tf.errors import InputError
from feelvos_tf.video.frames import open_frames
from feelvos_tf.video.images import read_image
from feelvos_tf.video.masks import DAVIS_PALETTE, read_mask
from feelvos_tf.video.video_writer import VideoFileWriter

# Few but varied: they repeat on every run of the suite, in the same order.
FUZZ = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def samples():
    """Healthy files of many kinds, the starting points of the damage."""
    rng = np.random.default_rng(0)
    rgb = Image.fromarray(rng.integers(0, 256, (17, 23, 3), np.uint8))
    labels = Image.fromarray(rng.integers(0, 5, (17, 23), np.uint8))
    palette = Image.frombytes("P", labels.size, labels.tobytes())
    palette.putpalette(DAVIS_PALETTE.tobytes())
    exif = Image.Exif()
    exif[0x0112] = 3
    files = {
        "rgb.png": encoded(rgb, "PNG", exif=exif),
        "rgba.png": encoded(rgb.convert("RGBA"), "PNG"),
        "palette.png": encoded(palette, "PNG", transparency=b"\0\xff"),
        "bits2.png": encoded(palette, "PNG", bits=4),
        "grey.png": encoded(labels, "PNG"),
        "bilevel.png": encoded(labels.convert("1"), "PNG"),
        "deep.png": encoded(Image.fromarray(np.arange(99, dtype=np.uint16).reshape(9, 11)), "PNG"),
        "animated.png": encoded(rgb, "PNG", save_all=True, append_images=[rgb.rotate(180)]),
        "baseline.jpg": encoded(rgb, "JPEG", exif=exif),
        "progressive.jpg": encoded(rgb, "JPEG", progressive=True),
        "grey.jpg": encoded(labels, "JPEG"),
        "cmyk.jpg": encoded(rgb.convert("CMYK"), "JPEG"),
        "pictures.jpg": encoded(rgb, "MPO", save_all=True, append_images=[rgb]),
        "image.gif": encoded(rgb.convert("P"), "GIF"),
        "image.bmp": encoded(rgb, "BMP"),
        "image.tif": encoded(rgb, "TIFF"),
        "image.webp": encoded(rgb, "WEBP"),
        "empty": b"",
    }
    return list(files.values())


SAMPLES = samples()


def with_right_checksums(data):
    """Repairs the checksums of PNG chunks, so that the damage gets past them."""
    import struct
    import zlib

    fixed, at = bytearray(data), 8
    while at + 12 <= len(fixed):
        (length,) = struct.unpack_from(">I", fixed, at)
        end = at + 8 + length
        if end + 4 > len(fixed):
            break
        struct.pack_into(">I", fixed, end, zlib.crc32(fixed[at + 4 : end]))
        at = end + 4
    return bytes(fixed)


def check_readers(data):
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow comments on odd metadata
        path = pathlib.Path(folder, "fuzz.png")
        path.write_bytes(data)
        for read in (read_image, read_mask):
            try:
                result = read(path)
            except InputError as error:
                assert "fuzz.png" in str(error)
                assert "\n" not in str(error)
            else:
                assert result.dtype == np.uint8
                assert result.ndim == (3 if read is read_image else 2)
                assert result.size > 0
        try:
            frames = list(open_frames(folder, on_error="skip"))
            assert len(frames) == 1
        except InputError as error:
            assert "none of its 1 images" in str(error)


@FUZZ
@given(st.binary(max_size=300))
def test_arbitrary_bytes(data):
    check_readers(data)


@FUZZ
@given(st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a"]), st.binary(max_size=300))
def test_arbitrary_bytes_after_a_signature(signature, data):
    check_readers(signature + data)


@settings(FUZZ, max_examples=500)
@given(damaged(SAMPLES))
def test_damaged_images(data):
    check_readers(data)


@settings(FUZZ, max_examples=500)
@given(damaged(SAMPLES[:8]))
def test_damaged_png_with_right_checksums(data):
    check_readers(with_right_checksums(data))


def test_healthy_samples_are_read():
    """The damage starts from files that the readers do take."""
    taken = 0
    for data in SAMPLES:
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "a.png")
            path.write_bytes(data)
            try:
                taken += read_image(path).size > 0
            except InputError:
                continue
    assert taken == 13


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    frames = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), np.uint8)
    contents = []
    for extension in ("mp4", "mkv"):
        with VideoFileWriter(folder / f"a.{extension}") as writer:
            for frame in frames:
                writer.write(frame)
        contents.append((folder / f"a.{extension}").read_bytes())
    images = [Image.fromarray(frame) for frame in frames]
    contents.append(encoded(images[0], "GIF", save_all=True, append_images=images[1:]))
    return contents


@settings(FUZZ, max_examples=100)
@given(st.data())
def test_damaged_videos(videos, data):
    content = data.draw(st.one_of(damaged(videos), st.binary(max_size=200)))
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "fuzz.mp4")
        path.write_bytes(content)
        for on_error in ("stop", "skip"):
            try:
                for frame in open_frames(path, on_error=on_error):
                    assert frame.image.dtype == np.uint8
            except InputError as error:
                assert "fuzz.mp4" in str(error)
                assert "\n" not in str(error)
