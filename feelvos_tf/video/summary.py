"""What a run of `segment_video` did, for its caller to tell."""

from __future__ import annotations

import dataclasses
import pathlib


@dataclasses.dataclass(frozen=True)
class Summary:
    """What a run did.

    Attributes:
      masks: number of masks in the folder, those of an earlier run included.
      kept: number of masks that an earlier run had finished.
      skipped: number of frames without a mask because they could not be read.
      seconds: wall time from the first frame computed to the last file written.
      first_frames: how many of the frames computed had the network compiled.
      first_seconds: the part of `seconds` that these took.
      frames_per_second: of the other frames in the rest of `seconds`, reading and writing
        included; None where there are no others.
      peak_memory: largest resident size of this process so far, in bytes; None where the system
        does not say.
      files: pictures written.
    """

    masks: int
    kept: int
    skipped: int
    seconds: float
    first_frames: int
    first_seconds: float
    frames_per_second: float | None
    peak_memory: int | None
    files: tuple[pathlib.Path, ...]
