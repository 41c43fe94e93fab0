"""Many videos and the mask of each, as a user names them: flags, a folder, or a list file."""

from __future__ import annotations

import csv
import os
import pathlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from feelvos_tf.errors import InputError
from feelvos_tf.files import check_name, read_text
from feelvos_tf.video.frames import MASK_EXTENSIONS, natural_key

_LISTED = 3  # names in an error


class NamedVideo(NamedTuple):
    """A video to segment: its name, unique in the list, its path, and that of its mask(s)."""

    name: str
    video: str
    mask: str


def pair_videos(videos: Sequence[str], masks: str | os.PathLike[str]) -> list[NamedVideo]:
    """Videos with the masks of their names in a folder.

    Args:
      videos: folders of frames or video files, in their order.
      masks: folder with, for each video NAME or NAME.mp4, the first frame's mask NAME.png (or
        another format of masks), or a folder NAME of masks named like frames.

    Raises:
      InputError: no such folder, a video without a mask or with two, or two videos of one name.
    """
    folder = pathlib.Path(masks)
    if not folder.is_dir():
        raise InputError(
            f"{folder}: is no folder, expected one with a mask for each video, named like it"
        )
    pairs = [(video, _mask_of(name_of(video), folder)) for video in videos]
    lacking = [name_of(video) for video, mask in pairs if mask is None]
    if lacking:
        more = f" and {len(lacking) - _LISTED} more" if len(lacking) > _LISTED else ""
        raise InputError(
            f"{folder}: has no mask for {', '.join(lacking[:_LISTED])}{more}, expected "
            f"{lacking[0]}.png or a folder {lacking[0]}"
        )
    return _unique([NamedVideo(name_of(v), v, str(m)) for v, m in pairs], folder)


def videos_in(folder: str | os.PathLike[str]) -> list[str]:
    """Paths of all that lies in a folder, hidden files left out, in natural order.

    Raises:
      InputError: it cannot be listed, or holds nothing.
    """
    try:
        names = [entry.name for entry in pathlib.Path(folder).iterdir()]
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed ({error.strerror or error})") from error
    names = sorted((name for name in names if not name.startswith(".")), key=natural_key)
    if not names:
        raise InputError(f"{folder}: holds nothing, expected videos or folders of frames")
    return [os.path.join(folder, name) for name in names]


def read_list(path: str | os.PathLike[str], masks: str | None = None) -> list[NamedVideo]:
    """Reads a list file, see `parse_list`; relative paths in it count from the file's folder."""
    folder = pathlib.Path(path).parent
    try:
        lines = read_text(path).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is no text"
        raise InputError(f"{path}: cannot be read as a list of videos ({reason})") from error
    rows = [[str(folder / part) for part in row] for row in _rows(lines, path)]
    if masks is None:
        return _listed(rows, path)
    return pair_videos([row[0] for row in rows], masks)


def parse_list(lines: Iterable[str], where: object) -> list[NamedVideo]:
    """Reads lines `VIDEO,MASK`, as CSV has them; empty ones and those with # first are left out.

    Raises:
      InputError: a line without a mask or with more than two parts, no line at all, or two
        videos of one name.
    """
    return _listed(_rows(lines, where), where)


def name_of(video: str) -> str:
    """Name of a video: that of its folder, or of its file without the ending."""
    name = pathlib.PurePosixPath(video.rstrip("/") or "/").name
    if not os.path.isdir(video):
        name = pathlib.PurePosixPath(name).stem
    return check_name(name, video, "video")


def _rows(lines: Iterable[str], where: object) -> list[list[str]]:
    kept = (line for line in lines if line.strip() and not line.lstrip().startswith("#"))
    rows = [[part.strip() for part in row] for row in csv.reader(kept)]
    if not rows:
        raise InputError(f"{where}: lists no video, expected lines VIDEO,MASK")
    for row in rows:
        if len(row) > 2 or not all(row):
            raise InputError(f"{where}: found {','.join(row)!r}, expected lines VIDEO,MASK")
    return rows


def _listed(rows: Sequence[Sequence[str]], where: object) -> list[NamedVideo]:
    for row in rows:
        if len(row) == 1:
            raise InputError(
                f"{where}: {row[0]} has no mask, expected lines VIDEO,MASK, or a folder of masks"
            )
    return _unique([NamedVideo(name_of(row[0]), row[0], row[1]) for row in rows], where)


def _mask_of(name: str, folder: pathlib.Path) -> pathlib.Path | None:
    found = [folder / name] if (folder / name).is_dir() else []
    for extension in MASK_EXTENSIONS:
        if (folder / f"{name}{extension}").is_file():
            found.append(folder / f"{name}{extension}")
    if len(found) > 1:
        raise InputError(f"{folder}: holds both {found[0].name} and {found[1].name}, expected one")
    return found[0] if found else None


def _unique(videos: list[NamedVideo], where: object) -> list[NamedVideo]:
    seen: dict[str, str] = {}
    for one in videos:
        other = seen.get(one.name.casefold())  # as folders, some systems cannot tell them apart
        if other is not None:
            raise InputError(
                f"{where}: two videos are named {one.name} ({other}, {one.video}); results go to "
                "folders of these names, expected different ones"
            )
        seen[one.name.casefold()] = one.video
    return videos
