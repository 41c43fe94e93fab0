"""A project at work: runs, corrections on the way, and what goes wrong."""

import os
import pathlib
import signal
import threading
import time

import numpy as np
import projects
import pytest
from PIL import Image

from feelvos_tf import files
from feelvos_tf.errors import InputError
from feelvos_tf.video.masks import read_mask


@pytest.fixture
def video(tmp_path):
    return projects.write_frames(tmp_path / "clip")


def statuses(session):
    return "".join("·cs#"[v] * n for n, v in session.describe()["statuses"])


def test_paint_run_correct_run(video, tmp_path):
    with projects.opened(video, tmp_path / "masks") as session:
        session.paint(0, projects.truth(0))
        projects.run_to_end(session)
        assert statuses(session) == "#ccccccccccc"
        for index in range(12):
            assert (session.labels(index) == projects.truth(index)).all()
        only_one = np.where(projects.truth(6) == 1, 1, 0).astype(np.uint8)
        session.paint(6, only_one)
        assert statuses(session) == "#ccccc#sssss"
        projects.run_to_end(session, "stale")
        assert statuses(session) == "#ccccc#ccccc"
        assert (session.labels(6) == only_one).all()
        # A run leaves what is up to date.
        with pytest.raises(InputError, match="up to date"):
            session.run("both", 0)
        # Backward, and behind what is there.
        session.take_back(0, np.zeros(projects.SIZE, np.uint8))
        assert statuses(session) == "·sssss#ccccc"
        projects.run_to_end(session, "backward", 6)
        assert statuses(session) == "cccccc#ccccc"


def test_masks_appear_while_it_runs_and_it_stops_at_once(video, tmp_path):
    with projects.opened(video, tmp_path / "masks", projects.Slow) as session:
        session.paint(0, projects.truth(0))
        session.run("forward", 0)
        projects.wait_for(lambda: "ccc" in statuses(session))
        run = session.describe()["run"]
        assert run["done"] >= 3 and run["total"] == 11 and run["rate"] > 0 and run["left"] >= 0
        session.stop()
        stopped = statuses(session)
        assert session.describe()["run"] is None and stopped.endswith("·")
        time.sleep(0.2)
        assert statuses(session) == stopped
        projects.run_to_end(session, "forward", 3)
        assert statuses(session) == "#ccccccccccc"


def test_a_stroke_during_a_run_is_taken_in(video, tmp_path):
    with projects.opened(video, tmp_path / "masks", projects.Slow) as session:
        session.paint(0, projects.truth(0))
        session.run("forward", 0)
        projects.wait_for(lambda: "c" in statuses(session))
        painted = np.where(projects.truth(9) == 2, 2, 0).astype(np.uint8)
        session.paint(9, painted)
        projects.wait_for(lambda: session.describe()["run"] is None)
        assert statuses(session) == "#cccccccc#cc"
        assert (session.labels(9) == painted).all()  # what a person says stays


def test_a_worker_that_dies_is_started_again(video, tmp_path):
    with projects.opened(video, tmp_path / "masks", projects.Slow) as session:
        session.paint(0, projects.truth(0))
        session.run("forward", 0)
        projects.wait_for(lambda: "cc" in statuses(session))
        first = session.worker_pid
        os.kill(first, signal.SIGKILL)
        projects.wait_for(lambda: session.describe()["run"] is None)
        assert session.worker_pid != first
        assert statuses(session) == "#ccccccccccc" and not session.describe()["problem"]


class Broken(projects.ByColor):
    def step(self, frame):
        os._exit(3)


class Refusing(projects.ByColor):
    def step(self, frame):
        raise InputError("this frame is too dull")


def test_a_worker_that_dies_again_and_again_is_given_up(video, tmp_path):
    with projects.opened(video, tmp_path / "masks", Broken) as session:
        session.paint(0, projects.truth(0))
        session.run("forward", 0)
        projects.wait_for(lambda: session.describe()["worker"] == "gone")
        assert "died 3 times (exit code 3); strokes are kept" in session.describe()["problem"]
        assert session.describe()["run"] is None and statuses(session) == "#···········"


def test_what_the_method_has_against_a_frame_is_said(video, tmp_path):
    with projects.opened(video, tmp_path / "masks", Refusing) as session:
        session.paint(0, projects.truth(0))
        session.run("forward", 0)
        projects.wait_for(lambda: session.describe()["problem"])
        assert session.describe()["problem"] == "this frame is too dull"
        assert session.describe()["run"] is None


