"""Strokes that can be undone and redone, kept over a reload of the page and the server's end.

The page alone makes them and takes them back. A stroke is what its box held before and after, so
the page can tell whether a frame is still as the stroke left it, and one that is not stays as it
is; nothing breaks where this file is behind the masks. The oldest go first.
"""

from __future__ import annotations

import json
import pathlib
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from feelvos_tf.annotate.keeping import keep
from feelvos_tf.errors import InputError, shown, whole_number
from feelvos_tf.files import read_text

MOST = 200  # strokes
_MOST_CHARACTERS = 4 << 20  # of them all
_MOST_ID = (1 << 53) - 1  # what a browser counts up to
_KEYS = {"id", "frame", "box", "before", "after", "first"}


class Strokes:
    """The list of one project, in memory and in its file; any thread may call."""

    def __init__(self, path: pathlib.Path, count: int, size: Sequence[int]) -> None:
        """Reads the file, if there is one.

        Args:
          path: the file.
          count: number of frames.
          size: (H, W) of them.
        """
        self._path, self._count, self._size = path, count, size
        self._lock = threading.Lock()
        self._texts: dict[int, str] = {}
        self._done: list[int] = []
        self._undone: list[int] = []
        try:
            values = json.loads(read_text(path))
            with self._lock:
                self._take(values)
        except (OSError, ValueError, RecursionError):
            # A list of strokes is not worth that a project does not open.
            self._texts, self._done, self._undone = {}, [], []

    def text(self) -> str:
        """JSON: {"strokes": [...], "done": [ids, oldest first], "undone": [ids, latest last]}."""
        with self._lock:
            return self._text()

    def update(self, values: Any) -> None:
        """Takes new strokes and the order of all; those in no order are dropped.

        Args:
          values: as of `text`, with the strokes that are new alone. A stroke has an id, its frame,
            its box [left, top, right, bottom] with right and bottom past its end, what was in it
            before and after as runs [length, object, ...] along its rows, and whether it was the
            first one in a frame that was not painted.

        Raises:
          InputError: they are something else, or cannot be written.
        """
        with self._lock:
            self._take(values)
            keep(self._path, self._text().encode())

    def _take(self, values: Any) -> None:
        if not isinstance(values, dict) or set(values) != {"strokes", "done", "undone"}:
            raise InputError(f"strokes are {shown(values)}, expected strokes, done and undone")
        done, undone = _checked_ids(values["done"]), _checked_ids(values["undone"])
        if not isinstance(values["strokes"], list) or len(values["strokes"]) > MOST:
            raise InputError(f"strokes are not a list of at most {MOST}")
        new = dict(self._checked(value) for value in values["strokes"])
        texts = {**self._texts, **new}
        kept: set[int] = set()
        room = _MOST_CHARACTERS
        for one in [*reversed(undone), *reversed(done)]:
            room -= len(texts.get(one, ""))
            if room < 0 or len(kept) == MOST:
                break
            if one in texts:
                kept.add(one)
        self._texts = {one: texts[one] for one in texts if one in kept}
        self._done = [one for one in done if one in kept]
        self._undone = [one for one in undone if one in kept]

    def _text(self) -> str:
        order = f'"done":{json.dumps(self._done)},"undone":{json.dumps(self._undone)}'
        return f'{{"strokes":[{",".join(self._texts.values())}],{order}}}'

    def _checked(self, value: Any) -> tuple[int, str]:
        if not isinstance(value, dict) or set(value) != _KEYS or type(value["first"]) is not bool:
            raise InputError(f"a stroke is {shown(value)}, expected {', '.join(sorted(_KEYS))}")
        one = whole_number("id", value["id"], 0, _MOST_ID)
        whole_number("frame", value["frame"], 0, self._count - 1)
        box = value["box"]
        if not isinstance(box, list) or [type(side) for side in box] != [int] * 4:
            raise InputError(f"the box is {shown(box)}, expected left, top, right, bottom")
        left, top, right, bottom = box
        if not (0 <= left < right <= self._size[1] and 0 <= top < bottom <= self._size[0]):
            raise InputError(f"the box is {shown(box)}, which is not within the frame")
        for key in ("before", "after"):
            _check_runs(value[key], (right - left) * (bottom - top))
        return one, json.dumps(value, separators=(",", ":"))


def _checked_ids(values: Any) -> list[int]:
    if not isinstance(values, list) or len(values) > MOST:
        raise InputError(f"the order of strokes is {shown(values)}, expected at most {MOST} ids")
    return [whole_number("id", value, 0, _MOST_ID) for value in values]


def _check_runs(values: Any, area: int) -> None:
    """Raises InputError where they are not runs that fill a box of an area in pixels."""
    if isinstance(values, list) and values and {type(value) for value in values} == {int}:
        if max(values) <= max(area, 255) and min(values) >= 0:
            runs = np.array(values)
            lengths, ids = runs[0::2], runs[1::2]
            if len(lengths) == len(ids) and lengths.sum() == area:
                if lengths.min() > 0 and ids.max() <= 255:
                    return
    raise InputError(f"runs of a stroke are {shown(values)}, which do not fill its box")
