"""The color that each object is drawn in, by its id, the same in every picture.

Masks keep the palette of DAVIS, which other programs expect; much of it is dark or nearly equal,
so pictures for people have colors of their own.
"""

from __future__ import annotations

import functools

import numpy as np

# Ids get their colors in this order, each as far as can be from those before; 255 comes early
# because masks of a single object often use it.
_ORDER = [*range(1, 9), 255, *range(9, 255)]
_LIGHTNESS = (0.42, 0.86)  # in Oklab, where black is 0 and white is 1
_LEAST_CHROMA = 0.1  # in Oklab, where gray is 0
_LEVELS = 16  # of red, green and blue that are tried


@functools.cache
def object_colors() -> np.ndarray:
    """Returns the colors, uint8 [256, 3] in RGB, one row an id; row 0 is black and not drawn.

    Those of ids 1 to 32 and 255 are at least 0.11 apart in Oklab. None is near white, black or
    gray. The array is shared and cannot be written to.
    """
    levels = np.linspace(0, 255, _LEVELS).round()
    tried = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    places = to_oklab(tried)
    light = places[:, 0]
    usable = (
        (light > _LIGHTNESS[0])
        & (light < _LIGHTNESS[1])
        & (np.hypot(places[:, 1], places[:, 2]) > _LEAST_CHROMA)
    )
    tried, places = tried[usable], places[usable]
    colors = np.zeros((256, 3), np.uint8)
    best = int(np.flatnonzero((tried == [255, 0, 0]).all(axis=1))[0])  # the first object is red
    distance = np.full(len(tried), np.inf)
    for value in _ORDER:
        colors[value] = tried[best]
        distance = np.minimum(distance, np.linalg.norm(places - places[best], axis=1))
        best = int(distance.argmax())
    colors.flags.writeable = False
    return colors


def to_oklab(rgb: np.ndarray) -> np.ndarray:
    """Places colors where equal distances look about equally different.

    Args:
      rgb: [..., 3] in 0..255, sRGB.

    Returns:
      float64 [..., 3]: lightness 0..1, green to red, blue to yellow (Ottosson, 2020).
    """
    values = np.asarray(rgb) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    cones = linear @ np.array(
        [
            [0.4122214708, 0.2119034982, 0.0883024619],
            [0.5363325363, 0.6806995451, 0.2817188376],
            [0.0514459929, 0.1073969566, 0.6299787005],
        ]
    )
    return np.cbrt(cones) @ np.array(
        [
            [0.2104542553, 1.9779984951, 0.0259040371],
            [0.7936177850, -2.4285922050, 0.7827717662],
            [-0.0040720468, 0.4505937099, -0.8086757660],
        ]
    )
