"""Pictures for people: labels drawn over a frame, and many frames on one sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from feelvos_tf.errors import InputError
from feelvos_tf.video.colors import object_colors

_SHEET_BACKGROUND = (24, 24, 28)
_CAPTION_COLOR = (225, 225, 230)


def overlay(image: np.ndarray, labels: np.ndarray, alpha: float = 0.45) -> np.ndarray:
    """Tints each object in the color of its id and draws its outline in the color itself.

    Args:
      image: uint8 [H, W, 3], RGB; not changed.
      labels: integers [H, W] in 0..255; 0 stays untouched.
      alpha: share of the color inside an object, 0 (outline only) to 1 (color only).

    Returns:
      uint8 [H, W, 3].

    Raises:
      InputError: shapes that do not belong together, or alpha outside 0..1.
    """
    image, labels = np.asarray(image), np.asarray(labels)
    if image.shape != labels.shape + (3,):
        raise InputError(
            f"overlay of an image of shape {image.shape} and labels of shape {labels.shape}, "
            "expected [H, W, 3] and [H, W]"
        )
    if not 0 <= alpha <= 1:
        raise InputError(f"overlay with alpha {alpha}, expected 0..1")
    result = image.copy()
    inside = labels > 0
    weight = round(alpha * 256)  # integers: a video has many frames
    colors = object_colors()[labels[inside]].astype(np.uint16)
    result[inside] = (image[inside].astype(np.uint16) * (256 - weight) + colors * weight) >> 8
    line = _outline(labels, thickness=1 + min(labels.shape) // 400)
    result[line] = object_colors()[labels[line]]
    return result


def contact_sheet(
    images: Sequence[np.ndarray],
    captions: Sequence[str] | None = None,
    columns: int | None = None,
    tile_width: int = 320,
) -> np.ndarray:
    """Arranges images in a grid, row by row, each with a caption below it.

    Args:
      images: uint8 [H, W, 3] each; sizes may differ.
      captions: one short text an image; None leaves no room for any.
      columns: images in a row; None makes the sheet about as wide as high.
      tile_width: width in pixels that larger images are scaled down to; smaller ones stay.

    Returns:
      uint8 [height, width, 3].

    Raises:
      InputError: no image, or captions of another number.
    """
    if not len(images):
        raise InputError("contact sheet of no images, expected at least one")
    if captions is not None and len(captions) != len(images):
        raise InputError(f"contact sheet of {len(images)} images with {len(captions)} captions")
    tiles = [_shrunk(Image.fromarray(image), tile_width) for image in images]
    width = max(tile.width for tile in tiles)
    height = max(tile.height for tile in tiles)
    if columns is None:
        columns = math.ceil(math.sqrt(len(tiles) * height / width))
    columns = max(1, min(columns, len(tiles)))
    rows = math.ceil(len(tiles) / columns)
    font = ImageFont.load_default()
    gap, caption_height = 4, 0 if captions is None else 15
    step_x, step_y = width + gap, height + caption_height + gap
    sheet = Image.new("RGB", (columns * step_x + gap, rows * step_y + gap), _SHEET_BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        x, y = gap + column * step_x, gap + row * step_y
        sheet.paste(tile, (x + (width - tile.width) // 2, y + (height - tile.height) // 2))
        if captions is not None:
            text = _fitting(draw, captions[index], font, width - 2)
            draw.text((x + 2, y + height + 2), text, fill=_CAPTION_COLOR, font=font)
    return np.array(sheet)


def _outline(labels: np.ndarray, thickness: int) -> np.ndarray:
    """Bool [H, W]: pixels of objects within `thickness` pixels of something else."""
    line = np.zeros(labels.shape, bool)
    for step in range(1, thickness + 1):
        below = labels[step:] != labels[:-step]
        right = labels[:, step:] != labels[:, :-step]
        line[step:] |= below
        line[:-step] |= below
        line[:, step:] |= right
        line[:, :-step] |= right
    return line & (labels > 0)


def _shrunk(image: Image.Image, width: int) -> Image.Image:
    if image.width <= width:
        return image
    height = max(1, round(image.height * width / image.width))
    return image.resize((width, height), Image.Resampling.BOX)


def _fitting(
    draw: ImageDraw.ImageDraw,
    text: str,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
    width: int,
) -> str:
    """The text, shortened at its end where it is wider than its image."""
    if draw.textlength(text, font=font) <= width:
        return text
    while text and draw.textlength(text + "...", font=font) > width:
        text = text[:-1]
    return text + "..." if text else ""
