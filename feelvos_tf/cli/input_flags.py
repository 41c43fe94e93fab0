"""Flags of `feelvos-segment` for what a user gives: videos, and masks or marks. Not a command."""

from __future__ import annotations

import os

from absl import app as absl_app
from absl import flags

from feelvos_tf.video import video_list
from feelvos_tf.video.marks import Marks, parse_marks
from feelvos_tf.video.video_list import NamedVideo

_VIDEO = flags.DEFINE_multi_string(
    "video", [], "Folder of JPEG/PNG frames, or a video file. Repeat it for more videos."
)
_VIDEOS = flags.DEFINE_string(
    "videos",
    None,
    "Many videos: a folder of them, or a text file with a line VIDEO,MASK (or VIDEO) for each.",
)
_MASK = flags.DEFINE_string(
    "mask",
    None,
    "PNG mask of the first frame, or a folder of masks named like their frames. For several "
    "videos a folder with such a mask or folder for each, named like the video.",
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


def given() -> bool:
    """Whether there is a video or anything that belongs to one."""
    return bool(_VIDEO.value or _VIDEOS.value or _MASK.value or _BOX.value or _POLYGON.value)


def videos() -> list[NamedVideo] | None:
    """Several videos with their masks; None where one is given.

    Raises:
      UsageError: what goes with one video alone is given.
      InputError: see `video_list`.
    """
    if not _VIDEOS.value and len(_VIDEO.value) < 2:
        return None
    if _VIDEOS.value and _VIDEO.value:
        raise absl_app.UsageError("give --video or --videos, not both")
    if _BOX.value or _POLYGON.value:
        raise absl_app.UsageError("--box and --polygon go with one video")
    if _VIDEOS.value and not os.path.isdir(_VIDEOS.value):
        return video_list.read_list(_VIDEOS.value, _MASK.value)
    if not _MASK.value:
        raise absl_app.UsageError("give --mask, a folder with a mask for each video; see --help")
    listed = video_list.videos_in(_VIDEOS.value) if _VIDEOS.value else _VIDEO.value
    return video_list.pair_videos(listed, _MASK.value)


def video_and_mask() -> tuple[str, str | Marks]:
    """The video, and its mask or the marks in its first frame, where one video is given.

    Raises:
      UsageError: one of both is missing, or there are a mask and marks.
      InputError: a mark is none.
    """
    marked = _BOX.value or _POLYGON.value
    if not _VIDEO.value or not (_MASK.value or marked):
        lacking = "mask, or --box" if _VIDEO.value else "video"
        raise absl_app.UsageError(f"give --{lacking} (or --demo alone); see --help")
    if _MASK.value:
        if marked:
            raise absl_app.UsageError("--box and --polygon take the place of --mask: give one")
        return _VIDEO.value[0], _MASK.value
    return _VIDEO.value[0], parse_marks(_BOX.value, _POLYGON.value, _GRABCUT.value)
