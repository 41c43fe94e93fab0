"""Evaluation touches nothing of a user's: not by names in a dataset, not in its output folder."""

import json
import os
import shutil

import pytest
from segment_runs import contents

from feelvos_tf.data import synthetic
from feelvos_tf.errors import InputError
from feelvos_tf.evaluation import baselines, datasets
from feelvos_tf.output_folder import OutputFolder

METHOD = {"baseline": "first_mask"}


@pytest.fixture
def tree(tmp_path):
    """A DAVIS tree with two videos in "root", and a user's folder "x" with PNG files beside it."""
    for seed, name in enumerate(["ant", "bee"]):
        clip = synthetic.synthetic_clip(seed, num_frames=4, height=32, width=48, num_objects=1)
        synthetic.write_clip(clip, tmp_path / "root", name, "val")
    (tmp_path / "x").mkdir()
    for i in range(3):
        (tmp_path / "x" / f"photo{i}.png").write_text("precious")
    return tmp_path


def run(tree, output="out", **options):
    task = datasets.read_task("davis2017", tree / "root", "val")
    return datasets.evaluate_method(
        task, baselines.FirstMask, METHOD, tree / output, pictures=False, say=str, **options
    )


@pytest.mark.parametrize("name", ["../../x", "{tree}/x", "../ant", "ant/../bee", ".", "a\\b"])
def test_a_list_leads_nowhere_else(name, tree):
    name = name.format(tree=tree)
    for kind in ("JPEGImages", "Annotations"):  # so that nothing else is wrong with the name
        (tree / "root" / kind / "480p" / "deep").mkdir()
        if not name.startswith("/"):
            target = tree / "root" / kind / "480p" / name
            if not target.exists():
                shutil.copytree(tree / "root" / kind / "480p" / "ant", target)
    (tree / "root" / "ImageSets" / "2017" / "val.txt").write_text(f"ant\n{name}\n")
    before = contents(tree)
    with pytest.raises(InputError, match=r"val\.txt: a video is called"):
        run(tree)
    assert contents(tree) == before


def test_a_meta_json_leads_nowhere_else(tree):
    root = tree / "youtube"
    for kind in ("JPEGImages", "Annotations"):
        shutil.copytree(tree / "root" / kind / "480p" / "ant", root / "valid" / kind / "ant")
    objects = {"1": {"category": "a", "frames": ["00000"]}}
    for name in (str(tree / "x"), "../../../x", ""):
        (root / "valid" / "meta.json").write_text(
            json.dumps({"videos": {"ant": {"objects": objects}, name: {"objects": objects}}})
        )
        with pytest.raises(InputError, match=r"meta\.json: a video is called"):
            datasets.read_task("youtube_vos", root, "valid")
    assert len(list((tree / "x").iterdir())) == 3


def test_names_of_splits_and_lists_of_videos_are_plain(tree):
    with pytest.raises(InputError, match=r"root: a split is called '\.\./2017/val'"):
        datasets.read_task("davis2017", tree / "root", "../2017/val")
    (tree / "some.txt").write_text("ant\n../bee\n")
    with pytest.raises(InputError, match=r"some\.txt: a video is called '\.\./bee'"):
        datasets.read_task("davis2017", tree / "root", "val", only=tree / "some.txt")


@pytest.mark.parametrize(
    "name",
    [
        "masks/ant/00000.png",
        "sequences/ant.json",
        "global_results-val.csv",
        "report-val.md",
        "results-val.json",
        "per-sequence_results-val.csv",
        "submission-val.zip",
        "run.json",
    ],
)
def test_files_of_a_user_are_not_replaced(name, tree):
    path = tree / "out" / name
    path.parent.mkdir(parents=True)
    path.write_text("precious")
    before = contents(tree)
    for rerun in (False, True):
        with pytest.raises(InputError, match="expected another output folder"):
            run(tree, rerun=rerun, pack=True)
    assert contents(tree) == before


def test_reports_on_results_do_not_replace_those_of_the_official_tool(tree):
    run(tree)
    masks = tree / "masks"
    (tree / "out" / "masks").rename(masks)
    (masks / "global_results-val.csv").write_text("official")
    task = datasets.read_task("davis2017", tree / "root", "val")
    with pytest.raises(InputError, match=r"global_results-val\.csv: is there already"):
        datasets.evaluate_results(task, masks, masks, workers=1, pictures=False, say=str)
    assert (masks / "global_results-val.csv").read_text() == "official"


def test_reports_on_the_masks_of_a_run_may_lie_beside_them(tree):
    first = run(tree)
    task = datasets.read_task("davis2017", tree / "root", "val")
    for _ in range(2):
        again = datasets.evaluate_results(
            task, tree / "out" / "masks", tree / "out", workers=1, pictures=False, say=str
        )
        assert again.summary == first.summary
    assert run(tree).summary == first.summary  # and the run still knows what it has finished


def test_a_folder_of_masks_that_is_a_link_is_not_emptied(tree):
    run(tree)
    shutil.rmtree(tree / "out" / "masks" / "ant")
    (tree / "out" / "masks" / "ant").symlink_to(tree / "x")
    outcome = run(tree)
    assert list(outcome.failures) == ["ant"] and "ant: is a link" in outcome.failures["ant"]
    assert len(list((tree / "x").iterdir())) == 3


def test_a_dataset_is_not_its_own_output(tree):
    root = tree / "mine"
    for kind, name in (("JPEGImages", "frames"), ("Annotations", "masks")):
        shutil.copytree(tree / "root" / kind / "480p", root / name)
    task = datasets.read_task("folder", root, "")
    before = contents(root)
    with pytest.raises(InputError, match="masks: is there already"):
        datasets.evaluate_method(task, baselines.FirstMask, METHOD, root, pictures=False, say=str)
    assert contents(root) == before


def test_results_of_feelvos_segment_are_left_alone(tree):
    with OutputFolder(tree / "out", "feelvos-segment") as folder:
        folder.record(["00000.png"])
    with pytest.raises(InputError, match=r"run\.json: is not from feelvos-evaluate"):
        run(tree, rerun=True)


def test_stopping_says_how_to_go_on_and_leaves_whole_files(tree, monkeypatch):
    class Stopped(baselines.FirstMask):
        def step(self, frame):
            raise KeyboardInterrupt

    task = datasets.read_task("davis2017", tree / "root", "val")
    lines = []
    with pytest.raises(KeyboardInterrupt):
        datasets.evaluate_method(
            task, Stopped, METHOD, tree / "out", pictures=False, say=lines.append
        )
    assert lines == [
        f"finished sequences stay in {tree / 'out'}; the same command goes on after them"
    ]
    assert not list((tree / "out").rglob(".*"))


def test_a_pipe_in_a_dataset_is_told_and_not_waited_for(tree):
    val = tree / "root" / "ImageSets" / "2017" / "val.txt"
    val.unlink()
    os.mkfifo(val)
    with pytest.raises(InputError, match=r"val\.txt: is a pipe or device"):
        run(tree)
    val.unlink()
    val.write_text("ant\n")
    frame = tree / "root" / "JPEGImages" / "480p" / "ant" / "00002.jpg"
    frame.unlink()
    os.mkfifo(frame)
    assert "00002.jpg: is a pipe or device" in run(tree).failures["ant"]
