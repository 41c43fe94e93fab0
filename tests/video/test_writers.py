"""Results out: complete files or none, errors that name the file."""

import fnmatch
import threading
import time

import numpy as np
import pytest

from feelvos_tf.errors import InputError
from feelvos_tf.files import PART_FILES
from feelvos_tf.video import mask_folder
from feelvos_tf.video.frames import open_frames
from feelvos_tf.video.mask_folder import MaskFolderWriter
from feelvos_tf.video.masks import read_mask
from feelvos_tf.video.video_writer import VideoFileWriter


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


def mask(value, size=(5, 6)):
    return np.full(size, value, np.uint8)


def test_masks_are_written_under_the_names_of_their_frames(tmp_path):
    folder = tmp_path / "deep" / "er"
    with MaskFolderWriter(folder) as writer:
        for i in range(20):
            writer.write(f"f{i}", mask(i))
    assert len(names(folder)) == 20
    assert all((read_mask(folder / f"f{i}.png") == i).all() for i in range(20))


def test_a_mask_may_change_after_it_was_handed_over(tmp_path, monkeypatch):
    go_on = threading.Event()
    write = mask_folder.write_mask
    monkeypatch.setattr(mask_folder, "write_mask", lambda *a: go_on.wait(5) and write(*a))
    with MaskFolderWriter(tmp_path) as writer:
        labels = mask(3)
        writer.write("a", labels)
        labels[:] = 9
        go_on.set()
    assert (read_mask(tmp_path / "a.png") == 3).all()


def test_writing_overlaps_and_waits_when_the_queue_is_full(tmp_path, monkeypatch):
    go_on, accepted = threading.Event(), []
    monkeypatch.setattr(mask_folder, "write_mask", lambda *a: go_on.wait(10))

    def produce():
        with MaskFolderWriter(tmp_path, workers=1, pending=3) as writer:
            for i in range(6):
                writer.write(str(i), mask(i))
                accepted.append(i)

    thread = threading.Thread(target=produce)
    thread.start()
    deadline = time.monotonic() + 5
    while len(accepted) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    assert accepted == [0, 1, 2]
    go_on.set()
    thread.join(10)
    assert accepted == list(range(6))


def test_full_disk_names_the_file_and_keeps_what_is_finished(tmp_path, full_disk):
    full_disk("1.png")
    with pytest.raises(InputError, match=r"1\.png: cannot be written \(No space left"):
        with MaskFolderWriter(tmp_path) as writer:
            writer.write("0", mask(0))
            writer.write("1", mask(1))
    assert names(tmp_path) == ["0.png"]


def test_an_error_comes_up_with_a_later_write(tmp_path, full_disk):
    full_disk("0.png")
    writer = MaskFolderWriter(tmp_path)
    with pytest.raises(InputError, match=r"0\.png: cannot be written"):
        for i in range(1000):
            writer.write(str(i), mask(i % 256))
            time.sleep(0.001)
    writer.close()
    assert "0.png" not in names(tmp_path)


def test_labels_that_are_none_are_named(tmp_path):
    with pytest.raises(InputError, match=r"0\.png: ids from 0 to 300"):
        with MaskFolderWriter(tmp_path) as writer:
            writer.write("0", np.array([[0, 300]]))


def test_an_error_inside_the_block_is_not_replaced(tmp_path, full_disk):
    full_disk("0.png")
    with pytest.raises(KeyboardInterrupt):
        with MaskFolderWriter(tmp_path) as writer:
            writer.write("1", mask(1))
            # Last, or the next `write` would report it where the thread is quick.
            writer.write("0", mask(0))
            raise KeyboardInterrupt
    assert names(tmp_path) == ["1.png"]


