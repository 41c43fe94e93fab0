"""What a run tells while it goes on: frames done, the rate, the time left."""

import time

import pytest
from segment_runs import Noisy, run

from feelvos_tf.video import progress


def test_progress_without_a_terminal_is_a_line_now_and_then(frames, first, tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
    _, lines = run(frames, first, tmp_path / "out", progress=True)
    # None for the first two, from which nothing can be told.
    assert sum("/12 [" in line and "frame/s" in line for line in lines) == 10


class Compiling(Noisy):
    """A segmenter that takes long for the first step, as a network does."""

    SECONDS = 0.6

    def step(self, frame):
        if not self.steps:
            time.sleep(self.SECONDS)
        return super().step(frame)


@pytest.mark.parametrize("start", [0, 4])
def test_rate_and_time_left_leave_the_compilation_out(frames, first, tmp_path, monkeypatch, start):
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
    given = tmp_path / "given"
    given.mkdir()
    first.rename(given / f"frame{start}.png")
    summary, lines = run(frames, given, tmp_path / "out", Compiling(), progress=True)
    # A frame takes a few milliseconds; with the first step in it the mean would be 50 and more.
    bars = [line for line in lines if "/12 [" in line]
    assert len(bars) == 12 - (start + 2)
    assert all("<00:00," in bar for bar in bars)
    assert summary.first_frames == start + 2
    assert Compiling.SECONDS <= summary.first_seconds < summary.seconds
    rest = (12 - summary.first_frames) / summary.frames_per_second
    assert summary.first_seconds + rest == pytest.approx(summary.seconds)
    assert rest < Compiling.SECONDS


def test_frames_kept_from_before_do_not_count_as_fast(frames, first, tmp_path, monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        run(frames, first, tmp_path / "out", Noisy(5))
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
    _, lines = run(frames, first, tmp_path / "out", progress=True, resume=True)
    bars = [line.split("|")[0].strip() for line in lines if "/12 [" in line]
    assert len(bars) == 4  # six kept and two that compile before
