"""Scores of frames, objects and sequences, and the scoring of a folder of results."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Optional

import numpy as np

from feelvos_tf.data.videos import Video
from feelvos_tf.errors import InputError
from feelvos_tf.evaluation import metrics, protocols
from feelvos_tf.video.images import size_of
from feelvos_tf.video.masks import read_mask

# Arguments of `score_result_folder`.
_Job = tuple[Video, str, str, Optional[Mapping[int, str]]]


@dataclasses.dataclass
class ObjectScores:
    """J and F of one object by frame, shares of 1.

    Attributes:
      name: as in the official tables, such as bus_1.
      object_id: its id in the masks.
      frames: names of the scored frames without suffix, in their order.
      j: J of each of them.
      f: F of each of them.
      category: its category, or None where unknown (YouTube-VOS only).
    """

    name: str
    object_id: int
    frames: list[str] = dataclasses.field(default_factory=list)
    j: list[float] = dataclasses.field(default_factory=list)
    f: list[float] = dataclasses.field(default_factory=list)
    category: str | None = None

    @property
    def mean(self) -> float:
        """J&F, the mean of the means of J and of F."""
        return (metrics.statistics(self.j).mean + metrics.statistics(self.f).mean) / 2


@dataclasses.dataclass
class SequenceScores:
    """One sequence: its objects' scores and, where it was run here, what the run took.

    Attributes:
      name: of the video.
      objects: in the order of their ids; empty where no frame has a public mask.
      num_frames: frames of the video.
      frames_per_second: of the method's steps alone, the first one and reading, scoring and
        writing left out; None where results were read from files.
      peak_memory: of the process so far, in bytes; None where results were read from files.
    """

    name: str
    objects: list[ObjectScores]
    num_frames: int
    frames_per_second: float | None = None
    peak_memory: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Returns plain values that survive JSON to the last digit."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> SequenceScores:
        """Restores what `to_dict` gave; TypeError or KeyError where it is something else."""
        objects = [ObjectScores(**entry) for entry in values["objects"]]
        return cls(**{**values, "objects": objects})


def score_frame(
    truth: np.ndarray, labels: np.ndarray, object_ids: Iterable[int]
) -> dict[int, tuple[float, float]]:
    """J and F of each object in one frame.

    Args:
      truth: uint8 [H, W], true ids; 255 is void unless it is one of the objects.
      labels: uint8 [H, W], ids to judge.
      object_ids: the objects to score.

    Returns:
      Object id -> (J, F).
    """
    object_ids = tuple(object_ids)
    void = truth == protocols.VOID_LABEL
    if protocols.VOID_LABEL in object_ids or not void.any():
        void = None
    scores = {}
    for i in object_ids:
        masks = truth == i, labels == i
        scores[i] = (
            metrics.region_similarity(*masks, void),
            metrics.boundary_accuracy(*masks, void),
        )
    return scores


def score_sequence(
    video: Video,
    plan: protocols.Plan,
    by_frame: Mapping[int, Mapping[int, tuple[float, float]]],
    categories: Mapping[int, str] | None = None,
) -> list[ObjectScores]:
    """Turns scores by frame into scores by object.

    Args:
      video: a `feelvos_tf.data.videos.Video`.
      plan: its Plan.
      by_frame: frame index -> result of `score_frame`, for every scored frame.
      categories: object id -> category, or None.

    Returns:
      One ObjectScores for each object with a scored frame, in the order of ids.
    """
    objects = {
        i: ObjectScores(protocols.object_name(video.name, i), i, category=(categories or {}).get(i))
        for i in plan.given
    }
    for index in plan.scored:
        for i, (j, f) in by_frame[index].items():
            objects[i].frames.append(video.frames[index].stem)
            objects[i].j.append(j)
            objects[i].f.append(f)
    return [scores for scores in objects.values() if scores.frames]


def read_truth(video: Video, index: int, protocol: str) -> np.ndarray:
    """Reads the true ids of a frame as the protocol sees them; uint8 [H, W]."""
    labels = video.read_labels(index)
    assert labels is not None  # a plan gives and scores frames with masks only
    return protocols.protocol_labels(labels, protocol)


def score_result_folder(
    video: Video,
    folder: str | os.PathLike[str],
    protocol: str,
    categories: Mapping[int, str] | None = None,
) -> SequenceScores:
    """Scores the result files of one video.

    Args:
      video: a `feelvos_tf.data.videos.Video`.
      folder: folder of all results; those of the video are folder/NAME/FRAME.png.
      protocol: one of `protocols.PROTOCOLS`.
      categories: object id -> category, or None.

    Returns:
      A SequenceScores.

    Raises:
      InputError: names a result file that is missing, surplus, damaged, of the wrong size or
        with ids that the video does not have.
    """
    plan = protocols.plan_video(video, protocol)
    if not plan.scored:
        raise InputError(
            f"video {video.name}: has no public masks beyond those it starts with, "
            "so its results cannot be scored here"
        )
    folder = Path(folder) / video.name
    check_result_names(video, plan, folder)

    by_frame = {}
    for index, object_ids in plan.scored.items():
        truth = read_truth(video, index, protocol)
        path = folder / f"{video.frames[index].stem}.png"
        labels = protocols.protocol_labels(read_mask(path, size_of(truth)), protocol)
        check_result_ids(path, labels, plan)
        by_frame[index] = score_frame(truth, labels, object_ids)
    return SequenceScores(
        video.name, score_sequence(video, plan, by_frame, categories), len(video.frames)
    )


def check_result_names(video: Video, plan: protocols.Plan, folder: Path) -> None:
    """Raises InputError where files of scored frames are missing or those of no frame exist."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder, expected the results of {video.name}")
    found = {path.stem for path in folder.glob("*.png") if not path.name.startswith(".")}
    missing = sorted({video.frames[i].stem for i in plan.scored} - found)
    if missing:
        raise InputError(
            f"{folder / missing[0]}.png: missing{_and_others(missing)}, expected a "
            f"result for each of {len(plan.scored)} scored frames"
        )
    surplus = sorted(found - {frame.stem for frame in video.frames})
    if surplus:
        raise InputError(
            f"{folder / surplus[0]}.png: surplus{_and_others(surplus)}, expected "
            f"names of the {len(video.frames)} frames of {video.name} only"
        )


