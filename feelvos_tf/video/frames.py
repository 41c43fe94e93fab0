"""Frames of a video, from a folder of images or from a video file, one at a time."""

from __future__ import annotations

import fractions
import os
import pathlib
import queue
import re
import threading
from collections.abc import Generator, Iterable, Iterator
from typing import Any, TypeVar

from feelvos_tf.errors import InputError
from feelvos_tf.video.frame_source import Frame, FrameSource
from feelvos_tf.video.images import read_image, size_of

IMAGE_EXTENSIONS = (".jpg", ".jpeg", ".png")
MASK_EXTENSIONS = (*IMAGE_EXTENSIONS, ".bmp", ".tif", ".tiff")

FOLDER_RATE = 24.0

_T = TypeVar("_T")


class FolderFrames(FrameSource):
    """The JPEG and PNG files of one folder in natural order (frame2 before frame10)."""

    def __init__(
        self, path: str | os.PathLike[str], on_error: str = "stop", frame_rate: float = FOLDER_RATE
    ) -> None:
        self.path = pathlib.Path(path)
        self.on_error = on_error
        self.frame_rate = frame_rate
        self.time_base = 1 / as_fraction(frame_rate)
        self.files = list_images(self.path)
        self.names = [file.stem for file in self.files]
        self._size: tuple[int, int] | None = None

    @property
    def size(self) -> tuple[int, int]:
        if self._size is None:
            for file in self.files:
                try:
                    self._size = size_of(read_image(file))
                    return self._size
                except InputError as error:
                    self._unreadable(error)
            raise InputError(f"{self.path}: none of its {len(self)} images can be read")
        return self._size

    def __len__(self) -> int:
        return len(self.files)

    def iterate(self, start: int = 0) -> Iterator[Frame]:
        readable = 0
        for index in range(start, len(self.files)):
            file = self.files[index]
            try:
                image = read_image(file)
            except InputError as error:
                self._unreadable(error)
                continue
            if self._size is None and start == 0:
                self._size = size_of(image)
            self._check_size(str(file), size_of(image))
            readable += 1
            yield Frame(index, file.stem, image, index * self.time_base)
        if start == 0 and not readable:
            raise InputError(f"{self.path}: none of its {len(self)} images can be read")


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Sort key by which numbers inside names count as numbers and case does not matter.

    Names that differ in leading zeros or case alone are told apart by the name itself, so that
    the order never depends on the file system.
    """
    parts = re.split(r"([0-9]+)", name)
    return [int(p) if i % 2 else p.casefold() for i, p in enumerate(parts)], name


def list_images(
    folder: str | os.PathLike[str], extensions: tuple[str, ...] = IMAGE_EXTENSIONS
) -> list[pathlib.Path]:
    """Lists the images of a folder, JPEG and PNG unless told otherwise, in natural order.

    Extensions count in any case; hidden files, folders and other files are left out.

    Raises:
      InputError: there is no such folder, it holds no image, or two images have the same name
        but for the extension (they would write the same mask).
    """
    folder = pathlib.Path(folder)
    try:
        entries = list(folder.iterdir())
    except FileNotFoundError as error:
        raise InputError(f"{folder}: no such folder") from error
    except NotADirectoryError as error:
        raise InputError(f"{folder}: is a file, expected a folder of images") from error
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed ({error.strerror})") from error
    files = [
        entry
        for entry in entries
        if entry.suffix.lower() in extensions
        and not entry.name.startswith(".")
        and not entry.is_dir()
    ]
    if not files:
        found = f"{len(entries)} other entries" if entries else "nothing"
        raise InputError(f"{folder}: found {found}, expected JPEG or PNG images")
    files.sort(key=lambda file: natural_key(file.name))
    by_stem: dict[str, pathlib.Path] = {}
    for file in files:
        other = by_stem.setdefault(file.stem, file)
        if other is not file:
            raise InputError(
                f"{folder}: found both {other.name} and {file.name}, expected one image a frame"
            )
    return files


def as_fraction(frame_rate: float) -> fractions.Fraction:
    """A rate as the fraction that is meant: 29.97 is 30000/1001."""
    return fractions.Fraction(frame_rate).limit_denominator(1001)


def open_frames(
    path: str | os.PathLike[str],
    *,
    on_error: str = "stop",
    frame_rate: float | None = None,
    stop: threading.Event | None = None,
) -> FrameSource:
    """Opens a folder of JPEG/PNG images, a video file, or something live.

    Args:
      path: folder (any file names, natural order) or video file (anything FFmpeg decodes); or
        "camera:..." or "growing:...", see `live.py`.
      on_error: what an unreadable or truncated frame does. "stop" raises, "skip" notes it by
        name in the log and goes on with the next one.
      frame_rate: of a folder, frames per second, 24 by default; a video file knows its own.
      stop: ends a live video once it is set.

    Returns:
      a FrameSource; nothing but the first frame is read before it is iterated.

    Raises:
      InputError: the path is missing, an empty folder, or a file that holds no video; a frame
        rate that is none, or one for a video file. While
        iterating: a frame of another size (with both sizes), an unreadable frame with "stop",
        or no readable frame at all.
    """
    if on_error not in ("stop", "skip"):
        raise InputError(f"on_error is {on_error!r}, expected 'stop' or 'skip'")
    if frame_rate is not None and not 0 < frame_rate < 1000:
        raise InputError(f"{frame_rate} frames per second, expected more than 0 and below 1000")
    # Imported here because these modules build on this one.
    from feelvos_tf.video.live import LiveFrames, is_live
    from feelvos_tf.video.video_file import VideoFileFrames

    if is_live(path):
        if frame_rate is not None:
            raise InputError(f"{path}: a live video says its frame rate itself")
        return LiveFrames(str(path), on_error, stop)
    path = pathlib.Path(path)
    if path.is_dir():
        return FolderFrames(path, on_error, frame_rate or FOLDER_RATE)
    if not path.exists():
        raise InputError(f"{path}: no such folder or video file")
    if not path.is_file():
        raise InputError(f"{path}: is neither a folder of images nor a video file")
    if frame_rate is not None:
        raise InputError(
            f"{path}: a video file says its frame rate itself; only a folder of "
            "images can be told one"
        )
    return VideoFileFrames(path, on_error)


def prefetch(iterable: Iterable[_T], depth: int = 4) -> Generator[_T, None, None]:
    """Iterates in a background thread, so that producing overlaps with what the caller does.

    Order and items stay the same. An exception of the iterable is raised here at its place in
    the order. When the caller stops early (break, an exception, Ctrl-C, close()) the thread ends
    after the item it is working on and closes the iterable.

    Args:
      iterable: what to read ahead; touched by the thread only, from the first next() on.
      depth: number of items held ready, at least 1; bounds the memory.

    Returns:
      an iterator over the same items.
    """
    if depth < 1:
        raise InputError(f"prefetch depth is {depth}, expected at least 1")
    return _read_ahead(iterable, depth)


def _read_ahead(iterable: Iterable[_T], depth: int) -> Generator[_T, None, None]:
    ready: queue.Queue[Any] = queue.Queue(maxsize=depth)
    stopped = threading.Event()

    def put(entry: tuple[_T | None, BaseException | None, bool]) -> bool:
        while not stopped.is_set():
            try:
                ready.put(entry, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def produce() -> None:
        try:
            iterator = iter(iterable)
            try:
                for item in iterator:
                    if not put((item, None, False)):
                        return
            finally:
                if hasattr(iterator, "close"):
                    iterator.close()
        except BaseException as error:  # whatever it is, it belongs to the caller
            put((None, error, True))
        else:
            put((None, None, True))

    thread = threading.Thread(target=produce, name="prefetch", daemon=True)
    thread.start()
    try:
        while True:
            item, error, last = ready.get()
            if error is not None:
                raise error
            if last:
                return
            yield item
            del item  # else one more frame stays alive while the next is awaited
    finally:
        stopped.set()
        thread.join()
