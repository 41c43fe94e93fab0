"""Flags of `feelvos-segment` for what a user gives: videos, and masks or marks. Not a command."""

from __future__ import annotations

from absl import app as absl_app
from absl import flags

from feelvos_tf.video.marks import Marks, parse_marks

_VIDEO = flags.DEFINE_string("video", None, "Folder of JPEG/PNG frames, or a video file.")
_MASK = flags.DEFINE_string(
    "mask", None, "PNG mask of the first frame, or a folder of masks named like their frames."
)
_BOX = flags.DEFINE_multi_string(
    "box",
    [],
    "ID:x,y,w,h, a box around an object in the first frame in place of --mask: left, top, width "
    "and height in pixels. ID: may be left out. Repeat it for more objects.",
)
_POLYGON = flags.DEFINE_multi_string(
    "polygon",
    [],
    "ID:x,y,x,y,x,y,... the corners of a polygon around an object, as --box.",
)
_GRABCUT = flags.DEFINE_bool(
    "grabcut",
    True,
    "Find the object inside of boxes and polygons by color; with --nograbcut all inside is object.",
)
FLAGS = (_VIDEO, _MASK, _BOX, _POLYGON, _GRABCUT)


def given() -> bool:
    """Whether there is a video or anything that belongs to one."""
    return bool(_VIDEO.value or _MASK.value or _BOX.value or _POLYGON.value)


def video_and_mask() -> tuple[str, str | Marks]:
    """The video, and its mask or the marks in its first frame.

    Raises:
      UsageError: one of both is missing, or there are a mask and marks.
      InputError: a mark is none.
    """
    marked = _BOX.value or _POLYGON.value
    if not _VIDEO.value or not (_MASK.value or marked):
        lacking = "video" if not _VIDEO.value else "mask, or --box"
        raise absl_app.UsageError(f"give --{lacking} (or --demo alone); see --help")
    if _MASK.value:
        if marked:
            raise absl_app.UsageError("--box and --polygon take the place of --mask: give one")
        return _VIDEO.value, _MASK.value
    return _VIDEO.value, parse_marks(_BOX.value, _POLYGON.value, _GRABCUT.value)
