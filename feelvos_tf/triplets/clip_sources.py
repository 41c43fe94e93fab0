"""Videos that triplets are drawn from: tables of files on one side, graph operations on the other.

A source knows its videos' names and lengths in Python and fetches the encoded frames of one clip
in the graph. Only the frames of that clip are decoded.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import tensorflow as tf
from absl import logging

from feelvos_tf.data.videos import Video
from feelvos_tf.errors import InputError
from feelvos_tf.triplets import tfrecords


class ClipSource(Protocol):
    """What triplets are drawn from.

    Attributes:
      name: for logs and for the names of triplets.
      still: whether the videos are single images, to be set in motion.
      weight: share of the triplets that come from here, relative to other sources' weights.
      names: names of the videos.
      lengths: int array, number of usable frames of each video.
    """

    name: str
    still: bool
    weight: float
    names: list[str]
    lengths: np.ndarray

    def fetch(self, video: tf.Tensor, frames: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Reads the encoded frames `frames` (int32 [T]) of a video (int64 scalar index).

        Returns:
          string [T] and string [T], the contents of the image and mask files.
        """

    def describe(self, video: tf.Tensor, frames: tf.Tensor) -> tf.Tensor:
        """Returns string [2 * T], what to call the images and masks that `fetch` reads."""

    def is_binary(self, video: tf.Tensor) -> tf.Tensor:
        """Returns a bool scalar: whether all ids but 0 are one object."""


class TreeSource:
    """Videos of image files; frames without a mask are left out. See ClipSource."""

    def __init__(
        self, name: str, videos: Sequence[Video], *, weight: float = 1.0, still: bool = False
    ) -> None:
        self.name, self.weight, self.still = name, weight, still
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
        max_bad_share: float = 0.01,
    ) -> None:
        self.name, self.weight, self.still = name, weight, still
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
