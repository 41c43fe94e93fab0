"""The one way in which the benchmarks time a function."""

from __future__ import annotations

import time
from collections.abc import Callable

# The fastest of three runs of a few milliseconds is still a matter of what else the machine does.
_LEAST_SECONDS = 1.0


def fastest(function: Callable[[], object], repetitions: int) -> float:
    """Milliseconds of the fastest run, after one that compiles.

    Args:
      function: to time; returns when its work is done.
      repetitions: timed runs; short ones are repeated until a second is full.
    """
    function()
    times: list[float] = []
    while len(times) < repetitions or sum(times) < _LEAST_SECONDS:
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)