def test_a_full_disk_is_said_and_nothing_is_half_written(video, tmp_path, monkeypatch):
    full = threading.Event()
    make_new = files._make_new

    def make(path):
        if full.is_set():
            path.symlink_to("/dev/full")
        else:
            make_new(path)

    monkeypatch.setattr(files, "_make_new", make)
    with projects.opened(video, tmp_path / "masks") as session:
        session.paint(0, projects.truth(0))
        full.set()
        with pytest.raises(InputError, match="00001.png: cannot be written .No space left"):
            session.paint(1, projects.truth(1))
        session.run("forward", 0)
        projects.wait_for(lambda: session.describe()["problem"])
        assert "cannot be written (No space left on device)" in session.describe()["problem"]
        full.clear()
        projects.run_to_end(session, "forward")
    names = sorted(path.name for path in (tmp_path / "masks").glob("*.png"))
    assert names == [f"{index:05d}.png" for index in range(12)]


def test_a_video_that_vanished_is_said(video, tmp_path):
    with projects.opened(video, tmp_path / "masks") as session:
        session.paint(0, projects.truth(0))
        projects.wait_for(lambda: session.describe()["worker"] == "ready")
        video.rename(tmp_path / "elsewhere")
        with pytest.raises(InputError, match="00003.png"):
            session.pictures.frame(3)
        session.run("forward", 0)
        projects.wait_for(lambda: session.describe()["problem"])
        assert "no such file" in session.describe()["problem"]
        (tmp_path / "elsewhere").rename(video)
        projects.run_to_end(session, "forward")


def test_exports_are_of_the_masks_that_are_there(video, tmp_path):
    with projects.opened(video, tmp_path / "masks") as session:
        told = []
        session.events.send = lambda kind, **values: told.append((kind, values))
        session.export(["ytvos"])
        projects.wait_for(lambda: any(kind == "exported" for kind, _ in told))
        assert "no object is painted yet" in told[-1][1]["problem"]
        session.paint(0, projects.truth(0))
        projects.run_to_end(session)
        told.clear()
        session.export(["overlay", "coco", "ytvos", "video", "cutouts"])
        with pytest.raises(InputError, match="wait for its end"):
            session.export(["ytvos"])
        projects.wait_for(lambda: any(kind == "exported" for kind, _ in told))
        (written,) = [values for kind, values in told if kind == "exported"]
        assert "problem" not in written
        names = {pathlib.Path(file).name for file in written["files"]}
        assert {"overlay.mp4", "annotations.json", "meta.json", "labels.mkv", "cutouts"} <= names
        masks = sorted((tmp_path / "masks" / "Annotations" / "clip").glob("*.png"))
        for index, path in enumerate(masks):
            assert (read_mask(path) == projects.truth(index)).all()
        assert len(masks) == 12


def test_mattes_are_soft_where_masks_were_computed(video, tmp_path):
    with projects.opened(video, tmp_path / "masks", projects.Soft) as session:
        told = []
        session.paint(0, projects.truth(0))
        projects.run_to_end(session)
        session.paint(6, np.roll(projects.truth(6), 2, axis=1))
        session.paint(7, projects.truth(0))
        session.take_back(7, projects.truth(7))
        session.events.send = lambda kind, **values: told.append((kind, values))
        session.export(["matte"])
        projects.wait_for(lambda: any(kind == "exported" for kind, _ in told))
        assert str(tmp_path / "masks" / "matte") in told[-1][1]["files"]
    method = projects.Soft()
    method.reset(projects.drawn(0), projects.truth(0))
    for index in range(12):
        shares = method.step(projects.drawn(index), return_details=True).probabilities
        for object_id in (1, 2):
            path = tmp_path / "masks" / "matte" / str(object_id) / f"{index:05d}.png"
            found = np.asarray(Image.open(path)).astype(int)
            if index in (0, 6):
                painted = projects.truth(index) if index == 0 else np.roll(projects.truth(6), 2, 1)
                assert (found == 255 * (painted == object_id)).all()
            else:
                assert abs(found - 255 * shares[..., object_id]).max() <= 1
                assert 0 < found[0, 0] < 255


def test_the_least_sure_frames(video, tmp_path):
    with projects.opened(video, tmp_path / "masks") as session:
        assert session.look_at() == []
        session.project.records.margins.update({2: {1: (5, 0.2)}, 8: {1: (5, 0.5), 2: (9, 0.9)}})
        assert session.look_at() == [2, 8]
