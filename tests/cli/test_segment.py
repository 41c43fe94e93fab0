"""`feelvos-segment` from the outside: SIGKILL, resuming, one-line errors, the demo."""

import pathlib
import re
import signal
import subprocess
import sys
import time

import commands
import numpy as np
import pytest
from small_networks import segmenting_model

from feelvos_tf.checkpoints import load_model, save_model
from feelvos_tf.cli import demo
from feelvos_tf.data.synthetic import synthetic_clip, write_clip
from feelvos_tf.errors import InputError
from feelvos_tf.streaming.segmenter import VideoSegmenter
from feelvos_tf.video.frames import open_frames
from feelvos_tf.video.masks import read_mask, write_mask
from feelvos_tf.video.segment import segment_video

ROOT = pathlib.Path(__file__).resolve().parents[2]
NUM_FRAMES = 60


def segment(*arguments):
    return commands.run("segment", *arguments)


def test_help_says_of_lower_quality_what_the_model_card_says():
    text = " ".join(segment("--help").stdout.split())
    card = (ROOT / "feelvos_tf" / "weights" / "MODEL_CARD.md").read_text(encoding="utf-8")
    pattern = r"\*\*mean\*\* \| \*\*([\d.]+) " + 4 * r".*?\| ([\d.]+) "
    mean = re.search(pattern, card)
    assert f"of J&F {mean[1]} on five sequences at 854x480" in text
    assert (
        f"--grid=none left {mean[2]}, then --reach=none {mean[3]}, then --outlines=none {mean[4]}, "
        f"then --probes=none --memory=none {mean[5]}" in text
    )
    side, points = re.search(r"`--max_side=(\d+)` costs (\w+) points", card).groups()
    assert f"--max_side={side} took {points} points" in text


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Options of the command: frames, a folder of masks (one late), a checkpoint."""
    folder = tmp_path_factory.mktemp("clip")
    drawn = synthetic_clip(5, NUM_FRAMES, 45, 62, num_objects=2)
    write_clip(drawn, folder)
    (folder / "given").mkdir()
    write_mask(folder / "given" / "00000.png", drawn.masks[0])
    late = np.zeros((45, 62), np.uint8)
    late[20:26, 30:36] = 255
    write_mask(folder / "given" / "00012.png", late)
    save_model(segmenting_model(), folder / "model.npz")
    return {
        "video": folder / "JPEGImages" / "480p" / "clip",
        "mask": folder / "given",
        "checkpoint": folder / "model.npz",
    }


def flags(options):
    return [f"--{name}={value}" for name, value in options.items()]


def kill_after(mask, *arguments):
    """Starts the command and kills it when a mask is there; returns the exit code."""
    process = subprocess.Popen(
        commands.command("segment", *arguments),
        env=commands.ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 300
    while not mask.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.kill()
    return process.wait(timeout=120)


def test_killed_and_resumed(clip, tmp_path):
    out = tmp_path / "out"
    arguments = [*flags(clip), f"--output={out}", "--overlay"]
    assert kill_after(out / "00030.png", *arguments) == -signal.SIGKILL
    assert not (out / f"{NUM_FRAMES - 1:05d}.png").exists()

    done = segment(*arguments, "--resume")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{NUM_FRAMES} masks in {out}" in done.stdout
    assert "00012.png, frame 00012: 255 (36 px)" in done.stdout
    assert "frames/s, peak memory" in done.stdout
    assert len(list(open_frames(out / "overlay.mp4"))) == NUM_FRAMES
    assert not list(out.glob(".*"))

    segment_video(
        clip["video"],
        clip["mask"],
        tmp_path / "whole",
        lambda: VideoSegmenter(load_model(clip["checkpoint"])),
        say=str,
    )
    for i in range(NUM_FRAMES):
        np.testing.assert_array_equal(
            read_mask(out / f"{i:05d}.png"),
            read_mask(tmp_path / "whole" / f"{i:05d}.png"),
            f"frame {i}",
        )

    again = segment(*arguments)
    assert again.returncode == 1
    assert again.stderr.startswith(f"error: {out}: holds masks already")
    assert again.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "change, message",
    [
        ({"video": None}, "give --video"),
        ({"mask": None}, "give --mask"),
        ({"checkpoint": "absent.npz"}, "absent.npz: no such checkpoint file"),
        ({"video": "absent"}, "absent: no such folder or video file"),
        ({"mask": ROOT / "setup.py"}, "setup.py: is not a JPEG, PNG, BMP or TIFF image"),
        ({"demo": "true"}, "--demo goes with none of"),
        ({"max_side": 0}, "max_side"),
        ({"mask": None, "box": "9:1,2"}, "box '9:1,2': expected ID:x,y,w,h"),
        ({"box": "9:1,2,3,4"}, "--box and --polygon take the place of --mask"),
        ({"videos": "absent.txt"}, "give --video or --videos, not both"),
        ({"video": None, "videos": "absent.txt"}, "absent.txt: cannot be read as a list"),
        ({"video": "camera:977"}, "camera:977: cannot be read"),
        ({"ignore_label": 256}, "ignore_label"),
        ({"output": "/proc/out"}, "/proc/out: cannot be made as a folder"),
    ],
)
def test_bad_input_is_one_line(change, message, clip, tmp_path):
    options = {"output": tmp_path / "out", **clip, **change}
    done = segment(*flags({name: value for name, value in options.items() if value is not None}))
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert message in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "direction,last", [("forward", 40), ("backward", 10), ("both", 10), ("both", 35)]
)
def test_killed_in_every_direction_and_resumed_to_the_same_bytes(direction, last, clip, tmp_path):
    given = tmp_path / "given"
    given.mkdir()
    for index in (20, 50):
        # One that tells all of its frame, in the middle of the video and late.
        mask = np.zeros((45, 62), np.uint8)
        mask[8:20, 10 : 20 + index // 10], mask[25:38, 34:50] = 1, 7
        write_mask(given / f"{index:05d}.png", mask)
    arguments = [*flags({**clip, "mask": given}), f"--direction={direction}", "--write=coco,video"]
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert segment(*arguments, f"--output={whole}").returncode == 0
    code = kill_after(out / f"{last:05d}.png", *arguments, f"--output={out}")
    assert code == -signal.SIGKILL
    done = segment(*arguments, f"--output={out}", "--resume")
    assert (done.returncode, done.stderr) == (0, "")
    # What a killed run knew of confidence in its last seconds is lost, as the guide says.
    told = {"run.json", "confidence.csv", "confidence.png"}
    names = {path.name for path in whole.iterdir()} - told
    assert len(names) > NUM_FRAMES and names == {path.name for path in out.iterdir()} - told
    for name in sorted(names):
        assert (out / name).read_bytes() == (whole / name).read_bytes(), name


def test_several_videos_by_the_command(clip, tmp_path):
    (tmp_path / "masks").mkdir()
    write_mask(tmp_path / "masks" / "clip.png", read_mask(clip["mask"] / "00000.png"))
    write_mask(tmp_path / "masks" / "none.png", np.ones((45, 62), np.uint8))
    (tmp_path / "none").mkdir()
    done = segment(
        f"--video={clip['video']}",
        f"--video={tmp_path}/none",
        f"--mask={tmp_path}/masks",
        f"--checkpoint={clip['checkpoint']}",
        f"--output={tmp_path}/out",
        "--end=2",
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: none: ") and done.stderr.count("\n") == 1
    assert (tmp_path / "out" / "clip" / "00002.png").is_file()
    assert f"wrote {tmp_path}/out/summary.csv" in done.stdout


def terminate_after(mask, *arguments):
    """Starts the command, sends SIGTERM when a mask is there; returns exit code, stdout, stderr."""
    process = commands.start("segment", *arguments)
    deadline = time.monotonic() + 300
    while not mask.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.terminate()
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def test_terminated_is_told_and_leaves_whole_files_only(clip, tmp_path):
    out = tmp_path / "out"
    code, said, error = terminate_after(
        out / "00020.png", *flags(clip), f"--output={out}", "--overlay"
    )
    assert code == 143
    assert error.splitlines()[-1] == "error: terminated"
    assert f"finished masks stay in {out}; the same command with --resume goes on" in said
    assert not (out / "overlay.mp4").exists() and not list(out.glob(".*"))
    left = sorted(out.glob("*.png"))
    assert 20 < len(left) < NUM_FRAMES
    for path in left:
        read_mask(path, (45, 62))


def test_help_teaches_without_tensorflow():
    done = commands.run("segment", "--help", python=("-X", "importtime"))
    assert done.returncode == 0
    assert "tensorflow.python" not in done.stderr
    for text in (
        "--video=clip.mp4",
        "--resume",
        "contact_sheet.jpg",
        "--max_reference_pixels",
        "feelvos-import-checkpoint",
        "The exit code is",
    ):
        assert text in done.stdout


class Still:
    """Repeats the labels given."""

    labels_hold_all = True

    def __init__(self, stop_at=None):
        self._steps, self._stop_at = 0, stop_at

    def reset(self, frame, mask):
        self._labels = mask

    def step(self, frame):
        if self._steps == self._stop_at:
            raise KeyboardInterrupt
        self._steps += 1
        return self._labels

    def add_objects(self, mask):
        self._labels = np.where(mask > 0, mask, self._labels)
        return self._labels


def test_demo_can_be_repeated(tmp_path):
    for _ in range(2):  # an earlier demonstration is no obstacle
        summary = demo.run_demo(tmp_path, Still, say=str)
    assert summary.files == (tmp_path / "overlay.mp4", tmp_path / "contact_sheet.jpg")
    assert all(path.is_file() for path in summary.files)
    last = read_mask(tmp_path / "00023.png")
    assert np.unique(last).tolist() == [0, 1, 2, 3]


def test_demo_without_pyav_has_no_overlay(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)  # as if it were not installed
    lines = []
    summary = demo.run_demo(tmp_path, Still, say=lines.append)
    assert summary.files == (tmp_path / "contact_sheet.jpg",) and summary.masks == 24
    assert "no overlay.mp4, which needs PyAV: pip install 'feelvos_tf[video]'" in lines
    assert not (tmp_path / "overlay.mp4").exists()


def test_demo_starts_anew_after_a_stop_anywhere(tmp_path, monkeypatch):
    def stop(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(demo, "_write_given", stop)  # while the clip is drawn
        with pytest.raises(KeyboardInterrupt):
            demo.run_demo(tmp_path, Still, say=str)
    lines = []
    with pytest.raises(KeyboardInterrupt):
        demo.run_demo(tmp_path, lambda: Still(stop_at=4), say=lines.append)
    # Not --resume, which --demo refuses.
    assert lines[-1] == f"finished masks stay in {tmp_path}; the same command starts anew"
    assert demo.run_demo(tmp_path, Still, say=str).masks == 24


@pytest.mark.parametrize("name", ["00003.png", "clip/notes.txt", "clip", "overlay.mp4", "run.json"])
def test_demo_leaves_the_files_of_a_user(name, tmp_path):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("precious")
    with pytest.raises(InputError, match=f"{name.split('/')[0]}: is .*another output folder"):
        demo.run_demo(tmp_path, None, say=str)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [tmp_path / name]
    assert (tmp_path / name).read_text() == "precious"


def test_demo_leaves_the_masks_of_a_video(clip, tmp_path):
    segment_video(clip["video"], clip["mask"], tmp_path, Still, say=str)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(InputError, match="holds the masks of a video") as caught:
        demo.run_demo(tmp_path, Still, say=str)
    assert "--" not in str(caught.value)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_region_of_interest(clip, tmp_path):
    """These frames are smaller than a region, so the masks are those of whole frames."""
    mask = clip["mask"] / "00000.png"
    given = [*flags({**clip, "mask": mask, "end": 3})]
    part, whole = tmp_path / "part", tmp_path / "whole"
    done = segment(*given, f"--output={part}", "--roi=auto")
    assert (done.returncode, done.stderr) == (0, "")
    assert "only a region around the objects is computed" in done.stdout
    assert segment(*given, f"--output={whole}", "--grid=aligned").returncode == 0
    for name in ("00001.png", "00003.png"):
        np.testing.assert_array_equal(read_mask(part / name), read_mask(whole / name))
    again = segment(*given, f"--output={part}", "--resume")  # without a region
    assert again.returncode == 1 and "roi" in again.stderr
