"""Frames that come as they happen, through PyAV: of a camera, or of a file that still grows.

`camera:0` is the first camera (V4L2 on Linux, AVFoundation on macOS), `camera:NAME` one by the name
that the system gives it (DirectShow on Windows). A camera does not wait: what comes while a frame
is computed is let go, and the next frame is the newest. `growing:FILE` is a file in a form that can
be read before it is finished (MPEG-TS, Matroska, fragmented MP4), or a pipe; all its frames count.
"""

from __future__ import annotations

import collections
import contextlib
import fractions
import logging
import pathlib
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from feelvos_tf.errors import InputError
from feelvos_tf.video.frame_source import Frame, FrameSource
from feelvos_tf.video.images import size_of
from feelvos_tf.video.video_file import import_av

if TYPE_CHECKING:
    from av.container import InputContainer

_CAMERA, _GROWING = "camera:", "growing:"
_PATIENCE = 10.0  # seconds; a live video from which nothing comes for so long has ended
_READY = 4  # frames of a file that may wait
_PLATFORM = sys.platform
_FORMATS = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}
_MILLISECOND = fractions.Fraction(1, 1000)

_logger = logging.getLogger(__name__)


def is_live(path: object) -> bool:
    """Whether a video is named as a camera or a growing file."""
    return str(path).startswith((_CAMERA, _GROWING))


class LiveFrames(FrameSource):
    """Frames in the order in which they come, once; memory stays constant.

    Frames are numbered 00000, 00001, ... as they are taken. `len()` is how many were so far.

    Args:
      address: see `is_live`.
      on_error: "stop" or "skip".
      stop: ends the video once it is set.

    Raises:
      InputError: there is no such camera or file, or no frame comes from it.
    """

    live = True

    def __init__(
        self, address: str, on_error: str = "stop", stop: threading.Event | None = None
    ) -> None:
        self.path = pathlib.Path(address)
        self.on_error = on_error
        self.names = ["00000"]
        self.frame_rate, self.time_base = 25.0, _MILLISECOND
        self._av = import_av()
        self._address = address
        self._drops = address.startswith(_CAMERA)
        self._stop = threading.Event() if stop is None else stop
        self._changed = threading.Condition()
        self._ready: collections.deque[tuple[np.ndarray, fractions.Fraction | None]]
        self._ready = collections.deque()
        self._error: InputError | None = None
        self._ended = self._taken = False
        self._count = 0
        threading.Thread(target=self._read, name="live-frames", daemon=True).start()
        first = self._take()
        if first is None:
            raise InputError(f"{address}: no frame came from it")
        self._size, self._first = size_of(first[0]), first

    @property
    def size(self) -> tuple[int, int]:
        return self._size

    def __len__(self) -> int:
        return self._count

    def first_frame(self) -> Frame:
        """See FrameSource.first_frame; `iterate` still begins with it."""
        return Frame(0, "00000", self._first[0], fractions.Fraction(0))

    def iterate(self, start: int = 0) -> Iterator[Frame]:
        """See FrameSource.iterate; only once and from the beginning."""
        if self._taken or start:
            raise InputError(f"{self._address}: a live video can be read once, as it comes")
        self._taken = True
        item: tuple[np.ndarray, fractions.Fraction | None] | None = self._first
        begun, last = self._first[1] or fractions.Fraction(0), -_MILLISECOND
        try:
            while item is not None:
                image, stamp = item
                name = f"{self._count:05d}"
                self._check_size(f"{self._address}, frame {name}", size_of(image))
                time = self._count / fractions.Fraction(self.frame_rate)
                if stamp is not None:
                    time = stamp - begun
                # Whole milliseconds that ascend, whatever the clock of a camera does.
                last = max(last + _MILLISECOND, round(time * 1000) * _MILLISECOND)
                self._count += 1
                yield Frame(self._count - 1, name, image, last)
                item = self._take()
        finally:
            self._stop.set()

    def _take(self) -> tuple[np.ndarray, fractions.Fraction | None] | None:
        """The next frame; None at the end."""
        with self._changed:
            while not (self._ready or self._ended or self._stop.is_set()):
                self._changed.wait(0.1)
            if self._stop.is_set():
                return None
            if self._ready:
                item = self._ready.popleft()
                self._changed.notify_all()
                return item
            if self._error is not None:
                raise self._error
            return None

    def _put(self, image: np.ndarray, stamp: fractions.Fraction | None) -> None:
        with self._changed:
            if self._drops:
                self._ready.clear()
            while len(self._ready) >= _READY and not self._stop.is_set():
                self._changed.wait(0.1)
            self._ready.append((image, stamp))
            self._changed.notify_all()

    def _read(self) -> None:
        """Runs in a thread: reads until the end, the stop or an error."""
        error = None
        try:
            with self._open() as container:
                self._decode(container)
        except InputError as found:
            error = found
        except (self._av.FFmpegError, OSError, ValueError) as found:
            text = " ".join(str(getattr(found, "strerror", None) or found).split())
            error = InputError(f"{self._address}: cannot be read ({text})")
        finally:
            with self._changed:
                self._error, self._ended = error, True
                self._changed.notify_all()

    def _decode(self, container: InputContainer) -> None:
        if not container.streams.video:
            raise InputError(f"{self._address}: holds no video stream")
        stream = container.streams.video[0]
        if stream.average_rate:
            self.frame_rate = float(stream.average_rate)
        packets = container.demux(stream)
        while not self._stop.is_set():
            try:
                packet = next(packets, None)
            except self._av.error.ExitError:  # nothing came for as long as is waited
                packet = None
            try:
                for frame in stream.decode(packet):
                    stamp = None
                    if frame.pts is not None and frame.time_base is not None:
                        stamp = fractions.Fraction(frame.pts * frame.time_base)
                    self._put(frame.to_ndarray(format="rgb24"), stamp)
            except self._av.error.EOFError:  # the decoder is empty
                return
            except (self._av.FFmpegError, ValueError) as found:
                text = " ".join(str(found).split())
                self._unreadable(InputError(f"{self._address}: a frame is damaged ({text})"))
            if packet is None:
                return

    @contextlib.contextmanager
    def _open(self) -> Iterator[InputContainer]:
        file, options = self._what_to_open()
        with self._av.open(file, timeout=(_PATIENCE, _PATIENCE), **options) as container:
            yield container

    def _what_to_open(self) -> tuple[str, dict[str, Any]]:
        """File and options for PyAV."""
        if not self._drops:
            path = self._address[len(_GROWING) :]
            if not pathlib.Path(path).exists() or pathlib.Path(path).is_dir():
                raise InputError(f"{path}: no such video file")
            return f"file:{path}", {"options": {"follow": "1"}}
        name = self._address[len(_CAMERA) :]
        platform = next((p for p in _FORMATS if _PLATFORM.startswith(p)), "")
        if not name or not platform:
            raise InputError(f"{self._address}: expected camera:0, or another number or name")
        if platform == "linux":
            name = f"/dev/video{name}" if name.isdecimal() else name
        elif platform == "win32":
            name = f"video={name}"
        return name, {"format": _FORMATS[platform]}
