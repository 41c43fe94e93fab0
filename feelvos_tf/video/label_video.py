"""All masks of a video in one lossless video file, whose gray levels are the ids."""

from __future__ import annotations

import pathlib
from types import TracebackType

from feelvos_tf.video.frame_source import FrameSource
from feelvos_tf.video.labeled_frame import LabeledFrame
from feelvos_tf.video.video_forms import LOSSLESS_GRAY
from feelvos_tf.video.video_writer import VideoFileWriter

LABEL_VIDEO = "labels.mkv"


class LabelVideo:
    """Writes labels.mkv: FFV1 in Matroska, a frame's gray levels are its labels.

    A context manager; the file appears when the block ends without an error.
    """

    def __init__(self, folder: pathlib.Path, source: FrameSource) -> None:
        """Args as follows.

        Args:
          folder: of the run, must exist.
          source: what the frames come from, for their times.

        Raises:
          InputError: PyAV or its encoder is absent.
        """
        self.path = folder / LABEL_VIDEO
        self._writer = VideoFileWriter(
            self.path,
            source.frame_rate,
            time_base=source.time_base,
            pixel_aspect=source.pixel_aspect,
            form=LOSSLESS_GRAY,
        )

    def add(self, labeled: LabeledFrame) -> None:
        """Takes the next frame; InputError where the file cannot be written."""
        self._writer.write(labeled.labels, labeled.frame.time)

    def __enter__(self) -> LabelVideo:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._writer.__exit__(kind, error, traceback)
