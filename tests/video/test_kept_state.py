"""Runs whose labels do not hold all: they go on from the state beside the masks."""

import json

import numpy as np
import pytest
from segment_runs import Noisy, Remembering, assert_same, contents, masks, run

from feelvos_tf.errors import InputError
from feelvos_tf.video import kept_state
from feelvos_tf.video.kept_state import STATE_FILE


@pytest.fixture(autouse=True)
def at_every_frame(monkeypatch):
    monkeypatch.setattr(kept_state, "_SECONDS_BETWEEN", 0.0)


@pytest.mark.parametrize("stop_at", [0, 1, 4, 8])
def test_resumed_runs_equal_uninterrupted_ones(frames, several, tmp_path, stop_at):
    run(frames, several, tmp_path / "whole", Remembering())
    with pytest.raises(KeyboardInterrupt):
        run(frames, several, tmp_path / "out", Remembering(stop_at))
    segmenter = Remembering()
    summary, _ = run(frames, several, tmp_path / "out", segmenter, resume=True)
    assert summary.kept == 3 + stop_at and segmenter.steps == 12 - 3 - stop_at
    assert_same(masks(tmp_path / "out"), masks(tmp_path / "whole"))
    assert not (tmp_path / "out" / STATE_FILE).exists()


def test_frames_after_the_state_are_computed_again(frames, first, tmp_path, monkeypatch):
    run(frames, first, tmp_path / "whole", Remembering())
    times = iter([False] * 3 + [True] + [False] * 99)
    monkeypatch.setattr(kept_state.KeptState, "due", lambda self: next(times))
    with pytest.raises(KeyboardInterrupt):
        run(frames, first, tmp_path / "out", Remembering(8))
    assert len(masks(tmp_path / "out")) == 9
    summary, _ = run(frames, first, tmp_path / "out", Remembering(), resume=True)
    assert summary.kept == 4
    assert_same(masks(tmp_path / "out"), masks(tmp_path / "whole"))


@pytest.mark.parametrize(
    "harm,said",
    [
        (lambda out: (out / STATE_FILE).unlink(), "no such file"),
        (lambda out: (out / STATE_FILE).write_bytes(b"PK"), "not the state of a video"),
        (lambda out: np.savez(out / STATE_FILE, a=np.zeros(3)), "not the state of a run"),
        (lambda out: (out / "frame2.png").unlink(), "follows 6 masks, of which 5 are there"),
    ],
)
def test_without_a_state_all_is_computed_again(frames, first, tmp_path, harm, said):
    run(frames, first, tmp_path / "whole", Remembering())
    with pytest.raises(KeyboardInterrupt):
        run(frames, first, tmp_path / "out", Remembering(5))
    harm(tmp_path / "out")
    summary, lines = run(frames, first, tmp_path / "out", Remembering(), resume=True)
    assert summary.kept == 0
    assert any(said in line and "all frames are computed again" in line for line in lines)
    assert_same(masks(tmp_path / "out"), masks(tmp_path / "whole"))


def test_where_nothing_was_computed_nothing_is_said(frames, first, tmp_path):
    summary, lines = run(frames, first, tmp_path / "out", Remembering(), resume=True)
    assert summary.kept == 0 and len(masks(tmp_path / "out")) == 12
    assert not any("computed again" in line for line in lines)


def test_the_state_of_another_run_is_not_taken(frames, first, tmp_path):
    for name, settings in (("a", {"memory": 1}), ("b", {"memory": 2})):
        with pytest.raises(KeyboardInterrupt):
            run(frames, first, tmp_path / name, Remembering(5), settings=settings)
    (tmp_path / "a" / STATE_FILE).replace(tmp_path / "b" / STATE_FILE)
    _, lines = run(
        frames, first, tmp_path / "b", Remembering(), settings={"memory": 2}, resume=True
    )
    assert any("the state of a run with other input or options" in line for line in lines)


def test_a_finished_run_has_nothing_left_to_do(frames, first, tmp_path):
    run(frames, first, tmp_path / "out", Remembering())
    before = masks(tmp_path / "out")
    segmenter = Remembering()
    summary, _ = run(frames, first, tmp_path / "out", segmenter, resume=True)
    assert segmenter.steps == 0 and summary.kept == 12
    assert_same(masks(tmp_path / "out"), before)
    assert json.loads((tmp_path / "out" / "run.json").read_text())["num_masks"] == 12


def test_frames_that_came_later_are_told(frames, first, tmp_path):
    late = frames / "frame11.jpg"
    content = late.read_bytes()
    late.unlink()
    run(frames, first, tmp_path / "out", Remembering())
    late.write_bytes(content)
    with pytest.raises(InputError, match="frame11 has come to the video since it was finished"):
        run(frames, first, tmp_path / "out", Remembering(), resume=True)


def test_methods_whose_labels_hold_all_leave_no_state(frames, first, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(frames, first, tmp_path / "out", Noisy(5))
    assert STATE_FILE not in {str(path) for path in contents(tmp_path / "out")}