def test_unusable_folders(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file: cannot be made as a folder"):
        MaskFolderWriter(tmp_path / "file")
    with pytest.raises(InputError, match="cannot be made as a folder"):
        MaskFolderWriter(tmp_path / "file" / "below")
    # Permissions do not bind the superuser, who may run this test.
    monkeypatch.setattr(mask_folder.os, "access", lambda *a: False)
    with pytest.raises(InputError, match="cannot be written to"):
        MaskFolderWriter(tmp_path / "masks")


@pytest.mark.parametrize(
    "name", ["", "a/b", "../a", ".", "..", "a\\b", "a\nb", "a" * 241, "\udc80"]
)
def test_names_stay_inside_the_folder(tmp_path, name):
    with MaskFolderWriter(tmp_path) as writer, pytest.raises(InputError, match="a frame is called"):
        writer.write(name, mask(0))


@pytest.mark.parametrize("size", [(1, 1), (31, 33), (16, 20), (2, 301)])
@pytest.mark.parametrize("extension", ["mp4", "mov", "mkv", "MP4"])
def test_videos_come_back(tmp_path, size, extension):
    path = tmp_path / "sub" / f"a.{extension}"
    with VideoFileWriter(path, 29.97) as writer:
        for i in range(6):
            writer.write(np.full(size + (3,), 20 + 30 * i, np.uint8))
    source = open_frames(path)
    assert source.size == tuple(n + n % 2 for n in size)
    assert source.frame_rate == pytest.approx(29.97, rel=2e-3)
    means = [frame.image.mean() for frame in source]
    assert np.abs(np.array(means) - (20 + 30 * np.arange(6))).max() < 6
    assert names(path.parent) == [path.name]


@pytest.mark.parametrize("extension", ["mp4", "mkv"])
def test_the_same_frames_give_the_same_bytes(tmp_path, extension):
    paths = [tmp_path / f"{name}.{extension}" for name in "ab"]
    for path in paths:
        with VideoFileWriter(path, 10) as writer:
            for i in range(3):
                writer.write(np.full((24, 32, 3), 40 * i, np.uint8))
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_video_without_the_h264_encoder(tmp_path, monkeypatch):
    import av

    monkeypatch.setattr(av, "codecs_available", av.codecs_available - {"libx264"})
    with VideoFileWriter(tmp_path / "a.mp4") as writer:
        writer.write(np.full((20, 30, 3), 90, np.uint8))
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"


def test_no_video_remains_of_an_interrupted_block(tmp_path):
    for error in (KeyboardInterrupt, InputError):
        with pytest.raises(error):
            with VideoFileWriter(tmp_path / "a.mp4") as writer:
                writer.write(np.zeros((8, 8, 3), np.uint8))
                (part,) = names(tmp_path)
                assert fnmatch.fnmatch(part, PART_FILES)  # hidden from readers of the folder
                raise error
    assert not names(tmp_path)


def test_no_frames_no_video(tmp_path):
    with VideoFileWriter(tmp_path / "a.mp4"):
        pass
    assert not names(tmp_path)


def test_video_on_a_full_disk(tmp_path, full_disk):
    full_disk("a.mp4")
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    with pytest.raises(InputError, match=r"a\.mp4: cannot be written \(No space left"):
        with VideoFileWriter(tmp_path / "a.mp4") as writer:
            for _ in range(100):
                writer.write(noise)
    assert not names(tmp_path)


def test_frames_of_another_size_or_type_end_the_video(tmp_path):
    with pytest.raises(InputError, match=r"a\.mp4: frame of 6x8 .* expected 8x6 "):
        with VideoFileWriter(tmp_path / "a.mp4") as writer:
            writer.write(np.zeros((6, 8, 3), np.uint8))
            writer.write(np.zeros((8, 6, 3), np.uint8))
    with pytest.raises(InputError, match="float64, expected"):
        with VideoFileWriter(tmp_path / "a.mp4") as writer:
            writer.write(np.zeros((6, 8, 3)))
    assert not names(tmp_path)


def test_a_closed_writer_takes_no_frames(tmp_path):
    with VideoFileWriter(tmp_path / "a.mp4") as writer:
        writer.write(np.zeros((6, 8, 3), np.uint8))
    with pytest.raises(InputError, match="is closed"):
        writer.write(np.zeros((6, 8, 3), np.uint8))
    assert len(list(open_frames(tmp_path / "a.mp4"))) == 1


def test_unusable_video_targets(tmp_path):
    with pytest.raises(InputError, match=r"a\.gif: unknown video extension, expected one of \.mp4"):
        VideoFileWriter(tmp_path / "a.gif")
    with pytest.raises(InputError, match="0 frames per second"):
        VideoFileWriter(tmp_path / "a.mp4", 0)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be made as a folder"):
        VideoFileWriter(tmp_path / "file" / "a.mp4")
    (tmp_path / "taken.mp4").mkdir()
    with pytest.raises(InputError, match=r"taken\.mp4: cannot be written"):
        with VideoFileWriter(tmp_path / "taken.mp4") as writer:
            writer.write(np.zeros((6, 8, 3), np.uint8))
    assert names(tmp_path) == ["file", "taken.mp4"]
