"""Video files in: decoding as a stream, sizes, rotation, and files that are none."""

import logging
import shutil
import weakref

import numpy as np
import pytest
from PIL import Image

av = pytest.importorskip("av")

from feelvos_tf.errors import InputError  # noqa: E402
from feelvos_tf.video.frames import open_frames, prefetch  # noqa: E402
from feelvos_tf.video.video_writer import VideoFileWriter  # noqa: E402


def ramp(num_frames, size=(32, 48)):
    """Frames whose brightness is their number, which survives compression."""
    return [np.full(size + (3,), 20 + 10 * i, np.uint8) for i in range(num_frames)]


def make(path, frames):
    with VideoFileWriter(path, 10) as writer:
        for frame in frames:
            writer.write(frame)
    return path


def brightness(frames):
    return [round((float(f.image.mean()) - 20) / 10) for f in frames]


def test_frames_come_in_order_with_numbers_for_names(tmp_path):
    source = open_frames(make(tmp_path / "a.mp4", ramp(12)))
    assert source.names is None
    assert source.size == (32, 48)
    assert len(source) == 12
    assert source.frame_rate == pytest.approx(10)
    frames = list(source)
    assert brightness(frames) == list(range(12))
    assert source.names == [f.name for f in frames] == [f"{i:05d}" for i in range(12)]
    assert brightness(source.iterate(9)) == [9, 10, 11]
    assert [f.index for f in source.iterate(9)] == [9, 10, 11]
    assert list(source.iterate(12)) == []


def test_matroska_without_a_frame_count_is_counted(tmp_path):
    source = open_frames(make(tmp_path / "a.mkv", ramp(7)))
    assert len(source) == 7
    assert len(list(prefetch(source, 2))) == 7


def test_gif_is_a_video(tmp_path):
    images = [Image.fromarray(frame) for frame in ramp(4)]
    images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:])
    assert brightness(open_frames(tmp_path / "a.gif")) == [0, 1, 2, 3]


def test_variable_frame_rate_gives_every_frame_once(tmp_path):
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=1000)
        stream.height, stream.width, stream.pix_fmt = 32, 48, "yuv420p"
        for image, time in zip(ramp(5), [0, 10, 500, 510, 4000]):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = time
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert brightness(open_frames(tmp_path / "a.mp4")) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("degrees", [90, 180, -90])
def test_stored_rotation_is_applied(tmp_path, degrees):
    image = np.zeros((32, 64, 3), np.uint8)
    image[:16, :16] = 255
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.height, stream.width, stream.pix_fmt = 32, 64, "yuv420p"
        if not hasattr(stream, "set_display_rotation"):
            pytest.skip("this PyAV cannot write a rotation")
        stream.set_display_rotation(degrees)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    source = open_frames(tmp_path / "a.mp4")
    (frame,) = source
    expected = np.rot90(image, degrees // 90)  # counterclockwise, as players show it
    assert source.size == expected.shape[:2] == frame.image.shape[:2]
    assert np.abs(frame.image.astype(int) - expected).mean() < 10


def test_titles_in_other_encodings_do_not_matter(tmp_path):
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        container.metadata["title"] = "abcdefgh"
        stream = container.add_stream("mpeg4", rate=10)
        stream.height, stream.width, stream.pix_fmt = 32, 48, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(ramp(1)[0], format="rgb24")))
        container.mux(stream.encode(None))
    data = (tmp_path / "a.mkv").read_bytes()
    (tmp_path / "a.mkv").write_bytes(data.replace(b"abcdefgh", b"abc\xff\xe9fgh"))
    assert b"abcdefgh" in data
    assert len(list(open_frames(tmp_path / "a.mkv"))) == 1


def test_a_colon_in_the_name_is_no_network_address(tmp_path):
    path = tmp_path / "http:clip.mp4"
    shutil.copy(make(tmp_path / "a.mp4", ramp(2)), path)
    assert len(list(open_frames(path))) == 2


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.mp4", b""),
        ("a.mp4", b"no video at all" * 100),
        ("a.txt", b"a text file\nwith lines\n" * 50),
        ("a.avi", bytes(5000)),
    ],
)
def test_files_that_are_no_videos(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=name):
        open_frames(tmp_path / name)


def test_a_single_image_is_no_video(tmp_path):
    for name in ("a.png", "a.jpg"):
        Image.new("RGB", (20, 20)).save(tmp_path / name)
        with pytest.raises(InputError, match=f"{name}: is not a video but a single image"):
            open_frames(tmp_path / name)


def test_sound_without_pictures(tmp_path):
    with av.open(str(tmp_path / "a.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(InputError, match=r"a\.wav: holds no video stream"):
        open_frames(tmp_path / "a.wav")


def test_video_stream_without_frames(tmp_path):
    with av.open(str(tmp_path / "a.avi"), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.height, stream.width, stream.pix_fmt = 32, 48, "yuvj420p"
        container.start_encoding()
    with pytest.raises(InputError, match=r"a\.avi: video stream without frames"):
        open_frames(tmp_path / "a.avi")


def damaged_video(tmp_path):
    """Sixteen independent JPEG frames, the seventh replaced by zeros."""
    with av.open(str(tmp_path / "a.avi"), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.height, stream.width, stream.pix_fmt = 32, 48, "yuvj420p"
        for image in ramp(16):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    with av.open(str(tmp_path / "a.avi")) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    data = bytearray((tmp_path / "a.avi").read_bytes())
    position, size = packets[6]
    start = data.index(b"\xff\xd8", position)
    data[start : start + size - 8] = bytes(size - 8)
    (tmp_path / "a.avi").write_bytes(data)
    return tmp_path / "a.avi"


def test_a_damaged_frame_stops_or_is_skipped(tmp_path, caplog):
    path = damaged_video(tmp_path)
    with pytest.raises(InputError, match=r"a\.avi, frame \d{5}: cannot be decoded"):
        list(open_frames(path))
    with caplog.at_level(logging.WARNING):
        kept = brightness(open_frames(path, on_error="skip"))
    assert kept == [i for i in range(16) if i != 6]
    assert "cannot be decoded" in caplog.text


def test_a_cut_off_video_gives_its_frames_and_a_warning(tmp_path, caplog):
    rng = np.random.default_rng(0)
    path = make(tmp_path / "a.mp4", rng.integers(0, 256, (20, 32, 48, 3), np.uint8))
    data = path.read_bytes()  # the index is at its front
    path.write_bytes(data[: len(data) * 2 // 3])
    with caplog.at_level(logging.WARNING):
        number = len(list(open_frames(path, on_error="skip")))
    assert 0 < number < 20
    assert f"is cut off, found {number} frames, expected 20" in caplog.text


def test_memory_does_not_grow_with_the_video(tmp_path):
    """Frames already handed over are not kept by the reader."""
    alive = []
    for frame in prefetch(open_frames(make(tmp_path / "a.mp4", ramp(20))), 2):
        alive.append(weakref.ref(frame.image))
        assert sum(reference() is not None for reference in alive) <= 2
