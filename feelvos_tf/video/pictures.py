"""What a person looks at after a run: a video with the labels drawn in, and a contact sheet."""

from __future__ import annotations

import concurrent.futures
import contextlib
import pathlib
import threading

import numpy as np
from PIL import Image

from feelvos_tf.errors import InputError
from feelvos_tf.files import replaced_when_done
from feelvos_tf.video.overlay import contact_sheet, overlay
from feelvos_tf.video.writers import VideoFileWriter

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

    def __init__(self, folder: pathlib.Path, num_frames: int, *, overlay: bool,
                 contact_sheet: bool, frame_rate: float):
        """Args as follows; the folder must exist.

        Args:
          folder: gets OVERLAY and CONTACT_SHEET.
          num_frames: expected length, which spreads the sheet's frames over the video.
          overlay: whether to write the video.
          contact_sheet: whether to write the sheet.
          frame_rate: of the video, frames per second.
        """
        self._sheet = folder / CONTACT_SHEET if contact_sheet else None
        self._video = VideoFileWriter(folder / OVERLAY, frame_rate) if overlay else None
        picked = np.linspace(0, num_frames - 1, min(_TILES, num_frames)).round()
        self._picked = set(picked.astype(int).tolist()) if contact_sheet else set()
        self._tiles: list[np.ndarray] = []
        self._captions: list[str] = []
        self._pool = concurrent.futures.ThreadPoolExecutor(1, "pictures")
        self._room = threading.BoundedSemaphore(_PENDING)
        self._error: Exception | None = None
        self._exit = contextlib.ExitStack()

    def add(self, index: int, name: str, image: np.ndarray, labels: np.ndarray) -> None:
        """Takes the next frame, uint8 [H, W, 3], and its labels, uint8 [H, W].

        Raises:
          InputError: an earlier frame could not be written.
        """
        self._raise_error()
        if self._video is None and index not in self._picked:
            return
        self._room.acquire()
        self._pool.submit(self._draw, index, name, image, labels)

    @property
    def files(self) -> list[pathlib.Path]:
        """What the block writes."""
        video = [] if self._video is None else [self._video.path]
        return video + ([] if self._sheet is None else [self._sheet])

    def __enter__(self) -> Pictures:
        if self._video is not None:
            self._exit.enter_context(self._video)
        return self

    def __exit__(self, kind, error, traceback) -> None:
        self._pool.shutdown(wait=True)
        if kind is not None or self._error is not None:
            failure = error or self._error
            self._exit.__exit__(type(failure), failure, failure.__traceback__)
            if kind is None:
                self._raise_error()
            return
        self._exit.close()
        if self._sheet is not None and self._tiles:
            self._write_sheet()

    def _draw(self, index: int, name: str, image: np.ndarray, labels: np.ndarray) -> None:
        try:
            if self._error is not None:
                return
            drawn = overlay(image, labels)
            if self._video is not None:
                self._video.write(drawn)
            if index in self._picked:
                tile = Image.fromarray(drawn)
                tile.thumbnail((_TILE_WIDTH, 8 * _TILE_WIDTH), Image.Resampling.BOX)
                self._tiles.append(np.array(tile))
                self._captions.append(name)
        except Exception as failure:  # handed to the thread that computes
            self._error = failure
        finally:
            self._room.release()

    def _write_sheet(self) -> None:
        sheet = Image.fromarray(contact_sheet(self._tiles, self._captions, tile_width=_TILE_WIDTH))
        try:
            with replaced_when_done(self._sheet) as temporary:
                sheet.save(temporary, format="JPEG", quality=92)
        except OSError as error:
            raise InputError(
                f"{self._sheet}: cannot be written ({error.strerror or error})") from error

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error
