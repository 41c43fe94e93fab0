"""Seeded clips of textured objects that move, deform and occlude each other, with exact masks.

They need no download, so the demo and the tests run on them. Every number comes from the seed:
the same arguments give the same clip.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib

import numpy as np
from PIL import Image

from feelvos_tf.data.textures import Texture, make_texture, mixed, rgb, sample, smooth_noise
from feelvos_tf.errors import InputError
from feelvos_tf.files import replaced_when_done
from feelvos_tf.video.masks import MAX_ID, write_mask

_NOISE_LEVELS = 2.0  # standard deviation of the camera noise, of 255
_FRAMES_PER_WAYPOINT = 20  # an object heads for another place about this often
_LATE_START = 0.3  # share of the clip after which the first late object comes in
_ENTRY_FRAMES = 12  # a late object glides in from outside during so many frames
_JPEG_QUALITY = 95


@dataclasses.dataclass(frozen=True)
class Clip:
    """A video and which object every pixel shows.

    Attributes:
      frames: uint8 [T, H, W, 3], RGB.
      masks: uint8 [T, H, W]; 0 is background, a pixel has the id of the object seen there.
      ids: ids of all objects, ascending, whether or not each is ever in view.
      first_frames: id -> index of the first frame that shows it; ids never seen are left out.
    """

    frames: np.ndarray
    masks: np.ndarray
    ids: tuple[int, ...]
    first_frames: dict[int, int]


@dataclasses.dataclass(frozen=True)
class _Object:
    """One object: its looks, its outline and its path. Lengths in units of the shorter side."""

    texture: Texture
    radius: float
    lobes: np.ndarray  # [K, 4]: frequency, amplitude, phase, speed in radians a frame
    stretch: float  # ratio of the two axes
    waypoints: np.ndarray  # [P, 2], (y, x) around the center of the frame
    spin: np.ndarray  # start angle, radians a frame, swing amplitude, swing speed
    pulse: np.ndarray  # amplitude, phase, speed of growing and shrinking
    enters: int  # first frame it may be seen in


def synthetic_clip(
    seed: int,
    num_frames: int = 24,
    height: int = 120,
    width: int = 160,
    num_objects: int = 3,
    late_objects: int = 0,
) -> Clip:
    """Draws a clip.

    Objects are blobs with a texture each. They follow smooth paths around the middle of the
    frame, turn, grow and shrink, change their outline, cast a soft shadow on what is below, and
    cover each other in a fixed order that has nothing to do with their ids. The background is a
    textured plane seen by a slowly moving camera.

    Args:
      seed: any integer from 0; everything follows from it.
      num_frames: T, at least 1.
      height: H in pixels, at least 1.
      width: W in pixels, at least 1.
      num_objects: 0..255; their ids are 1..num_objects.
      late_objects: so many of them, those with the highest ids, are absent at first and glide
        in from outside one after the other, the first after 30 % of the clip.

    Returns:
      a Clip. Edges in `frames` are smooth, as a camera would see them; `masks` say which object
      covers at least half of the pixel.

    Raises:
      InputError: a number outside its range.
    """
    for name, value, low, high in (
        ("seed", seed, 0, None),
        ("num_frames", num_frames, 1, None),
        ("height", height, 1, None),
        ("width", width, 1, None),
        ("num_objects", num_objects, 0, MAX_ID),
        ("late_objects", late_objects, 0, num_objects),
    ):
        if value < low or (high is not None and value > high):
            expected = f"at least {low}" if high is None else f"{low}..{high}"
            raise InputError(f"synthetic clip with {name} {value}, expected {expected}")
    rng = np.random.default_rng(seed)
    aspect = np.array([height, width]) / min(height, width)
    hue = rng.uniform()
    objects = _draw_objects(rng, num_objects, late_objects, num_frames, aspect, hue)
    order = rng.permutation(num_objects)  # from back to front
    background = _Background(rng, hue, height, width)
    grid_y, grid_x = _grid(height, width)

    frames = np.empty((num_frames, height, width, 3), np.uint8)
    masks = np.zeros((num_frames, height, width), np.uint8)
    noise = rng.standard_normal((height, width, 3), np.float32) * np.float32(_NOISE_LEVELS)
    for time in range(num_frames):
        canvas = background.at(time)
        for index in order:
            if time >= objects[index].enters:
                _paint(objects[index], index + 1, time, grid_y, grid_x, canvas, masks[time])
        # Shifting one noise image is as good as drawing a new one and many times faster.
        canvas += np.roll(noise, rng.integers(0, [height, width]), axis=(0, 1))
        frames[time] = np.clip(canvas + 0.5, 0, 255)
    ids = tuple(range(1, num_objects + 1))
    return Clip(frames, masks, ids, _first_frames(masks))


def write_clip(
    clip: Clip, folder: str | os.PathLike[str], name: str = "clip", split: str | None = None
) -> None:
    """Writes a clip in the layout of DAVIS.

    Frames go to JPEGImages/480p/NAME/00000.jpg, masks to Annotations/480p/NAME/00000.png (480p
    is the name of the layout's folder, not a size).

    Args:
      clip: what to write.
      folder: root of the tree; made where absent, other clips in it stay.
      name: of the sequence.
      split: adds the sequence to ImageSets/2017/SPLIT.txt, so that the tree reads as a
        davis2017 dataset; None writes no list.

    Raises:
      InputError: something cannot be written.
    """
    root = pathlib.Path(folder)
    images = root / "JPEGImages" / "480p" / name
    annotations = root / "Annotations" / "480p" / name
    try:
        images.mkdir(parents=True, exist_ok=True)
        annotations.mkdir(parents=True, exist_ok=True)
        for index, (frame, mask) in enumerate(zip(clip.frames, clip.masks)):
            with replaced_when_done(images / f"{index:05d}.jpg") as temporary:
                Image.fromarray(frame).save(temporary, format="JPEG", quality=_JPEG_QUALITY)
            write_mask(annotations / f"{index:05d}.png", mask)
        if split is not None:
            _list_in_split(root / "ImageSets" / "2017" / f"{split}.txt", name)
    except OSError as error:
        where = error.filename or root
        raise InputError(f"{where}: cannot be written ({error.strerror or error})") from error


def _list_in_split(path: pathlib.Path, name: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    names = path.read_text().split() if path.exists() else []
    if name not in names:
        with replaced_when_done(path) as temporary:
            temporary.write_text("".join(f"{n}\n" for n in [*names, name]))


def _first_frames(masks: np.ndarray) -> dict[int, int]:
    first: dict[int, int] = {}
    for index, mask in enumerate(masks):
        for i in np.flatnonzero(np.bincount(mask.ravel())).tolist():
            if i:
                first.setdefault(i, index)
    return dict(sorted(first.items()))


def _grid(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixel centers relative to the middle of the frame, in units of its shorter side."""
    side = min(height, width)
    y = (np.arange(height, dtype=np.float32) + 0.5 - height / 2) / side
    x = (np.arange(width, dtype=np.float32) + 0.5 - width / 2) / side
    return y, x


def _draw_objects(
    rng: np.random.Generator,
    count: int,
    late: int,
    num_frames: int,
    aspect: np.ndarray,
    background_hue: float,
) -> list[_Object]:
    """Draws all properties of all objects; the first places lie apart from each other."""
    objects = []
    # Objects share the area: many are small, few are large, one does not fill the frame.
    base = 0.26 / max(1.0, count / 2) ** 0.5
    turn = rng.uniform(0, 2 * np.pi)
    for index in range(count):
        angle = turn + 2 * np.pi * (index + rng.uniform(-0.15, 0.15)) / max(count, 1)
        direction = np.array([np.sin(angle), np.cos(angle)]) * aspect
        start = direction * (0.26 if count > 1 else 0.1)
        coming = index - (count - late)
        enters = 0
        if coming >= 0:
            enters = int(num_frames * (_LATE_START + (0.85 - _LATE_START) * coming / late))
        # Hues a golden section apart are all different; the background's own is left out.
        hue = (background_hue + 0.5 + 0.618 * index) % 1.0
        lobes = [
            (k, rng.uniform(0.3, 1.0) * 0.3 / k, rng.uniform(0, 2 * np.pi), rng.uniform(-0.2, 0.2))
            for k in (2, 3, 4, 5)
        ]
        number = 3 + num_frames // _FRAMES_PER_WAYPOINT + 1
        waypoints = rng.uniform(-0.3, 0.3, (number, 2)) * aspect
        waypoints[1] = start
        waypoints[0] = 1.5 * start - 0.5 * waypoints[2]
        if coming >= 0:
            waypoints[1] = direction / np.abs(direction / aspect).max() * 0.15
        objects.append(
            _Object(
                texture=make_texture(rng, hue, kind=index + int(8 * background_hue)),
                radius=base * rng.uniform(0.75, 1.15),
                lobes=np.array(lobes),
                stretch=rng.uniform(0.8, 1.3),
                waypoints=waypoints,
                spin=np.array(
                    [
                        rng.uniform(0, 2 * np.pi),
                        rng.uniform(-0.02, 0.02),
                        rng.uniform(0.1, 0.4),
                        rng.uniform(0.08, 0.2),
                    ]
                ),
                pulse=np.array(
                    [rng.uniform(0.05, 0.15), rng.uniform(0, 2 * np.pi), rng.uniform(0.1, 0.25)]
                ),
                enters=enters,
            )
        )
    return objects


def _position(thing: _Object, time: int, half: np.ndarray) -> np.ndarray:
    """(y, x) of an object's center: a smooth curve through its waypoints (Catmull-Rom)."""
    moved = time - thing.enters
    place, t = divmod(moved / _FRAMES_PER_WAYPOINT, 1.0)
    a, b, c, d = thing.waypoints[int(place) : int(place) + 4]
    point = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    if thing.enters and moved < _ENTRY_FRAMES:
        start = thing.waypoints[1]
        outside = start / max(np.abs(start / half).max(), 1e-6) * (1 + thing.radius / half.min())
        glide = (1 - (moved + 1) / _ENTRY_FRAMES) ** 2
        point = point + (outside - start) * glide
    return point


def _paint(
    thing: _Object,
    label: int,
    time: int,
    grid_y: np.ndarray,
    grid_x: np.ndarray,
    canvas: np.ndarray,
    mask: np.ndarray,
) -> None:
    """Draws one object over `canvas` and `mask`, both changed in place."""
    side = min(mask.shape)
    half = np.array(mask.shape) / side / 2
    center_y, center_x = _position(thing, time, half)
    amplitude, phase, speed = thing.pulse
    radius = thing.radius * (1 + amplitude * np.sin(phase + speed * time))
    reach = radius * (1 + np.abs(thing.lobes[:, 1]).sum()) * max(thing.stretch, 1 / thing.stretch)
    shadow = 0.18 * radius  # length of the cast shadow
    rows = _span(grid_y, center_y, reach + 2 * shadow)
    columns = _span(grid_x, center_x, reach + 2 * shadow)
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    y = (grid_y[rows] - np.float32(center_y))[:, np.newaxis]
    x = (grid_x[columns] - np.float32(center_x))[np.newaxis, :]

    start, drift, swing, swing_speed = thing.spin
    angle = start + drift * time + swing * np.sin(swing_speed * time)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    along, across = (cos * x + sin * y) / thing.stretch, (cos * y - sin * x) * thing.stretch
    theta = np.arctan2(across, along)
    distance = np.sqrt(along * along + across * across)
    outline = np.ones_like(theta)
    for frequency, height, offset, lobe_speed in thing.lobes.astype(np.float32):
        outline += height * np.sin(frequency * theta + offset + lobe_speed * time)
    outline *= np.float32(radius)

    # Darken below and right of the object first, as if light came from the upper left.
    pixel = np.float32(1 / side)
    depth = (outline - distance) / np.maximum(outline, pixel)  # 1 in the middle, 0 at the edge
    region = canvas[rows, columns]
    shift = max(1, round(shadow * side))
    dark = np.zeros_like(depth)
    dark[shift:, shift:] = np.clip(depth[:-shift, :-shift] * 4 + 0.6, 0, 1)
    region *= 1 - np.float32(0.35) * dark[:, :, np.newaxis]

    # The outline's distance in pixels, close to the edge, is the share of the pixel it covers.
    cover = np.clip((outline - distance) / pixel + 0.5, 0, 1)
    inside = cover > 0
    # The texture rides on the object: it stretches with the outline and wobbles a little.
    wobble = np.float32(0.06) * np.sin(5 * across / np.float32(radius) + np.float32(0.2 * time))
    color = sample(thing.texture, across / np.float32(radius), along / np.float32(radius) + wobble)
    # Shade like a dome lit from the upper left.
    slope = -(x + y) / np.float32(1.4142 * radius)
    light = np.clip(0.72 + 0.3 * np.sqrt(np.clip(depth, 0, 1)) + 0.16 * slope, 0.35, 1.15)
    color *= light[:, :, np.newaxis]
    region += (color - region) * (cover * inside)[:, :, np.newaxis]
    mask[rows, columns][cover >= 0.5] = label


def _span(grid: np.ndarray, center: float, reach: float) -> slice:
    return slice(*np.searchsorted(grid, [center - reach, center + reach]))


class _Background:
    """A large textured plane under a camera that pans, turns and zooms slowly."""

    def __init__(self, rng: np.random.Generator, hue: float, height: int, width: int) -> None:
        coarse, fine = smooth_noise(rng, 256, 5), smooth_noise(rng, 256, 24)
        value = 0.7 * coarse + 0.3 * fine
        dark = rgb(hue, rng.uniform(0.25, 0.45), rng.uniform(0.28, 0.42))
        light = rgb(hue + rng.uniform(-0.08, 0.08), rng.uniform(0.12, 0.3), rng.uniform(0.6, 0.8))
        self._texture = Texture(mixed(dark, light, value), rng.uniform(0.5, 0.7))
        self._pan = rng.uniform(-0.012, 0.012, 2)
        self._turn = rng.uniform(-0.006, 0.006)
        self._zoom = rng.uniform(0.02, 0.08), rng.uniform(0, 2 * np.pi)
        y, x = _grid(height, width)
        self._y, self._x = y[:, np.newaxis], x[np.newaxis, :]
        self._shade = 1 - 0.25 * (self._y**2 + self._x**2)[:, :, np.newaxis]

    def at(self, time: int) -> np.ndarray:
        """The background of one frame, float32 [H, W, 3] in 0..255."""
        amplitude, phase = self._zoom
        zoom = 1 + amplitude * np.sin(phase + 0.1 * time)
        cos = np.float32(zoom * np.cos(self._turn * time))
        sin = np.float32(zoom * np.sin(self._turn * time))
        pan_y, pan_x = (self._pan * time).astype(np.float32)
        y = cos * self._y + sin * self._x + pan_y
        x = cos * self._x - sin * self._y + pan_x
        return sample(self._texture, y, x) * self._shade
