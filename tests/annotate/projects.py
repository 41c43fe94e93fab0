"""Projects to work on, with a method that needs no network."""

import contextlib
import time
import types

import numpy as np
from PIL import Image

from feelvos_tf.annotate.events import Events
from feelvos_tf.annotate.project import Project
from feelvos_tf.annotate.session import Session
from feelvos_tf.video.frames import open_frames

SIZE = (48, 64)
FILM_SIZE, FILM_COUNT = (240, 320), 60
COLORS = {1: (220, 40, 40), 2: (40, 60, 220)}


class ByColor:
    """Labels the pixels whose color is near that of an object in the masks it was told.

    Module level and without a network, so that a worker's process has it in no time.
    """

    labels_hold_all = True

    def __init__(self, seconds=0.0):
        self._seconds = seconds
        self._colors = {}

    def reset(self, frame, mask):
        self._colors = {}
        self.add_reference(frame, mask)

    def add_reference(self, frame, mask, *, objects_only=False):
        for object_id in set(np.unique(mask).tolist()) - {0}:
            self._colors[object_id] = np.median(frame[mask == object_id], axis=0)

    def step(self, frame):
        time.sleep(self._seconds)
        self._frame = frame
        self._labels = np.zeros(frame.shape[:2], np.uint8)
        for object_id, color in self._colors.items():
            self._labels[np.abs(frame - color).max(axis=-1) < 60] = object_id
        return self._labels

    def add_objects(self, mask):
        self.add_reference(self._frame, mask)
        self._labels = np.where(mask > 0, mask, self._labels)
        return self._labels

    def correct(self, mask):
        self.add_reference(self._frame, mask)
        self._labels = mask.copy()
        return self._labels

    def resume(self, frame, labels, *, forget=False):
        self._frame, self._labels = frame, labels

    def state(self):
        return {}

    def restore(self, state):
        pass


class Slow(ByColor):
    """Takes a while for each frame."""

    def __init__(self):
        super().__init__(seconds=0.05)


class Soft(ByColor):
    """Also says how sure it is: less the more a color differs."""

    def step(self, frame, return_details=False):
        labels = super().step(frame)
        if not return_details:
            return labels
        ids = np.array([0, *sorted(self._colors)], np.int32)
        apart = [np.abs(frame - self._colors[i]).max(axis=-1) for i in ids[1:].tolist()]
        logits = np.stack([np.zeros(frame.shape[:2]), *((60 - d) / 9 for d in apart)], axis=-1)
        shares = np.exp(logits)
        probabilities = shares / shares.sum(axis=-1, keepdims=True)
        soft = np.rint(255 * np.moveaxis(probabilities, -1, 0)).astype(np.uint8)
        return types.SimpleNamespace(
            labels=labels, object_ids=ids, probabilities=probabilities, soft_masks=lambda: soft
        )


def truth(index, size=SIZE):
    """Object 1 goes right and object 2 goes left, uint8 [H, W]."""
    labels = np.zeros(size, np.uint8)
    h, w = size
    side = h // 4
    x = (index * max(1, w // 80)) % (w - side)
    labels[h // 6 : h // 6 + side, x : x + side] = 1
    labels[h // 2 : h // 2 + side, w - side - x : w - x] = 2
    return labels


def drawn(index, size=SIZE):
    """The frame of `truth`, uint8 [H, W, 3]."""
    image = np.full((*size, 3), 128, np.uint8)
    labels = truth(index, size)
    for object_id, color in COLORS.items():
        image[labels == object_id] = color
    return image


def write_frames(folder, count=12, size=SIZE):
    folder.mkdir()
    for index in range(count):
        Image.fromarray(drawn(index, size)).save(folder / f"{index:05d}.png")
    return folder


@contextlib.contextmanager
def opened(video, folder, make=ByColor, settings=None):
    """A session at work on a folder of frames."""
    source = open_frames(video)
    names = source.names or [f"{i:05d}" for i in range(len(source))]
    with Project(folder, source, names, settings or {"method": "test"}) as project:
        with Session(source, project, make, Events()) as session:
            yield session


def wait_for(condition, seconds=120):
    """Waits until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def run_to_end(session, goal="both", current=0):
    session.run(goal, current)
    wait_for(lambda: session.describe()["run"] is None)
    assert not session.describe()["problem"]
