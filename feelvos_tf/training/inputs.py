"""From an experiment's description of data to videos and triplets."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence

import tensorflow as tf

from feelvos_tf.data import synthetic
from feelvos_tf.data.layouts import read_dataset
from feelvos_tf.data.videos import Video
from feelvos_tf.errors import InputError
from feelvos_tf.file_lock import waited_for
from feelvos_tf.files import replaced_when_done
from feelvos_tf.training.configs import SYNTHETIC, Source, SyntheticClips, TrainData, ValidationData
from feelvos_tf.triplets.clip_sources import ClipSource, FrameSize, RecordSource, TreeSource
from feelvos_tf.triplets.stream import make_triplets

_LIST = "ImageSets/2017"  # write_clip's layout


def read_videos(source: Source, run_folder: str, objects: bool) -> list[Video]:
    """Lists the videos of a source; draws synthetic ones where they are not there yet.

    Args:
      source: not one of TFRecords.
      run_folder: synthetic clips go below it where the source names no root.
      objects: whether `Video.first_frame` is needed.

    Raises:
      InputError: as `read_dataset`; or a source without a root.
    """
    if source.dataset == SYNTHETIC:
        root = source.root or os.path.join(run_folder, SYNTHETIC)
        _draw_clips(source, pathlib.Path(root))
        return read_dataset("davis2017", root, source.split, objects=objects)
    if not source.root:
        raise InputError(
            f"no folder for {source.dataset}: set root of the source in task.train_"
            "data.sources or task.validation_data.source"
        )
    return read_dataset(
        source.dataset,
        source.root,
        source.split,
        resolution=source.resolution,
        only=source.only or None,
        objects=objects,
    )


def _draw_clips(source: Source, root: pathlib.Path) -> None:
    """Writes the clips that are missing; the list comes last, so a stopped run draws the rest."""
    names = [f"{source.split}{source.synthetic.seed + i}" for i in range(source.synthetic.count)]
    listed = root / _LIST / f"{source.split}.txt"

    def are_drawn() -> bool:
        return listed.is_file() and listed.read_text().split() == names

    if are_drawn():
        return
    try:
        root.mkdir(parents=True, exist_ok=True)
        # Workers may share the folder: the second one waits and finds the clips drawn.
        with waited_for(root / ".lock"):
            if not are_drawn():
                _write_clips(source.synthetic, names, root, listed)
    except OSError as error:
        raise InputError(
            f"{error.filename or root}: cannot be written ({error.strerror or error})"
        ) from error


def _write_clips(
    wanted: SyntheticClips, names: Sequence[str], root: pathlib.Path, listed: pathlib.Path
) -> None:
    listed.unlink(missing_ok=True)
    for i, name in enumerate(names):
        clip = synthetic.synthetic_clip(
            wanted.seed + i,
            wanted.num_frames,
            wanted.height,
            wanted.width,
            1 + i % wanted.max_objects,
        )
        synthetic.write_clip(clip, root, name)
    listed.parent.mkdir(parents=True, exist_ok=True)
    with replaced_when_done(listed) as partial:
        partial.write_text("".join(f"{name}\n" for name in names))


def open_sources(data: TrainData, run_folder: str) -> list[ClipSource]:
    """Opens the sources of training triplets.

    Raises:
      InputError: there are none, or one cannot be read.
    """
    if not data.sources:
        raise InputError("no training data: task.train_data.sources is empty")
    opened: list[ClipSource] = []
    for source in data.sources:
        name, still = source.dataset, source.dataset == "stills"
        frame_size = FrameSize.of(name, source.resize_min, source.scale_range)
        if source.records:
            opened.append(
                RecordSource(
                    name,
                    source.records,
                    weight=source.weight,
                    still=still,
                    frame_size=frame_size,
                    max_bad_share=data.max_bad_share,
                )
            )
        else:
            opened.append(
                TreeSource(
                    name,
                    read_videos(source, run_folder, objects=False),
                    weight=source.weight,
                    still=still,
                    frame_size=frame_size,
                )
            )
    return opened


def count_triplets(sources: Sequence[ClipSource], num_frames: int) -> int:
    """Different choices of frames: any reference with any run of consecutive frames."""
    total = 0
    for source in sources:
        if source.still:
            total += len(source.lengths)
        else:
            total += sum(
                n * (n - num_frames + 2) for n in source.lengths.tolist() if n >= num_frames
            )
    return total


def training_clips(
    sources: Sequence[ClipSource],
    data: TrainData,
    *,
    start: int = 0,
    num_shards: int = 1,
    shard: int = 0,
    batch_size: int,
) -> tf.data.Dataset:
    """The stream of batches: what `make_triplets` gives but the names, which are text.

    Text cannot go to an accelerator; `triplet_names` finds the names from the indices.
    """
    triplets = make_triplets(
        sources, data.triplets(), seed=data.seed, start=start, num_shards=num_shards, shard=shard
    )
    keys = ("images", "labels", "valid", "index")
    triplets = triplets.map(lambda item: {key: item[key] for key in keys})
    return triplets.batch(batch_size, drop_remainder=True).prefetch(2)


def triplet_names(
    sources: Sequence[ClipSource], data: TrainData, indices: Sequence[int]
) -> list[str]:
    """The names of triplets by their place in the stream."""
    names = []
    for index in indices:
        one = make_triplets(sources, data.triplets(), seed=data.seed, start=index, limit=index + 1)
        names += [item["name"].decode() for item in one.as_numpy_iterator()]
    return names


def has_validation(data: ValidationData) -> bool:
    """Whether there is something to validate on."""
    return bool(data.source.root) or data.source.dataset == SYNTHETIC


def validation_videos(data: ValidationData, run_folder: str) -> list[Video]:
    """The videos to validate on, with their objects found."""
    videos = read_videos(data.source, run_folder, objects=True)
    return videos[: data.limit] if data.limit else videos


def protocol_of(source: Source) -> str:
    """The rules that a dataset is scored by."""
    if source.dataset == SYNTHETIC:
        return "davis2017"
    if source.dataset == "stills":
        raise InputError("stills hold no videos to validate on")
    return source.dataset
