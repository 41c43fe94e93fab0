"""What a dataset tree should hold against what it holds, and training without the bad files."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import os
import pathlib
import struct
from collections.abc import Callable, Sequence

import numpy as np
from absl import logging
from PIL import Image

from feelvos_tf.data.videos import Video
from feelvos_tf.errors import InputError
from feelvos_tf.video import read_image, read_mask
from feelvos_tf.video.images import PNG_SIGNATURE, describe_size, size_of

_PNG_END = b"IEND\xaeB`\x82"
_JPEG = b"\xff\xd8\xff"
_JPEG_END = b"\xff\xd9"
# An end marker may be followed by a little padding.
_TAIL_BYTES = 64
_LOGGED = 20


@dataclasses.dataclass(frozen=True)
class Problem:
    """One thing that is wrong: the video, the index of the frame (-1: the video), the sentence."""

    video: str
    frame: int
    message: str


def check_videos(
    videos: Sequence[Video], *, decode: bool = False, workers: int = 8
) -> list[Problem]:
    """Looks at every frame and mask of the videos.

    Without decoding it reads each file's beginning and end only: that it exists, has the right
    format, is not cut off, and has the size of the video's other files. That takes a fraction of a
    millisecond a file. Damage in the middle of a file is found by decoding.

    Args:
      videos: what to look at.
      decode: read every pixel as well (several milliseconds a file).
      workers: number of threads.

    Returns:
      the problems, in the order of the videos and their frames.
    """
    look = _decoded_size if decode else _size

    def check(video: Video) -> list[Problem]:
        return _check_video(video, look)

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        return [problem for problems in pool.map(check, videos) for problem in problems]


def drop_bad(
    videos: Sequence[Video], *, max_bad_share: float = 0.01, decode: bool = False
) -> list[Video]:
    """Returns the videos without the frames that check_videos finds fault with.

    Each problem is named in the log (the first 20, then their number).

    Args:
      videos: what to check.
      max_bad_share: largest share of the frames that may be bad.
      decode: see check_videos.

    Raises:
      InputError: more frames are bad than allowed.
    """
    problems = check_videos(videos, decode=decode)
    for problem in problems[:_LOGGED]:
        logging.error("left out: %s", problem.message)
    if len(problems) > _LOGGED:
        logging.error("left out: %d more bad frames", len(problems) - _LOGGED)
    bad = {(problem.video, problem.frame) for problem in problems}
    total = sum(len(video.frames) for video in videos)
    if len(bad) > max_bad_share * total:
        raise InputError(
            f"{problems[0].message} ({len(bad)} of {total} frames are bad, more than the allowed "
            f"share of {max_bad_share:g})"
        )
    kept = []
    for video in videos:
        good = [i for i in range(len(video.frames)) if (video.name, i) not in bad]
        if len(good) < len(video.frames):
            position = {old: new for new, old in enumerate(good)}
            video = dataclasses.replace(
                video,
                frames=tuple(video.frames[i] for i in good),
                masks=tuple(video.masks[i] for i in good),
                first_frame={k: position[i] for k, i in video.first_frame.items() if i in position},
            )
        if video.frames:
            kept.append(video)
    return kept


def _check_video(
    video: Video, look: Callable[[pathlib.Path, bool], tuple[int, int]]
) -> list[Problem]:
    problems = []
    expected = None
    for index, (frame, mask) in enumerate(zip(video.frames, video.masks)):
        try:
            for path in (frame, mask):
                if path is None:
                    continue
                size = look(path, path is mask)
                expected = expected or size
                if size != expected:
                    raise InputError(
                        f"{path}: {describe_size(size)}, expected "
                        f"{describe_size(expected)} like the video's first frame"
                    )
        except InputError as error:
            problems.append(Problem(video.name, index, str(error)))
    return problems


def _decoded_size(path: pathlib.Path, is_mask: bool) -> tuple[int, int]:
    if is_mask:
        size = _size(path, is_mask=True)
        read_mask(path, size=size)
        return size
    return size_of(read_image(path))


def _size(path: pathlib.Path, is_mask: bool) -> tuple[int, int]:
    """Returns (H, W) from a file's header; InputError where its header or end is wrong."""
    try:
        with open(path, "rb") as file:
            start = file.read(33)
            file.seek(-min(_TAIL_BYTES, os.fstat(file.fileno()).st_size), os.SEEK_END)
            end = file.read()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if start.startswith(PNG_SIGNATURE) and len(start) == 33:
        if _PNG_END not in end:
            raise InputError(f"{path}: cut off, the end of the PNG is missing")
        width, height, depth, color_type = struct.unpack(">IIBB", start[16:26])
        if is_mask and (depth > 8 or color_type not in (0, 3)):
            raise InputError(
                f"{path}: mask of color type {color_type} with {depth} bits, expected a palette "
                "or gray PNG of at most 8 bits"
            )
        return height, width
    if is_mask:
        raise InputError(f"{path}: is no PNG, expected a mask")
    if not start.startswith(_JPEG):
        raise InputError(f"{path}: is no JPEG or PNG")
    if _JPEG_END not in end:
        raise InputError(f"{path}: cut off, the end of the JPEG is missing")
    try:
        with Image.open(path, formats=["JPEG"]) as image:
            return image.height, image.width
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path}: damaged JPEG header") from error


def count_objects(video: Video) -> dict[int, int]:
    """Returns for each id but 0 and 255 the number of frames that show it; reads every mask."""
    counts: dict[int, int] = {}
    for index in video.annotated:
        labels = video.read_labels(index)
        assert labels is not None  # the frame is annotated
        for value in np.flatnonzero(np.bincount(labels.ravel(), minlength=256)):
            if value not in (0, 255):
                counts[int(value)] = counts.get(int(value), 0) + 1
    return counts
