"""Scores of result folders, and what is wrong with them."""

import json

import numpy as np
import pytest

from feelvos_tf.data import synthetic
from feelvos_tf.data.layouts import read_dataset
from feelvos_tf.errors import InputError
from feelvos_tf.evaluation import metrics, protocols, scoring
from feelvos_tf.video.masks import read_mask, write_mask

NAMES = ("ant", "bee")


@pytest.fixture
def tree(tmp_path):
    """Two clips of two objects as a DAVIS tree, and results that are their truth moved."""
    for seed, name in enumerate(NAMES):
        clip = synthetic.synthetic_clip(seed, num_frames=7, height=40, width=60, num_objects=2)
        synthetic.write_clip(clip, tmp_path / "data", name, "val")
        folder = tmp_path / "results" / name
        folder.mkdir(parents=True)
        for index, mask in enumerate(clip.masks):
            write_mask(folder / f"{index:05d}.png", np.roll(mask, index, axis=1))
    return tmp_path


def videos(tree, dataset="davis2017"):
    return read_dataset(dataset, tree / "data", "val")


def test_scores_by_object_equal_scores_by_hand(tree):
    done, failures = scoring.score_results(videos(tree), tree / "results", "davis2017", workers=1)
    assert failures == {}
    assert [o.name for s in done for o in s.objects] == ["ant_1", "ant_2", "bee_1", "bee_2"]
    bee = done[1].objects[1]
    assert bee.frames == [f"{i:05d}" for i in range(1, 6)]
    for position, frame in enumerate(bee.frames):
        truth = read_mask(tree / "data" / "Annotations" / "480p" / "bee" / f"{frame}.png") == 2
        result = read_mask(tree / "results" / "bee" / f"{frame}.png") == 2
        assert bee.j[position] == metrics.region_similarity(truth, result)
        assert bee.f[position] == metrics.boundary_accuracy(truth, result)
    assert bee.mean == (np.mean(bee.j) + np.mean(bee.f)) / 2
    assert 0 < bee.mean < 1


def test_side_by_side_equals_one_after_the_other(tree):
    seen = []
    one, _ = scoring.score_results(videos(tree), tree / "results", "davis2017", workers=1)
    two, _ = scoring.score_results(
        videos(tree), tree / "results", "davis2017", workers=2, finished=seen.append
    )
    assert one == two == seen


def test_single_object_protocol_merges_ids_of_truth_and_results(tree):
    synthetic_lists = tree / "data" / "ImageSets" / "2016"
    synthetic_lists.mkdir(exist_ok=True)
    (synthetic_lists / "val.txt").write_text("ant\n")
    for path in (tree / "results" / "ant").glob("*.png"):
        labels = read_mask(path)
        write_mask(path, np.where(labels > 0, 255, 0))
    done, failures = scoring.score_results(
        videos(tree, "davis2016"), tree / "results", "davis2016", workers=1
    )
    assert failures == {}
    (ant,) = done[0].objects
    truth = read_mask(tree / "data" / "Annotations" / "480p" / "ant" / "00003.png") > 0
    result = read_mask(tree / "results" / "ant" / "00003.png") > 0
    assert (ant.name, ant.j[2]) == ("ant_1", metrics.region_similarity(truth, result))


def _drop(folder):
    (folder / "00003.png").unlink()


def _add(folder):
    write_mask(folder / "00007.png", np.zeros((40, 60), np.uint8))


def _resize(folder):
    write_mask(folder / "00002.png", np.zeros((40, 61), np.uint8))


def _damage(folder):
    path = folder / "00002.png"
    path.write_bytes(path.read_bytes()[:60])


def _unknown_id(folder):
    write_mask(folder / "00004.png", np.full((40, 60), 3))


def _remove(folder):
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


@pytest.mark.parametrize(
    "spoil, message",
    [
        (_drop, "ant/00003.png: missing"),
        (_add, "ant/00007.png: surplus"),
        (_resize, "ant/00002.png: mask of 61x40"),
        (_damage, "ant/00002.png"),
        (_unknown_id, "ant/00004.png: has the id 3, expected 0 and 1, 2 only"),
        (_remove, "results/ant: no such folder"),
    ],
)
def test_a_spoilt_sequence_is_named_and_the_others_are_scored(tree, spoil, message):
    spoil(tree / "results" / "ant")
    done, failures = scoring.score_results(videos(tree), tree / "results", "davis2017", workers=1)
    assert [s.name for s in done] == ["bee"]
    assert list(failures) == ["ant"]
    assert message in failures["ant"] and "\n" not in failures["ant"]


def test_first_and_last_result_are_not_needed(tree):
    for name in NAMES:
        (tree / "results" / name / "00000.png").unlink()
        (tree / "results" / name / "00006.png").unlink()
    _, failures = scoring.score_results(videos(tree), tree / "results", "davis2017", workers=1)
    assert failures == {}


def test_a_missing_result_folder_is_an_input_error(tree):
    with pytest.raises(InputError, match="absent: no such folder"):
        scoring.score_results(videos(tree), tree / "absent", "davis2017", workers=1)


def test_void_pixels_of_the_truth_are_left_out():
    truth = np.zeros((20, 30), np.uint8)
    truth[5:10, 5:10], truth[:, 15:] = 1, 255
    labels = np.where(truth == 255, 1, truth)
    assert scoring.score_frame(truth, labels, [1]) == {1: (1.0, 1.0)}
    # Where 255 itself is the object there is no void.
    assert scoring.score_frame(truth, truth, [255])[255] == (1.0, 1.0)
    assert scoring.score_frame(truth, labels, [255])[255][0] == 0.0


def test_json_keeps_scores_to_the_last_digit(tree):
    done, _ = scoring.score_results(videos(tree), tree / "results", "davis2017", workers=1)
    text = json.dumps([s.to_dict() for s in done])
    assert [scoring.SequenceScores.from_dict(v) for v in json.loads(text)] == done


def test_later_objects_are_scored_from_their_own_first_mask(tmp_path):
    clip = synthetic.synthetic_clip(
        4, num_frames=9, height=40, width=60, num_objects=2, late_objects=1
    )
    late, first = max(clip.first_frames.items(), key=lambda item: item[1])
    assert first > 0
    synthetic.write_clip(clip, tmp_path, "cow", "val")
    (tmp_path / "ImageSets" / "val.txt").write_text("cow\n")
    video = read_dataset("folder", tmp_path, "val")[0]
    plan = protocols.plan_video(video, "folder")
    scores = scoring.score_result_folder(video, tmp_path / "Annotations" / "480p", "folder")
    lengths = {o.object_id: len(o.frames) for o in scores.objects}
    assert lengths[late] == len(clip.masks) - first - 1
    assert all(value == 1.0 for o in scores.objects for value in o.j + o.f)
    assert plan.new_objects(first) == (late,)
