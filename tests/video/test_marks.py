"""Boxes and polygons: what is inside, what GrabCut makes of it, and what is wrong with them."""

import sys

import numpy as np
import pytest
from PIL import Image
from segment_runs import Noisy, contents, run

from feelvos_tf.errors import InputError
from feelvos_tf.video.marks import parse_marks
from feelvos_tf.video.masks import read_mask, write_mask

HEIGHT, WIDTH = 61, 83


def scene():
    """A blue disk and a red square on green, with noise; and their true mask."""
    rng = np.random.default_rng(4)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[(y - 25) ** 2 + (x - 24) ** 2 < 13**2] = 1
    mask[30:50, 55:72] = 2
    colors = np.array([[40, 150, 60], [30, 40, 200], [210, 40, 30]])
    image = colors[mask] + rng.integers(-12, 13, (HEIGHT, WIDTH, 3))
    return image.astype(np.uint8), mask


def test_grabcut_finds_objects_in_boxes_and_polygons():
    image, truth = scene()
    marks = parse_marks(["1:7,8,35,35"], ["2:50,26,78,26,78,55,50,55"])
    found = marks.draw(image)
    for i in (1, 2):
        overlap = ((found == i) & (truth == i)).sum() / ((found == i) | (truth == i)).sum()
        assert overlap > 0.97
    np.testing.assert_array_equal(marks.draw(image), found)


def test_areas_as_they_are():
    image, _ = scene()
    found = parse_marks(["9:10,20,5,7"], ["4:40,10,60,10,60,30"], refine=False).draw(image)
    assert (found == 9).sum() == 35 and (found[20:27, 10:15] == 9).all()
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    inside = (y >= 10) & (x <= 60) & (y - 10 <= x - 40)
    assert abs((found == 4).sum() - inside.sum()) <= 1 and (found[12, 45:58] == 4).all()


def test_a_box_of_the_last_pixels_of_a_frame_of_one_row():
    found = parse_marks(["4,0,3,1"], [], refine=False).draw(np.zeros((1, 7, 3), np.uint8))
    assert found.tolist() == [[0, 0, 0, 0, 1, 1, 1]]


def test_ids_that_are_left_out_and_given_twice():
    marks = parse_marks(["0,0,2,2", "2:4,0,2,2"], ["8,0,12,0,12,4", "2:8,8,12,8,12,12"], False)
    assert [mark.object_id for mark in marks.marks] == [1, 2, 3, 2]
    found = marks.draw(np.zeros((20, 20, 3), np.uint8))
    assert found[1, 4] == 2 and found[9, 11] == 2 and found[0, 11] == 3


@pytest.mark.parametrize(
    "boxes,polygons,said",
    [
        (["1:2,3,4"], [], "box '1:2,3,4': expected ID:x,y,w,h, in pixels"),
        (["1:2,3,0,9"], [], "expected ID:x,y,w,h"),
        (["1:2,3,nan,9"], [], "expected ID:x,y,w,h"),
        (["256:2,3,4,5"], [], "its id is '256', expected 1 to 255"),
        (["dog:2,3,4,5"], [], "its id is 'dog', expected 1 to 255"),
        ([], ["1:2,3,4,5"], "polygon '1:2,3,4,5': expected .* at least three corners"),
        ([], ["1:2,3,4,5,6"], "at least three corners"),
        (
            ["1:70,3,20,5"],
            [],
            r"box 1:70,3,20,5: corner \(90, 3\) is outside of the frame, .*83x61",
        ),
        (["1:-1,3,20,5"], [], r"corner \(-1, 3\) is outside"),
        (["1:3.1,3,0.2,5"], [], "has no pixel inside"),
        (["1:0,0,83,61"], [], "is around the whole frame, expected some background"),
        (["1:5,5,9,9", "2:2,2,30,30"], [], "1:5,5,9,9: nothing is left of it below"),
    ],
)
def test_bad_marks(boxes, polygons, said):
    image, _ = scene()
    refine = "whole frame" in said
    with pytest.raises(InputError, match=said):
        parse_marks(boxes, polygons, refine).draw(image)


