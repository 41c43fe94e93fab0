"""Masks in and out: images whose every pixel names an object."""

from __future__ import annotations

import os
import pathlib

import numpy as np
from PIL import Image

from feelvos_tf.errors import InputError
from feelvos_tf.files import replaced_when_done
from feelvos_tf.video.antialiasing import looks_smoothed
from feelvos_tf.video.images import DAMAGED, PNG_SIGNATURE, decode_image, read_bytes

MAX_ID = 255

# Offsets of bit depth and color type in a PNG, whose first chunk is always the header.
_PNG_DEPTH, _PNG_COLOR = 24, 25
_PNG_GREY = 0


def _color_map() -> np.ndarray:
    """The color map that PASCAL VOC introduced and DAVIS masks are drawn with.

    The lowest three bits of an index are the highest bits of red, green and blue, its next three
    bits the next lower ones, and so on: neighboring indices get distant colors.
    """
    index = np.arange(256, dtype=np.uint8)
    colors = np.zeros((256, 3), np.uint8)
    for bit in range(3):
        for channel in range(3):
            set_bit = (index >> (3 * bit + channel)) & 1
            colors[:, channel] |= set_bit << (7 - bit)
    return colors


DAVIS_PALETTE: np.ndarray = _color_map()  # uint8 [256, 3], RGB of each id; 0 is black
DAVIS_PALETTE.setflags(write=False)


def _palette_ids() -> dict[tuple[int, int, int], int]:
    """RGB -> id. The DAVIS files themselves have 191 where the formula gives 192."""
    ids = {}
    for variant in (np.where(DAVIS_PALETTE == 192, 191, DAVIS_PALETTE), DAVIS_PALETTE):
        ids.update({tuple(color): i for i, color in enumerate(variant.tolist())})
    return ids


_IDS_OF_PALETTE = _palette_ids()


def _pack(colors: np.ndarray) -> np.ndarray:
    """RGB [..., 3] -> one integer a color, int64 [...]."""
    red, green, blue = np.moveaxis(np.asarray(colors).astype(np.int64), -1, 0)
    return (red << 16) | (green << 8) | blue


def read_mask(
    path: str | os.PathLike[str],
    size: tuple[int, int] | None = None,
    colors: dict[tuple[int, int, int], int] | None = None,
) -> np.ndarray:
    """Reads object ids from a PNG file.

    - Palette images: the index is the id, whatever the palette's colors.
    - Grey images of 1 to 16 bits: the stored value is the id. A binary mask of 0 and 255, such
      as those of DAVIS 2016, therefore has the ids 0 and 255.
    - RGB and RGBA images: black and fully transparent pixels are background. Where all colors
      are of the DAVIS palette each becomes its index. Where all are grey, they are read as a
      grey image. In any other case the colors of the palette become their index and each other
      color the smallest id still free, in order of first appearance, row by row.

    Args:
      path: the file. JPEG is refused, because its compression changes ids.
      size: (H, W) that the mask must have; None accepts any.
      colors: memory of a video with several masks, so that a color that is not of the palette
        means the same object in all of them: (red, green, blue) -> id, filled by every call.

    Returns:
      uint8 [H, W]; 0 is background.

    Raises:
      InputError: no PNG, damaged, of another size, ids above 255, more than 255 colors,
        or smoothed (anti-aliased) edges.
    """
    data = read_bytes(path)
    image = decode_image(data, path)
    if not data.startswith(PNG_SIGNATURE):
        raise InputError(f"{path}: is a JPEG, whose compression changes ids; expected a PNG mask")
    if size is not None and image.size != (size[1], size[0]):
        raise InputError(
            f"{path}: mask of {image.height}x{image.width} pixels (height x width), expected "
            f"{size[0]}x{size[1]} like the frames"
        )
    try:
        return _ids(image, data[_PNG_DEPTH], data[_PNG_COLOR], path, colors)
    except InputError:
        raise
    except DAMAGED as error:  # for instance a palette that Pillow cannot resolve
        raise InputError(f"{path}: cannot be read as a mask ({error})") from error


def write_mask(path: str | os.PathLike[str], labels: np.ndarray) -> None:
    """Writes ids as a palette PNG in the colors of DAVIS.

    The file appears complete or not at all (see `replaced_when_done`).

    Args:
      path: final name; its folder must exist.
      labels: integers or bools [H, W] in 0..255.

    Raises:
      InputError: labels of another shape, type or range, or the file cannot be written.
    """
    labels = np.asarray(labels)
    if labels.ndim != 2 or 0 in labels.shape:
        raise InputError(f"{path}: labels of shape {labels.shape}, expected [height, width]")
    if labels.dtype.kind not in "uib":
        raise InputError(f"{path}: labels of type {labels.dtype}, expected integers")
    if labels.dtype != np.uint8:
        if labels.min() < 0 or labels.max() > MAX_ID:
            raise InputError(
                f"{path}: ids from {labels.min()} to {labels.max()}, expected 0..{MAX_ID}"
            )
        labels = labels.astype(np.uint8)
    image = Image.frombytes("P", labels.shape[::-1], np.ascontiguousarray(labels).tobytes())
    image.putpalette(DAVIS_PALETTE.tobytes())
    try:
        with replaced_when_done(pathlib.Path(path)) as temporary:
            image.save(temporary, format="PNG")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error


