"""Bad input and a full disk: one line, and no file of anybody touched."""

import numpy as np
import pytest
from segment_runs import SIZE, Noisy, assert_same, masks, run, square

from feelvos_tf.errors import InputError
from feelvos_tf.video.masks import write_mask
from feelvos_tf.video.segment import segment_video
from feelvos_tf.video.video_writer import VideoFileWriter


def cut(path):
    path.write_bytes(path.read_bytes()[:300])


def test_unreadable_frame_stops_or_is_skipped(frames, several, tmp_path):
    cut(frames / "frame4.jpg")
    with pytest.raises(InputError, match="frame4.jpg"):
        run(frames, several, tmp_path / "out")
    assert sorted(masks(tmp_path / "out")) == [f"frame{i}" for i in range(4)]
    summary, lines = run(frames, several, tmp_path / "out", on_error="skip", resume=True)
    assert (summary.masks, summary.kept, summary.skipped) == (11, 4, 1)
    assert sum("skipped" in line and "frame4.jpg" in line for line in lines) == 1
    # A skipped frame is no reason to compute all later ones again.
    summary, _ = run(frames, several, tmp_path / "out", on_error="skip", resume=True)
    assert (summary.kept, summary.skipped) == (11, 1)


@pytest.mark.parametrize("index", [2, 9])
def test_skipped_frame_that_has_a_mask(index, frames, several, tmp_path):
    cut(frames / f"frame{index}.jpg")
    with pytest.raises(
        InputError, match=f"frame{index}.png: is the mask of frame .* cannot be read"
    ):
        run(frames, several, tmp_path / "out", on_error="skip")


def test_video_that_ends_before_a_given_mask(first, tmp_path, monkeypatch):
    with VideoFileWriter(tmp_path / "v.mp4", 10) as writer:
        for i in range(5):
            writer.write(np.full(SIZE + (3,), 40 * i, np.uint8))
    (tmp_path / "m").mkdir()
    write_mask(tmp_path / "m" / "00000.png", square(1))
    write_mask(tmp_path / "m" / "00006.png", square(2))
    with pytest.raises(InputError, match="00006.png fits no frame.* 00000.png to 00004.png"):
        run(tmp_path / "v.mp4", tmp_path / "m", tmp_path / "out")
    # An index may promise more frames than there are.
    from feelvos_tf.video.video_file import VideoFileFrames

    monkeypatch.setattr(VideoFileFrames, "__len__", lambda self: 8)
    with pytest.raises(InputError, match="00006.png: is the mask of frame .* has no such frame"):
        run(tmp_path / "v.mp4", tmp_path / "m", tmp_path / "out")
    assert (tmp_path / "out" / "00004.png").exists()


def broken(case, frames, first, tmp_path):
    """Returns arguments of `run` for one kind of bad input."""
    out = tmp_path / "out"
    mask = first
    if case == "mask of another size":
        write_mask(mask, np.ones((24, 31), np.uint8))
    elif case == "empty mask":
        write_mask(mask, np.zeros(SIZE, np.uint8))
    elif case == "no mask":
        mask = tmp_path / "absent.png"
    elif case == "empty folder of masks":
        mask = tmp_path / "empty"
        mask.mkdir()
    elif case == "mask that fits no frame":
        mask = tmp_path / "some"
        mask.mkdir()
        write_mask(mask / "frame0.png", square(1))
        write_mask(mask / "frame12.png", square(1))
    elif case == "no video":
        frames = tmp_path / "absent"
    elif case == "output is a file":
        out.write_text("")
    elif case == "output is the video":
        out = frames
    elif case == "output overwrites the mask":
        mask = first.rename(tmp_path / "frame5.png")
        out = tmp_path
    return frames, mask, out


@pytest.mark.parametrize(
    "case, message",
    [
        ("mask of another size", "first.png: mask of 31x24 .* 32x24"),
        ("empty mask", "first.png: holds no object"),
        ("no mask", "absent.png: no such file"),
        ("empty folder of masks", "empty: found nothing"),
        (
            "mask that fits no frame",
            "frame12.png fits no frame, expected .* frame0.png to frame11.png",
        ),
        ("no video", "absent: no such folder or video file"),
        ("output is a file", "out: cannot be made as a folder"),
        ("output is the video", "results would overwrite"),
        ("output overwrites the mask", "results would overwrite .*frame5.png"),
    ],
)
def test_bad_input_is_told_before_a_model_is_loaded(case, message, frames, first, tmp_path):
    arguments = broken(case, frames, first, tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=message) as caught:
        segment_video(*arguments, lambda: pytest.fail("loaded"), say=str)
    assert "\n" not in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_segmenter_that_refuses_a_mask(frames, first, tmp_path):
    class Refusing(Noisy):
        def reset(self, frame, mask):
            raise InputError("3 objects do not fit")

    with pytest.raises(InputError, match="first.png: 3 objects do not fit"):
        run(frames, first, tmp_path / "out", Refusing())


def test_full_disk_leaves_whole_files_only(frames, first, tmp_path, full_disk, monkeypatch):
    out = tmp_path / "out"
    full_disk("frame6.png")
    with pytest.raises(InputError, match=r"frame6.png: cannot be written \(No space left"):
        run(frames, first, out)
    assert set(masks(out)) >= {f"frame{i}" for i in range(6)}
    assert not (out / "frame6.png").exists()
    assert not list(out.glob(".*"))
    monkeypatch.undo()
    run(frames, first, out, resume=True)
    run(frames, first, tmp_path / "whole")
    assert_same(masks(out), masks(tmp_path / "whole"))


def test_full_disk_for_pictures(frames, first, tmp_path, full_disk):
    for name in ("contact_sheet.jpg", "overlay.mp4"):
        out = tmp_path / name.split(".")[0]
        full_disk(name)
        with pytest.raises(InputError, match=name):
            run(frames, first, out, overlay=True)
        assert not (out / name).exists()
