"""The one way in which the benchmarks time a function."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

_Result = TypeVar("_Result")

# The fastest of three runs of a few milliseconds is still a matter of what else the machine does.
_LEAST_SECONDS = 1.0
# Beside a run as long as this, compiling takes nothing: the first one counts.
_LONG_SECONDS = 30.0


def fastest(function: Callable[[], object], repetitions: int) -> float:
    """Milliseconds of the fastest run, see `timed`."""
    return timed(function, repetitions)[0]


def timed(function: Callable[[], _Result], repetitions: int) -> tuple[float, _Result]:
    """Milliseconds of the fastest run, and what the last one returned.

    The first one, which compiles, counts only where it is long.

    Args:
      function: to time; returns when its work is done.
      repetitions: timed runs; short ones are repeated until a second is full.
    """
    times: list[float] = []
    is_first = True
    while len(times) < repetitions or sum(times) < _LEAST_SECONDS:
        start = time.perf_counter()
        result = function()
        seconds = time.perf_counter() - start
        if not is_first or seconds >= _LONG_SECONDS:
            times.append(seconds)
        is_first = False
    return 1e3 * min(times), result
