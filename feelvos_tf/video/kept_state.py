"""The state of a run beside its masks, from which an interrupted run goes on.

Labels alone do not hold all that the next frame is computed from where there is a memory or
probabilities are fed back. So such a run leaves its state now and then, and is resumed after the
last one; the frames since then are computed again and come out the same.
"""

from __future__ import annotations

import json
import pathlib
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from feelvos_tf.errors import InputError

STATE_FILE = "state.npz"
# What is lost at most when a run is killed. Writing takes a tenth of a second or less.
_SECONDS_BETWEEN = 20.0
_FRAME, _MASKS, _MADE_FROM = "frame", "num_masks", "made_from"


class Kept(NamedTuple):
    """A state, the frame that it follows, and how many masks there are up to there."""

    frame: str
    num_masks: int
    state: dict[str, np.ndarray]


class KeptState:
    """Writes and finds the state of a run.

    Args:
      folder: of the run.
      made_from: plain values as JSON has them; the state of another run is not taken.
    """

    def __init__(self, folder: pathlib.Path, made_from: Mapping[str, Any]) -> None:
        self.path = folder / STATE_FILE
        self._made_from = json.dumps(made_from, sort_keys=True).encode()
        self._saved = time.monotonic()

    def due(self) -> bool:
        """Whether it is time to write one."""
        return time.monotonic() - self._saved >= _SECONDS_BETWEEN

    def save(self, kept: Kept) -> None:
        """Writes a state in the place of the one before, whole or not at all.

        Raises:
          InputError: the file cannot be written.
        """
        from feelvos_tf.streaming import state as states  # brings in TensorFlow

        states.save(
            self.path,
            {
                **kept.state,
                _FRAME: np.array(kept.frame),
                _MASKS: np.array(kept.num_masks),
                _MADE_FROM: np.frombuffer(self._made_from, np.uint8),
            },
        )
        self._saved = time.monotonic()

    def remove(self) -> None:
        """Removes the state: a finished run needs none."""
        self.path.unlink(missing_ok=True)

    def load(self) -> Kept:
        """Returns the state that was written last.

        Raises:
          InputError: there is none, it is damaged, or it is another run's.
        """
        from feelvos_tf.streaming import state as states

        values = states.load(self.path)
        try:
            made_from = values.pop(_MADE_FROM).tobytes()
            kept = Kept(str(values.pop(_FRAME)), int(values.pop(_MASKS)), values)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{self.path}: not the state of a run") from error
        if made_from != self._made_from:
            raise InputError(f"{self.path}: is the state of a run with other input or options")
        return kept
