"""Many videos, one after the other, with one network: a folder of results for each.

OUTPUT/NAME/         what a run of that video alone writes
OUTPUT/summary.csv   a row for each video: masks, seconds, frames/s, or what was wrong
"""

from __future__ import annotations

import csv
import dataclasses
import functools
import io
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

from feelvos_tf.errors import InputError, errors_of_input
from feelvos_tf.files import replaced_when_done
from feelvos_tf.output_folder import OutputFolder
from feelvos_tf.video.segment import segment_video
from feelvos_tf.video.summary import Summary
from feelvos_tf.video.tracker import Segmenter
from feelvos_tf.video.video_list import NamedVideo

SUMMARY = "summary.csv"
_PROGRAM = "feelvos-segment of several videos"
_COLUMNS = ("video", "masks", "kept", "skipped", "seconds", "frames_per_second", "error")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of a video: a summary, or one line that says what was wrong with it."""

    name: str
    summary: Summary | None
    error: str = ""

    def row(self) -> tuple[str, ...]:
        """Texts for _COLUMNS."""
        if self.summary is None:
            return (self.name, *[""] * (len(_COLUMNS) - 2), self.error)
        done = self.summary
        rate = "" if done.frames_per_second is None else f"{done.frames_per_second:.2f}"
        counts = (done.masks, done.kept, done.skipped)
        return (self.name, *map(str, counts), f"{done.seconds:.1f}", rate, "")


def segment_videos(
    videos: Sequence[NamedVideo],
    output: str | os.PathLike[str],
    make_segmenter: Callable[[], Segmenter],
    *,
    say: Callable[[str], None] = print,
    **options: Any,
) -> list[Outcome]:
    """Segments videos; one that fails for what is wrong with it is named and the rest goes on.

    Args:
      videos: what to segment.
      output: gets a folder for each and SUMMARY.
      make_segmenter: returns the method; called once, for the first video that gets so far.
      say: takes lines for people.
      **options: of `segment_video`, for all videos.

    Returns:
      what came of each, in their order.

    Raises:
      InputError: the output folder cannot be used, or its table cannot be written. What a run of
        one video would raise that is no error of input, Ctrl-C for one, ends all.
    """
    once = functools.cache(make_segmenter)
    outcomes: list[Outcome] = []
    with OutputFolder(output, _PROGRAM) as folder:
        folder.check([SUMMARY], [path for one in videos for path in (one.video, one.mask)])
        folder.record([SUMMARY])
        for number, one in enumerate(videos, start=1):
            say(f"{one.name} ({number} of {len(videos)})")
            try:
                summary = segment_video(
                    one.video, one.mask, folder.path / one.name, once, say=say, **options
                )
                outcomes.append(Outcome(one.name, summary))
            except errors_of_input() as error:
                outcomes.append(Outcome(one.name, None, " ".join(str(error).split())))
                say(f"{one.name} failed: {outcomes[-1].error}")
            _write(folder.path / SUMMARY, outcomes)
    return outcomes


def table(outcomes: Sequence[Outcome]) -> list[str]:
    """The outcomes as lines for people, in columns."""
    rows = [_COLUMNS, *(outcome.row() for outcome in outcomes)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS) - 1)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths)), row[-1]]).rstrip()
        for row in rows
    ]


def _write(path: pathlib.Path, outcomes: Sequence[Outcome]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        [_COLUMNS, *(outcome.row() for outcome in outcomes)]
    )
    try:
        with replaced_when_done(path) as temporary:
            pathlib.Path(temporary).write_text(text.getvalue(), encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error
