"""The sound of a video file, copied as it is into a video that is made from its frames."""

from __future__ import annotations

import contextlib
import fractions
import logging
import os
import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from feelvos_tf.video.video_file import import_av

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.packet import Packet

_logger = logging.getLogger(__name__)


class SoundCopy:
    """Packets of the first audio stream of one file, muxed into another beside its pictures.

    Sound is an extra: where it cannot be had or does not fit, the log says so once and the
    pictures go on without it.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        container: OutputContainer,
        open_files: contextlib.ExitStack,
    ) -> None:
        """Adds the stream to the container; to be called before its header is written.

        Args:
          path: file with the sound.
          container: PyAV container to write to.
          open_files: closes the file in the end.
        """
        self._path = pathlib.Path(path)
        self._av = import_av()
        self._container = container
        self._packets: Iterator[Packet] = iter(())
        self._next: Packet | None = None
        try:
            source = open_files.enter_context(self._av.open(f"file:{self._path}"))
            stream = source.streams.audio[0]
            name = stream.codec_context.name
            if stream.codec_context.codec.canonical_name not in container.supported_codecs:
                self._give_up(f"{container.format.name} takes no {name}")
                return
            self._stream = container.add_stream_from_template(stream)
            self._packets = source.demux(stream)
            self._next = self._read()
        except (self._av.FFmpegError, OSError, ValueError, IndexError) as error:
            self._give_up(str(error))

    def mux_until(self, time: fractions.Fraction, origin: fractions.Fraction) -> None:
        """Writes what sounds before `time`; both in seconds of the file that it comes from.

        Args:
          time: up to here; packets of later times wait.
          origin: what the container counts as 0; what sounds before it is left out.
        """
        while self._next is not None:
            packet = self._next
            assert packet.pts is not None  # see `_read`
            if packet.pts * packet.time_base >= time:
                break
            shift = round(origin / packet.time_base)
            if packet.pts >= shift:
                packet.pts -= shift
                packet.dts = packet.pts  # audio is never reordered
                packet.stream = self._stream
                self._container.mux(packet)
            self._next = self._read()

    def _read(self) -> Packet | None:
        """The next packet that has a time; None at the end, or where the file is damaged."""
        try:
            for packet in self._packets:
                if packet.size and packet.pts is not None:
                    return packet
        except (self._av.FFmpegError, ValueError) as error:
            self._give_up(f"from here on, {error}")
        return None

    def _give_up(self, reason: str) -> None:
        _logger.warning("%s: its sound is left out of the video (%s)", self._path, reason)
        self._next = None
