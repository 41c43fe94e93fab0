import json

import numpy as np
import pytest
from data_trees import write_video
from PIL import Image

from feelvos_tf.data.layouts import read_dataset
from feelvos_tf.errors import InputError


def split_list(root, year, split, names):
    folder = root / "ImageSets" / year
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{split}.txt").write_text("\n".join(names) + "\n")


def test_davis2017_reads_frames_masks_and_ids(tmp_path):
    write_video(tmp_path, "b", 3)
    write_video(tmp_path, "a", 2, ids=(1,))
    split_list(tmp_path, "2017", "train", ["b", "a"])
    first, second = read_dataset("davis2017", tmp_path, "train")
    assert (first.name, second.name) == ("b", "a")
    assert first.frame_names == ["00000", "00001", "00002"]
    assert [path.name for path in first.masks] == ["00000.png", "00001.png", "00002.png"]
    assert first.first_frame == {2: 0, 5: 0} and second.first_frame == {1: 0}


def test_davis2017_test_split_has_the_first_mask_or_none(tmp_path):
    for name in ("one", "none"):
        write_video(tmp_path, name, 3)
        masks = tmp_path / "Annotations" / "480p" / name
        for path in sorted(masks.iterdir())[1 if name == "one" else 0 :]:
            path.unlink()
    (tmp_path / "Annotations" / "480p" / "none").rmdir()
    split_list(tmp_path, "2017", "test-dev", ["one", "none"])
    one, none = read_dataset("davis2017", tmp_path, "test-dev")
    assert one.annotated == [0] and one.first_frame == {2: 0, 5: 0}
    assert none.annotated == [] and none.first_frame == {} and len(none.frames) == 3


def test_davis2016_is_binary_in_both_releases(tmp_path):
    write_video(tmp_path, "bear", 2)
    folder = tmp_path / "Annotations" / "480p" / "bear"
    for path in folder.iterdir():
        mask = np.zeros((60, 80), np.uint8)
        mask[10:20] = 255
        Image.fromarray(mask).save(path)
    lines = [
        f"/JPEGImages/480p/bear/0000{i}.jpg /Annotations/480p/bear/0000{i}.png" for i in range(2)
    ]
    split_list(tmp_path, "480p", "train", lines)
    (video,) = read_dataset("davis2016", tmp_path, "train")
    assert video.binary and video.first_frame == {1: 0}
    assert np.unique(video.read_labels(1)).tolist() == [0, 1]
    split_list(tmp_path, "2016", "train", ["bear"])
    assert read_dataset("davis2016", tmp_path, "train") == [video]


def youtube(root, first="00005"):
    write_video(root / "raw", "xyz", 11)
    for kind in ("JPEGImages", "Annotations"):
        (root / "valid" / kind).mkdir(parents=True)
        (root / "raw" / kind / "480p" / "xyz").rename(root / "valid" / kind / "xyz")
    for path in (root / "valid" / "Annotations" / "xyz").iterdir():
        if int(path.stem) % 5:
            path.unlink()
    objects = {
        "1": {"category": "cat", "frames": ["00000", "00005", "00010"]},
        "2": {"category": "dog", "frames": [first, "00010"]},
    }
    (root / "valid" / "meta.json").write_text(json.dumps({"videos": {"xyz": {"objects": objects}}}))


def test_youtube_vos_reads_sparse_masks_and_late_objects(tmp_path):
    youtube(tmp_path)
    (video,) = read_dataset("youtube_vos", tmp_path, "valid")
    assert video.annotated == [0, 5, 10] and len(video.frames) == 11
    assert video.first_frame == {1: 0, 2: 5}
    assert read_dataset("youtube_vos", tmp_path / "valid") == [video]


@pytest.mark.parametrize("content", ["{", "[]", '{"videos": {"xyz": {}}}', '{"videos": 3}'])
def test_youtube_vos_says_what_is_wrong_with_its_list(tmp_path, content):
    youtube(tmp_path)
    (tmp_path / "valid" / "meta.json").write_text(content)
    with pytest.raises(InputError, match="meta.json"):
        read_dataset("youtube_vos", tmp_path, "valid")


