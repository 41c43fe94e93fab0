"""What the worker's process does: takes the network along stretches of the video.

It writes nothing: masks go to the server as they come, which alone knows whether a person has
painted the frame meanwhile.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import signal
from collections.abc import Callable, Generator, Sequence
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from feelvos_tf.annotate import soft_masks
from feelvos_tf.annotate.planning import Stretch
from feelvos_tf.errors import InputError
from feelvos_tf.video.confidence import mean_margins
from feelvos_tf.video.frame_source import Frame, FrameSource
from feelvos_tf.video.frames import open_frames, prefetch
from feelvos_tf.video.given_masks import GivenMasks
from feelvos_tf.video.labeled_frame import LabeledFrame
from feelvos_tf.video.mask_folder import mask_file
from feelvos_tf.video.masks import encode_mask, read_mask
from feelvos_tf.video.pass_tracker import PassTracker
from feelvos_tf.video.passes import FramesInPasses, Pass
from feelvos_tf.video.scores import Scores, with_scores
from feelvos_tf.video.tracker import Segmenter

_NICENESS = 10  # the page comes first


@dataclasses.dataclass(frozen=True)
class Job:
    """What the worker is asked to compute.

    Attributes:
      number: tells jobs apart.
      masks: folder of the masks that are there, NAME.png.
      painted: folder of the painted masks, NAME.png.
      stretches: what to compute.
    """

    number: int
    masks: pathlib.Path
    painted: pathlib.Path
    stretches: tuple[Stretch, ...]


@dataclasses.dataclass(frozen=True)
class Computed:
    """A mask that was computed.

    Attributes:
      number: of the job.
      index: of the frame.
      png: the mask as a file has it.
      objects: object -> (area in pixels, mean margin 0..1).
      soft: as of `soft_masks.packed`.
    """

    number: int
    index: int
    png: bytes
    objects: dict[int, tuple[int, float]]
    soft: bytes | None


@dataclasses.dataclass(frozen=True)
class Said:
    """What else the worker tells: "ready", "done" or "failed" of a job, with a line of why."""

    what: str
    number: int = 0
    line: str = ""


def run_worker(
    connection: Connection, video: str, names: Sequence[str], make: Callable[[], Segmenter]
) -> None:
    """Takes jobs from a connection until it is closed; a new job or None ends the one at hand.

    Args:
      connection: to the server; takes Job or None, gives Computed and Said.
      video: folder or file.
      names: of its frames.
      make: returns the method; loading it takes seconds.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's, which ends this
    with contextlib.suppress(OSError, AttributeError):
        os.nice(_NICENESS)
    with contextlib.suppress(EOFError, OSError):
        try:
            source = open_frames(video)
            segmenter = make()
        except InputError as error:
            connection.send(Said("failed", line=str(error)))
            return
        connection.send(Said("ready"))
        while True:
            job = connection.recv()
            while job is not None:
                job = _work(connection, job, source, names, segmenter)


def _work(
    connection: Connection,
    job: Job,
    source: FrameSource,
    names: Sequence[str],
    segmenter: Segmenter,
) -> Job | None:
    """Computes a job; returns the one that ended it early."""
    try:
        with contextlib.closing(_computed(job, source, names, segmenter)) as found:
            for one in found:
                connection.send(one)
                if connection.poll():
                    return connection.recv()
    except InputError as error:
        connection.send(Said("failed", job.number, str(error)))
    else:
        connection.send(Said("done", job.number))
    return None


def _computed(
    job: Job, source: FrameSource, names: Sequence[str], segmenter: Segmenter
) -> Generator[Computed, None, None]:
    scored, take = with_scores(segmenter)
    given = GivenMasks(job.painted, names, source.size)
    by_index = {entry.index: entry for entry in given.entries}
    for stretch in job.stretches:
        if stretch.anchor not in by_index:
            raise InputError(f"frame {names[stretch.anchor]} is painted no more")
        one = Pass(by_index[stretch.anchor], stretch.frames)
        tracker = PassTracker(_Forgetful(scored), given, [one], source)
        with contextlib.closing(prefetch(FramesInPasses(source, [one]), depth=2)) as frames:
            for frame in frames:
                if stretch.known and frame.index == stretch.begin:
                    path = job.masks / mask_file(frame.name, job.masks)
                    tracker.restore(frame, _tracked(read_mask(path, source.size), given))
                    continue
                labels = tracker.segment(frame)
                yield _described(job.number, frame, labels, take())


def _tracked(labels: np.ndarray, given: GivenMasks) -> np.ndarray:
    """Labels without the objects that no painted mask holds any more."""
    known = sorted({0}.union(*(entry.ids for entry in given.entries)))
    return np.where(np.isin(labels, known), labels, 0).astype(np.uint8)


def _described(number: int, frame: Frame, labels: np.ndarray, scores: Scores | None) -> Computed:
    areas = np.bincount(labels.ravel(), minlength=256)
    ids = tuple(int(i) for i in np.flatnonzero(areas) if i)
    labeled = LabeledFrame(frame, labels, ids, False, scores)
    sure = mean_margins(labeled) if scores else {}
    objects = {i: (int(areas[i]), float(sure.get(i, 1.0))) for i in ids}
    soft = soft_masks.packed(labeled)
    return Computed(number, frame.index, encode_mask(labels), objects, soft)


class _Forgetful:
    """A method that goes on from any frame with known labels, without what these do not hold."""

    def __init__(self, segmenter: Any) -> None:
        self._segmenter = segmenter

    def resume(self, frame: np.ndarray, labels: np.ndarray) -> None:
        self._segmenter.resume(frame, labels, forget=True)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._segmenter, name)
