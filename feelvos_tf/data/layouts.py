"""The folder layouts of the datasets, read as they are."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
from collections.abc import Callable

from feelvos_tf.data.videos import Video, find_objects, images_in, pair_files
from feelvos_tf.errors import InputError
from feelvos_tf.files import check_name, read_text
from feelvos_tf.video import natural_key

DATASETS = ("davis2016", "davis2017", "youtube_vos", "folder", "stills")

# Names of the folders for frames and for masks, tried in this order.
_PAIRS = (
    ("JPEGImages", "Annotations"),
    ("images", "masks"),
    ("frames", "masks"),
)


def read_dataset(
    dataset: str,
    root: str | os.PathLike[str],
    split: str = "",
    *,
    resolution: str = "480p",
    only: str | os.PathLike[str] | None = None,
    objects: bool = True,
) -> list[Video]:
    """Lists the videos of a dataset tree.

    Layouts:
      davis2016, davis2017: JPEGImages/RESOLUTION/VIDEO/*.jpg, Annotations/RESOLUTION/VIDEO/*.png,
        ImageSets/YEAR/SPLIT.txt with a video's name on each line (or, in the first release of
        2016, ImageSets/480p/SPLIT.txt with pairs of file names). Masks of test splits may be
        missing, all or but the first.
      youtube_vos: SPLIT/JPEGImages/VIDEO/*.jpg, SPLIT/Annotations/VIDEO/*.png, SPLIT/meta.json,
        which tells the frames of each object; `root` may also be the split's folder itself.
      folder: JPEGImages/VIDEO/* and Annotations/VIDEO/* (or images and masks, or frames and
        masks); optional ImageSets/SPLIT.txt. Objects may appear in any mask.
      stills: JPEGImages/* and Annotations/* (or images and masks): every image is a video of one
        frame.

    Args:
      dataset: one of DATASETS.
      root: folder of the downloaded dataset.
      split: name of the split; may be empty for folder and stills (everything).
      resolution: "480p" or "Full-Resolution", for DAVIS.
      only: a text file with one video name a line, to read just these.
      objects: fill in Video.first_frame, for which masks may have to be read. Training does not
        need it.

    Returns:
      the videos in the split's order.

    Raises:
      InputError: unknown dataset, missing folder or list, an empty split, a video without frames,
        a name that is none (see `check_name`).
    """
    root = pathlib.Path(root)
    if dataset not in DATASETS:
        raise InputError(f"dataset {dataset!r} is unknown, expected one of {', '.join(DATASETS)}")
    if not root.is_dir():
        raise InputError(f"{root}: no such folder, expected the {dataset} dataset")
    if split:
        check_name(split, root, "split")
    wanted = set(_listed_names(pathlib.Path(only))) if only is not None else None

    def is_wanted(name: str) -> bool:
        return wanted is None or name in wanted

    if dataset == "davis2016":
        videos = _read_davis(root, split, "2016", resolution, is_wanted, objects)
    elif dataset == "davis2017":
        videos = _read_davis(root, split, "2017", resolution, is_wanted, objects)
    elif dataset == "youtube_vos":
        videos = _read_youtube_vos(root, split, is_wanted, objects)
    elif dataset == "folder":
        videos = _read_folder(root, split, is_wanted, objects)
    else:
        videos = _read_stills(root, split, is_wanted, objects)
    missing = sorted((wanted or set()) - {video.name for video in videos})
    if missing:
        raise InputError(f"{only}: lists {missing[0]}, which {root} does not hold in {split!r}")
    if not videos:
        raise InputError(f"{root}: split {split!r} of {dataset} is empty")
    return videos


def _lines(path: pathlib.Path) -> list[str]:
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read, expected a list of video names") from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def _listed_names(path: pathlib.Path) -> list[str]:
    names = [check_name(line, path, "video") for line in _lines(path)]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{path}: lists {twice} twice, expected each video once")
    return names


def _split_names(root: pathlib.Path, split: str, year: str) -> list[str]:
    by_year = root / "ImageSets" / year / f"{split}.txt"
    first_release = root / "ImageSets" / "480p" / f"{split}.txt"
    if by_year.is_file() or not (year == "2016" and first_release.is_file()):
        return _listed_names(by_year)
    # Lines of the first release: "/JPEGImages/480p/bear/00000.jpg /Annotations/480p/...".
    folders = (pathlib.PurePosixPath(line.split()[0]).parent for line in _lines(first_release))
    names = dict.fromkeys(folder.name for folder in folders)
    return [check_name(name, first_release, "video") for name in names]


def _read_davis(
    root: pathlib.Path,
    split: str,
    year: str,
    resolution: str,
    is_wanted: Callable[[str], bool],
    objects: bool,
) -> list[Video]:
    videos = []
    for name in filter(is_wanted, _split_names(root, split, year)):
        frames = root / "JPEGImages" / resolution / name
        if not frames.is_dir():
            raise InputError(f"{frames}: no such folder, though {split}.txt lists {name}")
        video = pair_files(
            name,
            images_in(frames),
            images_in(root / "Annotations" / resolution / name),
            binary=year == "2016",
        )
        # In DAVIS every object is in the first mask.
        videos.append(find_objects(video, video.annotated[:1]) if objects else video)
    return videos


def _read_youtube_vos(
    root: pathlib.Path, split: str, is_wanted: Callable[[str], bool], objects: bool
) -> list[Video]:
    folder = root / split if split and (root / split).is_dir() else root
    meta_file = folder / "meta.json"
    try:
        meta = json.loads(read_text(meta_file))["videos"]
        entries = {
            name: {
                int(key): list(map(str, entry["frames"])) for key, entry in video["objects"].items()
            }
            for name, video in meta.items()
        }
    except OSError as error:
        raise InputError(f"{meta_file}: cannot be read, expected YouTube-VOS's list") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{meta_file}: is no YouTube-VOS list (videos, objects, frames)"
        ) from error
    for name in entries:
        check_name(name, meta_file, "video")
    videos = []
    for name in filter(is_wanted, sorted(entries)):
        video = pair_files(
            name,
            images_in(folder / "JPEGImages" / name),
            images_in(folder / "Annotations" / name),
        )
        if objects:
            index = {stem: i for i, stem in enumerate(video.frame_names)}
            first = {}
            for object_id, frames in sorted(entries[name].items()):
                if not frames or frames[0] not in index:
                    raise InputError(
                        f"{meta_file}: first frame of object {object_id} of {name} is missing"
                    )
                first[object_id] = index[frames[0]]
            video = dataclasses.replace(video, first_frame=first)
        videos.append(video)
    return videos


def _frame_and_mask_folders(root: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    for frames, masks in _PAIRS:
        if (root / frames).is_dir():
            inner = root / frames / "480p"
            if inner.is_dir() and any(child.is_dir() for child in inner.iterdir()):
                return inner, root / masks / "480p"
            return root / frames, root / masks
    names = " or ".join(pair[0] for pair in _PAIRS)
    raise InputError(f"{root}: holds no folder of frames, expected {names}")


def _listed(root: pathlib.Path, split: str, found: list[str]) -> list[str]:
    """Returns the names of a split: those of its list, or all that were found."""
    if not split:
        return [check_name(name, root, "video") for name in found]
    names = _listed_names(root / "ImageSets" / f"{split}.txt")
    absent = sorted(set(names) - set(found))
    if absent:
        raise InputError(f"{root}: {split}.txt lists {absent[0]}, which is not there")
    return names


def _read_folder(
    root: pathlib.Path, split: str, is_wanted: Callable[[str], bool], objects: bool
) -> list[Video]:
    frames, masks = _frame_and_mask_folders(root)
    folders = sorted((child.name for child in frames.iterdir() if child.is_dir()), key=natural_key)
    videos = []
    for name in filter(is_wanted, _listed(root, split, folders)):
        video = pair_files(name, images_in(frames / name), images_in(masks / name))
        videos.append(find_objects(video) if objects else video)
    return videos


def _read_stills(
    root: pathlib.Path, split: str, is_wanted: Callable[[str], bool], objects: bool
) -> list[Video]:
    frames, masks = _frame_and_mask_folders(root)
    images = {path.stem: path for path in images_in(frames)}
    mask_files = {path.stem: path for path in images_in(masks)}
    videos = []
    for name in filter(is_wanted, _listed(root, split, list(images))):
        video = Video(name, (images[name],), (mask_files.get(name),))
        videos.append(find_objects(video) if objects else video)
    return videos
