"""From dataset to reports: runs and result folders agree, progress and failures are told."""

import json

import pytest

from feelvos_tf import checkpoint_file
from feelvos_tf.data import synthetic
from feelvos_tf.errors import InputError
from feelvos_tf.evaluation import baselines, datasets, plots

METHOD = {"baseline": "first_mask"}


@pytest.fixture
def tree(tmp_path):
    for seed, name in enumerate(["ant", "bee"]):
        clip = synthetic.synthetic_clip(seed, num_frames=6, height=32, width=48, num_objects=2)
        synthetic.write_clip(clip, tmp_path / "data", name, "val")
    return tmp_path


@pytest.fixture
def youtube(tmp_path):
    """A YouTube-VOS tree of two videos, the second with an object that enters later."""
    root, meta = tmp_path / "youtube", {}
    for seed, name in ((1, "v1"), (4, "v2")):
        clip = synthetic.synthetic_clip(
            seed, num_frames=8, height=32, width=48, num_objects=2, late_objects=seed // 4
        )
        synthetic.write_clip(clip, root / "valid", name)
        for kind in ("JPEGImages", "Annotations"):
            (root / "valid" / kind / "480p" / name).rename(root / "valid" / kind / name)
        meta[name] = {
            "objects": {
                str(i): {"category": f"kind{i}", "frames": [f"{first:05d}"]}
                for i, first in clip.first_frames.items()
            }
        }
    (root / "valid" / "meta.json").write_text(json.dumps({"videos": meta}))
    return root


def test_a_run_and_its_files_give_the_same_reports(tree):
    task = datasets.read_task("davis2017", tree / "data", "val")
    lines = []
    run = datasets.evaluate_method(
        task, baselines.FirstMask, METHOD, tree / "run", pack=True, say=lines.append
    )
    files = datasets.evaluate_results(
        task, tree / "run" / "masks", tree / "files", workers=1, pack=True, say=lines.append
    )
    assert run.failures == files.failures == {}
    assert run.summary == files.summary
    for name in ("global_results-val.csv", "per-sequence_results-val.csv", "submission-val.zip"):
        assert (tree / "run" / name).read_bytes() == (tree / "files" / name).read_bytes()
    one, two = (
        json.loads((tree / f / "results-val.json").read_text())["sequences"]
        for f in ("run", "files")
    )
    assert [s["objects"] for s in one] == [s["objects"] for s in two]
    assert {p.name for p in run.files} >= {"over_time-01.png", "worst_frames-val.png"}
    assert all(p.is_file() for p in (*run.files, *files.files))


def test_progress_tells_scores_speed_and_memory(tree):
    task = datasets.read_task("davis2017", tree / "data", "val")
    lines = []
    outcome = datasets.evaluate_method(
        task, baselines.FirstMask, METHOD, tree / "run", pictures=False, say=lines.append
    )
    assert [line.split(":")[0] for line in lines] == ["[1/2] ant", "[2/2] bee"]
    assert f"so far J&F {100 * outcome.summary['J&F-Mean']:.1f}, " in lines[1]
    assert "frames/s, peak memory" in lines[0]
    datasets.evaluate_method(
        task, baselines.FirstMask, METHOD, tree / "run", pictures=False, say=lines.append
    )
    assert lines[3].endswith("finished before")


def test_a_failure_is_told_and_nothing_is_packed(tree):
    (tree / "data" / "JPEGImages" / "480p" / "ant" / "00002.jpg").write_bytes(b"")
    task = datasets.read_task("davis2017", tree / "data", "val")
    lines = []
    outcome = datasets.evaluate_method(
        task, baselines.FirstMask, METHOD, tree / "run", pictures=False, pack=True, say=lines.append
    )
    assert list(outcome.failures) == ["ant"] and "00002.jpg" in outcome.failures["ant"]
    assert lines[0].startswith("[1/2] ant: failed, ") and lines[1].startswith("[2/2] bee")
    assert not list((tree / "run").glob("*.zip")) and not list((tree / "run").glob("*.csv"))


def test_a_split_without_masks_is_run_and_packed(tree):
    for name in ("ant", "bee"):
        for path in (tree / "data" / "Annotations" / "480p" / name).glob("*[1-9].png"):
            path.unlink()
    task = datasets.read_task("davis2017", tree / "data", "val")
    lines = []
    outcome = datasets.evaluate_method(
        task, baselines.FirstMask, METHOD, tree / "run", pack=True, say=lines.append
    )
    assert outcome.summary == {} and outcome.failures == {}
    assert "ant: no public masks" in lines[0]
    assert (tree / "run" / "submission-val.zip") in outcome.files
    scored = datasets.evaluate_results(
        task, tree / "run" / "masks", tree / "files", workers=1, say=lines.append
    )
    assert "cannot be scored here" in scored.failures["ant"]


def test_youtube_vos_tells_seen_from_unseen_categories(youtube, tmp_path):
    seen = tmp_path / "seen.txt"
    seen.write_text("kind1\n")
    task = datasets.read_task("youtube_vos", youtube, "valid", seen_classes=seen)
    outcome = datasets.evaluate_method(
        task, baselines.FirstMask, METHOD, tmp_path / "run", pictures=False, say=lambda line: None
    )
    assert outcome.failures == {}
    four = [outcome.summary[k] for k in ("J-Seen", "J-Unseen", "F-Seen", "F-Unseen")]
    assert outcome.summary["G-Mean"] == pytest.approx(sum(four) / 4)
    header = (tmp_path / "run" / "global_results-valid.csv").read_text().splitlines()[0]
    assert header.endswith(",F-Mean,F-Recall,F-Decay,G-Mean,J-Seen,J-Unseen,F-Seen,F-Unseen")


def test_seen_categories_come_from_the_training_split_beside(youtube):
    assert datasets.read_task("youtube_vos", youtube, "valid").seen is None
    (youtube / "train").mkdir()
    (youtube / "train" / "meta.json").write_text(
        json.dumps({"videos": {"x": {"objects": {"1": {"category": "kind2", "frames": []}}}}})
    )
    task = datasets.read_task("youtube_vos", youtube, "valid")
    assert task.seen == {"kind2"}
    assert task.categories["v1"][1] == "kind1"


def test_part_of_a_split_is_not_reported_under_its_name(tree):
    (tree / "few.txt").write_text("bee\n")
    task = datasets.read_task("davis2017", tree / "data", "val", only=tree / "few.txt")
    datasets.evaluate_method(
        task, baselines.FirstMask, METHOD, tree / "run", pictures=False, say=lambda line: None
    )
    assert [p.name for p in (tree / "run").glob("global*")] == ["global_results-val-few.csv"]


def test_missing_matplotlib_is_told_before_the_run(tree, monkeypatch):
    def absent():
        raise InputError("plots need matplotlib")

    monkeypatch.setattr(plots, "check_installed", absent)
    task = datasets.read_task("davis2017", tree / "data", "val")
    with pytest.raises(InputError, match="matplotlib"):
        datasets.evaluate_method(task, lambda: pytest.fail("ran"), METHOD, tree / "run")


def test_unknown_dataset_and_checkpoint_are_input_errors(tmp_path):
    with pytest.raises(InputError, match="dataset is 'stills'"):
        datasets.read_task("stills", tmp_path, "")
    with pytest.raises(InputError, match=r"absent\.npz: no such checkpoint file"):
        checkpoint_file.identity(tmp_path / "absent.npz")
