"""Whole videos through the engine of feelvos-segment: files, late objects, resuming, bad input."""

import json

import numpy as np
import pytest
from PIL import Image
from segment_runs import SIZE, Noisy, assert_same, masks, run, square

from feelvos_tf.errors import InputError
from feelvos_tf.files import PART_FILES
from feelvos_tf.video.frames import open_frames
from feelvos_tf.video.masks import read_mask, write_mask
from feelvos_tf.video.segment import segment_video
from feelvos_tf.video.video_writer import VideoFileWriter


def test_one_palette_mask_a_frame_named_like_it(frames, first, tmp_path):
    out = tmp_path / "deep" / "out"
    summary, lines = run(frames, first, out, overlay=True)
    assert sorted(p.name for p in out.iterdir()) == sorted(
        [f"frame{i}.png" for i in range(12)] + ["contact_sheet.jpg", "overlay.mp4", "run.json"]
    )
    np.testing.assert_array_equal(read_mask(out / "frame0.png"), square(2, 200))
    expected = Noisy()
    for name in [f"frame{i}" for i in range(12)]:
        image = np.array(Image.open(frames / f"{name}.jpg"))
        if name == "frame0":
            expected.reset(image, square(2, 200))
        else:
            labels = expected.step(image)
            np.testing.assert_array_equal(read_mask(out / f"{name}.png"), labels)
    assert Image.open(out / "frame3.png").mode == "P"
    assert len(list(open_frames(out / "overlay.mp4"))) == 12
    assert (summary.masks, summary.kept, summary.skipped) == (12, 0, 0)
    assert summary.files == (out / "overlay.mp4", out / "contact_sheet.jpg")
    assert summary.frames_per_second > 0
    assert summary.peak_memory > 10e6
    assert any("2 (24 px), 200 (24 px)" in line for line in lines)


def test_video_file_in(first, tmp_path):
    with VideoFileWriter(tmp_path / "v.mp4", 10) as writer:
        for i in range(5):
            writer.write(np.full(SIZE + (3,), 40 * i, np.uint8))
    run(tmp_path / "v.mp4", first, tmp_path / "out", contact_sheet=False)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        *[f"0000{i}.png" for i in range(5)],
        "run.json",
    ]


def test_objects_come_in_with_their_masks(frames, several, tmp_path):
    _, lines = run(frames, several, tmp_path / "out", first_masks_only=True)
    found = masks(tmp_path / "out")
    assert not found["frame0"].any() and not found["frame1"].any()
    np.testing.assert_array_equal(found["frame2"], square(3, 9))
    # New ids as given; the id tracked already stays where the segmenter has it.
    new = square(9, 40) == 40
    assert (found["frame5"][new] == 40).all()
    assert not (found["frame5"] == 40)[~new].any()
    assert not any((found[f"frame{i}"] == 40).any() for i in (2, 3, 4))
    assert (found["frame9"] == 7).sum() == 24
    assert any("frame5: 40 (24 px); ignored, tracked already: 9" in line for line in lines)
    assert any("1 more masks hold no new object" in line for line in lines)


@pytest.mark.parametrize("given", ["first", "several"])
@pytest.mark.parametrize("stop_at", [0, 1, 3, 4, 7, 8])
def test_interrupted_and_resumed_is_as_if_never_stopped(given, stop_at, frames, tmp_path, request):
    mask = request.getfixturevalue(given)
    run(frames, mask, tmp_path / "whole")
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run(frames, mask, out, Noisy(stop_at))
    assert not (out / "contact_sheet.jpg").exists()
    assert_same(masks(out), {n: m for n, m in masks(tmp_path / "whole").items() if n in masks(out)})
    rest = Noisy()
    summary, _ = run(frames, mask, out, rest, resume=True, overlay=True)
    start = 0 if given == "first" else 2
    assert summary.kept == start + 1 + stop_at
    assert rest.steps == 11 - start - stop_at
    assert_same(masks(out), masks(tmp_path / "whole"))
    assert len(list(open_frames(out / "overlay.mp4"))) == 12


def test_resume_after_a_kill_that_left_holes_and_damage(frames, several, tmp_path):
    run(frames, several, tmp_path / "whole")
    out = tmp_path / "out"
    run(frames, several, out)
    (out / "frame6.png").unlink()  # while frame7.png is there
    (out / "frame11.png").write_bytes((out / "frame11.png").read_bytes()[:40])
    (out / PART_FILES.replace("*", "0123")).write_bytes(b"half")
    summary, _ = run(frames, several, out, resume=True)
    assert summary.kept == 6
    assert not list(out.glob(".*"))
    assert_same(masks(out), masks(tmp_path / "whole"))


def test_resume_of_a_finished_or_new_run(frames, first, tmp_path):
    run(frames, first, tmp_path / "out", resume=True)
    segmenter = Noisy()
    summary, _ = run(frames, first, tmp_path / "out", segmenter, resume=True)
    assert (summary.masks, summary.kept, segmenter.steps) == (12, 12, 0)
    assert summary.frames_per_second is None


