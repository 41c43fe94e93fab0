"""What a benchmark gives to a method and which frames of which objects it scores.

- davis2016: one object a video, all ids merged; first and last frame left out.
- davis2017 (semi-supervised): the objects of the first frame's mask; first and last frame left
  out, in all of them.
- youtube_vos: objects enter in any frame; each is scored on the frames with a mask after the one
  that gave it, up to the last, and apart for seen and unseen categories where these are known.
- folder: the rules of youtube_vos without categories, for anybody's own videos.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from feelvos_tf.data.videos import Video
from feelvos_tf.errors import InputError
from feelvos_tf.files import read_text

PROTOCOLS = ("davis2016", "davis2017", "youtube_vos", "folder")
VOID_LABEL = 255


@dataclasses.dataclass(frozen=True)
class Plan:
    """What happens to one video under a protocol.

    Attributes:
      given: object id -> index of the frame whose mask of it the method is given.
      scored: frame index -> ids of the objects scored there, in rising order of both. Empty where
        a benchmark keeps its masks to itself.
    """

    given: Mapping[int, int]
    scored: Mapping[int, tuple[int, ...]]

    @property
    def start(self) -> int:
        """Index of the first frame that comes with a mask; the method starts there."""
        return min(self.given.values())

    def new_objects(self, index: int) -> tuple[int, ...]:
        """Ids whose mask is given in a frame."""
        return tuple(sorted(i for i, first in self.given.items() if first == index))


def plan_video(video: Video, protocol: str) -> Plan:
    """Lays out what a protocol gives and scores of a video.

    Args:
      video: a `feelvos_tf.data.videos.Video`.
      protocol: one of PROTOCOLS.

    Returns:
      A Plan.

    Raises:
      InputError: the protocol is unknown, the video has no object to begin with, or it lacks a
        mask that the protocol needs.
    """
    if protocol not in PROTOCOLS:
        raise InputError(f"protocol is {protocol!r}, expected one of {', '.join(PROTOCOLS)}")
    if not video.first_frame:
        raise InputError(
            f"video {video.name}: its masks have no object to begin with, expected at least one"
        )
    if protocol in ("youtube_vos", "folder"):
        return _plan_each_object(video)
    given = {i: 0 for i in sorted(video.first_frame) if video.first_frame[i] == 0}
    if not given:
        raise InputError(f"video {video.name}: the mask of its first frame has no object")
    if protocol == "davis2016":
        given = {1: 0}
    inner = range(1, len(video.frames) - 1)
    missing = [i for i in inner if video.masks[i] is None]
    if len(missing) == len(inner):
        return Plan(given, {})
    if missing:
        raise InputError(
            f"video {video.name}: no mask of frame {video.frames[missing[0]].name}, "
            "expected one of every frame or of the first alone"
        )
    return Plan(given, {i: tuple(given) for i in inner})


def _plan_each_object(video: Video) -> Plan:
    given = {i: video.first_frame[i] for i in sorted(video.first_frame)}
    for i, first in given.items():
        if video.masks[first] is None:
            raise InputError(
                f"video {video.name}: no mask of frame {video.frames[first].name}, "
                f"expected the first one of object {i}"
            )
    scored = {}
    for index, mask in enumerate(video.masks):
        ids = tuple(i for i, first in given.items() if index > first)
        if mask is not None and ids:
            scored[index] = ids
    if _only_given_masks(video, given):
        scored = {}
    return Plan(given, scored)


def _only_given_masks(video: Video, given: Mapping[int, int]) -> bool:
    """Whether the masks at hand are just the ones given to the method, as in a valid split.

    A mask that brings an object in holds the ones before it only in a dataset with full masks.
    """
    return all(mask is None or index in given.values() for index, mask in enumerate(video.masks))


def protocol_labels(mask: np.ndarray, protocol: str) -> np.ndarray:
    """A mask as the protocol sees it.

    Args:
      mask: uint8 [H, W], ids.
      protocol: one of PROTOCOLS.

    Returns:
      uint8 [H, W]; under davis2016 every id, 255 too, becomes 1.
    """
    return (mask > 0).astype(np.uint8) if protocol == "davis2016" else mask


def keep_ids(labels: np.ndarray, ids: Collection[int]) -> np.ndarray:
    """Sets every pixel of other ids to background; uint8 [H, W] to uint8 [H, W]."""
    return np.where(np.isin(labels, list(ids)), labels, 0).astype(np.uint8)


def object_name(sequence: str, object_id: int) -> str:
    """Name of an object in the official tables, such as bus_1."""
    return f"{sequence}_{object_id}"


def read_categories(path: str | os.PathLike[str]) -> dict[str, dict[int, str]]:
    """Reads the category of each object from a YouTube-VOS meta.json.

    Args:
      path: the file, {"videos": {VIDEO: {"objects": {ID: {"category": NAME, ...}}}}}.

    Returns:
      Video -> object id -> category; objects without one are left out.

    Raises:
      InputError: the file cannot be read or is laid out in another way.
    """
    try:
        videos = json.loads(read_text(path))["videos"]
        return {
            name: {
                int(i): entry["category"]
                for i, entry in video["objects"].items()
                if "category" in entry
            }
            for name, video in videos.items()
        }
    except OSError as error:
        raise InputError(f"{path}: cannot be read, {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{path}: not a meta.json of YouTube-VOS, expected "
            "videos / NAME / objects / ID / category"
        ) from error


def read_seen_categories(path: str | os.PathLike[str]) -> frozenset[str]:
    """Reads the categories that training had, a name a line or those of a training meta.json.

    Raises:
      InputError: the file cannot be read or names no category.
    """
    path = Path(path)
    if path.suffix == ".json":
        names = {c for objects in read_categories(path).values() for c in objects.values()}
    else:
        try:
            names = {line.strip() for line in read_text(path).splitlines()}
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                f"{path}: cannot be read as text, expected a category a line"
            ) from error
    names.discard("")
    if not names:
        raise InputError(f"{path}: names no category, expected at least one")
    return frozenset(names)
