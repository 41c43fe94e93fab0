"""What --write adds: each file read back by a reader that is not ours."""

import json
import os

import numpy as np
import pytest
from PIL import Image
from segment_runs import (
    SIZE,
    Noisy,
    Scoring,
    assert_same,
    contents,
    masks,
    run,
    run_first,
    square,
    unsure_at,
)

from feelvos_tf.data.layouts import read_dataset
from feelvos_tf.errors import InputError
from feelvos_tf.video import cutouts, outputs, video_forms
from feelvos_tf.video.frames import open_frames
from feelvos_tf.video.masks import write_mask
from feelvos_tf.video.outputs import KINDS
from feelvos_tf.video.video_writer import VideoFileWriter

NAMES = [f"frame{i}" for i in range(12)]
av = pytest.importorskip("av")


@pytest.fixture
def written(frames, several, tmp_path):
    """A run with everything; ids 3, 9 from frame 2 on, 40 from 5 on, 7 from 9 on."""
    out = tmp_path / "out"
    summary, _ = run_first(frames, several, out, Scoring(unsure_at(frames, "frame5")), write=KINDS)
    assert set(summary.files) == {
        out / name
        for name in (
            "overlay.mp4 contact_sheet.jpg confidence.csv confidence.png cutouts cutouts.webm "
            "matte annotations.json Annotations meta.json labels.mkv"
        ).split()
    }
    return out


def known(index):
    return [i for i, first in ((3, 2), (7, 9), (9, 2), (40, 5)) if index >= first]


def test_masks_are_those_of_a_run_that_writes_nothing_else(written, frames, several, tmp_path):
    run_first(frames, several, tmp_path / "plain", Noisy())
    assert_same(masks(written), masks(tmp_path / "plain"))
    listed = json.loads((written / "run.json").read_text())
    assert {"cutouts/", "matte/", "Annotations/", "labels.mkv"} <= set(listed["files"])
    assert listed["settings"]["write"] == list(KINDS)
    assert not list(written.rglob(".feelvos*"))


def test_cutouts_hold_the_object_and_nothing_else(written, frames):
    images = {frame.name: frame.image for frame in open_frames(frames)}
    labels = masks(written)
    for index, name in enumerate(NAMES):
        for object_id in (3, 7, 9, 40):
            path = written / "cutouts" / str(object_id) / f"{name}.png"
            assert path.exists() == (object_id in known(index))
            if path.exists():
                image = Image.open(path)
                assert image.mode == "RGBA"
                inside = labels[name] == object_id
                expected = np.dstack([images[name] * inside[:, :, None], inside * np.uint8(255)])
                np.testing.assert_array_equal(np.array(image), expected)


