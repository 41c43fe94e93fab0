"""Objects that get lost are named at the end of a run and in run.json."""

import json

import numpy as np
import pytest
from PIL import Image
from segment_runs import SIZE, Noisy, run, square


class Losing(Noisy):
    """Loses object 2 in frame 5 and finds it again in frame 7, loses 200 in the last one."""

    def step(self, frame):
        super().step(frame)
        index = int(frame[0, 0, 0])
        self._labels = square(*(i for i, lost in ((2, (5, 6)), (200, (11,))) if index not in lost))
        return self._labels


@pytest.fixture
def numbered(tmp_path):
    """Twelve frames whose pixels say which one it is."""
    folder = tmp_path / "numbered"
    folder.mkdir()
    for i in range(12):
        Image.fromarray(np.full(SIZE + (3,), i, np.uint8)).save(folder / f"frame{i}.png")
    return folder


def test_lost_objects_are_told_also_after_a_stop(numbered, first, tmp_path):
    expected = {
        "2": {
            "ranges": [["frame0", "frame4"], ["frame7", "frame11"]],
            "num_frames": 10,
            "ranges_left_out": 0,
            "lost_from": None,
        },
        "200": {
            "ranges": [["frame0", "frame10"]],
            "num_frames": 11,
            "ranges_left_out": 0,
            "lost_from": "frame11",
        },
    }
    line = "object 200 is in no mask from frame frame11 on"
    _, lines = run(numbered, first, tmp_path / "whole", Losing())
    whole = json.loads((tmp_path / "whole" / "run.json").read_text())
    assert whole["objects"] == expected and lines[-1] == line
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run(numbered, first, out, Losing(stop_at=6))
    assert "objects" not in json.loads((out / "run.json").read_text())
    for _ in range(2):
        _, lines = run(numbered, first, out, Losing(), resume=True)
        assert json.loads((out / "run.json").read_text()) == whole and lines[-1] == line
    _, lines = run(numbered, first, tmp_path / "steady")
    assert not any("in no mask" in line for line in lines)


def test_an_object_whose_mask_comes_late_is_not_lost_before(frames, several, tmp_path):
    run(frames, several, tmp_path / "out")
    objects = json.loads((tmp_path / "out" / "run.json").read_text())["objects"]
    assert {i: one["ranges"][0][0] for i, one in objects.items()} == {
        "3": "frame2",
        "9": "frame2",
        "40": "frame5",
        "7": "frame9",
    }
