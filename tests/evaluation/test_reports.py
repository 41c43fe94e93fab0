"""Tables, JSON, Markdown and the archive for servers."""

import csv
import json
import zipfile

import numpy as np
import pytest

from feelvos_tf.data import synthetic
from feelvos_tf.data.layouts import read_dataset
from feelvos_tf.errors import InputError
from feelvos_tf.evaluation import metrics, plots, reports
from feelvos_tf.evaluation.scoring import ObjectScores, SequenceScores
from feelvos_tf.video.images import read_image
from feelvos_tf.video.masks import write_mask

RUN = {"dataset": "davis2017", "protocol": "davis2017", "method": {"baseline": "first_mask"}}


def scores(seed=0):
    """Two sequences, one object and two, of eight random frames."""
    rng = np.random.default_rng(seed)
    frames = [f"{i:05d}" for i in range(1, 9)]

    def one(name, object_id, category):
        return ObjectScores(
            f"{name}_{object_id}",
            object_id,
            frames,
            list(rng.random(8)),
            list(rng.random(8)),
            category,
        )

    return [
        SequenceScores("ant", [one("ant", 1, "cat")], 10, 2.5, 300_000_000),
        SequenceScores("bee", [one("bee", 1, "bus"), one("bee", 2, "cat")], 10, 1.5, 10**9),
    ]


