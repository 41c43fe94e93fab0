"""Cameras and growing files, with stand-ins for PyAV's devices: no camera is needed."""

import contextlib
import fractions
import os
import queue
import threading
import types

import av
import numpy as np
import pytest
from segment_runs import SIZE, Noisy, run, square

from feelvos_tf.errors import InputError
from feelvos_tf.video import live
from feelvos_tf.video.frames import open_frames
from feelvos_tf.video.live import LiveFrames
from feelvos_tf.video.masks import read_mask, write_mask
from feelvos_tf.video.video_writer import VideoFileWriter


def picture(i):
    return np.full((*SIZE, 3), 10 * i, np.uint8)


class FakeCamera:
    """A device that gives the frames it is fed; None unplugs it."""

    def __init__(self, monkeypatch):
        self.fed, self.opened = queue.Queue(), []
        stream = types.SimpleNamespace(average_rate=30, decode=self._decode)
        self.streams = types.SimpleNamespace(video=[stream])
        monkeypatch.setattr(live, "_PLATFORM", "linux")
        really = av.open

        def opened(file, *mode, **options):
            if mode or "format" not in options:
                return really(file, *mode, **options)
            return self._open(file, **options)

        monkeypatch.setattr(av, "open", opened)

    def feed(self, *indices):
        for i in indices:
            self.fed.put(i)

    @contextlib.contextmanager
    def _open(self, file, **options):
        self.opened.append((file, options))
        yield self

    def demux(self, stream):
        while (i := self.fed.get()) is not None:
            yield i

    def _decode(self, i):
        if i is None:
            return []
        frame = av.VideoFrame.from_ndarray(picture(i), format="rgb24")
        frame.pts, frame.time_base = 90000 * (1000 + i), fractions.Fraction(1, 90000)
        return [frame]


@pytest.fixture
def camera(monkeypatch):
    return FakeCamera(monkeypatch)


def test_a_camera_gives_the_newest_frame(camera):
    camera.feed(0)
    source = LiveFrames("camera:2")
    assert camera.opened[0][0] == "/dev/video2"
    assert camera.opened[0][1]["format"] == "v4l2"
    assert source.size == SIZE and source.frame_rate == 30
    frames = source.iterate()
    assert (next(frames).image == picture(0)).all()
    camera.feed(1, 2, 3, 4, None)  # while the first is computed
    while not source._ended:
        pass
    frame = next(frames)
    assert (frame.image == picture(4)).all()
    assert (frame.index, frame.name, frame.time) == (1, "00001", 4)
    assert next(frames, None) is None and len(source) == 2
    with pytest.raises(InputError, match="camera:2: a live video can be read once"):
        next(source.iterate())


@pytest.mark.parametrize(
    "platform,address,file,form",
    [
        ("darwin", "camera:1", "1", "avfoundation"),
        ("win32", "camera:Front Cam", "video=Front Cam", "dshow"),
        ("linux", "camera:/dev/v4l/by-id/x", "/dev/v4l/by-id/x", "v4l2"),
    ],
)
def test_names_of_cameras(platform, address, file, form, camera, monkeypatch):
    monkeypatch.setattr(live, "_PLATFORM", platform)
    camera.feed(0, None)
    LiveFrames(address)
    assert camera.opened[0][0] == file and camera.opened[0][1]["format"] == form


def test_masks_and_overlay_until_it_is_stopped(camera, tmp_path):
    write_mask(tmp_path / "m.png", square(3))
    stop = threading.Event()

    class Stopping(Noisy):
        def step(self, frame):
            labels = super().step(frame)
            if self.steps == 3:
                stop.set()  # as Ctrl-C does
            camera.feed(self.steps + 2)
            return labels

    camera.feed(1)
    feeder = threading.Timer(0.2, camera.feed, [2])
    feeder.start()
    summary, lines = run(
        "camera:0", tmp_path / "m.png", tmp_path / "out", Stopping(), overlay=True, stop=stop
    )
    assert summary.masks == 4 and summary.skipped == 0
    assert (read_mask(tmp_path / "out" / "00000.png") == square(3)).all()
    assert len(list(open_frames(tmp_path / "out" / "overlay.mp4"))) == 4
    assert not (tmp_path / "out" / "contact_sheet.jpg").exists()
    assert any(line.startswith("video camera:0: live frames of 32x24") for line in lines)
    camera.feed(None)


@pytest.mark.parametrize("option", [{"resume": True}, {"start": 1}, {"direction": "both"}])
def test_what_does_not_go_with_a_camera(option, camera, tmp_path):
    camera.feed(0, None)
    write_mask(tmp_path / "m.png", square(3))
    with pytest.raises(InputError, match="camera:0: comes as it happens, so resume, start"):
        run("camera:0", tmp_path / "m.png", tmp_path / "out", **option)
    assert not (tmp_path / "out").exists()


def test_no_camera_is_one_line():
    with pytest.raises(InputError, match="camera:977: cannot be read"):
        LiveFrames("camera:977")
    with pytest.raises(InputError, match="camera:: expected camera:0"):
        LiveFrames("camera:")


@pytest.fixture
def film(tmp_path):
    """The bytes of a film of 30 frames in a form that can be cut off anywhere."""
    with VideoFileWriter(tmp_path / "film.mp4", 10) as writer:
        for i in range(30):
            writer.write(np.roll(np.full((*SIZE, 3), 8 * i, np.uint8), i, 1))
    with (
        av.open(str(tmp_path / "film.mp4")) as source,
        av.open(str(tmp_path / "film.ts"), "w", format="mpegts") as copy,
    ):
        stream = source.streams.video[0]
        out = copy.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is not None:
                packet.stream = out
                copy.mux(packet)
    return (tmp_path / "film.ts").read_bytes()


def assert_is_the_film(source, tmp_path):
    wanted = [frame.image for frame in open_frames(tmp_path / "film.ts")]
    found = list(source)
    assert len(found) == len(wanted) == 30
    for frame, image in zip(found, wanted):
        np.testing.assert_array_equal(frame.image, image)
    times = [frame.time for frame in found]
    assert all(a < b for a, b in zip(times, times[1:]))


def test_a_growing_file_is_read_to_its_end(film, tmp_path, monkeypatch):
    monkeypatch.setattr(live, "_PATIENCE", 4.0)
    path = tmp_path / "growing.ts"
    path.write_bytes(film[: len(film) // 2])

    def grow():
        with open(path, "ab") as file:
            for at in range(len(film) // 2, len(film), 2000):
                file.write(film[at : at + 2000])
                file.flush()

    writer = threading.Timer(0.5, grow)
    writer.start()
    assert_is_the_film(open_frames(f"growing:{path}"), tmp_path)
    writer.join()


def test_a_pipe(film, tmp_path, monkeypatch):
    monkeypatch.setattr(live, "_PATIENCE", 2.0)
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=[film])
    writer.start()
    assert_is_the_film(open_frames(f"growing:{path}"), tmp_path)
    writer.join()


def test_growing_files_that_are_none(tmp_path):
    with pytest.raises(InputError, match="absent.ts: no such video file"):
        open_frames(f"growing:{tmp_path}/absent.ts")
    with pytest.raises(InputError, match="a live video says its frame rate itself"):
        open_frames("camera:0", frame_rate=3)
