"""The forms that a video file can be written in: what its frames are, and how they are encoded."""

from __future__ import annotations

import dataclasses
from types import ModuleType

_MP4 = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov"}
_MATROSKA = {".mkv": "matroska"}


@dataclasses.dataclass(frozen=True)
class VideoForm:
    """How frames become a video file.

    Attributes:
      containers: extension -> FFmpeg's name of the container.
      encoders: (FFmpeg's name, its options); the first one that is there is taken.
      frames: FFmpeg's name of the pixels that are handed over.
      pixel: what follows [H, W] in their shape: (3,) for RGB, (4,) with alpha, () for gray.
      stored: FFmpeg's name of the pixels in the file.
      even: whether sides must be even, so that an odd one gets its last row or column twice.
    """

    containers: dict[str, str]
    encoders: tuple[tuple[str, dict[str, str]], ...]
    frames: str
    pixel: tuple[int, ...]
    stored: str
    even: bool

    def encoder(self, av: ModuleType) -> tuple[str, dict[str, str]] | None:
        """The encoder to take and its options; None where PyAV has none of them."""
        return next((entry for entry in self.encoders if entry[0] in av.codecs_available), None)


# What every player shows.
FILM = VideoForm(
    containers={**_MP4, **_MATROSKA},
    encoders=(
        ("libx264", {"crf": "18", "preset": "veryfast"}),
        ("mpeg4", {"qmin": "2", "qmax": "5"}),
    ),
    frames="rgb24",
    pixel=(3,),
    stored="yuv420p",
    even=True,
)

# Gray levels exactly as they are handed over.
LOSSLESS_GRAY = VideoForm(
    containers=_MATROSKA,
    encoders=(("ffv1", {"level": "3"}),),
    frames="gray",
    pixel=(),
    stored="gray",
    even=False,
)

# Colors and alpha, as browsers and many editors take them.
WITH_ALPHA = VideoForm(
    containers={".webm": "webm"},
    encoders=(
        (
            "libvpx-vp9",
            {"crf": "24", "b": "0", "deadline": "realtime", "cpu-used": "7", "row-mt": "1"},
        ),
    ),
    frames="rgba",
    pixel=(4,),
    stored="yuva420p",
    even=False,
)
