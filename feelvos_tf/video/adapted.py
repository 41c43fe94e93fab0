"""A network that is adapted to a video and its given masks, once for a run.

OUTPUT/adapted.npz   the network as it was adapted, a checkpoint like any other
OUTPUT/run.json      under "adaptation" how many steps were planned and taken, with which loss and
                     gain, and the checksum of that file, by which a resumed run knows it
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from feelvos_tf.errors import InputError
from feelvos_tf.files import sha256
from feelvos_tf.video.frame_source import Frame, FrameSource
from feelvos_tf.video.given_masks import GivenMasks
from feelvos_tf.video.segment_output import SegmentOutput
from feelvos_tf.video.tracker import Segmenter, Tracker

ADAPTED = "adapted.npz"


@dataclasses.dataclass(frozen=True)
class PassedFrame:
    """A frame as a pass over a video leaves it.

    Attributes:
      index: position in the video from 0.
      image: uint8 [H, W, 3], RGB.
      labels: uint8 [H, W], ids.
      given: whether a user has given all of the labels, so that they are true.
    """

    index: int
    image: np.ndarray
    labels: np.ndarray
    given: bool


class Outcome(NamedTuple):
    """What came of adapting to a video.

    Attributes:
      steps: that were taken.
      loss: cross entropy at the end; NaN where no step was taken.
      note: a line for people where it ended before its time, else empty.
      before, after: how well the network as it came finds given masks again from other frames,
        mean intersection over union, under the labels of itself and under those of the network as
        it was trained; None where that cannot be told.
      kept: whether the network is as it was trained, else it is as it came.
      tried: whether nobody ended the trial before its time.
    """

    steps: int
    loss: float
    note: str
    before: float | None
    after: float | None
    kept: bool
    tried: bool = True

    def lines(self) -> list[str]:
        """What there is to tell people."""
        lines = [f"the adaptation {self.note}"] if self.note else []
        if self.before is None:
            return [*lines, "nothing was learned: no other frame leads back to a given mask"]
        if not (self.steps and self.tried):
            return lines
        if self.after is None:
            return [*lines, f"not kept: after {self.steps} steps the objects are lost everywhere"]
        kept = "kept" if self.kept else "not kept: the network stays as it came"
        return [
            *lines,
            f"{self.steps} steps; given masks found again from other frames: overlap "
            f"{100 * self.before:.1f} % before, {100 * self.after:.1f} % after; {kept}",
        ]


@runtime_checkable
class Adaptable(Protocol):
    """What is asked of a method besides; see `feelvos_tf.adapting.adaptive_segmenter`."""

    def adapt(
        self,
        passes: Callable[[], Iterable[PassedFrame]],
        *,
        steps: int | None = None,
        planned: Callable[[int], None] = ...,
    ) -> Outcome: ...

    def save_adapted(self, path: str | os.PathLike[str]) -> None: ...

    def load_adapted(self, path: str | os.PathLike[str]) -> None: ...


def adapt_to_given(
    segmenter: Segmenter,
    given: GivenMasks,
    source: FrameSource,
    folder: SegmentOutput,
    *,
    watch: Callable[[Iterator[Frame], int], Iterator[Frame]],
    say: Callable[[str], None],
) -> None:
    """Adapts a method to a video, or takes what an earlier run of the same has left.

    Args:
      segmenter: an `Adaptable`.
      given: the masks; those that tell of new objects alone are not taken for the whole truth.
      source: the frames.
      folder: of the run, after `begin`.
      watch: hands on the frames of a pass, a number of them, and shows how far they are.
      say: takes lines for people.

    Raises:
      InputError: the method cannot adapt, a frame cannot be read, the file not be written, or what
        an earlier run has left is gone and cannot be made again.
    """
    if not isinstance(segmenter, Adaptable):
        raise InputError("the method cannot adapt to a video")
    path, facts = folder.folder / ADAPTED, folder.adaptation
    if facts.get("sha256") and path.is_file() and sha256(path) == facts["sha256"]:
        segmenter.load_adapted(path)
        say(f"adapted to this video before: {path}")
        return
    if facts.get("steps", 0) < facts.get("planned_steps", 0) and "sha256" in facts:
        raise InputError(
            f"{path}: is gone or has changed, and was ended before its time, so that it cannot be "
            "made again; --overwrite starts anew"
        )
    say(
        "adapting the network to this video: it is labeled once, and the network trained on the "
        "way back to the given frames; Ctrl-C ends that and goes on with what there is"
    )
    known: dict[str, Any] = {}

    def planned(steps: int) -> None:
        known["planned_steps"] = steps
        folder.record_adaptation(known)

    outcome = segmenter.adapt(
        lambda: _passed(segmenter, given, source, watch),
        steps=facts.get("planned_steps"),
        planned=planned,
    )
    for line in outcome.lines():
        say(line)
    segmenter.save_adapted(path)
    loss = outcome.loss if math.isfinite(outcome.loss) else None
    folder.record_adaptation(
        {
            **known,
            "steps": outcome.steps,
            "loss": loss,
            "before": outcome.before,
            "after": outcome.after,
            "kept": outcome.kept,
            "sha256": sha256(path),
        }
    )


def _passed(
    segmenter: Segmenter,
    given: GivenMasks,
    source: FrameSource,
    watch: Callable[[Iterator[Frame], int], Iterator[Frame]],
) -> Iterator[PassedFrame]:
    tracker = Tracker(segmenter, given)
    whole = {entry.index: entry for entry in given.entries if entry.whole}
    for frame in watch(source.iterate(tracker.start), len(source) - tracker.start):
        labels = tracker.segment(frame)
        entry = whole.get(frame.index)
        if entry is not None:
            labels = given.read(entry)  # which keeps the ignored label
        yield PassedFrame(frame.index, frame.image, labels, entry is not None)
