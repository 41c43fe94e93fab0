"""Segments a video: a mask for every frame from the mask of the first.

  feelvos-segment --video=FRAMES_FOLDER --mask=first_mask.png --output=OUT
  feelvos-segment --video=clip.mp4 --mask=mask.png --output=OUT --overlay
  feelvos-segment --demo --output=OUT
The paper's own network, fetched and imported at the first time:
  feelvos-segment --video=clip.mp4 --mask=mask.png --output=OUT --checkpoint=feelvos_davis17

VIDEO is a folder of JPEG or PNG images in natural order (frame2 before frame10), or a video file.
MASK is a PNG, BMP or TIFF of the frames' size whose pixels are object ids: a palette or gray image
(0 is background, 1 to 255 are objects, gaps are fine), or one color for each object on black. Draw
it without smoothed edges, or give --snap_mask or --mask_threshold. The weights are those that come
with the package, unless --checkpoint names others: a name that feelvos-models lists, or a
file; a checkpoint of the original release becomes one by feelvos-import-checkpoint.

OUT gets a palette PNG for each frame, named like it (00012.jpg gives 00012.png; the frames of a
video file are 00000, 00001, ...), with the ids of the mask. The first frame's mask is written too.
Next to them lie contact_sheet.jpg, with --overlay also overlay.mp4, and run.json, which says what
the masks were made from.

For other programs, --write=cutouts,coco (any of these; masks are written always):
  overlay   overlay.mp4, as --overlay does
  cutouts   cutouts/ID/NAME.png, each object on transparent ground, and cutouts.webm with alpha
  matte     matte/ID/NAME.png, soft edges: probabilities, 8-bit gray; masks do not hold them, so
            with --resume frames without them are computed again
  coco      annotations.json, run lengths in the form of YouTube-VIS (needs pycocotools)
  ytvos     Annotations/VIDEO/NAME.png and meta.json, the layout of YouTube-VOS
  video     labels.mkv, lossless (FFV1), gray levels are ids

No mask yet? Draw a box around each object in the first frame, or the corners of a polygon, in
pixels from the upper left corner (needs OpenCV: pip install 'feelvos_tf[grabcut]'):
  feelvos-segment --video=clip.mp4 --box=1:120,40,200,310 --box=2:400,60,90,120 --output=OUT
  feelvos-segment --video=clip.mp4 --polygon=1:120,40,320,40,220,350 --output=OUT
GrabCut finds the object inside by its colors. Look at OUT/marked.jpg; OUT/marked holds the mask, to
be painted right and given as --mask.

Several masks: give a folder as --mask, with masks named like their frames. The first one with an
object starts the video. Each later one is copied into OUT and corrects the objects from there on:
what it lacks is not in that frame. One that holds new ids alone adds these objects, and the others
go on. With --first_masks_only a later mask counts for its new ids alone, so that a folder with the
true mask of every frame gives nothing away. A mask that fits no frame is an error.

A mask is wrong from frame 40 on: paint the right one, put it beside the first into a folder, each
named like its frame, and run again with --mask=FOLDER and --overwrite.

Start in the middle: name the mask like its frame and give its folder. The frames before it are then
computed backwards (--direction=both, the default in that case). With masks of several frames those
between two of them are computed from both, which takes twice as long, and merged: where one pass is
unsure the other decides, and the nearer mask counts for more. All are compared with all masks.

A part of the video: --start=00040 --end=00099, by name or by number from 0. A mask given as one
file is then that of the frame --start.

A run that was stopped, by Ctrl-C, a full disk or a crash, goes on where it was:
  feelvos-segment ... --resume
The masks match an uninterrupted run. A folder with masks is touched with --resume or
--overwrite only, and no file in it that this program did not write; run.json lists those it did.

Which frames are wrong? The run ends with the frames that are least sure, where there are any;
confidence.csv has the mean margin of the probabilities (0 to 1) and the area of each object in
each frame, confidence.png draws it over time (needs matplotlib); --save_confidence adds a picture
of each frame.

An object that is in none of the last masks is named at the end; run.json says in which frames each
object is seen.

Too slow or too little memory: --max_side=640 computes at reduced size (the masks keep the frames'
size), which costs quality: of J&F 84.3 on five sequences at 854x480, --max_side=428 took
nine points. --grid=none left 83.6, then --reach=none 80.3, then --outlines=none 79.0, then
--probes=none --memory=none 79.3 (feelvos_tf/weights/MODEL_CARD.md).
Objects that are small in the frame: --roi=auto computes only a region around them, which is faster,
and sees more of them in large frames.
Time to spare: --output_stride=8 --atrous_rates=12,24,36 runs a network of stride 16 and rates
6,12,18 as the paper tests it.

Minutes to spare: --adapt labels the video once, trains the network on the way back from later
frames to the given masks, and keeps what it learned where given masks are found again better from
the labels it then gives (docs/adapt.md). OUT/adapted.npz holds the network, which --resume and, for
a clip of the same objects, --checkpoint take. Ctrl-C while it adapts goes on with what there is.

Many videos: repeat --video, or name a folder of videos, or a text file with lines VIDEO,MASK; each
video's results lie in OUT/NAME, and the weights are read once. --mask is then a folder with
NAME.png, or a folder NAME of masks, for each:
  feelvos-segment --video=a.mp4 --video=b.mp4 --mask=MASKS --output=OUT
  feelvos-segment --videos=FOLDER --mask=MASKS --output=OUT
  feelvos-segment --videos=list.txt --output=OUT
A video that fails is named and the others go on; the run ends with a table, OUT/summary.csv, and
the exit code 1. With --resume the same command goes on where it was.

A camera: --video=camera:0. The mask is that of its first frame, so --box and --polygon go well with
it. It runs until Ctrl-C, which finishes all files; frames that come while one is computed are let
go. --video=growing:FILE follows a file that is still written (MPEG-TS, Matroska) until nothing has
come for 10 seconds.

The exit code is 0 when every mask is written, 130 after Ctrl-C, 143 after SIGTERM, else 1 with one
line that says why.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from typing import Any

from absl import app as absl_app
from absl import flags

from feelvos_tf.cli import (
    adapt_flags,
    app,
    checkpoint_flag,
    demo,
    input_flags,
    network_flags,
    roi_flag,
    streaming_flags,
)
from feelvos_tf.cli.method import Method
from feelvos_tf.video.live import is_live
from feelvos_tf.video.many import SUMMARY, Outcome, segment_videos, table
from feelvos_tf.video.outputs import KINDS
from feelvos_tf.video.segment import segment_video
from feelvos_tf.video.summary import Summary

_OUTPUT = flags.DEFINE_string("output", None, "Folder for masks and pictures.", required=True)
_OVERLAY = flags.DEFINE_bool(
    "overlay", False, "Also write overlay.mp4: the frames with their labels drawn in."
)
_CONTACT_SHEET = flags.DEFINE_bool(
    "contact_sheet", True, "Write contact_sheet.jpg: frames from all over the video."
)
_WRITE = flags.DEFINE_list(
    "write", [], f"What to write beside the masks, some of {', '.join(KINDS)}; see above."
)
_SAVE_CONFIDENCE = flags.DEFINE_bool(
    "save_confidence",
    False,
    "Write confidence/NAME.png for each frame: 8-bit gray, white where the network is sure.",
)
_RESUME = flags.DEFINE_bool(
    "resume",
    False,
    "Go on after the masks that OUTPUT holds. It must be the same video, masks, "
    "checkpoint and options.",
)
_OVERWRITE = flags.DEFINE_bool(
    "overwrite", False, "Remove what an earlier run left in OUTPUT, and start anew."
)
_ON_ERROR = flags.DEFINE_enum(
    "on_error",
    "stop",
    ["stop", "skip"],
    "What a frame that cannot be read does: end the run, or "
    "go without a mask while the others go on.",
)
_FPS = flags.DEFINE_float(
    "fps",
    None,
    "Frames per second of overlay.mp4 where VIDEO is a folder; 24 by default. The "
    "overlay of a video file keeps its times, the form of its pixels and its sound.",
)
_IGNORE_LABEL = flags.DEFINE_integer(
    "ignore_label",
    None,
    "Id in masks that means unknown: such pixels are neither an object nor "
    "background, and come out as background. By default 255 is an object like others.",
    lower_bound=1,
    upper_bound=255,
)
_MASK_THRESHOLD = flags.DEFINE_integer(
    "mask_threshold",
    None,
    "Take the mask for one object, id 1: its pixels of at least this "
    "brightness (or opacity, where it is black on transparent ground). JPEG will do.",
    lower_bound=1,
    upper_bound=255,
)
_SNAP_MASK = flags.DEFINE_bool(
    "snap_mask",
    False,
    "Give each pixel of the mask the nearest of the colors that fill areas, "
    "for smoothed edges and JPEG. Exact where the colors are far apart.",
)
_FIRST_MASKS_ONLY = flags.DEFINE_bool(
    "first_masks_only",
    False,
    "Take from later masks only the objects whose ids no earlier mask has.",
)
_START = flags.DEFINE_string(
    "start", None, "First frame, by name or by number from 0; by default the video's first."
)
_END = flags.DEFINE_string("end", None, "Last frame, by name or number; by default the last.")
_DIRECTION = flags.DEFINE_enum(
    "direction",
    None,
    ["forward", "backward", "both"],
    "forward: frames follow from masks before them, as in a stream. backward: from the next mask "
    "after them. both: from the masks before and after, and all are known; the default where the "
    "first mask is not in the first frame, else forward.",
)
_MIXED_PRECISION = flags.DEFINE_enum(
    "mixed_precision",
    None,
    ["mixed_float16", "mixed_bfloat16"],
    "Compute the network in 16 bits; faster on a GPU that has them.",
)
for _module in (
    input_flags,
    checkpoint_flag,
    streaming_flags,
    network_flags,
    adapt_flags,
    roi_flag,
):
    flags.adopt_module_key_flags(_module)
_DEMO = flags.DEFINE_bool(
    "demo", False, "Draw a synthetic clip into OUTPUT/clip and segment that, with all pictures."
)


def main(argv: list[str]) -> int | None:
    """Segments as the flags say; returns 1 where one of several videos failed."""
    del argv
    if _DEMO.value and (
        input_flags.given()
        or _RESUME.value
        or _FPS.value
        or _WRITE.value
        or adapt_flags.ADAPT.value
    ):
        raise absl_app.UsageError(
            "--demo goes with none of --video, --mask, --box, --polygon, --resume, --fps, --write, "
            "--adapt"
        )
    videos = None if _DEMO.value else input_flags.videos()
    if not _DEMO.value and videos is None:
        video, mask = input_flags.video_and_mask()
    adaptation = adapt_flags.chosen()
    checkpoint = checkpoint_flag.chosen()  # may be a download
    method = Method(
        checkpoint,
        streaming_flags.settings(checkpoint),
        network_flags.chosen(),
        max_side=streaming_flags.max_side("auto"),
        ignore_label=_IGNORE_LABEL.value,
        max_reference_pixels=streaming_flags.MAX_REFERENCE_PIXELS.value,
        roi=roi_flag.chosen(),
        mixed_precision=_MIXED_PRECISION.value,
        adaptation=adaptation,
        say=_say,
    )
    if _DEMO.value:
        _conclude(demo.run_demo(_OUTPUT.value, method, progress=not app.QUIET.value, say=_say))
        return None
    stop = None
    if videos is None and is_live(video):
        stop = threading.Event()
        app.let_finish(stop)
    if method.roi:
        _say("only a region around the objects is computed of each frame (--roi=auto)")
    options: dict[str, Any] = {
        "settings": method.settings(),
        "computed_side": None if method.roi else method.max_side,  # with a region it depends
        "overlay": _OVERLAY.value,
        "contact_sheet": _CONTACT_SHEET.value,
        "write": _WRITE.value,
        "save_confidence": _SAVE_CONFIDENCE.value,
        "resume": _RESUME.value,
        "overwrite": _OVERWRITE.value,
        "on_error": _ON_ERROR.value,
        "frame_rate": _FPS.value,
        "ignore_label": _IGNORE_LABEL.value,
        "mask_threshold": _MASK_THRESHOLD.value,
        "snap_mask": _SNAP_MASK.value,
        "first_masks_only": _FIRST_MASKS_ONLY.value,
        "start": _START.value,
        "end": _END.value,
        "direction": _DIRECTION.value,
        "adapt": adaptation is not None,
        "inputs": [checkpoint],
        "stop": stop,
        "progress": not app.QUIET.value,
        "say": _say,
    }
    if videos is None:
        _conclude(segment_video(video, mask, _OUTPUT.value, method, **options))
        return None
    outcomes = segment_videos(videos, _OUTPUT.value, method, **options)
    return _conclude_all(outcomes)


def _conclude(summary: Summary) -> None:
    """Prints what was done, where it is, how fast it was and how much memory it took."""
    parts = [f"{summary.masks} masks in {_OUTPUT.value}"]
    if summary.kept:
        parts.append(f"{summary.kept} of them from before")
    if summary.skipped:
        parts.append(f"{summary.skipped} frames skipped")
    _say(", ".join(parts))
    for path in summary.files:
        _say(f"wrote {path}")
    figures = [f"{summary.seconds:.1f} s"]
    if summary.frames_per_second is not None:
        figures.append(
            f"of which {summary.first_seconds:.1f} s for the first "
            f"{summary.first_frames} frames, which compile the network"
        )
        figures.append(f"then {summary.frames_per_second:.2f} frames/s")
    if summary.peak_memory is not None:
        figures.append(f"peak memory {summary.peak_memory / 1e6:.0f} MB")
    _say(", ".join(figures))


def _conclude_all(outcomes: Sequence[Outcome]) -> int:
    """Prints what came of several videos; returns the exit code."""
    for line in table(outcomes):
        _say(line)
    _say(f"wrote {os.path.join(_OUTPUT.value, SUMMARY)}")
    failed = [outcome for outcome in outcomes if outcome.error]
    for outcome in failed:
        print(f"error: {outcome.name}: {outcome.error}", file=sys.stderr)
    return 1 if failed else 0


def _say(line: str) -> None:
    print(line, flush=True)


def main_cli() -> None:
    """Entry point of the console script."""
    app.run(main)


if __name__ == "__main__":
    main_cli()
