"""Decode one JPEG or PNG file, or say in one line why it cannot be done."""

from __future__ import annotations

import io
import os
import struct
import zlib

import numpy as np
from PIL import Image

from feelvos_tf.errors import InputError
from feelvos_tf.files import open_file

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_END = b"IEND\xaeB`\x82"  # the last chunk with its checksum
JPEG_SIGNATURE = b"\xff\xd8\xff"
_SIGNATURES = {
    "PNG": (PNG_SIGNATURE,),
    "JPEG": (JPEG_SIGNATURE,),
    "BMP": (b"BM",),
    "TIFF": (b"II*\0", b"MM\0*"),
}
FRAME_FORMATS = ("JPEG", "PNG")
MASK_FORMATS = ("JPEG", "PNG", "BMP", "TIFF")

# What Pillow raises on damaged files, each seen in its decoders or in fuzzing. Anything else is a
# fault of this program and must not be taken for a bad file.
DAMAGED = (
    OSError,  # truncated data, unidentified image, broken data stream
    SyntaxError,  # broken PNG chunk, bad JPEG marker
    ValueError,  # impossible sizes, oversized text chunks, bad palettes
    TypeError,  # metadata of an unexpected type, for instance in a multi-picture JPEG
    LookupError,  # IndexError and KeyError: short headers, unknown component layouts
    EOFError,  # a chunk or marker that ends too early
    OverflowError,  # sizes that do not fit a C integer
    struct.error,  # headers shorter than their fixed layout
    zlib.error,  # damaged compressed chunks
    MemoryError,  # a size that a damaged header made enormous
    Image.DecompressionBombError,  # the same, caught by Pillow before it allocates
)


def size_of(image: np.ndarray) -> tuple[int, int]:
    """The size (H, W) of a frame [H, W, 3] or a mask [H, W]."""
    height, width = image.shape[:2]
    return height, width


def describe_size(size: tuple[int, int]) -> str:
    """The size (H, W) of a frame or mask as every message writes it."""
    return f"{size[1]}x{size[0]} pixels (width x height)"


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Returns the whole content of a file; InputError where there is none or it cannot be read."""
    try:
        with open_file(path) as file:
            return file.read()
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({_reason(error)})") from error


def decode_image(
    data: bytes, path: str | os.PathLike[str], formats: tuple[str, ...] = FRAME_FORMATS
) -> Image.Image:
    """Decodes the bytes of an image completely.

    Only the formats named are tried: few decoders see data from outside, and other formats
    (animated, layered, lossy with alpha) have no one reading as a frame or as a mask. Every
    chunk checksum of a PNG and its end are verified, because the pixel decoder alone overlooks
    flipped bits and what is missing behind the last row.

    Args:
      data: the content of the file.
      path: its name, for messages only.
      formats: FRAME_FORMATS or MASK_FORMATS.

    Returns:
      a Pillow image whose pixels are loaded; its mode is as stored.

    Raises:
      InputError: of another format, of several pages, damaged, or cut off.
    """
    listed = " or ".join([", ".join(formats[:-1]), formats[-1]])
    if not data:
        raise InputError(f"{path}: is empty, expected a {listed} image")
    if not any(data.startswith(_SIGNATURES[name]) for name in formats):
        raise InputError(f"{path}: is not a {listed} image")
    if data.startswith(PNG_SIGNATURE) and PNG_END not in data:
        raise InputError(f"{path}: is a truncated image (a PNG without its end)")
    try:
        if data.startswith(PNG_SIGNATURE):
            with Image.open(io.BytesIO(data), formats=["PNG"]) as unchecked:
                unchecked.verify()
        image = Image.open(io.BytesIO(data), formats=list(formats))
        pages = getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
        if pages > 1:
            raise InputError(f"{path}: has {pages} pages, expected one image")
        image.load()
    except InputError:
        raise
    except DAMAGED as error:
        raise InputError(f"{path}: is a damaged or truncated image ({_reason(error)})") from error
    return image


def read_image(path: str | os.PathLike[str]) -> np.ndarray:
    """Reads a JPEG or PNG file as RGB.

    Gray is repeated over the three channels, 16-bit values are scaled to 8 bits, alpha is
    dropped, palettes and CMYK are resolved. Pixels stay as stored: an EXIF orientation is not
    applied, because masks are drawn on the stored pixels.

    Args:
      path: the file.

    Returns:
      uint8 [H, W, 3].

    Raises:
      InputError: the file is missing, no JPEG or PNG, damaged or truncated.
    """
    image = decode_image(read_bytes(path), path)
    try:
        return _to_rgb(image)
    except DAMAGED as error:
        raise InputError(
            f"{path}: cannot be converted to RGB from mode {image.mode} ({_reason(error)})"
        ) from error


def _to_rgb(image: Image.Image) -> np.ndarray:
    if image.mode.startswith("I"):  # 16-bit gray; Pillow's name for it changed over the years
        values = np.clip(np.asarray(image).astype(np.int64), 0, 65535)
        grey = ((values + 128) // 257).astype(np.uint8)
        return np.repeat(grey[:, :, np.newaxis], 3, axis=2)
    image.info.pop("transparency", None)  # else Pillow warns that the alpha below is dropped
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def _reason(error: BaseException) -> str:
    """The error as part of a one-line message, without the file name that OSError repeats."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split())
