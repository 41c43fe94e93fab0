"""Masks of several frames, and parts of a video, through the engine of feelvos-segment."""

import json

import numpy as np
import pytest
from segment_runs import Noisy, Remembering, assert_same, contents, masks, run, square

from feelvos_tf.errors import InputError
from feelvos_tf.video.frames import open_frames
from feelvos_tf.video.masks import write_mask


@pytest.fixture
def corrected(tmp_path):
    """Masks: 2 begins, 4 adds, 5 sets right with an object erased and a new one, 8 is empty."""
    folder = tmp_path / "corrected"
    folder.mkdir()
    for index, ids in ((1, ()), (2, (3, 9)), (4, (40,)), (5, (9, 255)), (8, ()), (10, (3, 9))):
        write_mask(folder / f"frame{index}.png", square(*ids))
    return folder


def test_every_mask_is_copied_and_sets_its_frame_right(frames, corrected, tmp_path):
    _, lines = run(frames, corrected, tmp_path / "out")
    found = masks(tmp_path / "out")
    assert not found["frame0"].any() and not found["frame1"].any()
    for index, ids in ((2, (3, 9)), (5, (9, 255)), (8, ()), (10, (3, 9))):
        np.testing.assert_array_equal(found[f"frame{index}"], square(*ids))
    # A mask of new objects alone leaves the others where they are.
    assert (found["frame4"] == 40).sum() == 24 and (found["frame4"] == 9).any()
    expected = Noisy()
    for frame in open_frames(frames):
        if frame.index == 2:
            expected.reset(frame.image, square(3, 9))
        elif frame.index > 2:
            labels = expected.step(frame.image)
            if frame.index == 4:
                labels = expected.add_objects(square(40))
            elif frame.index in (5, 8, 10):
                ids = {5: (9, 255), 8: (), 10: (3, 9)}[frame.index]
                labels = expected.correct(square(*ids))
            np.testing.assert_array_equal(found[frame.name], labels)
    text = "\n".join(lines)
    assert "frame5: 9 (24 px), 255 (24 px); set right: 9" in text
    assert "frame8: no object is in this frame" in text


@pytest.mark.parametrize("kind", [Noisy, Remembering])
@pytest.mark.parametrize("stop_at", [0, 2, 3, 4, 6, 8])
def test_resumed_is_as_if_never_stopped(kind, stop_at, frames, corrected, tmp_path, monkeypatch):
    monkeypatch.setattr("feelvos_tf.video.kept_state._SECONDS_BETWEEN", 0.0)
    run(frames, corrected, tmp_path / "whole", kind())
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run(frames, corrected, out, kind(stop_at))
    rest = kind()
    run(frames, corrected, out, rest, resume=True)
    assert rest.steps == 9 - stop_at
    names = [path for path in contents(out) if path.suffix == ".png"]
    assert len(names) == 12
    for path in names:
        assert (out / path).read_bytes() == (tmp_path / "whole" / path).read_bytes()


def test_the_ignored_label_reaches_corrections(frames, tmp_path):
    seen = []

    class Recorder(Noisy):
        def correct(self, mask):
            seen.append(mask)
            return super().correct(np.where(mask == 255, 0, mask))

    folder = tmp_path / "given"
    folder.mkdir()
    write_mask(folder / "frame0.png", square(7))
    write_mask(folder / "frame3.png", square(7, 255))
    run(frames, folder, tmp_path / "out", Recorder(), ignore_label=255)
    np.testing.assert_array_equal(seen[0], square(7, 255))
    assert not any((m == 255).any() for m in masks(tmp_path / "out").values())


def test_another_mask_is_another_run(frames, corrected, tmp_path):
    run(frames, corrected, tmp_path / "out")
    with pytest.raises(InputError, match="run.json: masks is "):
        run(frames, corrected, tmp_path / "out", resume=True, first_masks_only=True)


@pytest.mark.parametrize(
    "start,end,wanted",
    [
        ("frame3", "frame5", range(3, 6)),
        ("3", 5, range(3, 6)),
        (None, "1", range(2)),
        (9, None, range(9, 12)),
    ],
)
def test_a_part_of_the_video(start, end, wanted, frames, first, tmp_path):
    out = tmp_path / "out"
    summary, lines = run(frames, first, out, start=start, end=end)
    assert sorted(masks(out)) == sorted(f"frame{i}" for i in wanted)
    np.testing.assert_array_equal(masks(out)[f"frame{wanted[0]}"], square(2, 200))
    assert (summary.masks, summary.skipped) == (len(wanted), 0)
    assert f"{len(wanted)} frames" in lines[0]
    assert json.loads((out / "run.json").read_text())["settings"]["start"] == start
    with pytest.raises(InputError, match="run.json: frames is "):
        run(frames, first, out, start=start, end=10 if end is None else 11, resume=True)


def test_masks_of_frames_left_out_are_left_out(frames, corrected, tmp_path):
    _, lines = run(frames, corrected, tmp_path / "out", start=4, end="frame6")
    assert "4 masks are of frames that are left out" in lines
    found = masks(tmp_path / "out")
    np.testing.assert_array_equal(found["frame4"], square(40))
    assert (found["frame5"] == 9).sum() == 24 and len(found) == 3


@pytest.mark.parametrize(
    "options,message",
    [
        ({"start": "x"}, "start is 'x', expected the name of a frame, frame0 to frame11, or its"),
        ({"end": 12}, "end is '12', .* number, 0 to 11"),
        ({"start": "-1"}, "start is '-1'"),
        ({"start": 5, "end": "frame4"}, "end is frame frame4, which comes before start, frame5"),
    ],
)
def test_frames_that_are_not_there(options, message, frames, first, tmp_path):
    with pytest.raises(InputError, match=message) as caught:
        run(frames, first, tmp_path / "out", **options)
    assert "\n" not in str(caught.value) and not (tmp_path / "out").exists()


def test_a_part_of_a_part_is_resumed(frames, first, tmp_path):
    run(frames, first, tmp_path / "whole", start=2, end=8)
    with pytest.raises(KeyboardInterrupt):
        run(frames, first, tmp_path / "out", Noisy(3), start=2, end=8)
    run(frames, first, tmp_path / "out", resume=True, start=2, end=8, overlay=True)
    assert_same(masks(tmp_path / "out"), masks(tmp_path / "whole"))
    assert len(list(open_frames(tmp_path / "out" / "overlay.mp4"))) == 7
