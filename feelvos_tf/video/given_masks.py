"""The masks a user hands over with a video: of its first frame, and of as many others."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import zlib
from collections.abc import Collection, Sequence

import numpy as np

from feelvos_tf.errors import InputError
from feelvos_tf.video.frames import MASK_EXTENSIONS, list_images, natural_key
from feelvos_tf.video.masks import describe_ids, questionable, read_mask

_LISTED = 3  # names in an error


@dataclasses.dataclass(frozen=True)
class GivenMask:
    """A mask that tells something.

    Attributes:
      path: its file.
      index: of its frame.
      name: of its frame.
      ids: the objects that count in it, ascending.
      checksum: of its pixels, so that a later run can tell whether it is the same mask.
      whole: whether it tells all of its frame; else objects that come in, beside those there are.
    """

    path: pathlib.Path
    index: int
    name: str
    ids: tuple[int, ...]
    checksum: int
    whole: bool


class GivenMasks:
    """Which frames have masks, and what these tell; pixels are read again when they are needed.

    One file is the mask of the first frame. In a folder a mask belongs to the frame of its name
    (00012.png to 00012.jpg, or to the thirteenth frame of a video file). The first one with an
    object starts the video. A later one that holds an id of an earlier one, or none at all, is the
    whole truth about its frame; one with new ids alone adds these objects to those there are.

    Attributes:
      entries: the masks that tell something, by frame; never empty.
      notes: lines that say what was found, for people.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        names: Sequence[str],
        size: tuple[int, int],
        ignore_label: int | None = None,
        *,
        threshold: int | None = None,
        snap: bool = False,
        first_only: bool = False,
        unused: Collection[str] = (),
        drawn: np.ndarray | None = None,
    ) -> None:
        """Reads and checks every mask.

        Args:
          path: a PNG file, or a folder of them.
          names: the frames' names in order.
          size: (H, W) of the frames.
          ignore_label: id that stands for "unknown" and is no object, or None.
          threshold: see `read_mask`.
          snap: see `read_mask`.
          first_only: whether a mask counts only for objects whose ids no earlier mask has.
          unused: names of frames that are left out, whose masks are left out too.
          drawn: uint8 [H, W], the first frame's mask, where it is yet to be written to `path`.

        Raises:
          InputError: a mask cannot be read, has another size, or fits no frame; or there is no
            object in any.
        """
        self._path = pathlib.Path(path)
        self._size = size
        self._ignore_label = ignore_label
        self._threshold, self._snap = threshold, snap
        # A color outside the palette means the same object in all masks.
        self._colors: dict[tuple[int, int, int], int] = {}
        self.notes: list[str] = []
        self.entries: list[GivenMask] = []
        self._unused = unused
        self._drawn = drawn
        seen: set[int] = set()
        redundant = 0
        for index, file in self._files(names):
            mask = self._read(file)
            ids = set(np.unique(mask).tolist()) - {0}
            new, known = sorted(ids - seen), sorted(ids & seen)
            whole = not seen or not first_only and (bool(known) or not new)
            if new or seen and whole:
                counting = sorted(ids) if whole else new
                seen.update(new)
                checksum = zlib.crc32(mask.tobytes())
                self.entries.append(
                    GivenMask(file, index, names[index], tuple(counting), checksum, whole)
                )
                self.notes.append(_describe(file, names[index], mask, counting, new))
                doubt = questionable(mask) if new else None
                if doubt:
                    self.notes.append(f"warning: {file}: {doubt}")
            else:
                redundant += bool(seen)
        if redundant:
            self.notes.append(f"{redundant} more masks hold no new object and are ignored")
        if not self.entries:
            raise InputError(
                f"{self._path}: holds no object, every pixel is background"
                + ("" if ignore_label is None else f" or ignored ({ignore_label})")
            )

    def read(self, entry: GivenMask) -> np.ndarray:
        """Reads the pixels of the objects that count in a mask.

        Returns:
          uint8 [H, W]: ids, elsewhere 0. A mask of its whole frame keeps the ignored label, which
          tells unknown pixels from background.

        Raises:
          InputError: the file has changed since the masks were checked.
        """
        mask = self._read(entry.path, keep_ignored=entry.whole)
        kept = [*entry.ids, *([self._ignore_label] if entry.whole else [])]
        mask = np.where(np.isin(mask, [i for i in kept if i is not None]), mask, 0)
        if not set(entry.ids) <= set(np.unique(mask).tolist()):
            raise InputError(f"{entry.path}: has changed while the video was segmented")
        return mask.astype(np.uint8)

    def _read(self, file: pathlib.Path, keep_ignored: bool = False) -> np.ndarray:
        if self._drawn is not None:
            mask = self._drawn
        else:
            mask = read_mask(
                file, self._size, self._colors, threshold=self._threshold, snap=self._snap
            )
        if self._ignore_label is not None and not keep_ignored:
            mask = np.where(mask == self._ignore_label, 0, mask)
        return mask

    def _files(self, names: Sequence[str]) -> list[tuple[int, pathlib.Path]]:
        """(index of the frame, file), by frame."""
        if self._drawn is not None or not self._path.is_dir():
            if self._drawn is None and self._path.stem in names[1:]:
                self.notes.append(
                    f"{self._path} is taken as the mask of the first frame, {names[0]}; give a "
                    f"folder with this mask alone to start at frame {self._path.stem}"
                )
            return [(0, self._path)]
        indices = {name: index for index, name in enumerate(names)}
        files = list_images(self._path, MASK_EXTENSIONS)
        unused = [file for file in files if file.stem in self._unused]
        if unused:
            self.notes.append(f"{len(unused)} masks are of frames that are left out")
            files = [file for file in files if file.stem not in self._unused]
        strangers = [file.name for file in files if file.stem not in indices]
        if strangers:
            more = f" and {len(strangers) - _LISTED} more" if len(strangers) > _LISTED else ""
            raise InputError(
                f"{self._path}: {', '.join(strangers[:_LISTED])}{more} fits no frame, expected "
                f"masks named like frames, {names[0]}.png to {names[-1]}.png"
            )
        return sorted(
            ((indices[file.stem], file) for file in files),
            key=lambda entry: (entry[0], natural_key(entry[1].name)),
        )


def _describe(
    file: pathlib.Path, name: str, mask: np.ndarray, ids: Sequence[int], new: Sequence[int]
) -> str:
    """What a mask tells, for people; the first one has new ids alone."""
    said = f"mask {file}, frame {name}: "
    if not ids:
        return said + "no object is in this frame"
    said += describe_ids(np.where(np.isin(mask, ids), mask, 0))
    known = sorted(set(ids) - set(new))
    if known:
        return f"{said}; set right: {', '.join(map(str, known))}"
    ignored = sorted(set(np.unique(mask).tolist()) - set(ids) - {0})
    return said + (f"; ignored, tracked already: {', '.join(map(str, ignored))}" if ignored else "")
