"""Clips of a video's own way back to a frame whose mask is given.

Mask cycle consistency (Bertrand et al., "Test-time Training for Matching-based Video Object
Segmentation", NeurIPS 2023): a first pass has labeled the video. The reference of a clip is some
frame under the labels of that pass, the frames after it approach a given one, and the loss is at
that one, whose mask is true. Nothing but given masks is taken for true.
"""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf

from feelvos_tf.adapting.adaptation import Adaptation
from feelvos_tf.triplets.label_maps import IGNORE
from feelvos_tf.video.adapted import PassedFrame

_SPEED = 4  # frames from one frame of a clip to the next, at most
_REACH = 2 * _SPEED  # frames from a given one that clips lead through
_SHIFT = 60  # pixels from a random one of the object to the middle of a crop, at most
# Pixels of the object in a crop, or half of those in the given mask where these are fewer.
_LEAST = 200
_LIGHT = 0.1  # change of each color of a clip, at most
# Channels of a clip, background included; of more objects the smallest are unknown in it.
_MAX_CHANNELS = 8
_TRIES = 100  # for a clip that shows the object
# Frames of a video that are kept, besides those near given ones; and given ones whose
# neighbors are kept. Where there are more, every second one stays.
_MOST_FRAMES = 64
_MOST_GIVEN = 8


def kept(frames: Iterable[PassedFrame]) -> list[PassedFrame]:
    """Keeps a bounded number of a video's frames, enough for clips.

    Args:
      frames: in order of their index; the pass need not be held in memory.

    Returns:
      the neighbors of given frames and frames spread evenly over the video, in order.
    """
    recent: collections.deque[PassedFrame] = collections.deque(maxlen=_REACH)
    groups: list[tuple[int, list[PassedFrame]]] = []
    spread: list[PassedFrame] = []
    every = 1
    for frame in frames:
        for index, group in groups:
            if frame.index <= index + _REACH:
                group.append(frame)
        if frame.given:
            groups.append((frame.index, [*recent, frame]))
            if len(groups) > _MOST_GIVEN:
                groups = groups[::2]
        recent.append(frame)
        if frame.index % every == 0:
            spread.append(frame)
        if len(spread) > _MOST_FRAMES:
            every *= 2
            spread = [one for one in spread if one.index % every == 0]
    near = [frame for _, group in groups for frame in group]
    found = {frame.index: frame for frame in [*spread, *near]}
    return [found[index] for index in sorted(found)]


def cycles(
    frames: Sequence[PassedFrame], adaptation: Adaptation, steps: int
) -> Iterator[Mapping[str, tf.Tensor]]:
    """Batches of clips, the same for the same frames and seed.

    Args:
      frames: of one size, in order; their labels are channels, 255 for unknown.
      adaptation: how many clips a batch has, how large they are, and the seed.
      steps: batches that are wanted.

    Yields:
      As `dreams.dream`, clips of a reference, two frames on the way and a given one, which alone
      has a loss. Fewer than `steps` where hardly a clip shows an object.
    """
    ways = ways_back(frames)
    if not ways:
        return
    rng = np.random.default_rng(adaptation.seed)
    valid = np.arange(_MAX_CHANNELS)
    for step in range(steps):
        numbers = range(step * adaptation.batch_size, (step + 1) * adaptation.batch_size)
        tried = (_clip(frames, ways, adaptation.crop_size, rng) for _ in range(_TRIES))
        found = (clip for clip in tried if clip is not None)
        clips = [
            (images, labels, valid < count, np.int64(number))
            for number, (images, labels, count) in zip(numbers, found)
        ]
        if len(clips) < adaptation.batch_size:
            return
        names = ("images", "labels", "valid", "index")
        # Stacked by NumPy: TensorFlow takes the numbers of a list of arrays one by one.
        yield {name: tf.constant(np.stack(values)) for name, values in zip(names, zip(*clips))}


