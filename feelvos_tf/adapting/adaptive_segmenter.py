"""A segmenter whose network adapts to each video, on the video's own way back to given frames."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from feelvos_tf.adapting.adaptation import TO_A_VIDEO, Adaptation
from feelvos_tf.adapting.adapter import Adapter, Progress, as_channels
from feelvos_tf.adapting.cycles import cycles, kept
from feelvos_tf.adapting.reduced import reduced
from feelvos_tf.adapting.trial import way_back
from feelvos_tf.checkpoints import assign, load_model, save_model
from feelvos_tf.modeling.feelvos import Feelvos
from feelvos_tf.modeling.precision import with_precision
from feelvos_tf.streaming.segmenter import VideoSegmenter
from feelvos_tf.video.adapted import Outcome, PassedFrame

_BEGINS = 8  # of the trial before and after


def _never() -> AbstractContextManager[threading.Event]:
    return contextlib.nullcontext(threading.Event())


class AdaptiveSegmenter(VideoSegmenter):
    """A VideoSegmenter with a network of its own, which `adapt` fine-tunes for a video.

        segmenter = AdaptiveSegmenter(model)
        segmenter.adapt(lambda: labeled(segmenter, frames, first_mask))
        segmenter.reset(first_frame, first_mask)

    Args:
      model: the network, which stays as it is.
      adaptation: how it is fine-tuned; the defaults were measured (docs/adapt.md).
      report: told how far an adaptation is.
      stopping: makes a block in which an event may be set that ends the adaptation early: its
        training, which is tried then, or its trial.
      max_side: see VideoSegmenter; the network is fine-tuned at that size too.
      ignore_label: see VideoSegmenter.
      mixed_precision: see VideoSegmenter; training is in float32.
      **options: further ones of VideoSegmenter.

    Raises:
      InputError: as VideoSegmenter.
    """

    def __init__(
        self,
        model: Feelvos,
        adaptation: Adaptation = TO_A_VIDEO,
        *,
        report: Callable[[Progress], None] = lambda progress: None,
        stopping: Callable[[], AbstractContextManager[threading.Event]] = _never,
        max_side: int | None = None,
        ignore_label: int | None = None,
        mixed_precision: str | None = None,
        **options: Any,
    ) -> None:
        own = with_precision(model, mixed_precision or "float32")
        super().__init__(own, max_side=max_side, ignore_label=ignore_label, **options)
        self._adaptation = adaptation
        self._adapter = Adapter(model, adaptation, last_only=True)
        self._max_side, self._report, self._stopping = max_side, report, stopping

    def adapt(
        self,
        passes: Callable[[], Iterable[PassedFrame]],
        *,
        steps: int | None = None,
        planned: Callable[[int], None] = lambda steps: None,
    ) -> Outcome:
        """Fine-tunes the network to a video, from the weights it came with; then `reset` it.

        What was learned is judged by the labels that it gives: with the weights it came with, the
        network begins at later frames under these labels, and given masks must be found again
        better than from those of the first pass. So a network that has learned a given frame by
        heart does not judge itself.

        Args:
          passes: makes a pass over the video, frames in order and labeled by this segmenter, which
            changes its weights between one pass and the next.
          steps, planned: see `Adapter.adapt`.

        Raises:
          InputError: what a pass raises, or a frame is too small.
        """
        self._take(self._adapter.given)
        with self._stopping() as stop:
            frames = self._passed(passes, stop)
            before = way_back(self, frames, _BEGINS, self._ignore_label)
            pairs = [(frame.image, frame.labels) for frame in frames]
            _, channels = as_channels(pairs, self._ignore_label)
            told = [dataclasses.replace(frame, labels=one) for frame, one in zip(frames, channels)]
            adapted = self._adapter.adapt(
                lambda count: cycles(told, self._adaptation, count),
                steps=steps,
                planned=planned,
                report=self._report,
                stop=stop,
            )
            if before is None or not adapted.steps:
                return Outcome(adapted.steps, adapted.loss, adapted.note, before, None, False)
            # Who has ended the training early still wants to know what it is worth.
            ended_early = stop.is_set()
            self._take(adapted.weights)
            frames = self._passed(passes, threading.Event() if ended_early else stop)
            self._take(self._adapter.given)
            if stop.is_set() and not ended_early:
                note = "stopped before its trial ended; what it learned is left"
                return Outcome(adapted.steps, adapted.loss, note, before, None, False, False)
        after = way_back(self, frames, _BEGINS, self._ignore_label)
        is_better = after is not None and after > before
        if is_better:
            self._take(adapted.weights)
        return Outcome(adapted.steps, adapted.loss, adapted.note, before, after, is_better)

    def _take(self, weights: Mapping[str, np.ndarray]) -> None:
        assign(self.model, weights, "the adaptation", weights)

    def _passed(
        self, passes: Callable[[], Iterable[PassedFrame]], stop: threading.Event
    ) -> list[PassedFrame]:
        """Frames of a pass, as they are computed, or of what of it came before `stop` was set."""
        frames = kept(itertools.takewhile(lambda _: not stop.is_set(), passes()))
        if self._max_side is None:
            return frames
        return [_at_most(frame, self._max_side) for frame in frames]

    def save_adapted(self, path: str | os.PathLike[str]) -> None:
        """Writes the network as it is now, a checkpoint like any other.

        Raises:
          InputError: it cannot be written.
        """
        save_model(self.model, path)

    def load_adapted(self, path: str | os.PathLike[str]) -> None:
        """Takes the network that `save_adapted` wrote.

        Raises:
          InputError: it is not there, damaged, or of another form.
        """
        self.model.set_weights(load_model(path).get_weights())


def labeled(
    segmenter: VideoSegmenter, frames: Iterable[np.ndarray], mask: np.ndarray
) -> Iterator[PassedFrame]:
    """Labels frames from the mask of the first one, for `AdaptiveSegmenter.adapt`.

    Args:
      segmenter: the one that adapts.
      frames: uint8 [H, W, 3], RGB.
      mask: integers [H, W]: ids, 0 for background.

    Raises:
      InputError: a frame or the mask is not as described.
    """
    for index, frame in enumerate(frames):
        if index == 0:
            segmenter.reset(frame, mask)
        labels = segmenter.step(frame) if index else np.asarray(mask, np.uint8)
        yield PassedFrame(index, frame, labels, index == 0)


def _at_most(frame: PassedFrame, side: int) -> PassedFrame:
    image, labels = reduced(frame.image, frame.labels, side)
    return dataclasses.replace(frame, image=image, labels=labels)
