"""A first mask without a painter: boxes and polygons around objects, and what lies in them.

A mark is text, as on a command line: `ID:x,y,w,h` is a box (left, top, width, height), and
`ID:x,y,x,y,x,y,...` a polygon, in pixels of the frame from its left upper corner. What is outside
is background; GrabCut (Rother et al., SIGGRAPH 2004; OpenCV's) tells the object inside from the
rest by color.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from types import ModuleType

import numpy as np
from PIL import Image, ImageDraw

from feelvos_tf.errors import InputError
from feelvos_tf.video.images import describe_size, size_of
from feelvos_tf.video.masks import MAX_ID

_ROUNDS = 5  # of GrabCut; edges hardly move after them
_AROUND = 0.5  # background looked at on each side of a mark, as a share of its longer side
_LEAST_AROUND = 16  # the same in pixels
_LARGEST = 640  # longer side at which GrabCut computes; minutes at the size of a 4K frame


def import_cv2() -> ModuleType:
    """Returns OpenCV; InputError that names the extra where it is not installed."""
    try:
        import cv2
    except ImportError as error:
        raise InputError(
            "boxes and polygons are refined by OpenCV, which is not installed: "
            "pip install 'feelvos_tf[grabcut]', or take them as they are with --nograbcut"
        ) from error
    return cv2


@dataclasses.dataclass(frozen=True)
class Mark:
    """A box or polygon around an object.

    Attributes:
      text: as given, for messages.
      object_id: 1 to 255.
      points: its corners (x, y) in pixels, at least three; a box has four.
      is_box: whether it is a box, whose right and lower border are outside.
    """

    text: str
    object_id: int
    points: tuple[tuple[float, float], ...]
    is_box: bool

    def area(self, size: tuple[int, int]) -> np.ndarray:
        """Bool [H, W]: the pixels inside.

        Raises:
          InputError: a corner is outside of a frame of that size, or nothing is inside.
        """
        height, width = size
        for x, y in self.points:
            if not (0 <= x <= width and 0 <= y <= height):
                raise InputError(
                    f"{self.text}: corner ({x:g}, {y:g}) is outside of the frame, which is "
                    f"{describe_size(size)}"
                )
        if self.is_box:
            inside = np.zeros(size, bool)
            (left, top), (right, bottom) = self.points[0], self.points[2]
            inside[round(top) : round(bottom), round(left) : round(right)] = True
        else:
            image = Image.new("1", (width, height))
            ImageDraw.Draw(image).polygon(list(self.points), fill=1)
            inside = np.array(image)
        if not inside.any():
            raise InputError(f"{self.text}: has no pixel inside, expected a larger one")
        return inside


@dataclasses.dataclass(frozen=True)
class Marks:
    """Marks of one frame, and whether GrabCut refines them."""

    marks: tuple[Mark, ...]
    refine: bool = True

    def draw(self, image: np.ndarray) -> np.ndarray:
        """The mask of a frame.

        Marks of one id are parts of one object; later marks lie on top of earlier ones.

        Args:
          image: uint8 [H, W, 3], RGB.

        Returns:
          uint8 [H, W]: ids; 0 is background. The same every time.

        Raises:
          InputError: a mark is outside of the frame or around all of it, no object is found in
            one, one is hidden by later ones, or OpenCV is not installed.
        """
        size = size_of(image)
        mask = np.zeros(size, np.uint8)
        for mark in self.marks:
            area = mark.area(size)
            if self.refine:
                area = refined(image, area, mark.text)
            mask[area] = mark.object_id
        for mark in self.marks:
            if not (mask == mark.object_id).any():
                raise InputError(f"{mark.text}: nothing is left of it below the marks after it")
        return mask


def parse_marks(boxes: Sequence[str], polygons: Sequence[str], refine: bool = True) -> Marks:
    """Reads marks; those without an id get the smallest ones free, boxes first.

    Raises:
      InputError: one is no mark, or has an id outside 1..255.
    """
    texts = [("box", text) for text in boxes] + [("polygon", text) for text in polygons]
    parsed = [(*_parsed(kind, text), f"{kind} {text}", kind == "box") for kind, text in texts]
    free = iter(sorted(set(range(1, MAX_ID + 1)) - {object_id for object_id, *_ in parsed}))
    marks = []
    for object_id, points, text, is_box in parsed:
        object_id = next(free, None) if object_id is None else object_id
        if object_id is None:
            raise InputError(f"{text}: no id is free, expected at most {MAX_ID} objects")
        marks.append(Mark(text, object_id, points, is_box))
    if refine and marks:
        import_cv2()
    return Marks(tuple(marks), refine)


def _parsed(kind: str, text: str) -> tuple[int | None, tuple[tuple[float, float], ...]]:
    expected = "ID:x,y,w,h" if kind == "box" else "ID:x,y,x,y,x,y with at least three corners"
    wrong = InputError(f"{kind} {text!r}: expected {expected}, in pixels (ID: may be left out)")
    name, colon, rest = text.rpartition(":")
    if colon and not (name.isascii() and name.isdecimal() and 1 <= int(name[:9]) <= MAX_ID):
        raise InputError(f"{kind} {text!r}: its id is {name!r}, expected 1 to {MAX_ID}")
    try:
        numbers = [float(part) for part in rest.split(",")]
    except ValueError:
        raise wrong from None
    if not np.isfinite(numbers).all():
        raise wrong
    object_id = int(name) if colon else None
    if kind == "box":
        if len(numbers) != 4 or numbers[2] <= 0 or numbers[3] <= 0:
            raise wrong
        left, top, width, height = numbers
        right, bottom = left + width, top + height
        return object_id, ((left, top), (right, top), (right, bottom), (left, bottom))
    if len(numbers) < 6 or len(numbers) % 2:
        raise wrong
    return object_id, tuple(zip(numbers[::2], numbers[1::2]))


def refined(image: np.ndarray, area: np.ndarray, name: str) -> np.ndarray:
    """The object inside an area, by GrabCut.

    Args:
      image: uint8 [H, W, 3], RGB.
      area: bool [H, W], not empty; what is outside is background.
      name: of the area, for messages.

    Returns:
      bool [H, W], within the area.

    Raises:
      InputError: the area is all of the frame, or GrabCut finds no object in it.
    """
    cv2 = import_cv2()
    if area.all():
        raise InputError(
            f"{name}: is around the whole frame, expected some background outside of it, or "
            "--nograbcut"
        )
    window = _window(area)
    part, inside = np.ascontiguousarray(image[window]), area[window]
    height, width = inside.shape
    scale = min(1.0, _LARGEST / max(height, width))
    small = (max(1, round(width * scale)), max(1, round(height * scale)))
    part = cv2.resize(part, small, interpolation=cv2.INTER_AREA)
    likely = cv2.resize(inside.astype(np.uint8), small, interpolation=cv2.INTER_NEAREST)
    labels = np.where(likely > 0, cv2.GC_PR_FGD, cv2.GC_BGD).astype(np.uint8)
    cv2.setRNGSeed(0)  # the colors' clusters begin at random
    try:
        models = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.grabCut(part[:, :, ::-1].copy(), labels, None, *models, _ROUNDS, cv2.GC_INIT_WITH_MASK)
    except cv2.error as error:
        raise InputError(f"{name}: GrabCut cannot tell an object ({error.err})") from error
    found = (labels == cv2.GC_PR_FGD).astype(np.float32)
    object_area = np.zeros_like(area)
    object_area[window] = cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR) > 0.5
    object_area &= area
    if not object_area.any():
        raise InputError(
            f"{name}: GrabCut finds no object in it, expected a box or polygon with a little "
            "background around the object; --nograbcut takes it as it is"
        )
    return object_area


def _window(area: np.ndarray) -> tuple[slice, slice]:
    """The area's bounding box with surroundings."""
    sides = []
    spans = [np.flatnonzero(area.any(axis=1 - axis)) for axis in range(2)]
    around = max(_LEAST_AROUND, round(_AROUND * max(len(span) for span in spans)))
    for span in spans:
        sides.append(slice(max(0, int(span[0]) - around), int(span[-1]) + 1 + around))
    return sides[0], sides[1]
