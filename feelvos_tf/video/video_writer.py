"""A video file out: frames as they come, at their own times."""

from __future__ import annotations

import contextlib
import dataclasses
import fractions
import os
import pathlib
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, cast

import numpy as np

from feelvos_tf.errors import InputError
from feelvos_tf.files import make_folder, replaced_when_done
from feelvos_tf.video.frames import FOLDER_RATE, as_fraction
from feelvos_tf.video.images import describe_size, size_of
from feelvos_tf.video.sound import SoundCopy
from feelvos_tf.video.video_file import import_av
from feelvos_tf.video.video_forms import FILM, VideoForm

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.stream import VideoStream


@dataclasses.dataclass
class _Opened:
    """The file while it is written.

    Attributes:
      container, stream: of PyAV.
      size: (H, W) of the frames.
      sound: what is copied beside them; None for nothing.
    """

    container: OutputContainer
    stream: VideoStream
    size: tuple[int, int]
    sound: SoundCopy | None


class VideoFileWriter:
    """Writes frames, each at its time: by default H.264 (MPEG-4 where its encoder is absent).

        with VideoFileWriter("overlay.mp4", frame_rate=25) as video:
            video.write(overlay(frame, labels))

    The file appears under its name when the block ends without an error; otherwise, or where no
    frame was written, there is none. H.264 in yuv420p needs even sides, so a frame with an odd
    side gets its last row or column twice.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        frame_rate: float = FOLDER_RATE,
        *,
        time_base: fractions.Fraction | None = None,
        pixel_aspect: fractions.Fraction = fractions.Fraction(1),
        sound: str | os.PathLike[str] | None = None,
        form: VideoForm = FILM,
    ) -> None:
        """Checks what can be checked before the first frame.

        Args:
          path: file to write; its extension (.mp4, .m4v, .mov, .mkv; as the form has them) says
            the container. Its folder is made where absent.
          frame_rate: frames per second, above 0; their mean where frames come with times.
          time_base: seconds of which the times are whole multiples; by default a frame's length.
          pixel_aspect: width of a pixel over its height, for players.
          sound: file whose sound is copied, as far as it goes with the frames' times.
          form: what the frames are and how they are encoded.

        Raises:
          InputError: another extension, a rate that is none, no encoder of the form, or the
            folder cannot be made.
        """
        self.path = pathlib.Path(path)
        self._form = form
        if self.path.suffix.lower() not in form.containers:
            raise InputError(
                f"{self.path}: unknown video extension, expected one of "
                f"{', '.join(form.containers)}"
            )
        if not 0 < frame_rate < 1000:
            raise InputError(f"{self.path}: {frame_rate} frames per second, expected 0..1000")
        self._rate = as_fraction(frame_rate)
        self._time_base = time_base or 1 / self._rate
        self._pixel_aspect = pixel_aspect
        self._sound_path = sound
        # Time of the first frame and of the latest, the latter in time bases after the former.
        self._origin = fractions.Fraction(0)
        self._latest = -1
        self._av = import_av()
        encoder = form.encoder(self._av)
        if encoder is None:
            lacking = " or ".join(name for name, _ in form.encoders)
            raise InputError(f"{self.path}: PyAV has no encoder {lacking}, expected one")
        self._encoder, self._settings = encoder
        self._open_file = contextlib.ExitStack()
        self._opened: _Opened | None = None
        self._closed = False
        make_folder(self.path.parent)

    def write(self, image: np.ndarray, time: fractions.Fraction | None = None) -> None:
        """Encodes one frame.

        Args:
          image: uint8 [H, W, 3], RGB, of the first frame's size; as the form has them.
          time: seconds at which it is shown, counted from any start; by default right after the
            one before. A time that is not later than the one before becomes the next there is.

        Raises:
          InputError: another size than the first frame's, or the file cannot be written; the
            unfinished file is removed and the writer takes no more frames.
        """
        image = np.asarray(image)
        form = self._form
        if image.ndim < 2 or image.shape[2:] != form.pixel or image.dtype != np.uint8:
            raise InputError(
                f"{self.path}: frame of shape {image.shape} and type {image.dtype}, expected "
                f"[{', '.join(['H', 'W', *map(str, form.pixel)])}] of uint8"
            )
        if self._closed:
            raise InputError(f"{self.path}: is closed and takes no more frames")
        with self._removed_on_error():
            size = size_of(image)
            if self._opened is None:
                self._opened = self._open(size)
            opened = self._opened
            if size != opened.size:
                raise InputError(
                    f"{self.path}: frame of {describe_size(size)}, expected "
                    f"{describe_size(opened.size)} like the first frame"
                )
            if form.even:
                padding = [(0, n % 2) for n in size] + [(0, 0)] * len(form.pixel)
                image = np.pad(image, padding, mode="edge")
            frame = self._av.VideoFrame.from_ndarray(
                np.ascontiguousarray(image), format=form.frames
            )
            frame.pts, frame.time_base = self._place(time), self._time_base
            if opened.sound is not None:
                opened.sound.mux_until(
                    self._origin + (self._latest + 1) * self._time_base, self._origin
                )
            opened.container.mux(opened.stream.encode(frame))

    def close(self) -> None:
        """Finishes the file and gives it its name."""
        with self._removed_on_error():
            if self._opened is not None:
                opened = self._opened
                if opened.sound is not None:  # the last frame lasts as long as any
                    end = self._latest * self._time_base + 1 / self._rate
                    opened.sound.mux_until(self._origin + end, self._origin)
                opened.container.mux(opened.stream.encode(None))
                opened.container.close()
                self._opened = None
            self._open_file.close()
        self._closed = True

    def __enter__(self) -> VideoFileWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:
            self._discard(error)

    def _place(self, time: fractions.Fraction | None) -> int:
        """Time stamp of the next frame in time bases; they rise strictly, as players need."""
        if time is None:
            steps = max(1, round(1 / self._rate / self._time_base))
            self._latest = self._latest + steps if self._latest >= 0 else 0
        else:
            if self._latest < 0:
                self._origin = time
            self._latest = max(self._latest + 1, round((time - self._origin) / self._time_base))
        return self._latest

    def _open(self, size: tuple[int, int]) -> _Opened:
        temporary = self._open_file.enter_context(replaced_when_done(self.path))
        kind = self._form.containers[self.path.suffix.lower()]
        # The same frames give the same bytes: Matroska would draw an id and name the library.
        options = {"fflags": "+bitexact"}
        if kind in ("mp4", "mov"):
            # An index at the front lets players start before the whole file is there.
            options["movflags"] = "+faststart"
        container = self._av.open(f"file:{temporary}", "w", format=kind, options=options)
        try:
            stream = self._add_stream(container, size)
            sound = None
            if self._sound_path is not None:
                sound = SoundCopy(self._sound_path, container, self._open_file)
            container.start_encoding()  # writes the header: a bad target shows at once
        except BaseException:
            self._abandon(container)
            raise
        return _Opened(container, stream, size, sound)

    def _add_stream(self, container: OutputContainer, size: tuple[int, int]) -> VideoStream:
        if self._encoder == "mpeg4" and self._time_base.denominator >= 1 << 16:
            self._time_base = fractions.Fraction(1, 60_000)  # its header has no room for more
        # All these codecs are of pictures.
        stream = cast(
            "VideoStream",
            container.add_stream(self._encoder, rate=self._rate, options=self._settings),
        )
        stream.height, stream.width = (n + n % 2 if self._form.even else n for n in size)
        stream.pix_fmt = self._form.stored
        stream.codec_context.time_base = self._time_base
        stream.codec_context.sample_aspect_ratio = self._pixel_aspect
        return stream

    @contextlib.contextmanager
    def _removed_on_error(self) -> Iterator[None]:
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
        if self._opened is not None:
            self._abandon(self._opened.container)
            self._opened = None
        self._open_file.__exit__(type(error), error, error.__traceback__)
        self._closed = True

    def _abandon(self, container: OutputContainer) -> None:
        with contextlib.suppress(self._av.FFmpegError, OSError, ValueError):
            container.close()  # a full disk fails here again
