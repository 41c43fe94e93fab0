"""TFRecords of whole videos, in the layout that the original converter writes.

One SequenceExample a video. Context: video_id, clip/frames, image/format ("JPEG"), image/channels,
image/height, image/width, segmentation/object/format ("PNG"), segmentation/object/height and
/width. Feature lists, one entry a frame: image/encoded and segmentation/object/encoded; the
original reads segmentation/class/encoded instead for DAVIS 2016, so both are written for a binary
dataset and either is read.
"""

from __future__ import annotations

import dataclasses
import glob
import os
import struct
from collections.abc import Iterator
from typing import BinaryIO

import tensorflow as tf
from absl import logging

from feelvos_tf.errors import InputError
from feelvos_tf.files import check_name

IMAGES = "image/encoded"
OBJECT_MASKS = "segmentation/object/encoded"
CLASS_MASKS = "segmentation/class/encoded"

# Enough of a record's beginning for its context, which protobuf writes first.
_CONTEXT_BYTES = 4096


@dataclasses.dataclass(frozen=True)
class RecordEntry:
    """Where one video lies in a TFRecord file.

    Attributes:
      path: the file.
      offset, length: first byte and number of bytes of the serialized SequenceExample.
      rest: number of bytes behind it in the file.
      name: the video's name.
      num_frames: number of its frames.
    """

    path: str
    offset: int
    length: int
    rest: int
    name: str
    num_frames: int


def make_example(
    name: str, images: list[bytes], masks: list[bytes], size: tuple[int, int], binary: bool = False
) -> tf.train.SequenceExample:
    """Builds the record of one video.

    Args:
      name: the video's name.
      images: encoded JPEG or PNG frames.
      masks: encoded gray PNG masks whose values are the ids, one a frame.
      size: (H, W) of all of them.
      binary: also write the masks under the name that the original reads for DAVIS 2016.
    """
    example = tf.train.SequenceExample()
    context = example.context.feature
    is_jpeg = all(image.startswith(b"\xff\xd8\xff") for image in images)
    context["video_id"].bytes_list.value.append(name.encode("utf-8"))
    context["clip/frames"].int64_list.value.append(len(images))
    context["image/format"].bytes_list.value.append(b"JPEG" if is_jpeg else b"PNG")
    context["image/channels"].int64_list.value.append(3)
    context["segmentation/object/format"].bytes_list.value.append(b"PNG")
    for part in ("image", "segmentation/object"):
        context[f"{part}/height"].int64_list.value.append(size[0])
        context[f"{part}/width"].int64_list.value.append(size[1])
    lists = {IMAGES: images, OBJECT_MASKS: masks}
    if binary:
        lists[CLASS_MASKS] = masks
    for key, values in lists.items():
        feature = example.feature_lists.feature_list[key].feature
        for value in values:
            feature.add().bytes_list.value.append(value)
    return example


def parse_video(serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Parses a string scalar; returns the encoded images and masks, string [T] each."""
    optional = tf.io.FixedLenSequenceFeature([], tf.string, allow_missing=True)
    _, lists = tf.io.parse_single_sequence_example(
        serialized,
        sequence_features={
            IMAGES: tf.io.FixedLenSequenceFeature([], tf.string),
            OBJECT_MASKS: optional,
            CLASS_MASKS: optional,
        },
    )
    has_objects = tf.size(lists[OBJECT_MASKS]) > 0
    masks = tf.cond(has_objects, lambda: lists[OBJECT_MASKS], lambda: lists[CLASS_MASKS])
    return lists[IMAGES], masks


def index_shards(pattern: str, *, max_bad_share: float = 0.01) -> list[RecordEntry]:
    """Finds every video in TFRecord files by their framing, without reading them whole.

    A file whose framing is broken is named in the log; the videos before the break stay.

    Args:
      pattern: a file name or glob pattern, such as "train-*.tfrecord".
      max_bad_share: largest share of the files' bytes that may lie behind breaks.

    Returns:
      the videos in the order of file names.

    Raises:
      InputError: no such file, a file of something else, or more bad bytes than allowed.
    """
    paths = sorted(glob.glob(pattern))
    if not paths:
        raise InputError(f"{pattern}: no such file, expected TFRecords")
    entries: list[RecordEntry] = []
    total = bad = 0
    for path in paths:
        size = os.path.getsize(path)
        total += size
        try:
            for entry in _walk(path, size):
                entries.append(entry)
        except InputError as error:
            behind = max((e.offset + e.length + 4 for e in entries if e.path == path), default=0)
            bad += size - behind
            logging.error("%s; %d of its %d bytes are not used", error, size - behind, size)
    if bad > max_bad_share * total:
        raise InputError(
            f"{pattern}: {bad} of {total} bytes are unreadable, more than the allowed share of "
            f"{max_bad_share:g}; the log names the files"
        )
    return entries


def _walk(path: str, size: int) -> Iterator[RecordEntry]:
    """Yields the RecordEntry of each record; each is length, its CRC, the data, the data's CRC.

    TensorFlow's reader would read every byte of the file; here only headers and the first bytes of
    records are, so that a dataset of many gigabytes opens in seconds. A length is trusted only
    where its checksum holds, or one damaged byte would lead anywhere. TensorFlow checks the data
    when it is read.
    """
    with open(path, "rb") as file:
        position = 0
        while position < size:
            file.seek(position)
            header = file.read(12)
            if len(header) < 12:
                raise InputError(f"{path}: ends within a record header at byte {position}")
            length, checksum = struct.unpack("<QI", header)
            if masked_crc32c(header[:8]) != checksum:
                raise InputError(f"{path}: damaged TFRecord at byte {position}")
            offset = position + 12
            rest = size - offset - length
            if rest < 4:
                raise InputError(f"{path}: cut off within the record at byte {position}")
            name, frames = _read_context(file, path, offset, length)
            yield RecordEntry(path, offset, length, rest, name, frames)
            position = offset + length + 4


def _read_context(file: BinaryIO, path: str, offset: int, length: int) -> tuple[str, int]:
    """Returns the name and number of frames, from the beginning of the record where possible."""
    file.seek(offset)
    start = file.read(min(length, _CONTEXT_BYTES))
    try:
        context = _leading_context(start)
        if context is None or "clip/frames" not in context.feature:
            file.seek(offset)
            example = tf.train.SequenceExample.FromString(file.read(length))
            context = example.context
            frames = len(example.feature_lists.feature_list[IMAGES].feature)
        else:
            frames = context.feature["clip/frames"].int64_list.value[0]
        name = context.feature["video_id"].bytes_list.value[0].decode("utf-8")
    except (ValueError, IndexError, _decode_error()) as error:
        raise InputError(
            f"{path}: record at byte {offset} is no SequenceExample of a video"
        ) from error
    return check_name(name, f"{path}, record at byte {offset}", "video"), int(frames)


def _decode_error() -> type[Exception]:
    from google.protobuf import message

    return message.DecodeError


def _leading_context(data: bytes) -> tf.train.Features | None:
    """Parses the context where it is the first field and lies within `data`, else None."""
    if not data.startswith(b"\x0a"):
        return None
    length = shift = 0
    for position in range(1, min(len(data), 6)):
        length |= (data[position] & 0x7F) << shift
        shift += 7
        if data[position] < 0x80:
            end = position + 1 + length
            if end > len(data):
                return None
            return tf.train.Features.FromString(data[position + 1 : end])
    return None


def _crc_table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_CRC_TABLE = _crc_table()


def masked_crc32c(data: bytes) -> int:
    """Returns the checksum that TFRecord files store: CRC-32C, rotated and offset."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC_TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF
