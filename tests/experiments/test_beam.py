"""The Beam pipeline in two processes of the DirectRunner: masks of feelvos-segment, once more."""

import csv
import io
import json
import os
import pathlib
import subprocess
import sys

import pytest
from small_networks import segmenting_model

from feelvos_tf.checkpoints import load_model, save_model
from feelvos_tf.data.synthetic import synthetic_clip, write_clip
from feelvos_tf.streaming.segmenter import VideoSegmenter
from feelvos_tf.video.masks import write_mask
from feelvos_tf.video.segment import segment_video

pytest.importorskip("apache_beam", reason="apache-beam is not installed: pip install .[beam]")

ROOT = pathlib.Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


def pipeline(*arguments):
    return subprocess.run(
        [sys.executable, ROOT / "experiments" / "beam" / "segment_videos.py", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """A list of two videos and one that lacks its mask, and a checkpoint."""
    folder = tmp_path_factory.mktemp("videos")
    save_model(segmenting_model(), folder / "model.npz")
    rows = []
    for seed in (5, 6):
        clip = synthetic_clip(seed, 5, 45, 62, num_objects=2)
        write_clip(clip, folder / f"clip{seed}")
        frames = folder / f"clip{seed}" / "JPEGImages" / "480p" / "clip"
        (folder / f"video{seed}").symlink_to(frames)
        write_mask(folder / f"mask{seed}.png", clip.masks[0])
        rows.append((str(folder / f"video{seed}"), str(folder / f"mask{seed}.png")))
    (folder / "bad").symlink_to(frames)
    rows.append((str(folder / "bad"), str(folder / "absent.png")))
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    (folder / "list.txt").write_text(text.getvalue())
    return folder


def test_masks_are_those_of_the_command_and_a_second_run_changes_nothing(videos, tmp_path):
    out = tmp_path / "out"
    arguments = [
        f"--videos={videos}/list.txt",
        f"--output={out}",
        f"--checkpoint={videos}/model.npz",
        "--runner=DirectRunner",
        "--direct_running_mode=multi_processing",
        "--direct_num_workers=2",
    ]
    done = pipeline(*arguments)
    assert done.returncode == 1, done.stderr
    assert "error: bad: " in done.stderr and "absent.png: no such file" in done.stderr
    assert not (out / "bad").exists()
    for seed in (5, 6):
        segment_video(
            videos / f"video{seed}",
            videos / f"mask{seed}.png",
            tmp_path / f"{seed}",
            lambda: VideoSegmenter(load_model(videos / "model.npz")),
            say=str,
        )
        for path in (tmp_path / f"{seed}").glob("*.png"):
            assert (out / f"video{seed}" / path.name).read_bytes() == path.read_bytes()
        said = json.loads((out / f"video{seed}" / "done.json").read_text())
        assert said["masks"] == 5 and said["video"] == str(videos / f"video{seed}")
    assert not list(out.rglob("*.part"))

    # A video whose last file is not there is segmented once more, to the same bytes.
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    (out / "video5" / "done.json").unlink()
    kept = (out / "video6" / "00003.png").stat().st_mtime_ns
    assert pipeline(*arguments).returncode == 1
    after = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    assert sorted(before) == sorted(after)
    assert all(after[p] == data for p, data in before.items() if p.suffix != ".csv")
    assert (out / "video6" / "00003.png").stat().st_mtime_ns == kept


def test_a_list_that_is_none_is_one_line(tmp_path):
    done = pipeline(f"--videos={tmp_path}/absent.txt", f"--output={tmp_path}/out")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: ")
