"""Clips dreamed from given frames: what a video may look like after them.

Each object is cut out with its surroundings, and the cut is set in motion as photographs are for
training: object and camera move on their own, what the object uncovers is filled in, poles and
leaves lie in front, light and sharpness change, and the mask that the network is told is damaged or
lacks an object.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf

from feelvos_tf.adapting.adaptation import Adaptation
from feelvos_tf.adapting.reduced import reduced
from feelvos_tf.errors import InputError
from feelvos_tf.triplets.clip_sources import FrameSize
from feelvos_tf.triplets.label_maps import IGNORE
from feelvos_tf.triplets.stream import make_triplets
from feelvos_tf.triplets.triplet_config import TripletConfig

# Surroundings of an object in its cut, as a share of its own sides on each side, and at least so
# much of a crop in all; the longest side of a cut, to which larger ones are reduced.
_MARGIN = 0.5
_LEAST_CROPS = 1.5
_MOST_PIXELS = 640
# Channels of a clip, background included; of more objects the smallest are left out of it.
_MAX_CHANNELS = 8
# Clips that are made for one that is taken, at most.
_TRIES = 20


class Cuts:
    """The objects of given frames, each with its surroundings; see `ClipSource`.

    Args:
      frames: uint8 [H, W, 3], RGB.
      channels: for each frame uint8 [H, W]: 0 for background, 1, 2, ... for objects, 255 for
        unknown.
      crop_size: pixels of a clip's side, which a cut shows in any case where the frame does.

    Raises:
      InputError: no frame has an object.
    """

    name, still, weight = "given", True, 1.0
    frame_size = FrameSize()

    def __init__(
        self, frames: Sequence[np.ndarray], channels: Sequence[np.ndarray], crop_size: int
    ) -> None:
        self.names: list[str] = []
        images, masks = [], []
        for number, (frame, labels) in enumerate(zip(frames, channels)):
            for one in np.unique(labels):
                if one in (0, IGNORE):
                    continue
                cut = _around(labels == one, round(crop_size * _LEAST_CROPS))
                image, mask = reduced(frame[cut], labels[cut], _MOST_PIXELS)
                images.append(tf.io.encode_png(image).numpy())
                masks.append(tf.io.encode_png(mask[..., np.newaxis]).numpy())
                self.names.append(f"frame {number}, object {one}")
        if not images:
            raise InputError("no given frame has an object to adapt to")
        self.lengths = np.ones(len(images), np.int64)
        self._images, self._masks = tf.constant(images), tf.constant(masks)

    def fetch(self, video: tf.Tensor, frames: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See ClipSource.fetch."""
        rows = tf.fill(tf.shape(frames), video)
        return tf.gather(self._images, rows), tf.gather(self._masks, rows)

    def describe(self, video: tf.Tensor, frames: tf.Tensor) -> tf.Tensor:
        """See ClipSource.describe."""
        return tf.fill([2 * frames.shape[0]], tf.gather(tf.constant(self.names), video))

    def is_binary(self, video: tf.Tensor) -> tf.Tensor:
        """Always false: channels are as they are."""
        del video
        return tf.constant(False)


def dream(
    frames: Sequence[np.ndarray],
    channels: Sequence[np.ndarray],
    adaptation: Adaptation,
    steps: int,
) -> Iterator[Mapping[str, tf.Tensor]]:
    """Batches of clips, each a function of the frames, the seed and its number.

    Clips that show no object, or no background, are left out. Where nearly all are, there are
    fewer than `steps` batches.

    Args:
      frames, channels: as of `Cuts`.
      adaptation: how clips are made.
      steps: batches that are wanted.

    Yields:
      images float32 [B, T, S, S, 3], labels int32 [B, T, S, S], valid bool [B, N] and index
      int64 [B], as `make_triplets` gives them.

    Raises:
      InputError: no frame has an object.
    """
    side = adaptation.crop_size
    config = TripletConfig(
        crop_size=(side, side),
        num_frames=adaptation.num_frames,
        scale_range=(0.6, 1.1),
        max_objects=_MAX_CHANNELS,
        min_object_pixels=1,
        color_jitter=0.1,
        still_motion=adaptation.motion,
        light=0.2,
        blur=1.0,
        damage_previous=True,
        lost_probability=0.1,
        occluder_probability=0.4,
    )
    clips = make_triplets(
        [Cuts(frames, channels, side)],
        config,
        seed=adaptation.seed,
        limit=_TRIES * (steps + 1) * adaptation.batch_size,
        num_parallel_calls=2,
    )
    keys = ("images", "labels", "valid", "index")
    clips = clips.map(lambda clip: {key: clip[key] for key in keys})
    clips = clips.batch(adaptation.batch_size, drop_remainder=True)
    return iter(clips.take(steps).prefetch(2))


def _around(is_object: np.ndarray, least: int) -> tuple[slice, slice]:
    """The object's box with its margin, and at least `least` pixels a side where there are."""
    slices = []
    for axis in (1, 0):
        (places,) = np.nonzero(is_object.any(axis=axis))
        first, last = int(places[0]), int(places[-1]) + 1
        length = is_object.shape[1 - axis]
        side = min(length, max(least, round((last - first) * (1 + 2 * _MARGIN))))
        start = min(max(0, (first + last - side) // 2), length - side)
        slices.append(slice(start, start + side))
    return slices[0], slices[1]
