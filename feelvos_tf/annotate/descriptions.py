"""What the page says of objects and of itself, checked before it is kept."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from feelvos_tf.errors import InputError, shown, whole_number
from feelvos_tf.video.colors import object_colors
from feelvos_tf.video.masks import MAX_ID

_LONGEST = 60  # characters of a name
_COLOR = re.compile("#[0-9a-f]{6}")
_SETTINGS: dict[str, Callable[[Any], bool]] = {
    "frame": lambda value: type(value) is int and 0 <= value < 1 << 31,
    "object": lambda value: type(value) is int and 0 <= value <= MAX_ID,
    "tool": lambda value: isinstance(value, str) and len(value) <= _LONGEST,
    "size": lambda value: type(value) is int and 1 <= value <= 1000,
    "opacity": lambda value: type(value) in (int, float) and 0 <= value <= 1,
    "outline": lambda value: type(value) is bool,
    "theme": lambda value: value in ("auto", "light", "dark"),
}


def color_of(object_id: int) -> str:
    """The color that an object has in every picture, as in #ff8800."""
    red, green, blue = object_colors()[object_id]
    return f"#{red:02x}{green:02x}{blue:02x}"


def new_object(object_id: int) -> dict[str, Any]:
    """The description of an object that nobody has named yet."""
    return {
        "id": object_id,
        "name": f"Object {object_id}",
        "color": color_of(object_id),
        "hidden": False,
        "locked": False,
    }


def checked_objects(values: Any) -> list[dict[str, Any]]:
    """The objects of a project, each with id, name, color, hidden and locked.

    Raises:
      InputError: it is no list of such, has an id twice, or more of them than there are ids.
    """
    if not isinstance(values, list) or len(values) > MAX_ID:
        found = f"{len(values)} of them" if isinstance(values, list) else shown(values)
        raise InputError(f"objects are {found}, expected a list of at most {MAX_ID}")
    objects = [_checked_object(value) for value in values]
    if len({one["id"] for one in objects}) != len(objects):
        raise InputError("objects have an id twice, expected each once")
    return objects


def _checked_object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != set(new_object(1)):
        raise InputError(
            f"an object is {shown(value)}, expected id, name, color, hidden and locked"
        )
    object_id = whole_number("id", value["id"], 1, MAX_ID)
    name, color = value["name"], value["color"]
    if not isinstance(name, str) or not 0 < len(name.strip()) <= len(name) <= _LONGEST:
        raise InputError(f"name is {shown(name)}, expected 1 to {_LONGEST} characters")
    if not isinstance(color, str) or not _COLOR.fullmatch(color):
        raise InputError(f"color is {shown(color)}, expected one such as #ff8800")
    for key in ("hidden", "locked"):
        if type(value[key]) is not bool:
            raise InputError(f"{key} is {shown(value[key])}, expected true or false")
    return {**value, "id": object_id, "name": " ".join(name.split())}


def checked_settings(values: Any) -> dict[str, Any]:
    """Settings of the page: those that are known.

    Raises:
      InputError: one is not known, or of another type or range.
    """
    if not isinstance(values, dict):
        raise InputError(f"settings are {shown(values)}, expected names with values")
    for name, value in values.items():
        if name not in _SETTINGS:
            raise InputError(f"a setting is {shown(name)}, expected some of {', '.join(_SETTINGS)}")
        if not _SETTINGS[name](value):
            raise InputError(f"setting {name} is {shown(value)}, which it cannot be")
    return dict(values)