def read_csv(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_global_numbers_are_means_over_objects_not_sequences(tmp_path):
    sequences = scores()
    objects = [o for s in sequences for o in s.objects]
    summary = reports.summarize(sequences)
    assert tuple(summary) == reports.GLOBAL_COLUMNS
    assert summary["J-Mean"] == pytest.approx(np.mean([np.mean(o.j) for o in objects]))
    assert summary["F-Decay"] == pytest.approx(
        np.mean([metrics.statistics(o.f).decay for o in objects])
    )
    assert summary["J&F-Mean"] == pytest.approx((summary["J-Mean"] + summary["F-Mean"]) / 2)


def test_csv_files_have_the_official_form(tmp_path):
    sequences = scores()
    written = reports.write_reports(tmp_path, "val", sequences, {}, RUN)
    assert [p.name for p in written] == [
        "global_results-val.csv",
        "per-sequence_results-val.csv",
        "results-val.json",
        "report-val.md",
    ]
    header, row = read_csv(written[0])
    assert header == ["J&F-Mean", "J-Mean", "J-Recall", "J-Decay", "F-Mean", "F-Recall", "F-Decay"]
    assert row == [f"{v:.5f}" for v in reports.summarize(sequences).values()]
    header, *rows = read_csv(written[1])
    assert header == ["Sequence", "J-Mean", "F-Mean"]
    assert [r[0] for r in rows] == ["ant_1", "bee_1", "bee_2"]
    assert rows[2][1] == f"{np.mean(sequences[1].objects[1].j):.5f}"


def test_json_holds_everything_to_the_last_digit(tmp_path):
    sequences = scores()
    reports.write_reports(tmp_path, "val", sequences, {}, RUN)
    values = json.loads((tmp_path / "results-val.json").read_text())
    assert values["complete"] is True and values["run"] == RUN
    assert values["summary"] == reports.summarize(sequences)
    assert values["sequences"][1]["objects"][0]["f"] == sequences[1].objects[0].f
    assert values["sequences"][1]["objects"][0]["f_statistics"]["decay"] == (
        metrics.statistics(sequences[1].objects[0].f).decay
    )


def test_an_incomplete_evaluation_leaves_no_official_table(tmp_path):
    reports.write_reports(tmp_path, "val", scores(), {}, RUN)
    reports.write_reports(tmp_path, "val", scores()[:1], {"bee": "00003.jpg: damaged"}, RUN)
    assert not list(tmp_path.glob("*.csv"))
    values = json.loads((tmp_path / "results-val.json").read_text())
    assert values["complete"] is False and values["failures"] == {"bee": "00003.jpg: damaged"}
    text = (tmp_path / "report-val.md").read_text()
    assert "Incomplete: 1 of 2" in text and "bee: 00003.jpg: damaged" in text


def test_markdown_has_a_row_for_every_object(tmp_path):
    sequences = scores()
    reports.write_reports(tmp_path, "val", sequences, {}, RUN)
    lines = (tmp_path / "report-val.md").read_text().splitlines()
    mean = sequences[1].objects[0].mean
    assert any(line.startswith(f"| bee_1 | {100 * mean:.1f} |") for line in lines)
    assert "- speed: 2.00 frames/s (mean over sequences), peak memory 1.00 GB" in lines


def test_nothing_to_score_is_said(tmp_path):
    hidden = [SequenceScores("ant", [], 10, 2.0, 10**8)]
    assert reports.summarize(hidden) == {}
    reports.write_reports(tmp_path, "test-dev", hidden, {}, RUN)
    assert "No frame has a public mask" in (tmp_path / "report-test-dev.md").read_text()
    assert not list(tmp_path.glob("*.csv"))
    assert plots.write_plots(tmp_path, hidden) == []


def test_youtube_vos_numbers_are_apart_for_seen_and_unseen_categories():
    sequences = scores()
    summary = reports.summarize(sequences, seen={"cat", "dog"})
    seen = [sequences[0].objects[0], sequences[1].objects[1]]
    assert summary["J-Seen"] == pytest.approx(np.mean([np.mean(o.j) for o in seen]))
    assert summary["F-Unseen"] == pytest.approx(np.mean(sequences[1].objects[0].f))
    four = [summary[k] for k in ("J-Seen", "J-Unseen", "F-Seen", "F-Unseen")]
    assert summary["G-Mean"] == pytest.approx(np.mean(four))
    assert "G-Mean" not in reports.summarize(sequences, seen={"cat", "bus"})


@pytest.fixture
def run_folder(tmp_path):
    clip = synthetic.synthetic_clip(1, num_frames=5, height=32, width=48, num_objects=2)
    synthetic.write_clip(clip, tmp_path / "data", "ant", "val")
    folder = tmp_path / "masks" / "ant"
    folder.mkdir(parents=True)
    for index, mask in enumerate(clip.masks):
        write_mask(folder / f"{index:05d}.png", mask)
    return tmp_path


@pytest.mark.parametrize("protocol, root", [("davis2017", ""), ("youtube_vos", "Annotations/")])
def test_archives_are_laid_out_for_the_servers(run_folder, protocol, root):
    videos = read_dataset("davis2017", run_folder / "data", "val")
    path = run_folder / "results.zip"
    reports.write_submission(path, videos, run_folder / "masks", protocol)
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == [f"{root}ant/{i:05d}.png" for i in range(5)]
        file = run_folder / "masks" / "ant" / "00003.png"
        assert archive.read(f"{root}ant/00003.png") == file.read_bytes()
    before = path.read_bytes()
    reports.write_submission(path, videos, run_folder / "masks", protocol)
    assert path.read_bytes() == before
    file.unlink()
    with pytest.raises(InputError, match=r"ant/00003\.png: missing"):
        reports.write_submission(path, videos, run_folder / "masks", protocol)
    assert path.read_bytes() == before


def test_worst_frames_are_few_of_one_sequence():
    sequences = scores()
    worst = plots.worst_frames(sequences, count=3, each=2)
    ant = sequences[0].objects[0]
    order = np.argsort(np.add(ant.j, ant.f))
    assert len(worst) == 3
    assert [w[1] for w in worst if w[0] == "ant"] == [ant.frames[i] for i in order[:2]][
        : sum(w[0] == "ant" for w in worst)
    ]
    assert [w[2] + w[3] for w in worst] == sorted(w[2] + w[3] for w in worst)


def test_pictures_are_drawn(run_folder):
    videos = read_dataset("davis2017", run_folder / "data", "val")
    frames = [f"{i:05d}" for i in (1, 2, 3)]
    sequences = [
        SequenceScores(
            "ant",
            [
                ObjectScores("ant_1", 1, frames, [1.0, 0.2, 0.9], [1.0, 0.1, 0.8]),
                ObjectScores("ant_2", 2, frames[1:], [0.5, 0.4], [0.3, 0.2]),
            ],
            5,
        )
    ]
    written = plots.write_plots(run_folder / "plots", sequences)
    assert [p.name for p in written] == ["over_time-01.png", "distribution.png"]
    assert all(read_image(p).std() > 5 for p in written)
    sheet = plots.write_worst_frames(
        run_folder / "worst.png", videos, sequences, run_folder / "masks", "davis2017"
    )
    # Two frames, each as truth and prediction, side by side in one row.
    image = read_image(sheet)
    assert image.shape[1] > 4 * 48 and image.std() > 5


def test_many_sequences_get_pages(tmp_path):
    many = [
        SequenceScores(f"s{i}", [ObjectScores(f"s{i}_1", 1, ["00001"], [0.5], [0.5])], 3)
        for i in range(plots.SEQUENCES_A_PAGE + 1)
    ]
    assert [p.name for p in plots.write_plots(tmp_path, many)] == [
        "over_time-01.png",
        "over_time-02.png",
        "distribution.png",
    ]
