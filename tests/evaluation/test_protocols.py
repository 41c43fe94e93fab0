"""Which frames of which objects each benchmark gives and scores."""

import json
import pathlib

import numpy as np
import pytest

from feelvos_tf.data.videos import Video
from feelvos_tf.errors import InputError
from feelvos_tf.evaluation import protocols


def video(num_frames, first_frame, masks=None):
    frames = tuple(pathlib.Path(f"{i:05d}.jpg") for i in range(num_frames))
    if masks is None:
        masks = range(num_frames)
    files = tuple(pathlib.Path(f"{i:05d}.png") if i in masks else None for i in range(num_frames))
    return Video("bus", frames, files, dict(first_frame))


def test_davis2017_scores_the_first_masks_objects_between_first_and_last_frame():
    plan = protocols.plan_video(video(5, {1: 0, 3: 0, 4: 2}), "davis2017")
    assert plan.given == {1: 0, 3: 0}
    assert plan.scored == {i: (1, 3) for i in (1, 2, 3)}
    assert plan.start == 0
    assert plan.new_objects(0) == (1, 3) and plan.new_objects(2) == ()


def test_davis2016_has_one_object():
    plan = protocols.plan_video(video(4, {1: 0, 7: 0}), "davis2016")
    assert plan.given == {1: 0}
    assert plan.scored == {1: (1,), 2: (1,)}
    merged = protocols.protocol_labels(np.array([[0, 7, 255]], np.uint8), "davis2016")
    assert merged.tolist() == [[0, 1, 1]]


def test_youtube_vos_scores_each_object_after_its_own_first_mask():
    plan = protocols.plan_video(video(9, {2: 1, 5: 4}, masks=(1, 3, 4, 7, 8)), "youtube_vos")
    assert plan.start == 1
    assert plan.scored == {3: (2,), 4: (2,), 7: (2, 5), 8: (2, 5)}
    assert plan.new_objects(4) == (5,)


def test_a_split_without_public_masks_is_run_but_not_scored():
    for protocol in ("davis2016", "davis2017", "youtube_vos"):
        assert protocols.plan_video(video(5, {1: 0}, masks=(0,)), protocol).scored == {}
    later = protocols.plan_video(video(5, {1: 0, 2: 3}, masks=(0, 3)), "youtube_vos")
    assert later.scored == {} and later.given == {1: 0, 2: 3}


def test_unusable_videos_are_input_errors():
    with pytest.raises(InputError, match=r"bus: no mask of frame 00002\.jpg"):
        protocols.plan_video(video(5, {1: 0}, masks=(0, 1, 3, 4)), "davis2017")
    with pytest.raises(InputError, match="no object to begin with"):
        protocols.plan_video(video(5, {}), "youtube_vos")
    with pytest.raises(InputError, match=r"00003\.jpg, expected the first one of object 2"):
        protocols.plan_video(video(5, {1: 0, 2: 3}, masks=(0, 1)), "youtube_vos")
    with pytest.raises(InputError, match="first frame has no object"):
        protocols.plan_video(video(5, {1: 2}), "davis2017")
    with pytest.raises(InputError, match="expected one of davis2016"):
        protocols.plan_video(video(5, {1: 0}), "davis2018")


def test_categories_and_seen_categories(tmp_path):
    meta = {
        "videos": {
            "a": {
                "objects": {
                    "1": {"category": "cat", "frames": ["00000"]},
                    "2": {"category": "bus", "frames": ["00005"]},
                }
            },
            "b": {"objects": {"1": {"frames": ["00000"]}}},
        }
    }
    path = tmp_path / "meta.json"
    path.write_text(json.dumps(meta))
    assert protocols.read_categories(path) == {"a": {1: "cat", 2: "bus"}, "b": {}}
    assert protocols.read_seen_categories(path) == {"cat", "bus"}
    names = tmp_path / "seen.txt"
    names.write_text("cat\n\ndog \n")
    assert protocols.read_seen_categories(names) == {"cat", "dog"}


@pytest.mark.parametrize("text", ["{", "[]", '{"videos": 3}', '{"videos": {"a": {"objects": []}}}'])
def test_a_broken_meta_file_is_an_input_error(tmp_path, text):
    path = tmp_path / "meta.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"meta\.json: not a meta\.json"):
        protocols.read_categories(path)
    empty = tmp_path / "seen.txt"
    empty.write_text("\n")
    with pytest.raises(InputError, match=r"seen\.txt: names no category"):
        protocols.read_seen_categories(empty)
    with pytest.raises(InputError, match="cannot be read"):
        protocols.read_categories(tmp_path / "absent.json")
