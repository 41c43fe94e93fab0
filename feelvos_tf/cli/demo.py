"""The demonstration of `feelvos-segment`: draws a clip and segments it. Not a command by itself."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable

import numpy as np

from feelvos_tf.data.synthetic import Clip, synthetic_clip, write_clip
from feelvos_tf.errors import InputError
from feelvos_tf.video.masks import write_mask
from feelvos_tf.video.segment import Summary, segment_video

_SEED = 7
_SIZE = {"num_frames": 24, "height": 192, "width": 320, "num_objects": 3, "late_objects": 1}


def run_demo(output: str | os.PathLike[str], make_segmenter: Callable, *,
             progress: bool = True, say: Callable[[str], None] = print) -> Summary:
    """Draws a clip of three objects, one of which comes late, and segments it.

    Args:
      output: gets clip/ (frames, exact masks, the masks given), the masks and all pictures. What
        an earlier demonstration left there is replaced.
      make_segmenter: see `segment_video`.
      progress: see `segment_video`.
      say: takes lines for people.

    Returns:
      what `segment_video` returns.

    Raises:
      InputError: the folder cannot be written, or holds masks of something else.
    """
    output = pathlib.Path(output)
    folder = output / "clip"
    again = folder.is_dir()
    clip = synthetic_clip(_SEED, **_SIZE)
    write_clip(clip, folder)
    given = folder / "given_masks"
    _write_given(clip, given)
    say(f"drew a clip into {folder}")
    return segment_video(
        folder / "JPEGImages" / "480p" / "clip", given, output, make_segmenter,
        settings={"demo": True}, overlay=True, overwrite=again, progress=progress, say=say)


def _write_given(clip: Clip, folder: pathlib.Path) -> None:
    """Masks as a user would draw them: of the first frame, and of late objects when in view."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be made as a folder ({error.strerror})") from error
    write_mask(folder / "00000.png", clip.masks[0])
    for late in set(clip.first_frames) - set(np.unique(clip.masks[0]).tolist()):
        areas = (clip.masks == late).sum(axis=(1, 2))
        index = int(np.argmax(areas >= areas.max() / 2))
        write_mask(folder / f"{index:05d}.png", np.where(clip.masks[index] == late, late, 0))