def decoded_with_alpha(path):
    """Frames as RGBA by libvpx, since FFmpeg's own decoder of VP9 drops alpha."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.metadata["alpha_mode"] == "1"
        decoder = av.CodecContext.create("libvpx-vp9", "r")
        found = [f for p in container.demux(stream) for f in decoder.decode(p if p.size else None)]
        return [frame.to_ndarray(format="rgba") for frame in found]


def test_the_video_of_cutouts_has_alpha(written):
    found = decoded_with_alpha(written / "cutouts.webm")
    assert len(found) == 12
    for name, frame in zip(NAMES, found):
        wrong = (frame[:, :, 3] > 127) != (masks(written)[name] > 0)
        assert frame.shape == (*SIZE, 4) and wrong.mean() < 0.01, name


def test_colors_go_on_around_a_cutout_and_no_further():
    image = np.full((37, 53, 3), 90, np.uint8)
    inside = np.zeros((37, 53), bool)
    inside[20, 30] = True
    soft = cutouts.cut_out_softly(image, inside)
    assert (soft[12:29, 22:39, :3] == 90).all() and soft[:, :, 3].sum() == 255
    assert not soft[:8].any() and not soft[:, :16].any() and not soft[32:].any()
    assert not cutouts.cut_out_softly(image, inside & False).any()


def test_without_the_encoder_cutouts_are_pictures_only(frames, first, tmp_path, monkeypatch):
    form = video_forms.WITH_ALPHA
    monkeypatch.setattr(av, "codecs_available", {"libx264"})
    assert form.encoder(av) is None
    _, lines = run(frames, first, tmp_path / "out", write=["cutouts"])
    assert [line for line in lines if "cutouts.webm: is not written, the cut-outs are PNG" in line]
    assert len(list((tmp_path / "out" / "cutouts" / "200").iterdir())) == 12
    with pytest.raises(InputError, match="labels.mkv: PyAV has no encoder ffv1"):
        run(frames, first, tmp_path / "other", write=["video"])


def test_mattes_say_how_sure(written, several):
    labels = masks(written)
    for index, name in enumerate(NAMES):
        for object_id in known(index):
            image = Image.open(written / "matte" / str(object_id) / f"{name}.png")
            assert image.mode == "L" and image.size == SIZE[::-1]
            matte = np.array(image)
            if index == 2:  # the mask that was given
                np.testing.assert_array_equal(matte, 255 * (labels[name] == object_id))
        assert not (written / "matte" / "7" / "frame8.png").exists()
    sure, unsure = (np.array(Image.open(written / "matte/3" / f"frame{i}.png")) for i in (4, 5))
    assert sure.max() > 250 and unsure.max() < 128
    given = np.array(Image.open(written / "matte" / "40" / "frame5.png"))
    assert (given[square(0, 40) == 40] == 255).all()  # a mask given is sure in any step


def test_run_lengths_are_read_by_pycocotools(written):
    rle = pytest.importorskip("pycocotools.mask")
    values = json.loads((written / "annotations.json").read_text())
    assert values["videos"] == [
        {
            "id": 1,
            "width": SIZE[1],
            "height": SIZE[0],
            "length": 12,
            "file_names": [f"frames/{name}.jpg" for name in NAMES],
        }
    ]
    assert [entry["id"] for entry in values["annotations"]] == [3, 7, 9, 40]
    labels = masks(written)
    for entry in values["annotations"]:
        assert len(entry["segmentations"]) == len(entry["areas"]) == len(entry["bboxes"]) == 12
        for name, code, area, box in zip(
            NAMES, entry["segmentations"], entry["areas"], entry["bboxes"]
        ):
            inside = labels[name] == entry["id"]
            if code is None:
                assert not inside.any() and area is None and box is None
                continue
            np.testing.assert_array_equal(rle.decode(code), inside)
            rows, columns = np.nonzero(inside)
            assert area == inside.sum() and box[:2] == [columns.min(), rows.min()]
            assert box[2:] == [np.ptp(columns) + 1, np.ptp(rows) + 1]


def test_the_youtube_vos_layout_is_read_as_a_dataset(written, frames):
    (written / "JPEGImages").mkdir()
    (written / "JPEGImages" / "frames").symlink_to(frames)
    (video,) = read_dataset("youtube_vos", written)
    labels = masks(written)
    assert (video.name, list(video.frame_names)) == ("frames", NAMES)
    assert video.first_frame == {3: 2, 7: 9, 9: 2, 40: 5}
    for index, name in enumerate(NAMES):
        np.testing.assert_array_equal(video.read_labels(index), labels[name])
        with Image.open(written / "Annotations" / "frames" / f"{name}.png") as image:
            np.testing.assert_array_equal(np.array(image), labels[name])
    objects = json.loads((written / "meta.json").read_text())["videos"]["frames"]["objects"]
    for key, entry in objects.items():
        assert entry["frames"] == [name for name in NAMES if (labels[name] == int(key)).any()]


def gray_frames(path):
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == "ffv1"
        return [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]


def test_the_label_video_is_lossless(written):
    found = gray_frames(written / "labels.mkv")
    assert len(found) == 12
    for name, frame in zip(NAMES, found):
        np.testing.assert_array_equal(frame, masks(written)[name])


def test_odd_sizes_id_255_and_one_pixel(tmp_path):
    """From a video file; the object is one pixel, and in no later frame."""

    class Lost(Scoring):
        def step(self, frame, return_details=False):
            result = super().step(frame, return_details)
            result.labels[:] = 0
            return result

    with VideoFileWriter(tmp_path / "a.b.mkv", 10) as writer:
        for i in range(3):
            writer.write(np.full((23, 31, 3), 60 * i, np.uint8))
    size = open_frames(tmp_path / "a.b.mkv").size
    mask = np.zeros(size, np.uint8)
    mask[3, 4] = 255
    write_mask(tmp_path / "one.png", mask)
    out = tmp_path / "out"
    run(tmp_path / "a.b.mkv", tmp_path / "one.png", out, Lost(), write=KINDS)
    assert [frame.sum() for frame in gray_frames(out / "labels.mkv")] == [255, 0, 0]
    (entry,) = json.loads((out / "annotations.json").read_text())["annotations"]
    assert (entry["id"], entry["areas"]) == (255, [1, None, None])
    meta = json.loads((out / "meta.json").read_text())["videos"]
    assert meta == {"a.b": {"objects": {"255": {"category": "object", "frames": ["00000"]}}}}
    for kind in ("cutouts", "matte"):
        assert len(list((out / kind / "255").iterdir())) == 3
    assert len(decoded_with_alpha(out / "cutouts.webm")) == 3


def test_resumed_outputs_are_those_of_a_whole_run(written, frames, several, tmp_path):
    out = tmp_path / "stopped"
    unsure = unsure_at(frames, "frame5")
    with pytest.raises(KeyboardInterrupt):
        run_first(frames, several, out, Scoring(unsure, stop_at=5), write=KINDS)
    assert not (out / "labels.mkv").exists() and not (out / "annotations.json").exists()
    assert (out / "matte" / "3" / "frame6.png").exists()
    summary, lines = run_first(frames, several, out, Scoring(unsure), write=KINDS, resume=True)
    assert summary.kept == 8 and not [line for line in lines if "computed again" in line]
    expected, found = contents(written), contents(out)
    for name in ("contact_sheet.jpg", "overlay.mp4", "run.json", "cutouts.webm", "labels.mkv"):
        expected.pop(written.joinpath(name).relative_to(written))
        found.pop(out.joinpath(name).relative_to(out))
    assert found == expected
    for one, other in zip(*(gray_frames(f / "labels.mkv") for f in (written, out))):
        np.testing.assert_array_equal(one, other)


def test_mattes_that_masks_do_not_hold_are_computed_again(written, frames, several, tmp_path):
    out = tmp_path / "later"
    unsure = unsure_at(frames, "frame5")
    run_first(frames, several, out, Scoring(), write=["coco"])
    summary, lines = run_first(frames, several, out, Scoring(unsure), write=["matte"], resume=True)
    assert summary.kept == 2  # before the first mask there is no object
    assert [line for line in lines if "matte: frame frame2 lacks one; masks do not hold" in line]
    assert contents(out / "matte") == contents(written / "matte")
    assert (out / "annotations.json").exists()
    (out / "matte" / "3" / "frame7.png").write_bytes(b"damaged")
    summary, _ = run_first(frames, several, out, Scoring(unsure), write=["matte"], resume=True)
    assert summary.kept == 7
    assert contents(out / "matte") == contents(written / "matte")
    with pytest.raises(InputError, match="gives no probabilities, which mattes and"):
        run_first(frames, several, tmp_path / "none", Noisy(), write=["matte"])


def test_overwriting_removes_what_was_written_and_nothing_else(written, frames, first):
    (written / "cutouts" / "3" / "notes.png").write_text("a user's")
    (written / "matte" / "3" / ".feelvos-1.part").write_text("of a killed run")
    run(frames, first, written, Noisy(), overwrite=True)
    left = {str(path) for path in contents(written)}
    assert left == {f"{n}.png" for n in NAMES} | {
        "contact_sheet.jpg",
        "run.json",
        "cutouts/3/notes.png",
    }
    assert not (written / "matte").exists()


def test_folders_and_files_of_a_user_are_not_filled(frames, first, tmp_path):
    for name, kind in (("cutouts", "cutouts"), ("Annotations", "ytvos"), ("matte", "matte")):
        out = tmp_path / kind
        (out / name).mkdir(parents=True)
        (out / name / "a.png").write_text("a user's")
        with pytest.raises(InputError, match=f"{name}: is there already"):
            run(frames, first, out, Scoring(), write=[kind])
    out = tmp_path / "links"
    run(frames, first, out, Scoring(), write=["cutouts"])
    (tmp_path / "elsewhere").mkdir()
    for path in (out / "cutouts" / "2").iterdir():
        path.unlink()
    os.rmdir(out / "cutouts" / "2")
    (out / "cutouts" / "2").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="2: is a link, expected a folder"):
        run(frames, first, out, Scoring(), write=["cutouts"], resume=True)
    assert not list((tmp_path / "elsewhere").iterdir())


def test_what_cannot_be_written_is_told_in_one_line(
    frames, first, tmp_path, monkeypatch, full_disk
):
    with pytest.raises(InputError, match="write names 'gif', expected some of masks, overlay"):
        run(frames, first, tmp_path / "out", write=["masks", "gif"])
    assert not (tmp_path / "out").exists()
    for name, kind in (
        ("labels.mkv", "video"),
        ("annotations.json", "coco"),
        ("meta.json", "ytvos"),
        ("cutouts.webm", "cutouts"),
    ):
        full_disk(name)
        with pytest.raises(InputError, match=f"{name}: cannot be written"):
            run(frames, first, tmp_path / kind, write=[kind])
        assert not (tmp_path / kind / name).exists()
        assert not list((tmp_path / kind).rglob(".feelvos*"))
    monkeypatch.setitem(__import__("sys").modules, "pycocotools", None)
    with pytest.raises(InputError, match=r"pip install 'feelvos_tf\[coco\]'"):
        outputs.checked_kinds(["coco"])
