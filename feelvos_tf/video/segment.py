"""From a video and its first mask to a mask for every frame: the engine of `feelvos-segment`."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from feelvos_tf.errors import InputError
from feelvos_tf.video.adapted import ADAPTED, adapt_to_given
from feelvos_tf.video.frame_range import frame_range
from feelvos_tf.video.frame_source import Frame, FrameSource
from feelvos_tf.video.frames import FolderFrames, natural_key, open_frames
from feelvos_tf.video.given_masks import GivenMasks
from feelvos_tf.video.images import describe_size
from feelvos_tf.video.labeled_frame import KnownIds
from feelvos_tf.video.marked_frame import MARKED_FILES, MarkedFrame
from feelvos_tf.video.marks import Marks
from feelvos_tf.video.outputs import Outputs, checked_kinds, output_names
from feelvos_tf.video.pass_tracker import PassTracker
from feelvos_tf.video.passes import FramesInPasses, names_in_order, planned
from feelvos_tf.video.pictures import Pictures, picture_names
from feelvos_tf.video.progress import progress_shown, warnings_to
from feelvos_tf.video.scores import with_scores
from feelvos_tf.video.segment_output import SegmentOutput
from feelvos_tf.video.segment_run import SegmentRun
from feelvos_tf.video.sightings import Sightings
from feelvos_tf.video.summary import Summary
from feelvos_tf.video.tracker import Segmenter, Tracker

__all__ = ["Summary", "segment_video"]


def segment_video(
    video: str | os.PathLike[str],
    mask: str | os.PathLike[str] | Marks,
    output: str | os.PathLike[str],
    make_segmenter: Callable[[], Segmenter],
    *,
    settings: Mapping[str, Any] | None = None,
    computed_side: int | None = None,
    overlay: bool = False,
    contact_sheet: bool = True,
    write: Iterable[str] = (),
    save_confidence: bool = False,
    resume: bool = False,
    overwrite: bool = False,
    on_error: str = "stop",
    frame_rate: float | None = None,
    ignore_label: int | None = None,
    mask_threshold: int | None = None,
    snap_mask: bool = False,
    first_masks_only: bool = False,
    start: str | int | None = None,
    end: str | int | None = None,
    direction: str | None = None,
    adapt: bool = False,
    inputs: Iterable[str | os.PathLike[str]] = (),
    stop: threading.Event | None = None,
    go_on: str = "the same command with --resume goes on after them",
    progress: bool = False,
    say: Callable[[str], None] = print,
) -> Summary:
    """Labels every frame and writes one palette PNG for each, named like it.

    Reading, computing and writing overlap, and memory does not grow with the video. The masks
    given are copied into the output; frames before the first one get empty masks.

    Args:
      video: folder of JPEG/PNG images, or a video file; or something live, see `live.py`, of which
        only the masks of the first frame can be given.
      mask: the first frame's mask, or a folder of masks, see `GivenMasks`; or marks around the
        objects of the first frame, whose mask is written into the output's folder marked/.
      output: folder for masks and pictures, made where absent.
      make_segmenter: returns the method; called once the input has been checked.
      settings: plain values, as JSON has them, that tell this method from others: masks made with
        other ones are not resumed.
      computed_side: the method computes frames whose longer side is above it at that size, which
        a line says; None for one that computes at full size.
      overlay: also write overlay.mp4, the frames with their labels drawn in.
      contact_sheet: also write contact_sheet.jpg, frames from all over the video.
      write: what else to write, some of `outputs.KINDS`; "overlay" is as `overlay`.
      save_confidence: also write a picture a frame of how sure the method is.
      resume: go on after the masks that `output` holds. The result is the same as that of a run
        that was never stopped.
      overwrite: remove what an earlier run left in `output`, and start anew.
      on_error: "stop" or "skip", what an unreadable frame does; a skipped frame gets no mask.
      frame_rate: of a folder's frames in overlay.mp4, see `open_frames`; the overlay of a video
        file keeps its times, the form of its pixels and its sound.
      ignore_label: id in masks that means "unknown"; the segmenter must know it too.
      mask_threshold: see `read_mask`'s `threshold`.
      snap_mask: see `read_mask`'s `snap`.
      first_masks_only: take from later masks only objects whose ids no earlier mask has, see
        `GivenMasks`.
      start: frame to begin with, by name or by its number from 0; None for the first. The frames
        before get no masks. One mask given as a file is this frame's.
      end: last frame, likewise; None for the last there is.
      direction: "forward", "backward" or "both", see `passes`; None for "both" where frames come
        before the first mask, else "forward".
      adapt: fine-tune the network to the video before the first frame is computed, see
        `adapt_to_given`; the method must be able to.
      inputs: further files that the method reads and that must not be written over.
      stop: ends a live video once it is set, as if it had come to its end.
      go_on: what a user can do after a run that was stopped.
      progress: show frames/s and time left, as a bar on stderr where that is a terminal, else as
        a line to `say` now and then.
      say: takes lines for people.

    Returns:
      a Summary.

    Raises:
      InputError: something given cannot be used, see `open_frames`, `GivenMasks`,
        `SegmentOutput`, `Outputs` and the segmenter. Masks finished before stay.
    """
    kinds = checked_kinds(write)
    overlay = overlay or "overlay" in kinds
    with warnings_to(say):
        whole = open_frames(video, on_error=on_error, frame_rate=frame_rate, stop=stop)
        if whole.live:
            if resume or start is not None or end is not None or direction not in (None, "forward"):
                raise InputError(
                    f"{video}: comes as it happens, so resume, start, end and other directions "
                    "than forward do not go with it"
                )
            if adapt:
                raise InputError(
                    f"{video}: does not wait while the network adapts to its first frame, so "
                    "adapt does not go with it"
                )
            contact_sheet = False  # which shows frames from all over a video of known length
        size = whole.size
        # A video file's names are known beforehand, its exact length is not.
        all_names = whole.names or [f"{index:05d}" for index in range(len(whole))]
        source = frame_range(whole, all_names, start, end)
        names = all_names if source is whole else source.names or []
        count = "live" if whole.live else f"{len(names)}"
        say(f"video {source.path}: {count} frames of {describe_size(size)}")
        if computed_side is not None and max(size) > computed_side:
            say(
                f"frames are computed with a longer side of {computed_side} pixels, and masks "
                "enlarged; --max_side=none computes at full size, which is slower"
            )
        marked = None
        if isinstance(mask, Marks):
            marked = MarkedFrame(mask, source, output)
            mask = marked.path
        given = GivenMasks(
            mask,
            names,
            size,
            ignore_label,
            threshold=mask_threshold,
            snap=snap_mask,
            first_only=first_masks_only,
            unused=set(all_names) - set(names),
            drawn=None if marked is None else marked.mask,
        )
        for line in given.notes:
            say(line)
        direction, passes = planned(direction, given.entries, source)
        soft, in_time = "matte" in kinds or save_confidence, names
        if passes is not None:
            say(f"direction {direction}: {len(passes)} passes away from given frames")
            if any(one.back for one in passes):
                say("frames between two masks are computed from both: backwards, then forwards")
            names = names_in_order(names, passes)
        sightings = Sightings({entry.name: entry.ids for entry in given.entries})
        run = None
        try:
            with SegmentOutput(
                output,
                names,
                size,
                made_from(size, given, settings, direction, source is not whole and names),
                resume=resume,
                overwrite=overwrite,
                pictures=[
                    *picture_names(overlay, contact_sheet),
                    *output_names(kinds, save_confidence, names),
                    *([ADAPTED] if adapt else []),
                    *(() if marked is None else MARKED_FILES),
                ],
                inputs=_files_read(whole, given, mask, inputs),
            ) as folder:
                method = make_segmenter()
                merges = any(one.back for one in passes or ())
                segmenter, scores = with_scores(method, needed=soft, merged=merges)

                def watch(part: str, frames: Iterator[Frame], count: int) -> Iterator[Frame]:
                    if not progress:
                        return frames
                    return progress_shown(frames, count, lambda: True, say, part)

                tracker: Tracker | PassTracker
                frames: Iterable[Frame] = source
                if passes is None:
                    tracker = Tracker(segmenter, given)
                else:
                    back = functools.partial(watch, "backwards")
                    tracker = PassTracker(segmenter, given, passes, source, back)
                    frames = FramesInPasses(source, passes)
                known = KnownIds(given.entries, everywhere=passes is not None)
                folder.begin(
                    video=str(source.path.resolve()),
                    mask=os.path.abspath(mask),
                    settings={
                        **(settings or {}),
                        "on_error": on_error,
                        "overlay": overlay,
                        "contact_sheet": contact_sheet,
                        "write": kinds,
                        "save_confidence": save_confidence,
                        "ignore_label": ignore_label,
                        "mask_threshold": mask_threshold,
                        "snap_mask": snap_mask,
                        "first_masks_only": first_masks_only,
                        "start": start,
                        "end": end,
                        "direction": direction,
                        "adapt": adapt,
                        "marks": None if marked is None else marked.texts,
                    },
                )
                if marked is not None:
                    marked.write(say)
                if adapt:
                    trial = functools.partial(watch, "trial pass")
                    adapt_to_given(method, given, source, folder, watch=trial, say=say)
                with (
                    Pictures(
                        folder.folder,
                        source,
                        len(names),
                        overlay=overlay,
                        contact_sheet=contact_sheet,
                    ) as pictures,
                    Outputs(
                        folder.folder,
                        source,
                        in_time,
                        kinds,
                        known,
                        save_confidence=save_confidence,
                        resume=resume,
                    ) as outputs,
                ):
                    folder.holds = outputs.holds
                    run = SegmentRun(
                        folder, tracker, pictures, outputs, sightings, known, scores, passes is None
                    )
                    if resume:
                        run.resume(names, say)
                    done = run.frames(frames, whole.live)
                    if progress:
                        total = None if whole.live else len(names)
                        done = progress_shown(done, total, lambda: run.is_warm, say)
                    for _ in done:
                        pass
                    if passes is not None:
                        run.look_through(source)
                    tracker.finish(source)
                confidence = outputs.confidence.summary()
                folder.finish(sightings.to_dict(), run.kept + run.computed, confidence)
        except BaseException:
            if run is not None and run.kept + run.computed:
                say(f"finished masks stay in {folder.folder}; {go_on}")
            raise
        for line in sightings.lines():
            say(line)
        if confidence is not None and confidence["look_at"]:
            say(f"look at frames {', '.join(confidence['look_at'])}: the least sure ones")
    return run.summary(len(source))


def made_from(
    size: tuple[int, int],
    given: GivenMasks,
    settings: Mapping[str, Any] | None,
    direction: str,
    part: Sequence[str] | Literal[False],
) -> dict[str, Any]:
    """What the masks of a run depend on, as JSON gives it back; the frames are taken on trust."""
    masks = {entry.name: [*entry.ids, f"{entry.checksum:08x}"] for entry in given.entries}
    made = {"size": list(size), "masks": masks, **(settings or {})}
    if part:
        made["frames"] = [min(part, key=natural_key), max(part, key=natural_key)]
    return made if direction == "forward" else {**made, "direction": direction}


def _files_read(
    source: FrameSource,
    given: GivenMasks,
    mask: str | os.PathLike[str],
    inputs: Iterable[str | os.PathLike[str]],
) -> list[str | os.PathLike[str]]:
    """Every file that a run reads, and the folders that it lists."""
    frames = source.files if isinstance(source, FolderFrames) else []
    return [source.path, *frames, mask, *(entry.path for entry in given.entries), *inputs]
