"""The flags --adapt, --adapt_steps and --adapt_seconds of commands that may fine-tune a network."""

from __future__ import annotations

import contextlib
import dataclasses
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from absl import app as absl_app
from absl import flags

from feelvos_tf.adapting.adaptation import TO_A_VIDEO, Adaptation

if TYPE_CHECKING:
    from feelvos_tf.adapting.adapter import Progress
    from feelvos_tf.adapting.adaptive_segmenter import AdaptiveSegmenter
    from feelvos_tf.modeling.feelvos import Feelvos

_SECONDS_BETWEEN_LINES = 10.0

ADAPT = flags.DEFINE_bool(
    "adapt",
    False,
    "Fine-tune the network to each video before it segments: a first pass labels the video, and "
    "the network learns for about a minute to find its way back to the given masks, a second pass "
    "tries what it learned, and it is kept where the masks are found better; docs/adapt.md tells "
    "what that gained.",
)
ADAPT_STEPS = flags.DEFINE_integer(
    "adapt_steps",
    TO_A_VIDEO.steps,
    "Steps of --adapt, at most; the same number gives the same weights.",
    lower_bound=1,
)
ADAPT_SECONDS = flags.DEFINE_float(
    "adapt_seconds",
    0.0,
    "Cut the steps of --adapt to what fits into so many seconds, the first pass beside them; "
    "0 for no limit.",
    lower_bound=0.0,
)


def chosen() -> Adaptation | None:
    """What the flags say; None for no adaptation.

    Raises:
      UsageError: a detail without --adapt.
    """
    if not ADAPT.value:
        if ADAPT_STEPS.present or ADAPT_SECONDS.present:
            raise absl_app.UsageError("--adapt_steps and --adapt_seconds go with --adapt")
        return None
    return dataclasses.replace(TO_A_VIDEO, steps=ADAPT_STEPS.value, seconds=ADAPT_SECONDS.value)


def described(adaptation: Adaptation | None) -> dict[str, Any]:
    """What tells runs apart, as JSON has it; empty without an adaptation."""
    return {} if adaptation is None else {"adapt": adaptation.to_dict()}


def segmenter(
    model: Feelvos, adaptation: Adaptation, say: Callable[[str], None], **options: Any
) -> AdaptiveSegmenter:
    """A segmenter that adapts, and tells `say` how far it is.

    Args:
      model: the network.
      adaptation: what the flags say.
      say: takes lines for people.
      **options: of AdaptiveSegmenter.
    """
    from feelvos_tf.adapting.adaptive_segmenter import AdaptiveSegmenter

    return AdaptiveSegmenter(model, adaptation, report=Report(say), **options)


class Report:
    """Says how far an adaptation is: a line that changes on a terminal, else one now and then."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say, self._said = say, time.monotonic()

    def __call__(self, progress: Progress) -> None:
        left = ""
        if progress.seconds_left is not None:
            left = f", {progress.seconds_left:.0f} s left"
        line = f"adapting: step {progress.step} of {progress.steps}, loss {progress.loss:.3f}{left}"
        if sys.stderr.isatty():
            end = "\n" if progress.step == progress.steps else ""
            print(f"\r{line}\033[K", end=end, file=sys.stderr, flush=True)
        elif time.monotonic() - self._said >= _SECONDS_BETWEEN_LINES:
            self._said = time.monotonic()
            self._say(line)


@contextlib.contextmanager
def first_interrupt() -> Iterator[threading.Event]:
    """A block in which the first Ctrl-C sets the event; one more ends the command."""
    event = threading.Event()
    before = signal.getsignal(signal.SIGINT)

    def handle(number: int, frame: Any) -> None:
        del number, frame
        event.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, handle)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)