def describe_ids(labels: np.ndarray) -> str:
    """Lists ids and their pixel counts, for instance "1 (5213 px), 7 (12 px)"; 0 is left out."""
    ids, counts = np.unique(np.asarray(labels), return_counts=True)
    found = [f"{i} ({n} px)" for i, n in zip(ids, counts) if i != 0]
    return ", ".join(found) or "no objects"


def _ids(image, depth: int, color_type: int, path, colors) -> np.ndarray:
    if depth == 16 and color_type != _PNG_GREY:
        # Pillow keeps the upper 8 bits of such files only, which would merge small ids.
        raise InputError(f"{path}: has 16 bits a color, expected a mask of 8 bits")
    if image.mode == "P":
        return np.array(image)
    if image.mode == "1":
        return np.array(image).astype(np.uint8)
    if image.mode == "L":
        # Pillow stretches 2 and 4 bits to 0..255; the ids are what the file holds.
        stretch = {2: 85, 4: 17}.get(depth, 1)
        return _from_grey(np.array(image) // stretch, path)
    if image.mode.startswith("I"):  # 16 bits; Pillow's name for it changed over the years
        values = np.asarray(image).astype(np.int64)
        if values.max() > MAX_ID:
            raise InputError(
                f"{path}: 16-bit grey values up to {values.max()}, expected ids of 0..{MAX_ID}"
            )
        return _from_grey(values.astype(np.uint8), path)
    if image.mode == "LA":
        grey, alpha = np.moveaxis(np.array(image), -1, 0)
        return _from_grey(grey * _visible(alpha, path), path)
    if image.mode == "RGBA":
        pixels = np.array(image)
        rgb = pixels[:, :, :3] * _visible(pixels[:, :, 3], path)[:, :, np.newaxis]
        return _from_colors(rgb, path, colors)
    return _from_colors(np.array(image.convert("RGB")), path, colors)


def _visible(alpha: np.ndarray, path) -> np.ndarray:
    partial = int(((alpha > 0) & (alpha < 255)).sum())
    if partial:
        raise InputError(
            f"{path}: {partial} pixels are half-transparent, which looks like smoothed "
            "(anti-aliased) edges; expected every pixel to be one object or background"
        )
    return (alpha == 255).astype(np.uint8)


def _from_grey(values: np.ndarray, path) -> np.ndarray:
    found, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    if looks_smoothed(values[:, :, np.newaxis], codes.reshape(values.shape), len(found)):
        raise InputError(_smoothed(path, "grey levels", [str(v) for v in found], counts))
    return values


def _from_colors(rgb: np.ndarray, path, memory) -> np.ndarray:
    packed = _pack(rgb)
    found, first, codes, counts = np.unique(
        packed.ravel(), return_index=True, return_inverse=True, return_counts=True
    )
    names = [f"#{code:06x}" for code in found]
    codes = codes.reshape(packed.shape)
    if len(found) > MAX_ID + 1 or looks_smoothed(rgb, codes, len(found)):
        raise InputError(_smoothed(path, "colors", names, counts))
    order = np.argsort(first)
    in_order = [(code >> 16, code >> 8 & 255, code & 255) for code in found[order].tolist()]
    lookup = np.zeros(len(found), np.uint8)
    lookup[order] = _assign(in_order, {} if memory is None else memory, path)
    return lookup[codes]


def _assign(colors: list[tuple[int, int, int]], memory: dict, path) -> list[int]:
    """Ids of colors, see `read_mask`; what the palette does not know is added to `memory`."""
    known = [memory.get(color, _IDS_OF_PALETTE.get(color)) for color in colors]
    if None not in known:
        return known
    if all(red == green == blue for red, green, blue in [*colors, *memory]):
        memory.update({color: color[0] for color in colors})
        return [memory[color] for color in colors]
    taken = {i for i in known if i is not None} | set(memory.values())
    free = [i for i in range(1, MAX_ID + 1) if i not in taken]
    new = [color for color, i in zip(colors, known) if i is None]
    if len(new) > len(free):
        raise InputError(f"{path}: more than {MAX_ID} colors, expected at most {MAX_ID} objects")
    memory.update(zip(new, free))
    return [memory[color] if i is None else i for color, i in zip(colors, known)]


def _smoothed(path, kind: str, names: list[str], counts: np.ndarray) -> str:
    """The message for values that cannot be objects: how many, and the most frequent ones."""
    order = np.argsort(-counts, kind="stable")[:5]
    shares = ", ".join(f"{names[i]} {100 * counts[i] / counts.sum():.2g} %" for i in order)
    return (
        f"{path}: {len(names)} {kind} (most frequent: {shares}), which looks like smoothed "
        "(anti-aliased) edges; expected one value for each object, so save it without smoothing "
        "and resize it with nearest neighbor only"
    )
