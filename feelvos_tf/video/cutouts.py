"""Objects cut out of their frames: PNG with alpha, and a video with alpha."""

from __future__ import annotations

import logging
import pathlib
from types import TracebackType

import numpy as np

from feelvos_tf.errors import InputError
from feelvos_tf.video.frame_source import FrameSource
from feelvos_tf.video.labeled_frame import LabeledFrame
from feelvos_tf.video.mask_folder import mask_file
from feelvos_tf.video.picture_files import own_folder, write_png
from feelvos_tf.video.video_file import import_av
from feelvos_tf.video.video_forms import WITH_ALPHA
from feelvos_tf.video.video_writer import VideoFileWriter

CUTOUTS = "cutouts/"
CUTOUT_VIDEO = "cutouts.webm"
_BLOCK = 8  # pixels; a video's edges mix colors of this neighborhood

_logger = logging.getLogger(__name__)


def cut_out(image: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Cuts pixels out of an image.

    Args:
      image: uint8 [H, W, 3], RGB.
      inside: bool [H, W], what stays.

    Returns:
      uint8 [H, W, 4], RGBA: alpha is 255 inside; elsewhere all is 0, so that nothing of the
      background is left in the file.
    """
    alpha = inside.astype(np.uint8)
    return np.concatenate([image * alpha[:, :, np.newaxis], 255 * alpha[:, :, np.newaxis]], axis=2)


def cut_out_softly(image: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """As `cut_out`, but the colors go on for a few pixels around what stays, below alpha 0.

    A video stores colors at half size and blurs them, so that black right beside an object would
    show as a dark line along its edge.
    """
    height, width = inside.shape
    padded = np.pad(inside, [(0, -height % _BLOCK), (0, -width % _BLOCK)])
    rows, columns = (n // _BLOCK for n in padded.shape)
    blocks = padded.reshape(rows, _BLOCK, columns, _BLOCK).any(axis=(1, 3))
    wide = np.pad(blocks, 1)
    wide = wide[:-2] | wide[1:-1] | wide[2:]
    wide = wide[:, :-2] | wide[:, 1:-1] | wide[:, 2:]
    near = wide.repeat(_BLOCK, axis=0).repeat(_BLOCK, axis=1)[:height, :width, np.newaxis]
    alpha = np.where(inside, np.uint8(255), np.uint8(0))
    return np.concatenate([image * near, alpha[:, :, np.newaxis]], axis=2)


class CutoutFiles:
    """Writes cutouts/ID/NAME.png for each object from its first frame on.

    Where an object is in no pixel its picture is transparent all over, so that the pictures of an
    object are a sequence without gaps.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        """Takes the folder of the run, which must exist."""
        self.path = folder / CUTOUTS.rstrip("/")

    def add(self, labeled: LabeledFrame) -> None:
        """Writes the pictures of a frame; InputError where one cannot be written."""
        for object_id in labeled.ids:
            place = own_folder(self.path / str(object_id))
            pixels = cut_out(labeled.frame.image, labeled.labels == object_id)
            write_png(place / mask_file(labeled.frame.name, self.path), pixels)


class CutoutVideo:
    """Writes cutouts.webm: all objects together on transparent ground, VP9 with alpha.

    A context manager; the file appears when the block ends without an error. Where PyAV or its
    encoder is absent there is no video, and the log says so in one line.
    """

    def __init__(self, folder: pathlib.Path, source: FrameSource) -> None:
        """Takes the folder of the run, which must exist, and what the frames come from."""
        self.path = folder / CUTOUT_VIDEO
        self._writer: VideoFileWriter | None = None
        try:
            lacking = None if WITH_ALPHA.encoder(import_av()) else "PyAV has no encoder libvpx-vp9"
        except InputError as error:
            lacking = str(error)
        if lacking:
            _logger.warning(
                "%s: is not written, the cut-outs are PNG only (%s)", self.path, lacking
            )
            return
        self._writer = VideoFileWriter(
            self.path,
            source.frame_rate,
            time_base=source.time_base,
            pixel_aspect=source.pixel_aspect,
            form=WITH_ALPHA,
        )

    @property
    def is_written(self) -> bool:
        """Whether there is an encoder."""
        return self._writer is not None

    def add(self, labeled: LabeledFrame) -> None:
        """Takes the next frame; InputError where the file cannot be written."""
        if self._writer is not None:
            pixels = cut_out_softly(labeled.frame.image, labeled.labels > 0)
            self._writer.write(pixels, labeled.frame.time)

    def __enter__(self) -> CutoutVideo:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._writer is not None:
            self._writer.__exit__(kind, error, traceback)
