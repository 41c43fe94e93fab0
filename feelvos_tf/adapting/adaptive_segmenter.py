"""A segmenter whose network adapts to the frames that are given of each video."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from feelvos_tf.adapting.adaptation import Adaptation
from feelvos_tf.adapting.adapter import Adapted, Adapter, Progress, as_channels
from feelvos_tf.checkpoints import assign, load_model, save_model
from feelvos_tf.modeling.feelvos import Feelvos
from feelvos_tf.modeling.precision import with_precision
from feelvos_tf.streaming.segmenter import VideoSegmenter

_logger = logging.getLogger(__name__)


def _never() -> AbstractContextManager[threading.Event]:
    return contextlib.nullcontext(threading.Event())


class AdaptiveSegmenter(VideoSegmenter):
    """A VideoSegmenter with a network of its own, which `adapt` fine-tunes for a video.

        segmenter = AdaptiveSegmenter(model, Adaptation(steps=80))
        segmenter.adapt([first_frame], [first_mask])
        segmenter.reset(first_frame, first_mask)

    Args:
      model: the network, which stays as it is.
      adaptation: how it is fine-tuned.
      on_reset: whether `reset` adapts to its frame, as where each video gives its first mask alone.
      report: told how far an adaptation is.
      stopping: makes a block in which an event may be set that ends the adaptation early.
      ignore_label: see VideoSegmenter.
      mixed_precision: see VideoSegmenter; training is in float32.
      **options: further ones of VideoSegmenter.

    Raises:
      InputError: as VideoSegmenter.
    """

    def __init__(
        self,
        model: Feelvos,
        adaptation: Adaptation,
        *,
        on_reset: bool = False,
        report: Callable[[Progress], None] = lambda progress: None,
        stopping: Callable[[], AbstractContextManager[threading.Event]] = _never,
        ignore_label: int | None = None,
        mixed_precision: str | None = None,
        **options: Any,
    ) -> None:
        own = with_precision(model, mixed_precision or "float32")
        super().__init__(own, ignore_label=ignore_label, **options)
        self._adapter = Adapter(model, adaptation)
        self._on_reset, self._report, self._stopping = on_reset, report, stopping

    def reset(self, frame: np.ndarray, mask: np.ndarray) -> None:
        """See VideoSegmenter."""
        super().reset(frame, mask)
        if self._on_reset:  # the input is known to be right
            adapted = self.adapt([frame], [mask])
            if adapted.note:
                _logger.warning("the adaptation %s", adapted.note)
            super().reset(frame, mask)

    def adapt(
        self,
        frames: Sequence[np.ndarray],
        masks: Sequence[np.ndarray],
        *,
        steps: int | None = None,
        planned: Callable[[int], None] = lambda steps: None,
    ) -> Adapted:
        """Fine-tunes the network, from the weights it came with; to be called before `reset`.

        Args:
          frames: uint8 [H, W, 3], RGB.
          masks: integers [H, W]: ids, 0 for background.
          steps, planned: see `Adapter.adapt`.

        Raises:
          InputError: see `adapter.adapt`.
        """
        told = as_channels(list(zip(frames, masks)), self._ignore_label)
        with self._stopping() as stop:
            adapted = self._adapter.adapt(
                *told, steps=steps, planned=planned, report=self._report, stop=stop
            )
        assign(self.model, adapted.weights, "the adaptation", adapted.weights)
        return adapted

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
