"""Small repeating textures for synthetic clips."""

from __future__ import annotations

import colorsys
import dataclasses

import numpy as np

_SIZE = 128  # pixels of an object's texture


@dataclasses.dataclass(frozen=True)
class Texture:
    """A picture that repeats in both directions.

    Attributes:
      image: float32 [S, S, 3] in 0..255, whose opposite edges fit together.
      period: length after which it repeats, in the units it is sampled with.
    """

    image: np.ndarray
    period: float


def sample(texture: Texture, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Looks colors up, bilinearly and periodically.

    Args:
      texture: where to look.
      y: float32, any shape.
      x: float32, of a shape that broadcasts with y's.

    Returns:
      float32 [..., 3] in 0..255.
    """
    size = len(texture.image)
    scale = np.float32(size / texture.period)
    y, x = np.broadcast_arrays(y * scale, x * scale)
    top, left = np.floor(y), np.floor(x)
    down, right = (y - top)[..., np.newaxis], (x - left)[..., np.newaxis]
    y0, x0 = top.astype(np.int32) % size, left.astype(np.int32) % size
    y1, x1 = (y0 + 1) % size, (x0 + 1) % size
    flat = texture.image.reshape(-1, 3)
    upper = flat[y0 * size + x0] * (1 - right) + flat[y0 * size + x1] * right
    lower = flat[y1 * size + x0] * (1 - right) + flat[y1 * size + x1] * right
    return upper * (1 - down) + lower * down


def smooth_noise(rng: np.random.Generator, size: int, cells: int) -> np.ndarray:
    """Periodic noise with about `cells` blotches a side, float32 [size, size] in 0..1."""
    frequency = np.fft.fftfreq(size) * size
    radius = np.hypot(frequency[:, np.newaxis], frequency[np.newaxis, :])
    spectrum = np.fft.fft2(rng.standard_normal((size, size)))
    values = np.fft.ifft2(spectrum * np.exp(-((radius / cells) ** 2))).real
    low, high = np.quantile(values, [0.02, 0.98])
    return np.clip((values - low) / max(high - low, 1e-9), 0, 1).astype(np.float32)


def mixed(dark: np.ndarray, light: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Blends two colors [3] by a map [S, S] in 0..1; returns float32 [S, S, 3]."""
    share = share[:, :, np.newaxis].astype(np.float32)
    return (dark * (1 - share) + light * share).astype(np.float32)


def make_texture(rng: np.random.Generator, hue: float, kind: int) -> Texture:
    """Draws an object's texture: stripes, checks, dots, rings, scales or marble.

    Args:
      rng: source of all choices.
      hue: 0..1, of its main color.
      kind: any integer; following integers give different patterns.

    Returns:
      a Texture whose period suits coordinates of -1..1 across the object.
    """
    main = rgb(hue, rng.uniform(0.65, 0.9), rng.uniform(0.75, 0.95))
    # Either a pale relative or the neighboring hue in the dark, so that patterns stand out.
    if rng.uniform() < 0.5:
        second = rgb(hue + rng.uniform(-0.05, 0.05), rng.uniform(0.1, 0.3), 0.97)
    else:
        second = rgb(hue + rng.choice([-0.12, 0.12]), rng.uniform(0.7, 0.95), 0.4)
    patterns = (_stripes, _dots, _checks, _marble, _rings, _scales)
    share = patterns[kind % len(patterns)](rng)
    grain = 0.88 + 0.24 * smooth_noise(rng, _SIZE, 20)
    return Texture(np.clip(mixed(second, main, share) * grain[:, :, np.newaxis], 0, 255), 2.5)


def _axes() -> tuple[np.ndarray, np.ndarray]:
    """Coordinates of one period, 0..2*pi."""
    line = np.arange(_SIZE) * (2 * np.pi / _SIZE)
    return line[:, np.newaxis], line[np.newaxis, :]


def _step(values: np.ndarray) -> np.ndarray:
    """Soft threshold at 0, so that edges inside a texture do not flicker when it moves."""
    return 0.5 + 0.5 * np.tanh(4 * values)


def _stripes(rng: np.random.Generator) -> np.ndarray:
    y, x = _axes()
    bend = rng.uniform(0.3, 0.9)
    return _step(np.sin(rng.integers(4, 7) * x + bend * np.sin(rng.integers(1, 3) * y)))


def _dots(rng: np.random.Generator) -> np.ndarray:
    y, x = _axes()
    number = rng.integers(4, 6)
    return _step(0.55 - np.cos(number * y) * np.cos(number * x))


def _checks(rng: np.random.Generator) -> np.ndarray:
    y, x = _axes()
    number = rng.integers(3, 5)
    return _step(2 * np.sin(number * y) * np.sin(number * x))


def _marble(rng: np.random.Generator) -> np.ndarray:
    y, x = _axes()
    noise = smooth_noise(rng, _SIZE, 4)
    return 0.5 + 0.5 * np.sin(3 * x + y + 9 * noise)


def _rings(rng: np.random.Generator) -> np.ndarray:
    y, x = _axes()
    radius = np.sqrt(2 - np.cos(y) - np.cos(x))
    return _step(np.sin(rng.integers(7, 10) * radius))


def _scales(rng: np.random.Generator) -> np.ndarray:
    y, x = _axes()
    number = rng.integers(3, 5)
    return _step(np.sin(2 * number * y + 2.2 * np.abs(np.sin(number * x))) - 0.1)


def rgb(hue: float, saturation: float, value: float) -> np.ndarray:
    """A color [3] in 0..255, float32; the hue counts modulo 1."""
    return 255 * np.array(colorsys.hsv_to_rgb(hue % 1.0, saturation, value), np.float32)