def test_masks_of_another_run_are_not_resumed(frames, first, tmp_path):
    out = tmp_path / "out"
    run(frames, first, out, settings={"sha256": "a"})
    with pytest.raises(InputError, match="run.json: sha256 is 'a', now it is 'b'; --overwrite"):
        run(frames, first, out, settings={"sha256": "b"}, resume=True)
    write_mask(first, square(2, 201))
    with pytest.raises(InputError, match="run.json: masks is "):
        run(frames, first, out, settings={"sha256": "a"}, resume=True)
    (out / "run.json").unlink()
    for options in ({"resume": True}, {"overwrite": True}, {}):
        with pytest.raises(
            InputError,
            match=r"frame0.png: is there already \(and 12 more\), and "
            "no run.json says that feelvos-segment wrote it",
        ):
            run(frames, first, out, **options)


def test_finished_mask_with_a_strange_id(frames, first, tmp_path):
    out = tmp_path / "out"
    run(frames, first, out)
    write_mask(out / "frame3.png", square(77))
    with pytest.raises(InputError, match="frame frame3 holds id 77"):
        run(frames, first, out, resume=True)


def test_masks_are_overwritten_on_request_only(frames, first, tmp_path):
    out = tmp_path / "out"
    run(frames, first, out)
    before = masks(out)
    with pytest.raises(InputError, match=r"holds masks already \(frame0.png and 11 more\)"):
        run(frames, first, out)
    with pytest.raises(InputError, match="expected one of both"):
        run(frames, first, out, resume=True, overwrite=True)

    def no_segmenter():
        raise InputError("model.npz: damaged")

    with pytest.raises(InputError, match="damaged"):
        segment_video(frames, first, out, no_segmenter, overwrite=True, say=str)
    assert_same(masks(out), before)
    with pytest.raises(KeyboardInterrupt):
        run(frames, first, out, Noisy(2), overwrite=True)
    assert sorted(masks(out)) == ["frame0", "frame1", "frame2"]


def test_ignored_pixels_are_no_object(frames, tmp_path):
    mask = square(5, 255)
    write_mask(tmp_path / "m.png", mask)
    seen = []

    class Recorder(Noisy):
        def reset(self, frame, mask):
            seen.append(mask)
            super().reset(frame, np.where(mask == 255, 0, mask))

    run(frames, tmp_path / "m.png", tmp_path / "out", Recorder(), ignore_label=255)
    np.testing.assert_array_equal(seen[0], mask)
    assert not any((m == 255).any() for m in masks(tmp_path / "out").values())
    write_mask(tmp_path / "m.png", square(255))
    with pytest.raises(InputError, match=r"m.png: holds no object, .* ignored \(255\)"):
        run(frames, tmp_path / "m.png", tmp_path / "out2", ignore_label=255)


def test_method_that_cannot_resume_leaves_what_is_finished(frames, first, tmp_path):
    class Forgetful(Noisy):
        def resume(self, frame, labels):
            raise InputError("cannot resume")

    with pytest.raises(KeyboardInterrupt):
        run(frames, first, tmp_path / "out", Noisy(4))
    before = masks(tmp_path / "out")
    with pytest.raises(InputError, match="cannot resume"):
        run(frames, first, tmp_path / "out", Forgetful(), resume=True)
    assert_same(masks(tmp_path / "out"), before)


def test_stopping_says_how_to_go_on(frames, first, tmp_path):
    lines = []
    with pytest.raises(KeyboardInterrupt):
        segment_video(frames, first, tmp_path / "out", lambda: Noisy(3), say=lines.append)
    assert lines[-1].startswith(f"finished masks stay in {tmp_path / 'out'}; ")
    assert "--resume" in lines[-1]


def test_frame_named_like_a_picture_gets_its_mask_beside_it(frames, first, tmp_path):
    (frames / "frame5.jpg").rename(frames / "contact_sheet.jpg")
    run(frames, first, tmp_path / "out")
    assert (tmp_path / "out" / "contact_sheet.jpg").exists()
    assert read_mask(tmp_path / "out" / "contact_sheet.png", (24, 32)).shape == (24, 32)


def test_single_mask_named_like_a_later_frame_is_noted(frames, first, tmp_path):
    _, lines = run(frames, first.rename(tmp_path / "frame4.png"), tmp_path / "out")
    assert any("taken as the mask of the first frame, frame0" in line for line in lines)


def test_run_file_says_what_the_masks_are_from(frames, several, tmp_path):
    run(frames, several, tmp_path / "out", settings={"max_side": 640})
    values = json.loads((tmp_path / "out" / "run.json").read_text())
    assert values["program"] == "feelvos-segment"
    assert values["made_from"]["size"] == [24, 32]
    assert values["made_from"]["max_side"] == 640
    assert {name: ids[:-1] for name, ids in values["made_from"]["masks"].items()} == {
        "frame2": [3, 9],
        "frame5": [9, 40],
        "frame8": [3, 9],
        "frame9": [7],
    }


@pytest.mark.parametrize("side,told", [(31, True), (32, False), (None, False)])
def test_a_smaller_size_to_compute_at_is_told(frames, first, tmp_path, side, told):
    """The frames are 32x24."""
    _, lines = run(frames, first, tmp_path / "out", computed_side=side)
    assert any("longer side of 31 pixels" in line for line in lines) == told
