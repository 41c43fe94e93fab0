"""The frame that marks are drawn on, and the files that show what came of them.

OUTPUT/marked/NAME.png   the mask, to be painted right and given as --mask
OUTPUT/marked.jpg        the frame with the mask drawn in
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable

from PIL import Image

from feelvos_tf.errors import InputError
from feelvos_tf.files import replaced_when_done
from feelvos_tf.video.frame_source import FrameSource
from feelvos_tf.video.marks import Marks
from feelvos_tf.video.mask_folder import mask_file
from feelvos_tf.video.masks import describe_ids, write_mask
from feelvos_tf.video.overlay import overlay
from feelvos_tf.video.picture_files import own_folder

MARKED = "marked/"
_PICTURE = "marked.jpg"
MARKED_FILES = (MARKED, _PICTURE)


class MarkedFrame:
    """The first frame of a video and the mask that marks make in it.

    Attributes:
      path: where the mask is to lie.
      mask: uint8 [H, W], ids.
      texts: the marks, as given.
    """

    def __init__(self, marks: Marks, source: FrameSource, output: str | os.PathLike[str]) -> None:
        """Draws; writes nothing yet.

        Raises:
          InputError: see `Marks.draw`; or the first frame cannot be read.
        """
        frame = source.first_frame()
        if frame.index:
            raise InputError(f"{source.path}: the first frame, to be marked, cannot be read")
        self._image = frame.image
        self.mask = marks.draw(frame.image)
        self._folder = pathlib.Path(output)
        self.path = self._folder / MARKED / mask_file(frame.name, source.path)
        self.texts = [mark.text for mark in marks.marks]

    def write(self, say: Callable[[str], None]) -> None:
        """Writes mask and picture, and says where they are; the output folder must exist.

        Raises:
          InputError: they cannot be written.
        """
        own_folder(self._folder / MARKED)
        write_mask(self.path, self.mask)
        picture = self._folder / _PICTURE
        try:
            with replaced_when_done(picture) as temporary:
                drawn = Image.fromarray(overlay(self._image, self.mask))
                drawn.save(temporary, format="JPEG", quality=92)
        except OSError as error:
            raise InputError(f"{picture}: cannot be written ({error.strerror or error})") from error
        say(f"marked {describe_ids(self.mask)}: look at {picture}; the mask is {self.path}")
