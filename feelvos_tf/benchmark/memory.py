"""Peak memory: of this process, and of a stream against its length."""

from __future__ import annotations

import pathlib
import resource
from collections.abc import Iterator

import numpy as np

from feelvos_tf.streaming.segmenter import VideoSegmenter

_STATUS = pathlib.Path("/proc/self/status")


def peak_mb() -> float:
    """Largest resident memory of this process since its start or the last `reset_peak`, in MB."""
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def reset_peak() -> float:
    """Forgets the peak where Linux allows it, and returns the memory in use now, in MB.

    Where it does not, the peak since the start is returned, and what exceeds it is still seen.
    """
    clear = pathlib.Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5")
    return peak_mb()


def stream(segmenter: VideoSegmenter, frames: np.ndarray, mask: np.ndarray,
           lengths: list[int]) -> Iterator[tuple[int, float]]:
    """Runs a clip over and over as one long video.

    Args:
      segmenter: the engine.
      frames: uint8 [T, H, W, 3].
      mask: integers [H, W], of the first frame.
      lengths: ascending numbers of frames at which to look.

    Yields:
      (frames done, peak memory of the process so far in MB).
    """
    segmenter.reset(frames[0], mask)
    for t in range(1, lengths[-1] + 1):
        segmenter.step(frames[t % len(frames)])
        if t in lengths:
            yield t, peak_mb()
