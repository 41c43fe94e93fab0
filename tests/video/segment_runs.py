"""Runs of the engine of feelvos-segment with a method that needs no network."""

import csv
import types
import zlib

import numpy as np

from feelvos_tf.video.images import read_image
from feelvos_tf.video.masks import read_mask
from feelvos_tf.video.segment import segment_video

SIZE = (24, 32)


class Noisy:
    """A segmenter whose labels depend on all that a real one keeps between frames."""

    labels_hold_all = True

    def __init__(self, stop_at=None, error=KeyboardInterrupt):
        self.steps = 0
        self._stop_at = stop_at
        self._error = error

    def reset(self, frame, mask):
        self._ids = sorted(set(np.unique(mask).tolist()))
        self._reference = [zlib.crc32(frame.tobytes()), zlib.crc32(mask.tobytes())]
        self._frame, self._labels = frame, mask

    def step(self, frame):
        if self.steps == self._stop_at:
            raise self._error
        self.steps += 1
        state = [zlib.crc32(array.tobytes()) for array in (frame, self._frame, self._labels)]
        rng = np.random.default_rng([*self._reference, *state])
        labels = np.roll(self._labels, 1, axis=1)
        labels[rng.integers(SIZE[0], size=9), rng.integers(SIZE[1], size=9)] = rng.choice(self._ids)
        self._frame, self._labels = frame, labels
        return labels

    def add_objects(self, mask):
        assert not set(np.unique(mask).tolist()) & set(self._ids) - {0}
        self._ids += sorted(set(np.unique(mask).tolist()) - {0})
        self._reference += [zlib.crc32(self._frame.tobytes()), zlib.crc32(mask.tobytes())]
        self._labels = np.where(mask > 0, mask, self._labels)
        return self._labels

    def correct(self, mask):
        self._ids = sorted({*self._ids, *np.unique(mask).tolist()})
        self._reference += [zlib.crc32(self._frame.tobytes()), zlib.crc32(mask.tobytes()), 1]
        self._labels = mask.copy()
        return self._labels

    def add_reference(self, frame, mask, *, objects_only=False):
        self._ids = sorted({*self._ids, *np.unique(mask).tolist()})
        self._reference += [zlib.crc32(frame.tobytes()), zlib.crc32(mask.tobytes()), objects_only]

    def resume(self, frame, labels):
        self._frame, self._labels = frame, labels

    def state(self):
        return {
            "ids": np.array(self._ids),
            "reference": np.array(self._reference, np.uint64),
            "frame_before": self._frame.copy(),
            "labels": self._labels.copy(),
        }

    def restore(self, state):
        self._ids = state["ids"].tolist()
        self._reference = [int(value) for value in state["reference"]]
        self._frame, self._labels = state["frame_before"], state["labels"]


class Scoring(Noisy):
    """One that says how sure it is, at stride 4: less so to the right, and in some frames."""

    def __init__(self, unsure=(), **options):
        """`unsure`: pixels of frames, see `unsure_at`."""
        super().__init__(**options)
        self._unsure = unsure

    def step(self, frame, return_details=False):
        labels = super().step(frame)
        if not return_details:
            return labels
        rows, columns = (np.arange((n - 1) // 4 + 1) * 4 for n in SIZE)
        logits = 8.0 * (labels[rows][:, columns, np.newaxis] == np.array(self._ids))
        logits *= np.linspace(1, 0.5, len(columns))[:, np.newaxis]
        logits = (logits / (20 if frame.tobytes() in self._unsure else 1)).astype(np.float32)
        shares = np.exp(logits)
        shares /= shares.sum(axis=-1, keepdims=True)
        near = [np.minimum((np.arange(n) + 2) // 4, (n - 1) // 4) for n in SIZE]
        return types.SimpleNamespace(
            labels=labels,
            object_ids=np.array(self._ids, np.int32),
            probabilities=shares,
            soft_masks=lambda: as_bytes(shares[near[0]][:, near[1]]),
        )


def as_bytes(shares):
    """Probabilities [H, W, N] as soft masks are, uint8 [N, H, W]."""
    return np.rint(255 * np.moveaxis(shares, -1, 0)).astype(np.uint8)


class Remembering(Noisy):
    """One whose labels depend on every frame so far, as with a memory."""

    labels_hold_all = False

    def step(self, frame):
        labels = super().step(frame)
        self._reference = [self._reference[0] ^ zlib.crc32(labels.tobytes()), *self._reference[1:]]
        return labels

    def resume(self, frame, labels):
        raise AssertionError("labels do not hold the memory")


def unsure_at(frames, *names):
    return [read_image(frames / f"{name}.jpg").tobytes() for name in names]


def confidence_rows(folder):
    """Rows of confidence.csv, as text by column."""
    with open(folder / "confidence.csv", newline="") as file:
        return list(csv.DictReader(file))


def margins_of(folder):
    """(frame, object) -> margin, of the rows of confidence.csv that have one."""
    return {
        (row["frame"], int(row["object"])): float(row["margin"])
        for row in confidence_rows(folder)
        if row["margin"]
    }


def square(*ids):
    """A mask with an object of 6x4 pixels for each id."""
    mask = np.zeros(SIZE, np.uint8)
    for i, value in enumerate(ids):
        mask[4 + 2 * i : 10 + 2 * i, 7 * i : 7 * i + 4] = value
    return mask


def run(video, mask, output, segmenter=None, direction="forward", **options):
    lines = []
    summary = segment_video(
        video,
        mask,
        output,
        lambda: segmenter or Noisy(),
        direction=direction,
        say=lines.append,
        **options,
    )
    return summary, lines


def run_first(*arguments, **options):
    """A run in which a later mask counts for its new objects alone."""
    return run(*arguments, first_masks_only=True, **options)


def masks(folder):
    return {path.stem: read_mask(path) for path in folder.glob("frame*.png")}


def assert_same(first, second):
    assert sorted(first) == sorted(second)
    for name, mask in first.items():
        np.testing.assert_array_equal(mask, second[name], name)


def contents(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
