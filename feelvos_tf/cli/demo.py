"""The demonstration of `feelvos-segment`: draws a clip and segments it. Not a command by itself."""

from __future__ import annotations

import importlib.util
import os
import pathlib
from collections.abc import Callable

import numpy as np

from feelvos_tf.data.synthetic import Clip, synthetic_clip, write_clip
from feelvos_tf.errors import InputError
from feelvos_tf.files import make_folder
from feelvos_tf.output_folder import OutputFolder
from feelvos_tf.video.mask_folder import mask_file
from feelvos_tf.video.masks import write_mask
from feelvos_tf.video.pictures import picture_names
from feelvos_tf.video.segment import segment_video
from feelvos_tf.video.segment_output import PROGRAM
from feelvos_tf.video.summary import Summary
from feelvos_tf.video.tracker import Segmenter

_CLIP = "clip/"
_DEMO = {"demo": True}  # what masks are made from, beside the masks given
_SEED = 7
_SIZE = {"num_frames": 24, "height": 192, "width": 320, "num_objects": 3, "late_objects": 1}


def run_demo(
    output: str | os.PathLike[str],
    make_segmenter: Callable[[], Segmenter],
    *,
    progress: bool = True,
    say: Callable[[str], None] = print,
) -> Summary:
    """Draws a clip of three objects, one of which comes late, and segments it.

    The overlay is left out where PyAV, which writes it, is not installed.

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
    overlay = importlib.util.find_spec("av") is not None
    folder = pathlib.Path(output) / _CLIP
    given = folder / "given_masks"
    names = [mask_file(f"{index:05d}", folder) for index in range(_SIZE["num_frames"])]
    with OutputFolder(output, PROGRAM) as opened:
        # All of it before the clip is drawn: a folder that holds something else is left as it was.
        opened.check([_CLIP, *names, *picture_names(overlay=True, contact_sheet=True)])
        if not (opened.made_from or _DEMO).get("demo"):
            raise InputError(
                f"{output}: holds the masks of a video, expected another output "
                "folder for the demonstration"
            )
        opened.record([_CLIP])
        clip = synthetic_clip(_SEED, **_SIZE)
        write_clip(clip, folder)
        _write_given(clip, given)
    say(f"drew a clip into {folder}")
    if not overlay:
        say("no overlay.mp4, which needs PyAV: pip install 'feelvos_tf[video]'")
    return segment_video(
        folder / "JPEGImages" / "480p" / "clip",
        given,
        output,
        make_segmenter,
        settings=_DEMO,
        overlay=overlay,
        overwrite=True,
        progress=progress,
        say=say,
        go_on="the same command starts anew",
    )


def _write_given(clip: Clip, folder: pathlib.Path) -> None:
    """Masks as a user would draw them: of the first frame, and of late objects when in view."""
    make_folder(folder)
    write_mask(folder / "00000.png", clip.masks[0])
    for late in set(clip.first_frames) - set(np.unique(clip.masks[0]).tolist()):
        areas = (clip.masks == late).sum(axis=(1, 2))
        index = int(np.argmax(areas >= areas.max() / 2))
        write_mask(folder / f"{index:05d}.png", np.where(clip.masks[index] == late, late, 0))
