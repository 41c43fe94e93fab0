"""Memory of this process: the one way in which it is measured."""

from __future__ import annotations

import pathlib
import sys

_STATUS = pathlib.Path("/proc/self/status")


def peak_memory() -> int | None:
    """Most memory held since the start or the last `reset_peak`, in bytes.

    None where the system does not tell (Windows).
    """
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def peak_mb() -> float:
    """`peak_memory` in MB of 1024^2 bytes; not a number where the system does not tell."""
    peak = peak_memory()
    return float("nan") if peak is None else peak / 1024**2


def reset_peak() -> float:
    """Forgets the peak where Linux allows it, and returns the memory in use now, in MB.

    Where it does not, the peak since the start is returned, and what exceeds it is still seen.
    """
    clear = pathlib.Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5")
    return peak_mb()