def test_youtube_vos_misses_a_first_frame(tmp_path):
    youtube(tmp_path, first="00099")
    with pytest.raises(InputError, match="first frame of object 2"):
        read_dataset("youtube_vos", tmp_path, "valid")


def test_folder_finds_objects_in_any_mask(tmp_path):
    write_video(tmp_path, "v10", 3)
    write_video(tmp_path, "v9", 3, ids=(4,))
    masks = tmp_path / "Annotations" / "480p" / "v10"
    Image.fromarray(np.zeros((60, 80), np.uint8)).save(masks / "00000.png")
    videos = read_dataset("folder", tmp_path)
    assert [video.name for video in videos] == ["v9", "v10"]
    assert videos[1].first_frame == {2: 1, 5: 1}
    split_list(tmp_path, "", "mine", ["v9"])
    assert [video.name for video in read_dataset("folder", tmp_path, "mine")] == ["v9"]


def test_stills_are_videos_of_one_frame(tmp_path):
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
    for name in ("p1", "p2"):
        Image.fromarray(np.zeros((9, 8, 3), np.uint8)).save(tmp_path / "images" / f"{name}.jpg")
    Image.fromarray(np.ones((9, 8), np.uint8)).save(tmp_path / "masks" / "p1.png")
    first, second = read_dataset("stills", tmp_path)
    assert first.annotated == [0] and first.first_frame == {1: 0}
    assert second.annotated == []


def test_only_takes_a_list_of_names(tmp_path):
    for name in "abc":
        write_video(tmp_path, name, 1)
    (tmp_path / "some.txt").write_text("c\na\n")
    videos = read_dataset("folder", tmp_path, only=tmp_path / "some.txt")
    assert [video.name for video in videos] == ["a", "c"]
    (tmp_path / "some.txt").write_text("zebra\n")
    with pytest.raises(InputError, match="lists zebra"):
        read_dataset("folder", tmp_path, only=tmp_path / "some.txt")


def test_masks_without_a_frame_are_left_out(tmp_path):
    write_video(tmp_path, "a", 3)
    (tmp_path / "JPEGImages" / "480p" / "a" / "00001.png").unlink()
    (video,) = read_dataset("folder", tmp_path)
    assert video.frame_names == ["00000", "00002"]
    assert [mask.stem for mask in video.masks] == ["00000", "00002"]


def test_bad_input_is_said_in_one_line(tmp_path):
    cases = [
        (("coco", tmp_path), "coco"),
        (("davis2017", tmp_path / "nowhere", "val"), "no such folder"),
        (("davis2017", tmp_path, "val"), "val.txt"),
        (("folder", tmp_path), "no folder of frames"),
        (("youtube_vos", tmp_path, "train"), "meta.json"),
    ]
    for arguments, message in cases:
        with pytest.raises(InputError, match=message) as caught:
            read_dataset(*arguments)
        assert "\n" not in str(caught.value)
    split_list(tmp_path, "2017", "val", ["ghost"])
    with pytest.raises(InputError, match="ghost"):
        read_dataset("davis2017", tmp_path, "val")
    write_video(tmp_path, "a", 1)
    split_list(tmp_path, "2017", "val", ["a", "a"])
    with pytest.raises(InputError, match=r"val\.txt: lists a twice"):
        read_dataset("davis2017", tmp_path, "val")
    split_list(tmp_path, "2017", "val", [])
    with pytest.raises(InputError, match="empty"):
        read_dataset("davis2017", tmp_path, "val")


def test_davis2016_of_the_shared_data(shared):
    videos = read_dataset("davis2016", shared / "data" / "davis2016-train", "train")
    assert len(videos) == 30 and sum(len(video.frames) for video in videos) == 2079
    assert all(len(video.annotated) == len(video.frames) for video in videos)
    assert all(video.first_frame == {1: 0} for video in videos)
