"""Memory of this process: the one way in which it is measured."""

from __future__ import annotations

import pathlib
import resource
import sys

_STATUS = pathlib.Path("/proc/self/status")


def peak_mb() -> float:
    """Largest resident memory of this process since its start or the last `reset_peak`, in MB."""
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    # Kilobytes on Linux, bytes on macOS.
    unit = 1024**2 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def reset_peak() -> float:
    """Forgets the peak where Linux allows it, and returns the memory in use now, in MB.

    Where it does not, the peak since the start is returned, and what exceeds it is still seen.
    """
    clear = pathlib.Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5")
    return peak_mb()
