"""Masks in and out: images whose every pixel names an object."""

from __future__ import annotations

import io
import os
import pathlib

import numpy as np
from PIL import Image

from feelvos_tf.errors import InputError
from feelvos_tf.files import replaced_when_done
from feelvos_tf.video.antialiasing import looks_smoothed
from feelvos_tf.video.images import (
    DAMAGED,
    MASK_FORMATS,
    PNG_SIGNATURE,
    decode_image,
    describe_size,
    read_bytes,
)
from feelvos_tf.video.snapping import snapped

MAX_ID = 255
_NEARLY_ALL = 0.5  # of the mask; few objects that touch all four borders leave less than half
_FLAGS = "--snap_mask (the nearest color) or --mask_threshold (one object)"

# Offsets of bit depth and color type in a PNG, whose first chunk is always the header.
_PNG_DEPTH, _PNG_COLOR = 24, 25
_PNG_GREY = 0


def _color_map() -> np.ndarray:
    """The color map that PASCAL VOC introduced and DAVIS masks are drawn with.

    The lowest three bits of an index are the highest bits of red, green and blue, its next three
    bits the next lower ones, and so on: neighboring indices get distant colors.
    """
    index = np.arange(256)
    colors = np.zeros((256, 3), np.uint8)
    for bit in range(3):
        for channel in range(3):
            set_bit = (index >> (3 * bit + channel)) & 1
            colors[:, channel] |= (set_bit << (7 - bit)).astype(np.uint8)
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
    *,
    threshold: int | None = None,
    snap: bool = False,
) -> np.ndarray:
    """Reads object ids from a PNG, BMP or TIFF file.

    - Palette images: the index is the id, whatever the palette's colors.
    - Gray images of 1 to 16 bits: the stored value is the id. A binary mask of 0 and 255, such
      as those of DAVIS 2016, therefore has the ids 0 and 255.
    - RGB and RGBA images: black and fully transparent pixels are background, but where all that
      is visible is black, on transparent ground, that is object 1. Where all colors
      are of the DAVIS palette each becomes its index. Where all are gray, they are read as a
      gray image. In any other case the colors of the palette become their index and each other
      color the smallest id still free, in order of first appearance, row by row.

    Args:
      path: the file. JPEG, whose compression changes ids, needs `threshold` or `snap`.
      size: (H, W) that the mask must have; None accepts any.
      colors: memory of a video with several masks, so that a color that is not of the palette
        means the same object in all of them: (red, green, blue) -> id, filled by every call.
      threshold: 1 to 255; takes the mask for one object of id 1, whose pixels are those of at
        least this brightness (the brightest channel times alpha; alpha alone where all is black).
      snap: gives each pixel the nearest of the colors that fill areas of their own, for masks
        with smoothed edges and JPEG. Pixels at least half transparent are background.

    Returns:
      uint8 [H, W]; 0 is background.

    Raises:
      InputError: no such image, damaged, of another size, ids above 255, more than 255 colors,
        or smoothed (anti-aliased) edges.
    """
    data = read_bytes(path)
    image = decode_image(data, path, MASK_FORMATS)
    if image.format == "JPEG" and threshold is None and not snap:
        raise InputError(
            f"{path}: is a JPEG, whose compression changes ids; expected a PNG mask, or {_FLAGS}"
        )
    if size is not None and image.size != tuple(size[::-1]):
        found = image.size[::-1]
        turned = "; the video seems rotated" if found == tuple(size[::-1]) else ""
        raise InputError(
            f"{path}: mask of {describe_size(found)}, expected "
            f"{describe_size(size)} like the frames{turned}"
        )
    is_png = data.startswith(PNG_SIGNATURE)
    depth, color = (data[_PNG_DEPTH], data[_PNG_COLOR]) if is_png else (8, _PNG_GREY)
    try:
        if threshold is not None:
            return (_brightness(image) >= threshold).astype(np.uint8)
        # The indices of a palette are no amounts that anything could have smoothed.
        if snap and image.mode in ("L", "LA", "RGB", "RGBA", "CMYK"):
            image, depth = _sharpened(image, path), 8
        return _ids(image, depth, color, path, colors)
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
    try:
        with replaced_when_done(pathlib.Path(path)) as temporary:
            temporary.write_bytes(encode_mask(labels))
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error


def encode_mask(labels: np.ndarray) -> bytes:
    """The bytes of a palette PNG in the colors of DAVIS.

    Args:
      labels: uint8 [H, W], ids.
    """
    height, width = labels.shape
    image = Image.frombytes("P", (width, height), np.ascontiguousarray(labels).tobytes())
    image.putpalette(DAVIS_PALETTE.tobytes())
    data = io.BytesIO()
    image.save(data, format="PNG")
    return data.getvalue()


def describe_ids(labels: np.ndarray) -> str:
    """Lists ids and their pixel counts, for instance "1 (5213 px), 7 (12 px)"; 0 is left out."""
    ids, counts = np.unique(np.asarray(labels), return_counts=True)
    found = [f"{i} ({n} px)" for i, n in zip(ids, counts) if i != 0]
    return ", ".join(found) or "no objects"


