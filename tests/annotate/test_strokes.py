"""The list of strokes that can be undone: bounded, checked, kept in its file."""

import json

import pytest

from feelvos_tf.annotate import strokes
from feelvos_tf.annotate.keeping import NotKept
from feelvos_tf.annotate.strokes import MOST, Strokes
from feelvos_tf.errors import InputError

SIZE = (9, 13)


def stroke(number, **changed):
    one = {"id": number, "frame": 2, "box": [1, 2, 4, 4], "first": True}
    return {**one, "before": [6, 0], "after": [2, 0, 3, 7, 1, 0], **changed}


def update(found, new, done, undone=()):
    found.update({"strokes": new, "done": list(done), "undone": list(undone)})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "strokes.json"


def test_opened_again_it_is_as_it_was(path):
    found = Strokes(path, 3, SIZE)
    assert json.loads(found.text()) == {"strokes": [], "done": [], "undone": []}
    update(found, [stroke(5)], [5])
    update(found, [stroke(1 << 52, first=False)], [5, 1 << 52])
    update(found, [], [5], [1 << 52])
    values = json.loads(Strokes(path, 3, SIZE).text())
    assert values == json.loads(found.text()) == json.loads(path.read_text())
    assert values["done"] == [5] and values["undone"] == [1 << 52]
    assert values["strokes"] == [stroke(5), stroke(1 << 52, first=False)]
    # What is in no order is dropped, and so are ids of strokes that are not known.
    update(found, [], [9, 5])
    assert json.loads(found.text()) == {"strokes": [stroke(5)], "done": [5], "undone": []}


def test_the_oldest_go_first(path, monkeypatch):
    found = Strokes(path, 3, SIZE)
    for number in range(MOST + 7):
        update(found, [stroke(number)], range(max(0, number - MOST + 1), number + 1))
    assert json.loads(found.text())["done"] == list(range(7, MOST + 7))
    update(found, [stroke(999)], [*range(7, MOST + 6), 999], [MOST + 6])
    assert json.loads(found.text())["done"][0] == 8  # those undone count, too
    monkeypatch.setattr(strokes, "_MOST_CHARACTERS", 3 * len(json.dumps(stroke(999))))
    update(found, [], [MOST + 5, 999], [MOST + 6])
    assert len(json.loads(found.text())["strokes"]) == 3
    update(found, [stroke(7777, after=[1, 1] * 6)], [MOST + 5, 999, 7777], [MOST + 6])
    values = json.loads(found.text())
    assert values["done"] == [999, 7777] and values["undone"] == [MOST + 6]


@pytest.mark.parametrize(
    "changed",
    [
        {"id": -1},
        {"id": 1 << 53},
        {"frame": 3},
        {"frame": True},
        {"box": [1, 2, 1, 4]},
        {"box": [1, 2, 14, 4]},
        {"box": [1, 2, 4.0, 4]},
        {"box": None},
        {"first": 1},
        {"before": []},
        {"before": [5, 0]},
        {"before": [6]},
        {"before": [6, 256]},
        {"before": [6, -1]},
        {"before": [0, 1, 6, 0]},
        {"before": [6, True]},
        {"before": [1 << 63, 0, 1 << 63, 0]},
        {"before": {"6": 0}},
        {"more": 1},
    ],
)
def test_strokes_are_checked(path, changed):
    found = Strokes(path, 3, SIZE)
    with pytest.raises(InputError):
        update(found, [stroke(1, **changed)], [1])
    assert json.loads(found.text())["done"] == [] and not path.exists()


@pytest.mark.parametrize(
    "values",
    [[], {"strokes": []}, {"strokes": 1, "done": [], "undone": []}]
    + [{"strokes": [], "done": [1] * (MOST + 1), "undone": []}]
    + [{"strokes": [], "done": ["1"], "undone": []}],
)
def test_lists_are_checked(path, values):
    with pytest.raises(InputError):
        Strokes(path, 3, SIZE).update(values)


@pytest.mark.parametrize("text", ["", "{", "[" * 9999, '{"strokes":[1],"done":[],"undone":[]}'])
def test_a_damaged_list_is_an_empty_one(path, text):
    path.write_text(text)
    assert json.loads(Strokes(path, 3, SIZE).text())["strokes"] == []


def test_of_a_longer_video_it_is_an_empty_one(path):
    update(Strokes(path, 3, SIZE), [stroke(1)], [1])
    assert json.loads(Strokes(path, 2, SIZE).text())["strokes"] == []
    assert json.loads(Strokes(path, 3, (2, 13)).text())["strokes"] == []


def test_a_disk_that_takes_nothing_is_told(path):
    found = Strokes(path / "nowhere", 3, SIZE)
    with pytest.raises(NotKept, match="cannot be written"):
        update(found, [stroke(1)], [1])
