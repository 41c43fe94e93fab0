"""How sure each object of each frame is: what is written, kept on resuming, and told."""

import json
import shutil
import sys

import numpy as np
import pytest
from PIL import Image
from segment_runs import (
    SIZE,
    Noisy,
    Scoring,
    assert_same,
    confidence_rows,
    contents,
    margins_of,
    masks,
    run,
    run_first,
    square,
    unsure_at,
)

from feelvos_tf.errors import InputError
from feelvos_tf.video.confidence import Confidences, least_sure, margins, mean_margins
from feelvos_tf.video.confidence_plot import plot_confidence
from feelvos_tf.video.frame_source import Frame
from feelvos_tf.video.labeled_frame import LabeledFrame
from feelvos_tf.video.masks import write_mask
from feelvos_tf.video.scores import Scores


def labeled(labels, probabilities, ids=(1, 255), computed=None, kept=False):
    labels = np.asarray(labels, np.uint8)
    image = np.zeros(labels.shape + (3,), np.uint8)
    scores = None
    if probabilities is not None:
        computed = labels if computed is None else computed
        scores = Scores(computed, np.array([0, *ids]), probabilities, lambda: None)
    return LabeledFrame(Frame(0, "a", image, 0), labels, ids, kept, scores)


def naive(labels, margin, object_id):
    """Mean over the stride-4 pixels that have the object, with aligned corners."""
    (height, width), (h, w) = labels.shape, margin.shape
    found = []
    for y in range(h):
        for x in range(w):
            row = round(y * (height - 1) / max(1, h - 1))
            column = round(x * (width - 1) / max(1, w - 1))
            if labels[row, column] == object_id:
                found.append(margin[y, x])
    return np.mean(found)


