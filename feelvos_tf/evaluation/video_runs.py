"""Runs a method over a dataset, frame by frame, and scores it on the way.

One frame is in memory at a time, whatever a video's length.
"""

from __future__ import annotations

import dataclasses
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol, cast

import numpy as np

from feelvos_tf.data.videos import Video
from feelvos_tf.errors import InputError
from feelvos_tf.evaluation import protocols, scoring
from feelvos_tf.evaluation.results_folder import RunFolder
from feelvos_tf.evaluation.scoring import SequenceScores
from feelvos_tf.files import replaced_when_done
from feelvos_tf.process_memory import peak_memory
from feelvos_tf.video.adapted import Adaptable, PassedFrame
from feelvos_tf.video.images import describe_size, read_image, size_of
from feelvos_tf.video.masks import write_mask


class Method(Protocol):
    """Anything that behaves like `feelvos_tf.streaming.segmenter.VideoSegmenter`."""

    def reset(self, frame: np.ndarray, mask: np.ndarray) -> None:
        """Starts a video."""

    def step(self, frame: np.ndarray) -> np.ndarray:
        """Returns the labels of the next frame."""

    def add_objects(self, mask: np.ndarray) -> object:
        """Brings in objects in the frame just stepped."""


class EmbeddingMethod(Method, Protocol):
    """A method whose embeddings may be kept."""

    @property
    def embedding(self) -> np.ndarray:
        """Of the frame handed over last, float32 [h, w, C]."""


def run_videos(
    videos: Sequence[Video],
    make_segmenter: Callable[[], Method],
    protocol: str,
    output: RunFolder,
    *,
    categories: Mapping[str, Mapping[int, str]] | None = None,
    finished: Callable[[SequenceScores, bool], None] = lambda scores, fresh: None,
    failed: Callable[[str, str], None] = lambda name, reason: None,
    say: Callable[[str], None] = lambda line: None,
) -> tuple[list[SequenceScores], dict[str, str]]:
    """Runs a method over videos; a failing one is named and the rest goes on.

    Args:
      videos: `feelvos_tf.data.videos.Video`s.
      make_segmenter: returns the method; called once, and not at all where nothing is left to run.
      protocol: one of `protocols.PROTOCOLS`.
      output: where masks and marks go; sequences finished there are taken from it.
      categories: video -> object id -> category, or None.
      finished: called after each sequence with its scores and whether it was run just now.
      failed: called after a sequence that failed with its name and the reason.
      say: takes lines on what came of adapting, where the method does.

    Returns:
      The scores by sequence, and for each failed sequence its name and the reason in one line.
    """
    segmenter: Method | None = None
    done: list[SequenceScores] = []
    failures: dict[str, str] = {}
    for video in videos:
        try:
            plan = protocols.plan_video(video, protocol)
            scores = output.finished(video, plan)
        except InputError as error:
            failures[video.name] = str(error)
            failed(video.name, str(error))
            continue
        fresh = scores is None
        if scores is None:
            if segmenter is None:
                segmenter = make_segmenter()
            try:
                if isinstance(segmenter, Adaptable):
                    outcome = segmenter.adapt(passes_of(video, plan, protocol, segmenter))
                    for line in outcome.lines():
                        say(f"{video.name}: {line}")
                scores = run_video(
                    video,
                    plan,
                    protocol,
                    segmenter,
                    output.begin(video.name),
                    (categories or {}).get(video.name),
                    embeddings=output.embeddings and output.embeddings / video.name,
                )
                output.finish(scores)
            except Exception as error:  # whatever it is, the other sequences deserve their run
                failures[video.name] = _reason(error, video.name, output)
                failed(video.name, failures[video.name])
                continue
        done.append(scores)
        finished(scores, fresh)
    return done, failures


def _reason(error: Exception, name: str, output: RunFolder) -> str:
    """One line for a failure; what is no fault of the input leaves its traceback in a file."""
    text = " ".join(str(error).split())
    if isinstance(error, InputError):
        return text
    trace = output.fail(name, traceback.format_exc())
    return f"{type(error).__name__}: {text[:200]} (traceback in {trace})"


