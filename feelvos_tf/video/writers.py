"""Results out: a folder of palette masks, and a video file."""

from __future__ import annotations

import concurrent.futures
import contextlib
import fractions
import os
import pathlib
import threading

import numpy as np

from feelvos_tf.errors import InputError
from feelvos_tf.files import check_name, make_folder, replaced_when_done
from feelvos_tf.video.images import describe_size
from feelvos_tf.video.masks import write_mask
from feelvos_tf.video.video_file import import_av

CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}


def mask_file(name: str, where: object) -> str:
    """Name of the file of a frame's mask; InputError with `where` in it for a name that is none."""
    return f"{check_name(name, where, 'frame')}.png"


class MaskFolderWriter:
    """Writes one palette PNG a frame, in background threads, so that writing overlaps computing.

    Every file is complete or absent, whatever ends the program. A context manager: leaving the
    block waits for the last file.
    """

    def __init__(self, folder: str | os.PathLike[str], workers: int = 2, pending: int = 8):
        """Makes the folder.

        Args:
          folder: where the masks go; made with its parents where absent.
          workers: number of threads that compress and write.
          pending: number of masks that may wait for them before write() waits; bounds memory.

        Raises:
          InputError: the folder cannot be made or written to.
        """
        self.folder = make_folder(folder)
        self._pool = concurrent.futures.ThreadPoolExecutor(workers, "mask-writer")
        self._pending = pending
        self._room = threading.BoundedSemaphore(pending)
        self._error: Exception | None = None

    def path(self, name: str) -> pathlib.Path:
        """The file of a frame's mask."""
        return self.folder / mask_file(name, self.folder)

    def write(self, name: str, labels: np.ndarray) -> None:
        """Takes a mask for writing; returns at once while fewer than `pending` masks wait.

        Args:
          name: of the frame, without extension.
          labels: integers [H, W] in 0..255; copied.

        Raises:
          InputError: an earlier or this mask could not be written; the message names its file.
        """
        path = self.path(name)
        self._raise_error()
        self._room.acquire()
        try:
            self._pool.submit(self._write, path, np.array(labels))
        except BaseException:
            self._room.release()
            raise

    def flush(self) -> None:
        """Waits for the masks handed over so far; raises as `close`. For the thread that writes."""
        for _ in range(self._pending):
            self._room.acquire()
        for _ in range(self._pending):
            self._room.release()
        self._raise_error()

    def close(self) -> None:
        """Waits for all masks; InputError with the file's name where one could not be written."""
        self._pool.shutdown(wait=True)
        self._raise_error()

    def __enter__(self) -> MaskFolderWriter:
        return self

    def __exit__(self, kind, error, traceback) -> None:
        if kind is None:
            self.close()
        else:  # what went wrong first matters more than what this writer has to report
            self._pool.shutdown(wait=True)

    def _write(self, path: pathlib.Path, labels: np.ndarray) -> None:
        try:
            write_mask(path, labels)
        except Exception as error:  # handed to the thread that computes
            self._error = self._error or error
        finally:
            self._room.release()

    def _raise_error(self) -> None:
        if self._error is not None:
            error, self._error = self._error, None
            raise error


class VideoFileWriter:
    """Writes frames as H.264 (MPEG-4 part 2 where the encoder is absent) at a constant rate.

    The file appears under its name when the block ends without an error; otherwise, or where no
    frame was written, there is none. H.264 in yuv420p needs even sides, so a frame with an odd
    side gets its last row or column twice.
    """

    def __init__(self, path: str | os.PathLike[str], frame_rate: float = 24.0):
        """Checks what can be checked before the first frame.

        Args:
          path: file to write; its extension (.mp4, .m4v, .mov, .mkv) says the container. Its
            folder is made where absent.
          frame_rate: frames per second, above 0.

        Raises:
          InputError: another extension, a rate that is none, or the folder cannot be made.
        """
        self.path = pathlib.Path(path)
        if self.path.suffix.lower() not in CONTAINERS:
            raise InputError(
                f"{self.path}: unknown video extension, expected one of {', '.join(CONTAINERS)}"
            )
        if not 0 < frame_rate < 1000:
            raise InputError(f"{self.path}: {frame_rate} frames per second, expected 0..1000")
        self._rate = fractions.Fraction(frame_rate).limit_denominator(1001)
        self._av = import_av()
        self._open_file = contextlib.ExitStack()
        self._container = self._stream = None
        self._size: tuple[int, int] | None = None
        self._closed = False
        make_folder(self.path.parent)

    def write(self, image: np.ndarray) -> None:
        """Encodes one frame.

        Args:
          image: uint8 [H, W, 3], RGB, of the first frame's size.

        Raises:
          InputError: another size than the first frame's, or the file cannot be written; the
            unfinished file is removed and the writer takes no more frames.
        """
        image = np.asarray(image)
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise InputError(
                f"{self.path}: frame of shape {image.shape} and type {image.dtype}, expected "
                "[H, W, 3] of uint8"
            )
        if self._closed:
            raise InputError(f"{self.path}: is closed and takes no more frames")
        with self._removed_on_error():
            if self._stream is None:
                self._start(image.shape[:2])
            if image.shape[:2] != self._size:
                raise InputError(
                    f"{self.path}: frame of {describe_size(image.shape[:2])}, expected "
                    f"{describe_size(self._size)} like the first frame"
                )
            even = np.pad(image, [(0, n % 2) for n in self._size] + [(0, 0)], mode="edge")
            frame = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24")
            self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Finishes the file and gives it its name."""
        with self._removed_on_error():
            if self._container is not None:
                self._container.mux(self._stream.encode(None))
                self._container.close()
                self._container = None
            self._open_file.close()
        self._closed = True

    def __enter__(self) -> VideoFileWriter:
        return self

    def __exit__(self, kind, error, traceback) -> None:
        if kind is None:
            self.close()
        else:
            self._discard(error)

    def _start(self, size: tuple[int, int]) -> None:
        self._size = size
        temporary = self._open_file.enter_context(replaced_when_done(self.path))
        kind = CONTAINERS[self.path.suffix.lower()]
        # An index at the front lets players start before the whole file is there.
        options = {} if kind == "matroska" else {"movflags": "+faststart"}
        self._container = self._av.open(f"file:{temporary}", "w", format=kind, options=options)
        codec, settings = "libx264", {"crf": "18", "preset": "veryfast"}
        if codec not in self._av.codecs_available:
            codec, settings = "mpeg4", {"qmin": "2", "qmax": "5"}
        self._stream = self._container.add_stream(codec, rate=self._rate, options=settings)
        self._stream.height, self._stream.width = (n + n % 2 for n in size)
        self._stream.pix_fmt = "yuv420p"
        self._container.start_encoding()  # writes the header: a bad target shows at once

    @contextlib.contextmanager
    def _removed_on_error(self):
        try:
            yield
        except (self._av.FFmpegError, OSError, UnicodeEncodeError) as error:
            self._discard(error)
            reason = getattr(error, "strerror", None) or error  # a name that is no UTF-8 has none
            raise InputError(f"{self.path}: cannot be written ({reason})") from error
        except BaseException as error:
            self._discard(error)
            raise

    def _discard(self, error: BaseException) -> None:
        """Closes and removes the unfinished file."""
        if self._container is not None:
            with contextlib.suppress(self._av.FFmpegError, OSError, ValueError):
                self._container.close()  # a full disk fails here again
            self._container = None
        self._open_file.__exit__(type(error), error, error.__traceback__)
        self._closed = True