@pytest.mark.parametrize("size, small", [((33, 47), (9, 12)), ((10, 7), (3, 2))])
def test_mean_margin_is_that_of_the_pixels_at_stride_4(size, small):
    rng = np.random.default_rng(2)
    probabilities = rng.dirichlet([1, 1, 1], small).astype(np.float32)
    labels = np.zeros(size, np.uint8)
    labels[: size[0] // 2] = 1
    labels[size[0] // 2 :, : size[1] // 2 + 1] = 255
    found = mean_margins(labeled(labels, probabilities))
    ordered = np.sort(probabilities, axis=-1)
    margin = ordered[..., -1] - ordered[..., -2]
    np.testing.assert_allclose(margins(probabilities), margin)
    assert found == {i: pytest.approx(naive(labels, margin, i), abs=1e-6) for i in (1, 255)}


def test_one_pixel_nothing_and_what_was_given():
    labels = np.zeros((9, 9), np.uint8)
    probabilities = np.full((3, 3, 3), [0.6, 0.3, 0.1], np.float32)
    assert mean_margins(labeled(labels, probabilities)) == {}
    labels[2, 2] = 255  # between the pixels at stride 4
    assert mean_margins(labeled(labels, probabilities)) == {255: pytest.approx(0.3)}
    given = mean_margins(labeled(labels, probabilities, computed=np.zeros_like(labels)))
    assert given == {255: 1}
    assert mean_margins(labeled(labels, None)) == {255: 1}
    assert mean_margins(labeled([[1]], np.full((1, 1, 2), 0.5, np.float32), ids=(1,))) == {1: 0}


def test_least_sure_frames_are_apart():
    sure = np.ones(100)
    assert least_sure(sure) == [] and least_sure(np.ones(0)) == []
    sure[[41, 42, 77, 12]] = [0.1, 0.2, 0.3, 0.59]
    assert least_sure(sure) == [12, 41, 77]
    assert least_sure(np.linspace(0.9, 0.1, 100)) == [79, 84, 89, 94, 99]


def test_every_frame_and_object_has_a_row(frames, several, tmp_path):
    unsure = unsure_at(frames, "frame4", "frame10")
    summary, lines = run_first(frames, several, tmp_path / "out", Scoring(unsure))
    run_first(frames, several, tmp_path / "plain", Noisy())
    assert_same(masks(tmp_path / "out"), masks(tmp_path / "plain"))
    labels = masks(tmp_path / "out")
    rows = confidence_rows(tmp_path / "out")
    firsts = {3: 2, 7: 9, 9: 2, 40: 5}
    expected = [(f"frame{i}", n) for i in range(12) for n, first in firsts.items() if i >= first]
    assert [(row["frame"], int(row["object"])) for row in rows] == expected
    for row in rows:
        area = (labels[row["frame"]] == int(row["object"])).sum()
        assert int(row["area"]) == area and (row["margin"] == "") == (area == 0)
        if row["frame"] == "frame2":
            assert float(row["margin"]) == 1  # given
    assert lines[-1] == "look at frames frame4, frame10: the least sure ones"
    told = json.loads((tmp_path / "out" / "run.json").read_text())["confidence"]
    assert told["look_at"] == ["frame4", "frame10"]
    assert told["objects"]["3"]["least_in"] in ("frame4", "frame10")
    assert told["objects"]["3"]["frames"] == 10
    with Image.open(tmp_path / "out" / "confidence.png") as plot:
        assert plot.width > 300
    assert {path.name for path in summary.files} == {
        "contact_sheet.jpg",
        "confidence.csv",
        "confidence.png",
    }


def test_nothing_is_said_where_all_is_sure_or_nothing_is_known(frames, first, tmp_path):
    class Sure(Scoring):
        def step(self, frame, return_details=False):
            result = super().step(frame, return_details)
            result.probabilities = np.round(result.probabilities)
            return result

    _, lines = run(frames, first, tmp_path / "sure", Sure())
    assert not [line for line in lines if "look at" in line]
    run(frames, first, tmp_path / "none", Noisy())
    assert not (tmp_path / "none" / "confidence.csv").exists()
    assert "confidence" not in json.loads((tmp_path / "none" / "run.json").read_text())


def test_without_matplotlib_there_is_no_plot(frames, first, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    run(frames, first, tmp_path / "out", Scoring())
    assert not (tmp_path / "out" / "confidence.png").exists()
    assert (tmp_path / "out" / "confidence.csv").exists()


def test_a_frame_of_the_name_of_the_plot_has_its_mask(frames, first, tmp_path):
    (frames / "frame5.jpg").rename(frames / "confidence.jpg")
    run(frames, first, tmp_path / "out", Scoring())
    with Image.open(tmp_path / "out" / "confidence.png") as mask:
        assert mask.mode == "P" and mask.size == SIZE[::-1]


def test_resuming_keeps_what_is_known(frames, several, tmp_path):
    unsure = unsure_at(frames, "frame4")
    run_first(frames, several, tmp_path / "whole", Scoring(unsure))
    with pytest.raises(KeyboardInterrupt):
        run_first(frames, several, tmp_path / "begun", Scoring(unsure, stop_at=0))
    run_first(frames, several, tmp_path / "begun", Scoring(unsure), resume=True)
    assert confidence_rows(tmp_path / "begun") == confidence_rows(tmp_path / "whole")
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run_first(frames, several, out, Scoring(unsure, stop_at=5))
    assert confidence_rows(out)
    _, lines = run_first(frames, several, out, Scoring(unsure), resume=True)
    assert confidence_rows(out) == confidence_rows(tmp_path / "whole")
    assert lines[-1] == "look at frames frame4: the least sure ones"
    text = (out / "confidence.csv").read_text()
    (out / "confidence.csv").write_bytes(text.encode()[:90] + b"\xff,\x00\nframe4,3,7,nan\n")
    _, lines = run_first(frames, several, out, Scoring(unsure), resume=True)
    known = {row["frame"] for row in confidence_rows(out) if row["margin"]}
    assert known and known < {f"frame{i}" for i in range(5)}  # the rest is not known any more
    run_first(frames, several, out, Scoring(unsure), overwrite=True)
    assert confidence_rows(out) == confidence_rows(tmp_path / "whole")


def test_frames_computed_backwards_have_theirs(frames, tmp_path):
    """A mask in the middle: frames come in two passes, rows in the order of the video."""
    folder, out = tmp_path / "given", tmp_path / "out"
    folder.mkdir()
    write_mask(folder / "frame6.png", square(3, 9))
    unsure = unsure_at(frames, "frame1", "frame10")
    options = {"direction": None, "write": ["matte"], "save_confidence": True}
    _, lines = run(frames, folder, out, Scoring(unsure), **options)
    rows, labels = confidence_rows(out), masks(out)
    assert [(r["frame"], r["object"]) for r in rows] == [
        (f"frame{i}", n) for i in range(12) for n in ("3", "9")
    ]
    for row in rows:
        area = (labels[row["frame"]] == int(row["object"])).sum()
        assert int(row["area"]) == area and (row["margin"] == "") == (area == 0)
    assert lines[-1] == "look at frames frame1, frame10: the least sure ones"
    for i in range(12):
        for n in (3, 9):
            matte = np.array(Image.open(out / "matte" / f"{n}" / f"frame{i}.png"))
            own = labels[f"frame{i}"] == n
            np.testing.assert_array_equal(
                (matte > 127)[::4, ::4], own[::4, ::4] & (i not in (1, 10))
            )
        assert (out / "confidence" / f"frame{i}.png").exists()

    for stop_at in (0, 2, 5, 7, 10):
        with pytest.raises(KeyboardInterrupt):
            run(frames, folder, tmp_path / "half", Scoring(unsure, stop_at=stop_at), **options)
        _, said = run(frames, folder, tmp_path / "half", Scoring(unsure), resume=True, **options)
        assert said[-1] == lines[-1]
        assert contents(tmp_path / "half") == contents(out)
        shutil.rmtree(tmp_path / "half")


def test_pictures_just_written_are_not_read_again(frames, first, tmp_path, monkeypatch):
    def read(*arguments):
        raise AssertionError("read again")

    monkeypatch.setattr("feelvos_tf.video.mattes.is_gray_picture", read)
    run(frames, first, tmp_path / "out", Scoring(), direction="both", write=["matte"])
    assert len({frame for frame, _ in margins_of(tmp_path / "out")}) == 12


def test_backward_frames_without_a_mask_behind_them_have_no_margin(frames, first, tmp_path):
    folder, out = tmp_path / "given", tmp_path / "out"
    folder.mkdir()
    write_mask(folder / "frame4.png", square(3))
    run(frames, folder, out, Scoring(), direction="backward", write=["matte"])
    known = {row["frame"]: row["margin"] != "" for row in confidence_rows(out)}
    assert known == {f"frame{i}": i <= 4 for i in range(12)}
    assert not np.array(Image.open(out / "matte" / "3" / "frame5.png")).any()
    assert np.array(Image.open(out / "matte" / "3" / "frame0.png")).any()


def test_pictures_of_confidence(frames, several, tmp_path):
    out = tmp_path / "out"
    unsure = unsure_at(frames, "frame4")
    run_first(frames, several, out, Scoring(unsure))
    summary, lines = run_first(
        frames, several, out, Scoring(unsure), save_confidence=True, resume=True
    )
    assert summary.kept == 2
    assert [line for line in lines if "confidence: frame frame2 lacks one" in line]
    shown = {path.stem: np.array(Image.open(path)) for path in (out / "confidence").iterdir()}
    assert sorted(shown) == sorted(f"frame{i}" for i in range(2, 12))
    assert all(image.shape == SIZE and image.dtype == np.uint8 for image in shown.values())
    assert (shown["frame2"] == 255).all()
    assert shown["frame4"].max() < 128 < shown["frame3"].max()
    summary, _ = run_first(frames, several, out, Scoring(), save_confidence=True, resume=True)
    assert summary.kept == 12
    with pytest.raises(InputError, match="gives no probabilities, which mattes and pictures"):
        run_first(frames, several, tmp_path / "none", Noisy(), save_confidence=True)


def test_a_full_disk_is_told(frames, first, tmp_path, full_disk):
    full_disk("confidence.csv")
    with pytest.raises(InputError, match="confidence.csv: cannot be written"):
        run(frames, first, tmp_path / "out", Scoring())


def test_long_videos_are_drawn_and_written(tmp_path):
    confidences = Confidences(tmp_path, resume=False)
    probabilities = np.full((1, 1, 2), 0.5, np.float32)
    with confidences:
        for _ in range(4001):
            confidences.add(labeled([[1]], probabilities, ids=(1,)))
    assert len(confidence_rows(tmp_path)) == 4001
    values = confidences.of_objects()[1]
    assert values.shape == (4001,) and not values.any()
    names = [str(i) for i in range(4001)]
    assert plot_confidence(tmp_path / "a.png", {1: values, 255: values * np.nan}, names, ["7"])
