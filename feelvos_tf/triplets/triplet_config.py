"""How triplets are made, as plain numbers."""

from __future__ import annotations

import dataclasses

from feelvos_tf.errors import InputError

DAMAGE_STYLES = ("varied", "release")
# Largest TripletConfig.paste_objects.
MAX_PASTES = 16


@dataclasses.dataclass(frozen=True)
class TripletConfig:
    """How triplets are made; the defaults are those of the released training.

    Attributes:
      crop_size: height and width of the frames.
      num_frames: the reference and num_frames - 1 consecutive frames; more than 3 give longer clips
        for unrolled training.
      scale_range: smallest and largest random scale of a frame before it is cut.
      flip_probability: how often frames are mirrored left to right.
      max_objects: number of channels to pad to, background included.
      min_object_pixels: a triplet is dropped where background or an object of the reference has
        fewer stride-4 pixels.
      color_jitter: strength of random brightness, contrast and saturation; 0 for none.
      max_stride: the frames after the reference are up to so many frames of their video apart,
        the same number within a clip.
      still_motion: how far photographs and their objects move, 1 for the motion of small shifts
        and turns that `stills` describes.
      light: strength of uneven and changing light; 0 for none (appearance.py).
      blur: largest standard deviation, in pixels, by which a reference and the frames after it
        are blurred, each on its own.
      damage_previous: damage the labels of frame 1, which the network is told (damage.py).
      damage_style: "varied", or "release" for what the released code does to masks.
      paste_probability: how often an object of another clip is pasted in, tried
        paste_objects times.
      paste_objects: largest number of objects to paste.
      paste_paths: how far pasted objects, cut from single frames, move on paths of their own
        (paths.py), up to 1; 0 leaves them the motion of the clip they come from.
      lost_probability: how often the labels of frame 1, which the network is told, miss an object
        or have it in a wrong place (lost.py).
      occluder_probability: how often poles or leaves lie in front of a clip (occluders.py).
      max_bad_share: the stream fails once more than this share of its elements is unreadable.
    """

    crop_size: tuple[int, int] = (465, 465)
    num_frames: int = 3
    scale_range: tuple[float, float] = (1.0, 1.3)
    flip_probability: float = 0.5
    max_objects: int = 8
    min_object_pixels: int = 10
    color_jitter: float = 0.0
    max_stride: int = 1
    still_motion: float = 1.0
    light: float = 0.0
    blur: float = 0.0
    damage_previous: bool = False
    damage_style: str = "varied"
    paste_probability: float = 0.0
    paste_objects: int = 0
    paste_paths: float = 0.0
    lost_probability: float = 0.0
    occluder_probability: float = 0.0
    max_bad_share: float = 0.01

    def __post_init__(self) -> None:
        object.__setattr__(self, "crop_size", tuple(self.crop_size))
        object.__setattr__(self, "scale_range", tuple(self.scale_range))
        checks = {
            "crop_size": len(self.crop_size) == 2 and min(self.crop_size) >= 5,
            "num_frames": self.num_frames >= 3,
            "scale_range": len(self.scale_range) == 2
            and 0 < self.scale_range[0] <= self.scale_range[1],
            "flip_probability": 0 <= self.flip_probability <= 1,
            "max_objects": 2 <= self.max_objects <= 255,
            "min_object_pixels": self.min_object_pixels >= 1,
            "color_jitter": 0 <= self.color_jitter < 1,
            "max_stride": self.max_stride >= 1,
            "still_motion": 0 <= self.still_motion <= 4,
            "light": 0 <= self.light < 1,
            "blur": 0 <= self.blur <= 8,
            "paste_paths": 0 <= self.paste_paths <= 1,
            "lost_probability": 0 <= self.lost_probability <= 1,
            "occluder_probability": 0 <= self.occluder_probability <= 1,
            "paste_probability": 0 <= self.paste_probability <= 1,
            "paste_objects": 0 <= self.paste_objects <= MAX_PASTES,
            "damage_style": self.damage_style in DAMAGE_STYLES,
            "max_bad_share": 0 <= self.max_bad_share <= 1,
        }
        for name, holds in checks.items():
            if not holds:
                raise InputError(f"TripletConfig: {name}={getattr(self, name)!r} is out of range")
