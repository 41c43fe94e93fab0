"""Frames and thumbnails as JPEG, read when they are asked for."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict

import numpy as np
from PIL import Image

from feelvos_tf.errors import InputError
from feelvos_tf.video.frame_source import FrameSource

_QUALITY = 90
_KEPT_BYTES = 64 << 20
_AHEAD = 12  # frames read at once
_AHEAD_BYTES = 48 << 20  # of them, decoded
_THUMBNAIL = (160, 90)
_KEPT_THUMBNAILS = 2000


class Pictures:
    """Memory is bounded, whatever is asked for; any thread may ask."""

    def __init__(self, source: FrameSource, count: int) -> None:
        """Args as follows.

        Args:
          source: the video.
          count: number of its frames.
        """
        self._source, self._count = source, count
        height, width = source.size
        self._ahead = max(1, min(_AHEAD, _AHEAD_BYTES // (3 * height * width)))
        self._frames: OrderedDict[int, bytes] = OrderedDict()
        self._bytes = 0
        self._last = 0
        self._thumbnails: OrderedDict[int, bytes] = OrderedDict()
        self._lock, self._thumbnail_lock = threading.Lock(), threading.Lock()

    def frame(self, index: int) -> bytes:
        """A frame as JPEG.

        Raises:
          InputError: it cannot be read.
        """
        with self._lock:
            if index not in self._frames:
                backward = index < self._last
                first = max(0, index - self._ahead + 1) if backward else index
                last = min(self._count - 1, first + self._ahead - 1)
                for frame in self._source.chunk(first, last):
                    self._keep(frame.index, encoded(frame.image, _QUALITY))
            self._last = index
            if index not in self._frames:
                raise InputError(f"{self._source.path}: frame {index} cannot be read")
            self._frames.move_to_end(index)
            return self._frames[index]

    def image(self, index: int) -> np.ndarray:
        """A frame's pixels, uint8 [H, W, 3]; raises as `frame`."""
        frames = self._source.chunk(index, index)
        if not frames:
            raise InputError(f"{self._source.path}: frame {index} cannot be read")
        return frames[0].image

    def thumbnail(self, index: int) -> bytes:
        """A small picture of a frame, or of one near it; raises as `frame`."""
        with self._thumbnail_lock:
            if index not in self._thumbnails:
                image = Image.fromarray(self._source.glimpse(index))
                image.thumbnail(_THUMBNAIL)
                self._thumbnails[index] = encoded(np.asarray(image), 80)
                if len(self._thumbnails) > _KEPT_THUMBNAILS:
                    self._thumbnails.popitem(last=False)
            return self._thumbnails[index]

    def _keep(self, index: int, data: bytes) -> None:
        self._bytes += len(data) - len(self._frames.pop(index, b""))
        self._frames[index] = data
        while self._bytes > _KEPT_BYTES and len(self._frames) > self._ahead:
            self._bytes -= len(self._frames.popitem(last=False)[1])


def encoded(image: np.ndarray, quality: int) -> bytes:
    """uint8 [H, W, 3] as JPEG."""
    data = io.BytesIO()
    Image.fromarray(image).save(data, format="JPEG", quality=quality)
    return data.getvalue()
