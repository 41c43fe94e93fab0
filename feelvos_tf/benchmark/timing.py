"""The one way in which the benchmarks time a function."""

from __future__ import annotations

import time
from collections.abc import Callable


def fastest(function: Callable, repetitions: int) -> float:
    """Milliseconds of the fastest run, after one that compiles.

    Args:
      function: to time; returns when its work is done.
      repetitions: timed runs.
    """
    function()
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)