def test_nothing_is_found_where_there_is_nothing():
    image = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    with pytest.raises(InputError, match="GrabCut (finds no object|cannot tell)"):
        parse_marks(["3,3,20,20"], []).draw(image)


def test_a_large_frame_is_computed_at_reduced_size(monkeypatch):
    monkeypatch.setattr("feelvos_tf.video.marks._LARGEST", 60)
    image, truth = scene()
    large = np.kron(image, np.ones((3, 3, 1), np.uint8))
    found = parse_marks(["21,24,105,105"], []).draw(large)
    truth = np.kron(truth == 1, np.ones((3, 3), bool))
    assert found.shape == truth.shape
    assert ((found == 1) & truth).sum() / ((found == 1) | truth).sum() > 0.95


def test_without_opencv_it_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)  # as if it were not installed
    with pytest.raises(InputError, match=r"pip install 'feelvos_tf\[grabcut\]', or .* --nograbcut"):
        parse_marks(["1:2,3,4,5"], [])
    assert parse_marks(["1:2,3,4,5"], [], refine=False).marks


@pytest.fixture
def film(tmp_path):
    """Frames of 32x24: noise as a background, a bright object from frame 3 on."""
    folder = tmp_path / "film"
    folder.mkdir()
    rng = np.random.default_rng(1)
    for i in range(6):
        image = rng.integers(0, 60, (24, 32, 3))
        if i >= 3:
            image[8:16, 10:22] += 180
        Image.fromarray(image.astype(np.uint8)).save(folder / f"frame{i}.png")
    return folder


def test_a_run_from_a_box_in_the_frame_of_start(film, tmp_path):
    out = tmp_path / "out"
    marks = parse_marks(["7:8,6,16,12"], [])
    _, lines = run(film, marks, out, start="frame3")
    expected = np.zeros((24, 32), np.uint8)
    expected[8:16, 10:22] = 7
    np.testing.assert_array_equal(read_mask(out / "marked" / "frame3.png"), expected)
    np.testing.assert_array_equal(read_mask(out / "frame3.png"), expected)
    assert any("marked 7 (96 px): look at" in line for line in lines)
    with Image.open(out / "marked.jpg") as picture:
        assert picture.size == (32, 24)

    # The mask that was written gives the same.
    run(film, out / "marked" / "frame3.png", tmp_path / "again", start="frame3")
    for i in range(3, 6):
        name = f"frame{i}.png"
        assert (out / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_a_run_from_a_box_is_resumed_and_overwritten(film, tmp_path):
    out, marks = tmp_path / "out", parse_marks(["7:8,6,16,12"], [])
    run(film, marks, tmp_path / "whole", start=3)
    with pytest.raises(KeyboardInterrupt):
        run(film, marks, out, Noisy(stop_at=1), start=3)
    before = contents(out)
    with pytest.raises(InputError, match="holds masks already"):
        run(film, marks, out, start=3)
    with pytest.raises(InputError, match="masks is"):  # another box is another run
        run(film, parse_marks(["7:9,7,9,9"], [], False), out, start=3, resume=True)
    assert contents(out) == before
    run(film, marks, out, start=3, resume=True)
    for path, data in contents(tmp_path / "whole").items():
        assert path.name == "run.json" or (out / path).read_bytes() == data, path
    run(film, parse_marks(["7:9,7,9,9"], [], False), out, start=4, overwrite=True)
    assert [path.name for path in (out / "marked").iterdir()] == ["frame4.png"]


def test_a_picture_of_a_user_is_left(film, tmp_path):
    out = tmp_path / "out"
    (out / "marked").mkdir(parents=True)
    write_mask(out / "marked" / "frame0.png", np.ones((24, 32), np.uint8))
    before = contents(out)
    with pytest.raises(InputError, match="marked: is there already"):
        run(film, parse_marks(["8,6,16,12"], [], False), out)
    assert contents(out) == before
