"""What a segmented video does to the files around it: only its own are replaced, by one run."""

import json
import os

import numpy as np
import pytest
from segment_runs import SIZE, Noisy, assert_same, contents, masks, run

import feelvos_tf
from feelvos_tf.errors import InputError
from feelvos_tf.output_folder import OutputFolder
from feelvos_tf.video.segment import segment_video
from feelvos_tf.video.video_writer import VideoFileWriter


@pytest.mark.parametrize("name", ["overlay.mp4", "contact_sheet.jpg", "frame3.png", "run.json"])
def test_files_of_a_user_are_not_replaced(name, frames, first, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_bytes(b"a user's")
    before = contents(tmp_path)
    for options in ({}, {"overwrite": True}, {"resume": True}):
        with pytest.raises(InputError, match=f"{name}: is .*expected another output folder"):
            segment_video(
                frames, first, out, lambda: pytest.fail("loaded"), say=str, overlay=True, **options
            )
    assert contents(tmp_path) == before
    if name == "overlay.mp4":  # nor are they in the way of a run that does not write them
        run(frames, first, out)
        assert (out / name).read_bytes() == b"a user's"


def test_inputs_in_the_output_folder_are_not_replaced(frames, first, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    with VideoFileWriter(out / "overlay.mp4", 10) as writer:
        for i in range(3):
            writer.write(np.full(SIZE + (3,), 40 * i, np.uint8))
    mask = first.rename(out / "run.json")
    checkpoint = out / "contact_sheet.jpg"
    checkpoint.write_bytes(b"weights")
    before = contents(tmp_path)
    for video, inputs in ((out / "overlay.mp4", []), (frames, []), (frames, [checkpoint])):
        with pytest.raises(InputError, match="results would overwrite .*/out/"):
            segment_video(
                video,
                mask,
                out,
                lambda: pytest.fail("loaded"),
                say=str,
                overlay=True,
                overwrite=True,
                inputs=inputs,
            )
    assert contents(tmp_path) == before


def test_an_earlier_result_that_is_given_again_is_not_removed(frames, first, tmp_path):
    out = tmp_path / "out"
    run(frames, first, out, overlay=True)
    (tmp_path / "link.png").symlink_to(out / "frame11.png")
    before = contents(out)
    for mask in (out / "frame0.png", tmp_path / "link.png"):
        with pytest.raises(InputError, match="results would overwrite"):
            run(frames, mask, out, overwrite=True)
    assert contents(out) == before


def test_results_of_other_programs_are_left_alone(frames, first, tmp_path):
    out = tmp_path / "out"
    with OutputFolder(out, "feelvos-evaluate") as folder:
        folder.record(["masks/"], made_from={"dataset": "davis2017"})
    before = contents(out)
    for options in ({}, {"overwrite": True}, {"resume": True}):
        with pytest.raises(InputError, match=r"run\.json: is not from feelvos-segment"):
            run(frames, first, out, **options)
    assert contents(out) == before


def test_overwriting_leaves_nothing_of_the_earlier_run(frames, first, tmp_path):
    out = tmp_path / "out"
    run(frames, first, out, overlay=True)
    (out / "notes.txt").write_text("a user's")
    (out / "frame12.png").write_text("a user's")
    for i in (0, 9, 10, 11):
        (frames / f"frame{i}.jpg").unlink()
    with pytest.raises(InputError, match=r"holds masks already \(frame0.png and 11 more\)"):
        run(frames, first, out)
    run(frames, first, out, overwrite=True, contact_sheet=False)
    assert sorted(path.name for path in out.iterdir()) == sorted(
        [*(f"frame{i}.png" for i in (*range(1, 9), 12)), "notes.txt", "run.json"]
    )


def test_a_video_with_more_frames_than_its_index_says(first, tmp_path, monkeypatch):
    with VideoFileWriter(tmp_path / "v.mp4", 10) as writer:
        for i in range(5):
            writer.write(np.full(SIZE + (3,), 40 * i, np.uint8))
    from feelvos_tf.video.video_file import VideoFileFrames

    monkeypatch.setattr(VideoFileFrames, "__len__", lambda self: 3)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "00004.png").write_text("a user's")
    with pytest.raises(InputError, match="00004.png: is there already"):
        run(tmp_path / "v.mp4", first, tmp_path / "out")
    assert (tmp_path / "out" / "00004.png").read_text() == "a user's"
    (tmp_path / "out" / "00004.png").unlink()
    for options in ({"resume": True}, {"overwrite": True}):
        summary, _ = run(tmp_path / "v.mp4", first, tmp_path / "out", **options)
        assert len(list((tmp_path / "out").glob("*.png"))) == 5


def test_two_runs_on_one_folder_do_not_mix(frames, first, tmp_path):
    class Second(Noisy):
        def step(self, frame):
            if self.steps == 5:
                for options in ({}, {"overwrite": True}, {"resume": True}):
                    with pytest.raises(InputError, match=f"process {os.getpid()} on .* writes to"):
                        run(frames, first, tmp_path / "out", **options)
            return super().step(frame)

    summary, _ = run(frames, first, tmp_path / "out", Second())
    run(frames, first, tmp_path / "whole")
    assert_same(masks(tmp_path / "out"), masks(tmp_path / "whole"))
    assert not list((tmp_path / "out").glob(".*"))


def test_finished_masks_and_run_file_survive_a_power_cut(frames, first, tmp_path, monkeypatch):
    flushed = []
    flush = os.fsync
    monkeypatch.setattr(
        os,
        "fsync",
        lambda opened: (flushed.append(os.readlink(f"/proc/self/fd/{opened}")), flush(opened)),
    )
    out = tmp_path / "out"
    run(frames, first, out)
    assert {str(out), *(str(out / f"frame{i}.png") for i in range(12))} <= set(flushed)


@pytest.mark.parametrize("what", ["mask", "frame", "later frame", "one of the masks", "video"])
@pytest.mark.parametrize("kind", ["pipe", "loop", "zero"])
def test_pipes_devices_and_loops_are_told_and_not_waited_for(
    what, kind, frames, first, several, tmp_path
):
    path = {
        "mask": tmp_path / "p.png",
        "frame": frames / "frame0.jpg",
        "video": tmp_path / "p",
        "later frame": frames / "frame7.jpg",
        "one of the masks": several / "frame5.png",
    }[what]
    path.unlink(missing_ok=True)
    {
        "pipe": lambda: os.mkfifo(path),
        "loop": lambda: path.symlink_to(path),
        "zero": lambda: path.symlink_to("/dev/zero"),
    }[kind]()
    video = path if what == "video" else frames
    mask = {"mask": path, "one of the masks": several}.get(what, first)
    with pytest.raises(InputError, match=str(path)) as caught:
        run(video, mask, tmp_path / "out")
    assert "\n" not in str(caught.value)
    if what == "later frame":
        summary, _ = run(frames, first, tmp_path / "out", resume=True, on_error="skip")
        assert (summary.masks, summary.skipped) == (11, 1)


def test_names_that_cannot_be_used_are_told_before_the_work(frames, first, tmp_path):
    for name in ("a\nb", "a\\b", "a" * 241, os.fsdecode(b"\xff")):
        odd = frames / f"{name}.jpg"
        (frames / "frame5.jpg").rename(odd)
        with pytest.raises(InputError, match="a frame is called .* expected the plain name") as e:
            segment_video(frames, first, tmp_path / "out", lambda: pytest.fail("loaded"), say=str)
        assert str(e.value).isprintable()
        odd.rename(frames / "frame5.jpg")
    assert not (tmp_path / "out").exists()
    for name in ("a" * 240, "Übung 日本"):
        (frames / "frame5.jpg").rename(frames / f"{name}.jpg")
        run(frames, first, tmp_path / "out" / name, overlay=True)
        assert (tmp_path / "out" / name / f"{name}.png").exists()
        (frames / f"{name}.jpg").rename(frames / "frame5.jpg")


@pytest.mark.parametrize("kind", ["pipe", "loop", "dangling", "null"])
def test_an_output_that_can_be_no_folder(kind, frames, first, tmp_path):
    out = tmp_path / "out"
    {
        "pipe": lambda: os.mkfifo(out),
        "loop": lambda: out.symlink_to(out),
        "dangling": lambda: out.symlink_to(tmp_path / "absent"),
        "null": lambda: None,
    }[kind]()
    with pytest.raises(InputError, match="cannot be made as a folder"):
        run(frames, first, tmp_path / "a\0b" if kind == "null" else out)


def test_run_json_says_what_was_run(frames, first, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["/usr/bin/feelvos-segment", "--video=a b"])
    run(frames, first, tmp_path / "out", settings={"max_side": 640}, on_error="skip")
    said = json.loads((tmp_path / "out" / "run.json").read_text())
    assert said["video"] == str(frames.resolve())
    assert said["mask"] == str(first)
    assert said["version"] == feelvos_tf.__version__
    assert said["command"] == "feelvos-segment '--video=a b'"
    assert said["settings"]["max_side"] == 640
    assert said["settings"]["on_error"] == "skip"
