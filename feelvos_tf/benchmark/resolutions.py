"""Resolutions of videos by name."""

from __future__ import annotations

from collections.abc import Sequence

from feelvos_tf.errors import InputError

# Height and width.
RESOLUTIONS = {
    "240p": (240, 427),
    "360p": (360, 640),
    "480p": (480, 854),
    "720p": (720, 1280),
    "1080p": (1080, 1920),
    "2160p": (2160, 3840),
}


def check_resolutions(names: Sequence[str]) -> None:
    """Refuses names that stand for no resolution.

    Raises:
      InputError: a name that is not a key of RESOLUTIONS.
    """
    for name in names:
        if name not in RESOLUTIONS:
            raise InputError(
                f"resolution {name!r} is unknown, expected one of {', '.join(RESOLUTIONS)}"
            )
