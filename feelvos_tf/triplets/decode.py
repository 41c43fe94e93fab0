"""Encoded images and masks to tensors, as graph operations."""

from __future__ import annotations

import zlib

import tensorflow as tf

# PNG: 8 bytes signature, then chunks of length (4), type (4), data, CRC (4). The first chunk, IHDR,
# holds width, height, bit depth and color type and ends at byte 33.
_HEADER_END = 33
_BIT_DEPTH = 24
_COLOR_TYPE = 25
_CHECKSUM = 29
_PALETTE = 3


def _palette_to_gray_checksum() -> list[int]:
    """Returns the 4 bytes by which IHDR's CRC changes when color type 3 becomes 0.

    CRC-32 is affine: flipping given bits at a given place of a message of fixed length changes the
    checksum by a constant, whatever the rest of the message holds.
    """
    gray = b"IHDR" + bytes(13)
    palette = bytearray(gray)
    palette[4 + 9] = _PALETTE
    return list((zlib.crc32(gray) ^ zlib.crc32(bytes(palette))).to_bytes(4, "big"))


_CHECKSUM_CHANGE = _palette_to_gray_checksum()
_CHARACTERS = [bytes([value]) for value in range(256)]


def _big_endian(data: tf.Tensor) -> tf.Tensor:
    return tf.bitcast(tf.reverse(tf.io.decode_raw(data, tf.uint8), [0]), tf.int32)


def _without_palette(data: tf.Tensor, header: tf.Tensor) -> tf.Tensor:
    """Returns the PNG with its palette taken out, so that its pixels decode as plain indices.

    tf.io.decode_png turns a palette's indices into colors, which no longer tell the ids: most of a
    palette may be black. The pixel data is the same in both color types; only the header differs.
    """

    def is_other(position: tf.Tensor) -> tf.Tensor:
        return tf.not_equal(tf.strings.substr(data, position + 4, 4), b"IDAT")

    def skip(position: tf.Tensor) -> tuple[tf.Tensor]:
        # Clipped, so that a damaged length cannot lead backwards; past the end substr fails.
        length = _big_endian(tf.strings.substr(data, position, 4))
        return (position + 12 + tf.clip_by_value(length, 0, 2**30),)

    (pixels,) = tf.while_loop(is_other, skip, (tf.constant(_HEADER_END),))
    gray = tf.concat(
        [
            header[:_COLOR_TYPE],
            tf.zeros([1], tf.uint8),
            header[_COLOR_TYPE + 1 : _CHECKSUM],
            tf.bitwise.bitwise_xor(header[_CHECKSUM:], tf.constant(_CHECKSUM_CHANGE, tf.uint8)),
        ],
        axis=0,
    )
    start = tf.strings.reduce_join(tf.gather(tf.constant(_CHARACTERS), tf.cast(gray, tf.int32)))
    return tf.strings.join([start, tf.strings.substr(data, pixels, -1)])


def decode_mask(data: tf.Tensor) -> tf.Tensor:
    """Decodes a mask PNG to the ids it stores.

    Args:
      data: string scalar, a palette or gray PNG of up to 8 bits a pixel.

    Returns:
      uint8 [H, W]: palette indices, or gray values as stored.

    Raises (when run):
      InvalidArgumentError: not a PNG, a damaged one, or one that stores colors.
    """
    header = tf.io.decode_raw(tf.strings.substr(data, 0, _HEADER_END), tf.uint8)
    color_type = header[_COLOR_TYPE]
    depth = tf.cast(header[_BIT_DEPTH], tf.int32)
    readable = tf.logical_and(depth <= 8, tf.logical_or(color_type == _PALETTE, color_type == 0))
    stored = tf.debugging.Assert(readable, ["mask is no palette or gray PNG of at most 8 bits"])
    with tf.control_dependencies([stored]):
        gray = tf.cond(color_type == _PALETTE, lambda: _without_palette(data, header), lambda: data)
    mask = tf.io.decode_png(gray, channels=1)[:, :, 0]
    # libpng spreads gray of fewer than 8 bits over 0..255; ids are the values before that.
    spread = 255 // (tf.bitwise.left_shift(1, tf.minimum(depth, 8)) - 1)
    return tf.cond(depth < 8, lambda: mask // tf.cast(spread, tf.uint8), lambda: mask)


def decode_frame(data: tf.Tensor) -> tf.Tensor:
    """Decodes a JPEG or PNG frame; returns uint8 [H, W, 3] RGB, equal to what Pillow reads."""
    return tf.cond(
        tf.io.is_jpeg(data),
        lambda: tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE"),
        lambda: tf.io.decode_png(data, channels=3),
    )


def decode_clip(frames: tf.Tensor, masks: tf.Tensor, count: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Decodes the frames and masks of one clip, which must all have one size.

    Args:
      frames: string [count], JPEG or PNG.
      masks: string [count], palette or gray PNG.
      count: number of frames.

    Returns:
      uint8 [count, H, W, 3] and uint8 [count, H, W].

    Raises (when run):
      InvalidArgumentError: a damaged file, or sizes that differ.
    """
    images = [decode_frame(frames[i]) for i in range(count)]
    labels = [decode_mask(masks[i]) for i in range(count)]
    size = tf.shape(images[0])[:2]
    same = [tf.reduce_all(tf.shape(x)[:2] == size) for x in images + labels]
    checked = tf.debugging.Assert(tf.reduce_all(same), ["sizes differ within a clip"])
    with tf.control_dependencies([checked]):
        return tf.stack(images), tf.stack(labels)
