"""Videos that triplets are drawn from: tables of files on one side, graph operations on the other.

A source knows its videos' names and lengths in Python and fetches the encoded frames of one clip
in the graph. Only the frames of that clip are decoded.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import tensorflow as tf
from absl import logging

from feelvos_tf.data.videos import Video
from feelvos_tf.errors import InputError
from feelvos_tf.triplets import tfrecords


class FrameSize(NamedTuple):
    """How large the frames of a source are brought before they are cut.

    Attributes:
      resize_min: pixels of the shorter side; 0 leaves frames as they are.
      scale_range: smallest and largest random scale on top; None for that of the stream.
    """

    resize_min: int = 0
    scale_range: tuple[float, float] | None = None

    @classmethod
    def of(cls, name: str, resize_min: int, scale_range: Sequence[float]) -> FrameSize:
        """The checked size of a source; `scale_range` may be empty.

        Raises:
          InputError: names the source `name` and the value that is out of range.
        """
        if resize_min < 0 or resize_min == 1:
            raise InputError(f"{name}: resize_min is {resize_min}, expected 0 or at least 2 pixels")
        if not scale_range:
            return cls(resize_min)
        if len(scale_range) != 2 or not 0 < scale_range[0] <= scale_range[1]:
            raise InputError(
                f"{name}: scale_range is {list(scale_range)}, expected two numbers above 0, the "
                "smaller first"
            )
        return cls(resize_min, (float(scale_range[0]), float(scale_range[1])))


class ClipSource(Protocol):
    """What triplets are drawn from.

    Attributes:
      name: for logs and for the names of triplets.
      still: whether the videos are single images, to be set in motion.
      weight: share of the triplets that come from here, relative to other sources' weights.
      names: names of the videos.
      lengths: int array, number of usable frames of each video.
      frame_size: what its frames are brought to.
    """

    name: str
    still: bool
    weight: float
    names: list[str]
    lengths: np.ndarray
    frame_size: FrameSize

    def fetch(self, video: tf.Tensor, frames: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Reads the encoded frames `frames` (int32 [T]) of a video (int64 scalar index).

        Returns:
          string [T] and string [T], the contents of the image and mask files.
        """

    def describe(self, video: tf.Tensor, frames: tf.Tensor) -> tf.Tensor:
        """Returns string [2 * T], what to call the images and masks that `fetch` reads."""

    def is_binary(self, video: tf.Tensor) -> tf.Tensor:
        """Returns a bool scalar: whether all ids but 0 are one object."""


_AS_IT_IS = FrameSize()


class TreeSource:
    """Videos of image files; frames without a mask are left out. See ClipSource."""

    def __init__(
        self,
        name: str,
        videos: Sequence[Video],
        *,
        weight: float = 1.0,
        still: bool = False,
        frame_size: FrameSize = _AS_IT_IS,
    ) -> None:
        self.name, self.weight, self.still, self.frame_size = name, weight, still, frame_size
        self.names = [video.name for video in videos]
        self.lengths = np.array([len(video.annotated) for video in videos], np.int64)
        without = sum(len(video.frames) for video in videos) - int(self.lengths.sum())
        if without:
            logging.warning("%s: %d frames have no mask, not used for training", name, without)
        chosen = [
            (os.fspath(frame), os.fspath(mask))
            for video in videos
            for frame, mask in zip(video.frames, video.masks)
            if mask is not None
        ]
        self._frames = tf.constant([frame for frame, _ in chosen], tf.string)
        self._masks = tf.constant([mask for _, mask in chosen], tf.string)
        self._starts = tf.constant(np.cumsum(self.lengths) - self.lengths, tf.int64)
        self._binary = tf.constant([video.binary for video in videos], tf.bool)

    def fetch(self, video: tf.Tensor, frames: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See ClipSource.fetch."""
        rows = tf.gather(self._starts, video) + tf.cast(frames, tf.int64)
        count = frames.shape[0]
        images, masks = tf.gather(self._frames, rows), tf.gather(self._masks, rows)
        return (
            tf.stack([tf.io.read_file(images[i]) for i in range(count)]),
            tf.stack([tf.io.read_file(masks[i]) for i in range(count)]),
        )

    def describe(self, video: tf.Tensor, frames: tf.Tensor) -> tf.Tensor:
        """See ClipSource.describe."""
        rows = tf.gather(self._starts, video) + tf.cast(frames, tf.int64)
        return tf.concat([tf.gather(self._frames, rows), tf.gather(self._masks, rows)], axis=0)

    def is_binary(self, video: tf.Tensor) -> tf.Tensor:
        """See ClipSource.is_binary."""
        return tf.gather(self._binary, video)


class RecordSource:
    """Videos of TFRecord files in the layout of tfrecords.py. See ClipSource."""

    def __init__(
        self,
        name: str,
        pattern: str,
        *,
        weight: float = 1.0,
        still: bool = False,
        frame_size: FrameSize = _AS_IT_IS,
        max_bad_share: float = 0.01,
    ) -> None:
        self.name, self.weight, self.still, self.frame_size = name, weight, still, frame_size
        entries = tfrecords.index_shards(pattern, max_bad_share=max_bad_share)
        if not entries:
            raise InputError(f"{pattern}: holds no video")
        self.names = [entry.name for entry in entries]
        self.lengths = np.array([entry.num_frames for entry in entries], np.int64)
        self._paths = tf.constant([entry.path for entry in entries], tf.string)
        self._spans = tf.constant(
            [(entry.offset, entry.length, entry.rest) for entry in entries], tf.int64
        )

    def fetch(self, video: tf.Tensor, frames: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See ClipSource.fetch."""
        span = tf.gather(self._spans, video)
        data = tf.data.FixedLengthRecordDataset(
            tf.gather(self._paths, video)[tf.newaxis],
            record_bytes=span[1],
            header_bytes=span[0],
            footer_bytes=span[2],
        ).get_single_element()
        images, masks = tfrecords.parse_video(data)
        return tf.gather(images, frames), tf.gather(masks, frames)

    def describe(self, video: tf.Tensor, frames: tf.Tensor) -> tf.Tensor:
        """See ClipSource.describe."""
        start = tf.strings.join(
            [tf.gather(self._paths, video), ": video ", tf.gather(tf.constant(self.names), video)]
        )
        numbers = tf.strings.as_string(frames)
        return tf.concat(
            [
                tf.strings.join([start, ", image ", numbers]),
                tf.strings.join([start, ", mask ", numbers]),
            ],
            axis=0,
        )

    def is_binary(self, video: tf.Tensor) -> tf.Tensor:
        """Always false: masks are packed with the ids that they stand for."""
        del video
        return tf.constant(False)
