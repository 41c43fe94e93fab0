"""Several videos: how they are named, one that fails, the table, resuming."""

import csv
import shutil

import numpy as np
import pytest
from segment_runs import Noisy, contents, run, square

from feelvos_tf.errors import InputError
from feelvos_tf.video import video_list
from feelvos_tf.video.many import segment_videos, table
from feelvos_tf.video.masks import write_mask
from feelvos_tf.video.video_list import NamedVideo
from feelvos_tf.video.video_writer import VideoFileWriter


@pytest.fixture
def videos(frames, tmp_path):
    """Folder with a/ (12 frames), b/ (none that can be read), c.mp4; folder with their masks."""
    folder, masks = tmp_path / "videos", tmp_path / "masks"
    folder.mkdir()
    masks.mkdir()
    shutil.copytree(frames, folder / "a")
    (folder / "b").mkdir()
    (folder / "b" / "0.jpg").write_bytes(b"no image")
    with VideoFileWriter(folder / "c.mp4", 10) as writer:
        for i in range(4):
            writer.write(np.full((24, 32, 3), 40 * i, np.uint8))
    write_mask(masks / "a.png", square(1, 7))
    write_mask(masks / "b.png", square(1))
    (masks / "c").mkdir()
    write_mask(masks / "c" / "00000.png", square(5))
    return folder, masks


def listed(videos):
    folder, masks = videos
    return video_list.pair_videos(video_list.videos_in(folder), masks)


class Counted:
    """A maker of one method for all, which counts."""

    def __init__(self, **options):
        self.made, self.segmenter = 0, Noisy(**options)

    def __call__(self):
        self.made += 1
        return self.segmenter


def test_one_that_fails_does_not_stop_the_rest(videos, tmp_path):
    out, lines, make = tmp_path / "out", [], Counted()
    outcomes = segment_videos(listed(videos), out, make, say=lines.append, direction="forward")
    assert [(o.name, bool(o.error)) for o in outcomes] == [("a", False), ("b", True), ("c", False)]
    assert "none of its 1 images can be read" in outcomes[1].error or "0.jpg" in outcomes[1].error
    assert make.made == 1
    run(videos[0] / "a", videos[1] / "a.png", tmp_path / "alone")
    for path, data in contents(tmp_path / "alone").items():
        assert path.name == "run.json" or (out / "a" / path).read_bytes() == data, path
    assert len(list((out / "c").glob("0000?.png"))) == 4 and not (out / "b").exists()
    with open(out / "summary.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["video"], row["masks"], bool(row["error"])) for row in rows] == [
        ("a", "12", False),
        ("b", "", True),
        ("c", "4", False),
    ]
    shown = table(outcomes)
    assert len(shown) == 4 and shown[0].split()[:2] == ["video", "masks"]
    assert any(line.startswith("b failed: ") for line in lines)


def test_stopped_and_resumed(videos, tmp_path):
    options = {"say": str, "direction": "forward"}
    segment_videos(listed(videos), tmp_path / "whole", Counted(), **options)
    with pytest.raises(KeyboardInterrupt):
        segment_videos(listed(videos), tmp_path / "out", Counted(stop_at=12), **options)
    left = Counted()
    outcomes = segment_videos(listed(videos), tmp_path / "out", left, resume=True, **options)
    assert left.segmenter.steps == 2  # 11 of a and 1 of c were there
    assert [o.summary and o.summary.kept for o in outcomes] == [12, None, 2]
    for path, data in contents(tmp_path / "whole").items():
        if path.suffix in (".png", ".jpg"):
            assert (tmp_path / "out" / path).read_bytes() == data, path


def test_a_folder_of_something_else_is_left(videos, frames, first, tmp_path):
    run(frames, first, tmp_path / "single")
    before = contents(tmp_path / "single")
    with pytest.raises(InputError, match="run.json: is not from feelvos-segment of several"):
        segment_videos(listed(videos), tmp_path / "single", Counted(), say=str)
    assert contents(tmp_path / "single") == before
    with pytest.raises(InputError, match="results would overwrite"):
        segment_videos(listed(videos), videos[0] / "a", Counted(), say=str)


def test_what_is_no_fault_of_the_input_ends_all(videos, tmp_path):
    with pytest.raises(ZeroDivisionError):
        segment_videos(
            listed(videos), tmp_path / "out", Counted(stop_at=0, error=ZeroDivisionError), say=str
        )


def test_a_list_file_counts_from_its_folder(videos, tmp_path):
    folder, masks = videos
    path = tmp_path / "list.txt"
    path.write_text('# ours\nvideos/a,masks/a.png\n\n"videos/c.mp4", masks/c\n')
    expected = [
        NamedVideo("a", str(folder / "a"), str(masks / "a.png")),
        NamedVideo("c", str(folder / "c.mp4"), str(masks / "c")),
    ]
    assert video_list.read_list(path) == expected
    path.write_text("videos/a\nvideos/c.mp4\n")
    assert video_list.read_list(path, str(masks)) == expected
    with pytest.raises(InputError, match="list.txt: .*videos/a has no mask"):
        video_list.read_list(path)


@pytest.mark.parametrize(
    "text,said",
    [
        ("", "lists no video"),
        ("a,b,c\n", "found 'a,b,c', expected lines VIDEO,MASK"),
        ("a,\n", "expected lines VIDEO,MASK"),
        ("x/clip.mp4,m\ny/CLIP.avi,m\n", "two videos are named CLIP"),
    ],
)
def test_bad_lists(text, said):
    with pytest.raises(InputError, match=f"here: .*{said}"):
        video_list.parse_list(text.splitlines(), "here")


def test_masks_that_lack_or_are_too_many(videos):
    folder, masks = videos
    (masks / "b.png").unlink()
    with pytest.raises(InputError, match=r"has no mask for b, expected b.png or a folder b"):
        listed(videos)
    write_mask(masks / "b.png", square(1))
    write_mask(masks / "c.png", square(1))
    with pytest.raises(InputError, match="holds both c and c.png"):
        listed(videos)
    with pytest.raises(InputError, match="is no folder, expected one with a mask for each video"):
        video_list.pair_videos([str(folder / "a")], masks / "a.png")
