"""What a person looks at after a run: a video with the labels drawn in, and a contact sheet."""

from __future__ import annotations

import contextlib
import pathlib
from types import TracebackType

import numpy as np
from PIL import Image

from feelvos_tf.errors import InputError
from feelvos_tf.files import replaced_when_done
from feelvos_tf.video.background import BackgroundWork
from feelvos_tf.video.frame_source import Frame, FrameSource
from feelvos_tf.video.overlay import contact_sheet, overlay
from feelvos_tf.video.video_writer import VideoFileWriter

OVERLAY = "overlay.mp4"
CONTACT_SHEET = "contact_sheet.jpg"
_TILES = 12
_TILE_WIDTH = 320
_PENDING = 4  # frames that may wait to be drawn; bounds memory


def picture_names(overlay: bool, contact_sheet: bool) -> list[str]:
    """Names of the files that `Pictures` writes."""
    return [OVERLAY] * overlay + [CONTACT_SHEET] * contact_sheet


class Pictures:
    """Draws in a background thread while the next frame is computed.

    A context manager. Its files appear when the block ends without an error; a block that fails
    leaves none. Memory does not grow with the video.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        source: FrameSource,
        num_frames: int,
        *,
        overlay: bool,
        contact_sheet: bool,
    ) -> None:
        """Args as follows; the folder must exist.

        Args:
          folder: gets OVERLAY and CONTACT_SHEET.
          source: what the frames come from, for how they are shown and what sounds with them.
          num_frames: expected length, which spreads the sheet's frames over the video.
          overlay: whether to write the video.
          contact_sheet: whether to write the sheet.
        """
        self._sheet = folder / CONTACT_SHEET if contact_sheet else None
        self._video = (
            VideoFileWriter(
                folder / OVERLAY,
                source.frame_rate,
                time_base=source.time_base,
                pixel_aspect=source.pixel_aspect,
                sound=source.sound,
            )
            if overlay
            else None
        )
        picked = np.linspace(0, num_frames - 1, min(_TILES, num_frames)).round()
        self._picked = set(picked.astype(int).tolist()) if contact_sheet else set()
        self._tiles: list[np.ndarray] = []
        self._captions: list[str] = []
        self._exit = contextlib.ExitStack()
        self._work = BackgroundWork("pictures", pending=_PENDING)

    def add(self, frame: Frame, labels: np.ndarray) -> None:
        """Takes the next frame and its labels, uint8 [H, W].

        Raises:
          InputError: an earlier frame could not be written.
        """
        if self._video is None and frame.index not in self._picked:
            return
        self._work.submit(self._draw, frame, labels)

    @property
    def files(self) -> list[pathlib.Path]:
        """What the block writes."""
        video = [] if self._video is None else [self._video.path]
        return video + ([] if self._sheet is None else [self._sheet])

    def __enter__(self) -> Pictures:
        if self._video is not None:
            self._exit.enter_context(self._video)
        self._exit.enter_context(self._work)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._exit.__exit__(kind, error, traceback)
        if kind is None and self._sheet is not None and self._tiles:
            self._write_sheet(self._sheet)

    def _draw(self, frame: Frame, labels: np.ndarray) -> None:
        drawn = overlay(frame.image, labels)
        if self._video is not None:
            self._video.write(drawn, frame.time)
        if frame.index in self._picked:
            tile = Image.fromarray(drawn)
            tile.thumbnail((_TILE_WIDTH, 8 * _TILE_WIDTH), Image.Resampling.BOX)
            self._tiles.append(np.array(tile))
            self._captions.append(frame.name)

    def _write_sheet(self, path: pathlib.Path) -> None:
        sheet = Image.fromarray(contact_sheet(self._tiles, self._captions, tile_width=_TILE_WIDTH))
        try:
            with replaced_when_done(path) as temporary:
                sheet.save(temporary, format="JPEG", quality=92)
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error