def _ids(
    image: Image.Image,
    depth: int,
    color_type: int,
    path: str | os.PathLike[str],
    colors: dict[tuple[int, int, int], int] | None,
) -> np.ndarray:
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
                f"{path}: 16-bit gray values up to {values.max()}, expected ids of 0..{MAX_ID}"
            )
        return _from_grey(values.astype(np.uint8), path)
    if image.mode == "LA":
        grey, alpha = np.moveaxis(np.array(image), -1, 0)
        visible = _visible(alpha, path)
        grey = grey * visible
        return _from_grey(grey, path) if grey.any() else _drawn_by_alpha(visible)
    if image.mode == "RGBA":
        pixels = np.array(image)
        visible = _visible(pixels[:, :, 3], path)
        rgb = pixels[:, :, :3] * visible[:, :, np.newaxis]
        return _from_colors(rgb, path, colors) if rgb.any() else _drawn_by_alpha(visible)
    if image.mode not in ("RGB", "RGBX", "CMYK"):
        raise InputError(f"{path}: has pixels of type {image.mode}, expected ids or colors")
    return _from_colors(np.array(image.convert("RGB")), path, colors)


def _drawn_by_alpha(visible: np.ndarray) -> np.ndarray:
    """Object 1 where black is drawn on transparent ground; nothing where no ground shows."""
    return visible if not visible.all() else np.zeros_like(visible)


def _brightness(image: Image.Image) -> np.ndarray:
    """The brightest channel times alpha, uint8 [H, W]; alpha where all that is visible is black."""
    if image.mode.startswith("I"):  # 16 bits
        return (np.clip(np.asarray(image).astype(np.int64), 0, 65535) // 257).astype(np.uint8)
    pixels = np.array(image.convert("RGBA")).astype(np.uint16)
    alpha = pixels[:, :, 3]
    bright = (pixels[:, :, :3].max(axis=2) * alpha + 127) // 255
    drawn_by_alpha = not bright.any() and (alpha < 255).any()
    return (alpha if drawn_by_alpha else bright).astype(np.uint8)


def _sharpened(image: Image.Image, path: str | os.PathLike[str]) -> Image.Image:
    """The image in the colors that fill areas, its alpha all or nothing."""
    grey = image.mode in ("L", "LA")
    pixels = np.array(image.convert("RGBA"))
    visible = pixels[:, :, 3] >= 128
    if not visible.all() and not (pixels[:, :, :3] * visible[:, :, np.newaxis]).any():
        return Image.fromarray(_drawn_by_alpha(visible.astype(np.uint8)))
    pixels = np.where(visible[:, :, np.newaxis], pixels[:, :, : 1 if grey else 3], 0)
    ends = np.array([[0], [255]], np.uint8)
    known = ends if grey else np.concatenate([DAVIS_PALETTE, np.repeat(ends, 3, axis=1)])
    sharp = snapped(pixels.astype(np.uint8), known, path)
    return Image.fromarray(sharp[:, :, 0] if grey else sharp)


def questionable(labels: np.ndarray) -> str | None:
    """What makes a mask look inverted: one object all around the border, over nearly everything.

    Args:
      labels: integers [H, W]; 0 is background.

    Returns:
      a line for people, or None.
    """
    border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    share = (labels == border[0]).mean()
    if border[0] == 0 or (border != border[0]).any() or share < _NEARLY_ALL:
        return None
    return (
        f"object {border[0]} covers the border all around and {100 * share:.0f} % of the mask: "
        "is it the background? Background must be 0"
    )


def _visible(alpha: np.ndarray, path: str | os.PathLike[str]) -> np.ndarray:
    partial = int(((alpha > 0) & (alpha < 255)).sum())
    if partial:
        raise InputError(
            f"{path}: {partial} pixels are half-transparent, which looks like smoothed "
            "(anti-aliased) edges; expected every pixel to be one object or background, or "
            f"{_FLAGS}"
        )
    return (alpha == 255).astype(np.uint8)


def _from_grey(values: np.ndarray, path: str | os.PathLike[str]) -> np.ndarray:
    found, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    if looks_smoothed(values[:, :, np.newaxis], codes.reshape(values.shape), len(found)):
        raise InputError(_smoothed(path, "gray levels", [str(v) for v in found], counts))
    return values


def _from_colors(
    rgb: np.ndarray, path: str | os.PathLike[str], memory: dict[tuple[int, int, int], int] | None
) -> np.ndarray:
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


def _assign(
    colors: list[tuple[int, int, int]],
    memory: dict[tuple[int, int, int], int],
    path: str | os.PathLike[str],
) -> list[int]:
    """Ids of colors, see `read_mask`; what the palette does not know is added to `memory`."""
    known = [memory.get(color, _IDS_OF_PALETTE.get(color)) for color in colors]
    found = [i for i in known if i is not None]
    if len(found) == len(known):
        return found
    if all(red == green == blue for red, green, blue in [*colors, *memory]):
        memory.update({color: color[0] for color in colors})
        return [memory[color] for color in colors]
    taken = {*found, *memory.values()}
    free = [i for i in range(1, MAX_ID + 1) if i not in taken]
    new = [color for color, i in zip(colors, known) if i is None]
    if len(new) > len(free):
        raise InputError(f"{path}: more than {MAX_ID} colors, expected at most {MAX_ID} objects")
    memory.update(zip(new, free))
    return [memory[color] if i is None else i for color, i in zip(colors, known)]


def _smoothed(path: str | os.PathLike[str], kind: str, names: list[str], counts: np.ndarray) -> str:
    """The message for values that cannot be objects: how many, and the most frequent ones."""
    order = np.argsort(-counts, kind="stable")[:5]
    shares = ", ".join(f"{names[i]} {100 * counts[i] / counts.sum():.2g} %" for i in order)
    return (
        f"{path}: {len(names)} {kind} (most frequent: {shares}), which looks like smoothed "
        "(anti-aliased) edges; expected one value for each object, so save it without smoothing "
        f"and resize it with nearest neighbor only, or use {_FLAGS}"
    )
