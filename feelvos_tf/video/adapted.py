"""A network that is adapted to the frames of a video whose masks are given, once for a run.

OUTPUT/adapted.npz   the network as it was adapted, a checkpoint like any other
OUTPUT/run.json      under "adaptation" how many steps were planned and taken, with which loss;
                     and the checksum of that file, by which a resumed run knows it
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from feelvos_tf.errors import InputError
from feelvos_tf.files import sha256
from feelvos_tf.video.frame_source import FrameSource
from feelvos_tf.video.given_masks import GivenMasks
from feelvos_tf.video.segment_output import SegmentOutput
from feelvos_tf.video.tracker import Segmenter, frame_missing

ADAPTED = "adapted.npz"
# Given frames that are adapted to, at most, spread over all; bounds memory.
_MOST_FRAMES = 16


class _Outcome(Protocol):
    @property
    def steps(self) -> int: ...

    @property
    def loss(self) -> float: ...

    @property
    def note(self) -> str: ...


@runtime_checkable
class Adaptable(Protocol):
    """What is asked of a method besides; see `feelvos_tf.adapting.adaptive_segmenter`."""

    def adapt(
        self,
        frames: Sequence[np.ndarray],
        masks: Sequence[np.ndarray],
        *,
        steps: int | None,
        planned: Callable[[int], None],
    ) -> _Outcome: ...

    def save_adapted(self, path: str | os.PathLike[str]) -> None: ...

    def load_adapted(self, path: str | os.PathLike[str]) -> None: ...


def adapt_to_given(
    segmenter: Segmenter,
    given: GivenMasks,
    source: FrameSource,
    folder: SegmentOutput,
    *,
    say: Callable[[str], None],
) -> None:
    """Adapts a method to all given frames, or takes what an earlier run of the same has left.

    Args:
      segmenter: an `Adaptable`.
      given: the masks; those that tell of new objects alone do not count.
      source: the frames.
      folder: of the run, after `begin`.
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
    entries = [entry for entry in given.entries if entry.whole and entry.ids]
    if len(entries) > _MOST_FRAMES:
        spread = np.linspace(0, len(entries) - 1, _MOST_FRAMES).round().astype(int)
        entries = [entries[i] for i in spread]
    frames = []
    for entry in entries:
        found = source.chunk(entry.index, entry.index)
        if not found:
            raise InputError(frame_missing(entry, "that frame cannot be read"))
        frames.append(found[0].image)
    say(
        f"adapting the network to {len(frames)} given frame{'s' * (len(frames) > 1)}; Ctrl-C ends "
        "that and goes on with what there is"
    )
    known: dict[str, Any] = {"frames": [entry.name for entry in entries]}

    def planned(steps: int) -> None:
        known["planned_steps"] = steps
        folder.record_adaptation(known)

    masks = [given.read(entry) for entry in entries]
    outcome = segmenter.adapt(frames, masks, steps=facts.get("planned_steps"), planned=planned)
    if outcome.note:
        say(f"the adaptation {outcome.note}")
    segmenter.save_adapted(path)
    loss = outcome.loss if np.isfinite(outcome.loss) else None
    folder.record_adaptation(
        {**known, "steps": outcome.steps, "loss": loss, "sha256": sha256(path)}
    )
    said = "" if loss is None else f", cross entropy {loss:.3f}"
    say(f"adapted in {outcome.steps} steps{said}; {path}")
