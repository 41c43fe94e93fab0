"""The project folder: kept whatever happens, and read by the other commands."""

import json

import numpy as np
import projects
import pytest

from feelvos_tf.annotate.project import COMPUTED, Project
from feelvos_tf.errors import InputError
from feelvos_tf.video.frames import open_frames
from feelvos_tf.video.masks import encode_mask, read_mask, write_mask
from feelvos_tf.video.segment import segment_video

SETTINGS = {"method": "test"}


@pytest.fixture
def video(tmp_path):
    return projects.write_frames(tmp_path / "clip")


@pytest.fixture
def enter(video, tmp_path):
    """Opens the project of the video anew."""

    def opened():
        source = open_frames(video)
        return Project(tmp_path / "masks", source, source.names, SETTINGS)

    return opened


def fill(project):
    """Paints frame 0, and computes the others."""
    project.paint(0, projects.truth(0))
    sources = project.records.sources(1)
    for index in range(1, len(project.names)):
        png = encode_mask(projects.truth(index))
        source, key = int(sources.frames[index]), int(sources.keys[index])
        project.compute(index, png, source, key, {1: (5, 0.9), 2: (6, 0.4)})


def test_opened_again_it_is_as_it_was(enter):
    named = [{"id": 1, "name": "cat", "color": "#00ff00", "hidden": False, "locked": True}]
    with enter() as project:
        fill(project)
        project.describe(objects=named, page={"frame": 3})
        statuses = project.records.statuses().tolist()
    with enter() as project:
        assert project.records.statuses().tolist() == statuses
        assert project.records.margins[3] == {1: (5, 0.9), 2: (6, 0.4)}
        assert project.objects[0] == named[0] and project.objects[1]["id"] == 2
        assert project.page == {"frame": 3}
        for index in range(12):
            assert (project.labels(index) == projects.truth(index)).all()


def test_what_was_stale_stays_stale(enter):
    with enter() as project:
        fill(project)
        project.paint(4, np.roll(projects.truth(4), 3, axis=0))
    with enter() as project:
        assert project.records.statuses().tolist() == [3, 1, 1, 1, 3, *[2] * 7]


def test_a_line_cut_off_costs_that_frame_alone(enter):
    with enter() as project:
        fill(project)
    path = project.folder / COMPUTED
    path.write_bytes(path.read_bytes()[:-20] + b"\n\xc3\xa4 no json\n[1]\n")
    with enter() as project:
        # The mask is there all the same, and taken for what it was made from.
        assert (project.records.statuses() == 1).sum() == 11
        assert 11 not in project.records.margins
        assert (project.labels(11) == projects.truth(11)).all()


def test_painted_masks_are_taken_back(enter):
    with enter() as project:
        fill(project)
        computed = project.labels(5)
        project.paint(5, projects.truth(0))
        project.take_back(5, computed)
        project.paint(6, projects.truth(0))
        project.take_back(6, None)
        assert project.records.statuses().tolist() == [3, *[1] * 5, 2, *[1] * 5]
        assert (project.labels(5) == computed).all()
    with enter() as project:
        assert project.records.statuses().tolist() == [3, *[1] * 5, 2, *[1] * 5]
        project.take_back(0, np.zeros(projects.SIZE, np.uint8))
        assert project.labels(0) is None and not (project.folder / "00000.png").exists()


def test_one_server_a_project(enter):
    with enter(), pytest.raises(InputError, match="writes to it; wait for its end"):
        with enter():
            pass


def test_files_of_others_are_left_alone(enter, tmp_path):
    folder = tmp_path / "masks"
    folder.mkdir()
    write_mask(folder / "00003.png", projects.truth(3))
    with pytest.raises(InputError, match="00003.png: is there already"):
        with enter():
            pass
    assert [path.name for path in folder.iterdir()] == ["00003.png"]


@pytest.mark.parametrize("text", ["{", '{"objects": [], "page": 3}', '{"objects": [{"id": 0}]}'])
def test_a_description_that_is_none(enter, text):
    with enter() as project:
        project.describe(page={})
    (project.folder / "project.json").write_text(text)
    with pytest.raises(InputError, match=r"project.json: is not the description of a project"):
        with enter():
            pass


def test_feelvos_segment_goes_on_in_the_folder(enter, video):
    with enter() as project:
        fill(project)
        (project.folder / "00007.png").unlink()
    with enter() as project:
        assert project.records.statuses()[7] == 0
        project.paint(3, projects.truth(3))
    run = json.loads((project.folder / "run.json").read_text())
    assert run["program"] == "feelvos-segment" and "num_masks" not in run

    def resumed():
        summary = segment_video(
            video,
            project.given,
            project.folder,
            projects.ByColor,
            settings=SETTINGS,
            resume=True,
            say=lambda line: None,
        )
        return summary.kept

    assert resumed() == 7  # what comes after the gap follows from it
    for index in range(12):
        labels = read_mask(project.folder / f"{index:05d}.png")
        assert (labels == projects.truth(index)).all()
    assert resumed() == 12
    with enter() as project:
        assert project.records.statuses().tolist()[:4] == [3, 1, 1, 3]
        assert (project.records.statuses()[4:] <= 2).all()


def test_another_video_in_the_folder(enter, tmp_path):
    with enter() as project:
        fill(project)
    other = open_frames(projects.write_frames(tmp_path / "other", 2, (24, 32)))
    with pytest.raises(InputError, match="mask of 64x48 pixels"):
        with Project(project.folder, other, other.names, SETTINGS):
            pass