def _and_others(names: Sequence[str]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""


def check_result_ids(
    path: str | os.PathLike[str], labels: np.ndarray, plan: protocols.Plan
) -> None:
    """Raises InputError where labels hold an id that the method was never given."""
    known = {0, *plan.given}
    unknown = [int(i) for i in np.flatnonzero(np.bincount(labels.ravel())) if i not in known]
    if unknown:
        raise InputError(
            f"{path}: has the id {unknown[0]}, expected 0 and "
            f"{', '.join(str(i) for i in plan.given)} only"
        )


def check_results(folder: str | os.PathLike[str]) -> None:
    """Raises InputError where a folder of results does not exist."""
    if not Path(folder).is_dir():
        raise InputError(f"{folder}: no such folder, expected results as VIDEO/FRAME.png")


def score_results(
    videos: Sequence[Video],
    folder: str | os.PathLike[str],
    protocol: str,
    *,
    workers: int,
    categories: Mapping[str, Mapping[int, str]] | None = None,
    finished: Callable[[SequenceScores], None] = lambda scores: None,
    failed: Callable[[str, str], None] = lambda name, reason: None,
) -> tuple[list[SequenceScores], dict[str, str]]:
    """Scores a folder of results against a dataset, sequences side by side.

    Args:
      videos: `feelvos_tf.data.videos.Video`s.
      folder: folder of all results, those of a video in folder/NAME/FRAME.png.
      protocol: one of `protocols.PROTOCOLS`.
      workers: processes; 1 stays in this one. Each takes about 60 MB, whatever the videos' length.
      categories: video -> object id -> category, or None.
      finished: called with each sequence, in the order of `videos`.
      failed: called with the name of one that cannot be scored, and the reason.

    Returns:
      The scores by sequence, and for each sequence that could not be scored its name and reason.

    Raises:
      InputError: `folder` does not exist.
    """
    check_results(folder)
    jobs = [(video, str(folder), protocol, (categories or {}).get(video.name)) for video in videos]
    done, failures = [], {}
    for video, result in zip(videos, _each(jobs, min(workers, len(jobs)))):
        if isinstance(result, str):
            failures[video.name] = result
            failed(video.name, result)
            continue
        done.append(result)
        finished(result)
    return done, failures


def _each(jobs: Sequence[_Job], workers: int) -> Iterator[SequenceScores | str]:
    if workers <= 1:
        yield from map(_score_job, jobs)
        return
    # Not threads: a frame is many short NumPy calls, between which Python's lock changes hands.
    # Not forks: a process that has started TensorFlow's threads cannot be forked safely.
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
    try:
        yield from pool.map(_score_job, jobs)
    finally:
        pool.shutdown(cancel_futures=True)


def _score_job(job: _Job) -> SequenceScores | str:
    """Scores one video, or says why it cannot be scored; runs in a process of its own."""
    try:
        return score_result_folder(*job)
    except (InputError, OSError) as error:
        return str(error)