def run_video(
    video: Video,
    plan: protocols.Plan,
    protocol: str,
    segmenter: Method,
    folder: Path,
    categories: Mapping[int, str] | None = None,
    embeddings: Path | None = None,
) -> SequenceScores:
    """Runs a method over one video, writes its masks and scores them.

    Objects are given in the frame of their first mask; that frame's result has the given pixels
    of the new objects over what the method says of the others. Frames before the first mask are
    background.

    Args:
      video: a `feelvos_tf.data.videos.Video`.
      plan: its Plan.
      protocol: one of `protocols.PROTOCOLS`.
      segmenter: the method.
      folder: gets a palette PNG for each frame.
      categories: object id -> category, or None.
      embeddings: gets FRAME.npy, float32 [h, w, C], for each frame from the first given one on, if
        not None; the method is then an `EmbeddingMethod`.

    Returns:
      A SequenceScores.

    Raises:
      InputError: an image or mask cannot be used.
    """
    by_frame, step_seconds = {}, []
    for frame in segmented(video, plan, protocol, segmenter):
        if frame.index > plan.start:
            step_seconds.append(frame.seconds)
        stem = video.frames[frame.index].stem
        write_mask(folder / f"{stem}.png", frame.labels)
        if embeddings is not None and frame.index >= plan.start:
            embedding = cast(EmbeddingMethod, segmenter).embedding
            with replaced_when_done(embeddings / f"{stem}.npy") as temporary:
                with open(temporary, "wb") as file:
                    np.save(file, embedding)
        if frame.truth is not None and frame.index in plan.scored:
            scored = plan.scored[frame.index]
            by_frame[frame.index] = scoring.score_frame(frame.truth, frame.labels, scored)
    timed = step_seconds[1:]  # a network's first step includes its compilation
    return SequenceScores(
        video.name,
        scoring.score_sequence(video, plan, by_frame, categories),
        len(video.frames),
        frames_per_second=len(timed) / sum(timed) if timed else None,
        peak_memory=peak_memory(),
    )


@dataclasses.dataclass(frozen=True)
class _Segmented:
    index: int
    image: np.ndarray
    labels: np.ndarray
    truth: np.ndarray | None  # where it is given or scored
    seconds: float  # that the method took


def segmented(
    video: Video, plan: protocols.Plan, protocol: str, segmenter: Method
) -> Iterator[_Segmented]:
    """Takes a method through a video as a protocol says; see `run_video`."""
    for index, path in enumerate(video.frames):
        image = read_image(path)
        size = size_of(image)
        new = plan.new_objects(index)
        truth = None
        if new or index in plan.scored:
            truth = scoring.read_truth(video, index, protocol)
            if truth.shape != size:
                raise InputError(
                    f"{video.masks[index]}: mask of {describe_size(size_of(truth))}, "
                    f"expected {describe_size(size)} like {path.name}"
                )
        given = protocols.keep_ids(truth, new) if new and truth is not None else None
        start = time.perf_counter()
        if index < plan.start:
            labels = np.zeros(size, np.uint8)
        elif index == plan.start:
            assert given is not None  # a plan starts where a mask is given
            segmenter.reset(image, given)
            labels = given
        else:
            labels = np.asarray(segmenter.step(image))
            if labels.shape != size:
                raise InputError(
                    f"{path}: its labels have shape {list(labels.shape)}, expected {list(size)}"
                )
            # Lists of objects may name one that its mask does not have; then there is none.
            if given is not None and given.any():
                segmenter.add_objects(given)
                labels = np.where(given > 0, given, labels)
        yield _Segmented(index, image, labels, truth, time.perf_counter() - start)


def passes_of(
    video: Video, plan: protocols.Plan, protocol: str, segmenter: Method
) -> Callable[[], Iterator[PassedFrame]]:
    """Labels a video for an `Adaptable` method; the first mask alone is the whole truth."""

    def passed() -> Iterator[PassedFrame]:
        for frame in segmented(video, plan, protocol, segmenter):
            if frame.index >= plan.start:
                is_given = frame.index == plan.start
                yield PassedFrame(frame.index, frame.image, frame.labels.astype(np.uint8), is_given)

    return passed