def ways_back(frames: Sequence[PassedFrame]) -> list[list[tuple[int, int, int]]]:
    """The ways to given frames, those to each given frame with an object apart.

    Args:
      frames: in order.

    Returns:
      Places in `frames` of two frames on the way and of the given one. The two are as far from
      each other as it is from the nearer one. What has no way is left out.
    """
    places = {frame.index: place for place, frame in enumerate(frames)}
    ways = []
    for place, frame in enumerate(frames):
        if not frame.given or not objects_of(frame.labels):
            continue
        steps = [sign * speed for speed in range(1, 1 + _SPEED) for sign in (1, -1)]
        indices = [(frame.index + 2 * step, frame.index + step) for step in steps]
        found = [
            (places[far], places[near], place)
            for far, near in indices
            if far in places and near in places
        ]
        if found:
            ways.append(found)
    return ways


def _clip(
    frames: Sequence[PassedFrame],
    ways: Sequence[Sequence[tuple[int, int, int]]],
    side: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, int] | None:
    """A clip: images float32 [4, S, T, 3], labels int32 [4, S, T] and the number of channels.

    None where an object is not there, or too small.
    """
    of_one = ways[rng.integers(len(ways))]
    far, near, given = of_one[rng.integers(len(of_one))]
    reference = (given + rng.integers(1, len(frames))) % len(frames)  # any other frame
    true, told = frames[given].labels, frames[reference].labels
    shared = sorted(set(objects_of(true)) & set(objects_of(told)))
    if not shared:
        return None
    one = shared[rng.integers(len(shared))]
    windows = [_window(labels == one, side, rng) for labels in (told, true)]
    order = [
        (reference, windows[0]), (far, windows[1]), (near, windows[1]), (given, windows[1]),
    ]  # fmt: skip
    labels = np.stack([frames[place].labels[window] for place, window in order]).astype(np.int32)
    least = min(_LEAST, np.count_nonzero(true == one) / 2)
    if min(np.count_nonzero(labels[0] == one), np.count_nonzero(labels[3] == one)) < least:
        return None
    images = np.stack([frames[place].image[window] for place, window in order])
    labels, count = _numbered(labels, one)
    labels[2] = IGNORE  # no loss where nothing is known to be true
    if rng.random() < 0.5:
        images, labels = images[:, :, ::-1], labels[:, :, ::-1]
    light = rng.uniform(1 - _LIGHT, 1 + _LIGHT, 3).astype(np.float32)
    return np.clip(images * light, 0, 255), labels, count


def _window(is_object: np.ndarray, side: int, rng: np.random.Generator) -> tuple[slice, slice]:
    """A square near a random pixel of the object, or what of it the frame can hold."""
    places = np.argwhere(is_object)
    middle = places[rng.integers(len(places))] + rng.integers(-_SHIFT, _SHIFT + 1, 2)
    sides = np.minimum(side, is_object.shape)
    start = np.clip(middle - sides // 2, 0, np.array(is_object.shape) - sides)
    rows, columns = (slice(first, first + length) for first, length in zip(start, sides))
    return rows, columns


def _numbered(labels: np.ndarray, one: int) -> tuple[np.ndarray, int]:
    """Numbers the objects of a clip's reference 1, 2, ...; what is not in it is unknown.

    Args:
      labels: int32 [T, S, S]; the first is the reference.
      one: an object that is in it and gets a channel in any case.

    Returns:
      The labels, and the number of channels.
    """
    counts = np.bincount(labels[0].ravel(), minlength=256)
    others = sorted((i for i in objects_of(labels[0]) if i != one), key=lambda i: -counts[i])
    objects = sorted([one, *others[: _MAX_CHANNELS - 2]])
    table = np.full(256, IGNORE, np.int32)
    table[[0, *objects]] = np.arange(len(objects) + 1)
    return table[labels], len(objects) + 1


def objects_of(labels: np.ndarray, unknown: int | None = IGNORE) -> list[int]:
    """The objects in labels, ascending."""
    return [one for one in np.unique(labels).tolist() if one not in (0, unknown)]
