"""Dataset trees to sharded TFRecords."""

from __future__ import annotations

import io
import os
import pathlib
from collections.abc import Callable, Sequence

import tensorflow as tf
from PIL import Image

from feelvos_tf.data.videos import Video
from feelvos_tf.errors import InputError
from feelvos_tf.files import replaced_when_done
from feelvos_tf.triplets import tfrecords
from feelvos_tf.video import read_image
from feelvos_tf.video.images import describe_size, size_of


def shard_name(split: str, number: int, count: int) -> str:
    """Returns the original's name of a shard, such as train-00003-of-00010.tfrecord."""
    return f"{split}-{number:05d}-of-{count:05d}.tfrecord"


def shard_videos(videos: Sequence[Video], count: int) -> list[list[Video]]:
    """Deals videos out to shards in consecutive runs whose lengths differ by at most one."""
    edges = [len(videos) * number // count for number in range(count + 1)]
    return [list(videos[a:b]) for a, b in zip(edges, edges[1:])]


def pack_video(video: Video) -> tf.train.SequenceExample:
    """Reads a video into one record; frames without a mask are left out.

    JPEG frames go in as they are, PNG frames too; masks are stored anew as gray PNG, whose values
    are the ids, because the original's reader would take a palette for colors.

    Raises:
      InputError: a file is unreadable, sizes differ, or no frame has a mask.
    """
    images, masks = [], []
    size: tuple[int, int] | None = None
    for index in video.annotated:
        labels = video.read_labels(index)
        assert labels is not None  # the frame is annotated
        shape = size_of(read_image(video.frames[index]))
        size = size or shape
        for path, found in (
            (video.frames[index], shape),
            (video.masks[index], size_of(labels)),
        ):
            if found != size:
                raise InputError(
                    f"{path}: {describe_size(found)}, expected "
                    f"{describe_size(size)} like the video's first frame"
                )
        buffer = io.BytesIO()
        Image.fromarray(labels).save(buffer, format="PNG")
        images.append(video.frames[index].read_bytes())
        masks.append(buffer.getvalue())
    if size is None:
        raise InputError(f"{video.name}: no frame has a mask, nothing to pack")
    return tfrecords.make_example(video.name, images, masks, size, binary=video.binary)


def pack(
    videos: Sequence[Video],
    folder: str | os.PathLike[str],
    split: str,
    num_shards: int,
    *,
    progress: Callable[[int, int, str], None] | None = None,
) -> list[pathlib.Path]:
    """Writes videos as TFRecord shards.

    A shard appears under its name only when it is complete. Shards that are there already, hold
    the videos that they should and are not damaged are left alone, so that a run that was stopped
    goes on where it was.

    Args:
      videos: what to pack.
      folder: where to; created if missing.
      split: first part of the shards' names.
      num_shards: number of files, at most the number of videos.
      progress: called with the number of videos done, of all videos, and the name of the last one.

    Returns:
      the shards' paths.

    Raises:
      InputError: more shards than videos, or see pack_video.
    """
    if not 1 <= num_shards <= len(videos):
        raise InputError(f"{num_shards} shards for {len(videos)} videos, expected 1 to as many")
    folder = pathlib.Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be created ({error.strerror})") from error
    paths, done = [], 0
    for number, members in enumerate(shard_videos(videos, num_shards)):
        path = folder / shard_name(split, number, num_shards)
        paths.append(path)
        if _is_complete(path, members):
            done += len(members)
            if progress:
                progress(done, len(videos), f"{path.name} is there")
            continue
        with replaced_when_done(path) as temporary:
            with tf.io.TFRecordWriter(os.fspath(temporary)) as writer:
                for video in members:
                    writer.write(pack_video(video).SerializeToString(deterministic=True))
                    done += 1
                    if progress:
                        progress(done, len(videos), video.name)
    return paths


def _is_complete(path: pathlib.Path, members: Sequence[Video]) -> bool:
    """Whether a shard holds exactly these videos with all their annotated frames."""
    if not path.is_file():
        return False
    try:
        entries = tfrecords.index_shards(os.fspath(path), max_bad_share=0.0)
    except InputError:
        return False
    found = [(entry.name, entry.num_frames) for entry in entries]
    return found == [(video.name, len(video.annotated)) for video in members]


def verify_shard(path: str | os.PathLike[str]) -> list[str]:
    """Reads a shard whole, with its checksums, and decodes every image and mask.

    Returns:
      the names of its videos.

    Raises:
      InputError: damaged.
    """
    names = [entry.name for entry in tfrecords.index_shards(os.fspath(path), max_bad_share=0.0)]
    intact = 0
    try:
        for data in tf.data.TFRecordDataset(os.fspath(path)):
            for group in tfrecords.parse_video(data):
                for encoded in group.numpy():
                    with Image.open(io.BytesIO(encoded), formats=["JPEG", "PNG"]) as image:
                        image.load()
            intact += 1
    except (tf.errors.OpError, OSError, SyntaxError, ValueError) as error:
        name = names[intact] if intact < len(names) else "?"
        raise InputError(f"{path}: video {name} is damaged ({_first_line(error)})") from error
    return names


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
