"""The project folder: what a person painted, what was computed, names and colors.

    PROJECT/NAME.png        the mask of each frame, painted or computed, as of feelvos-segment
    PROJECT/given/NAME.png  the painted ones: what feelvos-segment takes as --mask
    PROJECT/soft/NAME.npz   how sure the pixels of each computed one are
    PROJECT/computed.jsonl  what each computed mask follows from, and how sure its objects are
    PROJECT/project.json    objects and settings of the page
    PROJECT/strokes.json    what can be undone and redone on the page
    PROJECT/run.json        as of feelvos-segment, which goes on here with --resume

Every file is there whole or not at all but computed.jsonl, which grows by a line a frame: what a
killed server wrote last may lack its end and is left out.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import threading
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any

import numpy as np

from feelvos_tf.annotate import descriptions, soft_masks
from feelvos_tf.annotate.frame_records import NOWHERE, FrameRecords, Painted
from feelvos_tf.annotate.keeping import append, keep
from feelvos_tf.annotate.soft_masks import SOFT
from feelvos_tf.annotate.strokes import Strokes
from feelvos_tf.errors import InputError
from feelvos_tf.file_lock import command_line
from feelvos_tf.files import read_text
from feelvos_tf.output_folder import OutputFolder
from feelvos_tf.version import __version__
from feelvos_tf.video.frame_source import FrameSource
from feelvos_tf.video.given_masks import GivenMasks
from feelvos_tf.video.mask_folder import mask_file
from feelvos_tf.video.masks import encode_mask, read_mask
from feelvos_tf.video.passes import planned
from feelvos_tf.video.picture_files import own_folder, tidy_folder
from feelvos_tf.video.scores import Scores
from feelvos_tf.video.segment import made_from
from feelvos_tf.video.segment_output import PROGRAM

GIVEN = "given/"
COMPUTED, PROJECT, STROKES = "computed.jsonl", "project.json", "strokes.json"


class Project:
    """Reads and writes the folder. A context manager: inside the block nobody else writes to it.

    Attributes:
      folder: its path.
      names: of the frames.
      records: what is known of each frame.
      objects: as of `descriptions.checked_objects`.
      page: settings of the page, as of `descriptions.checked_settings`.
      strokes: what can be undone; from the beginning of the block on.
      files: names of further files that exports wrote.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        source: FrameSource,
        names: Sequence[str],
        settings: Mapping[str, Any],
    ) -> None:
        """Args as follows; nothing is touched before the block.

        Args:
          folder: made where absent.
          source: the video.
          names: of its frames.
          settings: of the method, as feelvos-segment records them.
        """
        self.folder = pathlib.Path(folder)
        self.names = names
        self.size = source.size
        self.records = FrameRecords(len(names))
        self.objects: list[dict[str, Any]] = []
        self.page: dict[str, Any] = {}
        self.strokes: Strokes
        self._source, self._settings = source, dict(settings)
        self._output = OutputFolder(folder, PROGRAM)
        self._unsettled = False
        self._settling = threading.Lock()

    @property
    def given(self) -> pathlib.Path:
        """Folder of the painted masks."""
        return self.folder / GIVEN.rstrip("/")

    def __enter__(self) -> Project:
        """Opens the folder and reads what is in it.

        Raises:
          InputError: it cannot be used, another command uses it, or files of somebody else's are
            where the project's belong.
        """
        self._output.__enter__()
        try:
            masks = [mask_file(name, "video") for name in self.names]
            own = [*masks, GIVEN, SOFT, COMPUTED, PROJECT, STROKES]
            self._output.check(own, [self._source.path])
            self._output.remove_parts()
            for place in (self.given, self.folder / SOFT):
                own_folder(place)
                tidy_folder(place)
            if not set(own) <= self._output.files:
                self._output.record(own)
            self._load()
            self.strokes = Strokes(self.folder / STROKES, len(self.names), self.size)
        except BaseException:
            self._output.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            with contextlib.suppress(InputError):  # run.json alone is behind; masks are there
                self.settle()
        finally:
            self._output.__exit__(kind, error, traceback)

    def labels(self, index: int) -> np.ndarray | None:
        """The mask of a frame, uint8 [H, W]; None where there is none."""
        if index not in self.records.painted and not self.records.has_mask(index):
            return None
        return read_mask(self._mask(index), self.size)

    def paint(self, index: int, labels: np.ndarray) -> None:
        """Keeps what a person painted; InputError where it cannot be written."""
        data = encode_mask(labels)
        keep(self.given / self._mask(index).name, data)
        keep(self._mask(index), data)
        self.records.paint(index, Painted.of(labels))
        self._unsettled = True

    def scores(self, index: int, labels: np.ndarray) -> Scores | None:
        """How sure the pixels of a frame's mask are; None where a person made it, or is unknown."""
        return soft_masks.read(self._soft(index), labels)

    def take_back(self, index: int, labels: np.ndarray | None) -> None:
        """Makes a painted frame one that is not.

        Args:
          index: of the frame.
          labels: the mask that it had before it was painted; None where that is not known, which
            leaves what is there to be computed anew.
        """
        painted = self.given / self._mask(index).name
        if labels is not None and self.records.has_mask(index):
            keep(self._mask(index), encode_mask(labels))
        elif labels is None:
            self.records.compute(index, NOWHERE, 0)
            append(self.folder / COMPUTED, _line(self.names, index, NOWHERE, 0, {}))
        else:
            self._mask(index).unlink(missing_ok=True)
        painted.unlink(missing_ok=True)
        self.records.paint(index, None)
        self._unsettled = True

    def compute(
        self,
        index: int,
        png: bytes,
        source: int,
        key: int,
        objects: Mapping[int, tuple[int, float]],
        soft: bytes | None = None,
    ) -> None:
        """Keeps a computed mask and what it follows from; InputError where it cannot be written."""
        if soft is not None:
            keep(self._soft(index), soft)
        keep(self._mask(index), png)
        append(self.folder / COMPUTED, _line(self.names, index, source, key, objects))
        self.records.compute(index, source, key)
        self.records.margins[index] = dict(objects)
        self._unsettled = True

    def describe(
        self, objects: list[dict[str, Any]] | None = None, page: dict[str, Any] | None = None
    ) -> None:
        """Keeps objects or settings of the page; InputError where they cannot be written."""
        self.objects = self.objects if objects is None else objects
        self.page = self.page if page is None else page
        values = {"objects": self.objects, "page": self.page}
        keep(self.folder / PROJECT, json.dumps(values, indent=1).encode())

    def settle(self) -> None:
        """Says in run.json what the masks were made from, so that feelvos-segment goes on here.

        May take its time, for it reads all painted masks and waits for the disk, while another
        thread paints: then it is unsettled again.
        """
        with self._settling:
            self._settle()

    def _settle(self) -> None:
        if not self._unsettled or not any(p.ids for p in list(self.records.painted.values())):
            return
        self._unsettled = False
        given = GivenMasks(self.given, self.names, self.size)
        direction = planned(None, given.entries, self._source)[0]
        finished: dict[str, Any] = {}
        if self.records.settled().all():
            finished["num_masks"] = len(self.names)
        else:
            self._output.values.pop("num_masks", None)
        self._output.record(
            version=__version__,
            command=command_line(),
            video=str(self._source.path.resolve()),
            mask=str(self.given.resolve()),
            made_from=made_from(self.size, given, self._settings, direction, False),
            **finished,
        )

    def claim(self, names: Iterable[str]) -> None:
        """Lists further files as the project's own; InputError where others' are there."""
        names = list(names)
        with self._settling:
            self._output.check(names, [self._source.path])
            self._output.record(names)

    def _soft(self, index: int) -> pathlib.Path:
        return self.folder / SOFT / f"{self.names[index]}.npz"

    def _mask(self, index: int) -> pathlib.Path:
        return self.folder / mask_file(self.names[index], self.folder)

    def _load(self) -> None:
        there = set(os.listdir(self.folder))
        indices = {name: index for index, name in enumerate(self.names)}
        for path in sorted(self.given.iterdir()):
            index = indices.get(path.stem)
            if path.suffix == ".png" and index is not None:
                labels = read_mask(path, self.size)
                self.records.paint(index, Painted.of(labels))
                if self._mask(index).name not in there:
                    keep(self._mask(index), encode_mask(labels))
        known = self._load_computed(indices, there)
        self.records.adopt(
            index
            for name, index in indices.items()
            if f"{name}.png" in there and index not in known and index not in self.records.painted
        )
        self._load_descriptions()

    def _load_computed(self, indices: Mapping[str, int], there: set[str]) -> set[int]:
        """Takes over what computed.jsonl says, and writes it anew without lines out of date."""
        try:
            lines = read_text(self.folder / COMPUTED).splitlines()
        except FileNotFoundError:
            return set()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{self.folder / COMPUTED}: cannot be read ({error})") from error
        known: dict[int, str] = {}
        for line in lines:
            with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
                values = json.loads(line)
                index = indices[values["frame"]]
                source = indices.get(values["from"], NOWHERE)
                objects = {int(i): (int(a), float(m)) for i, (a, m) in values["objects"].items()}
                if f"{self.names[index]}.png" in there:
                    self.records.compute(index, source, int(values["key"]))
                    self.records.margins[index] = objects
                    known[index] = line
        data = "".join(f"{known[index]}\n" for index in sorted(known))
        keep(self.folder / COMPUTED, data.encode())
        return set(known)

    def _load_descriptions(self) -> None:
        path = self.folder / PROJECT
        try:
            values = json.loads(read_text(path))
            self.objects = descriptions.checked_objects(values["objects"])
            self.page = descriptions.checked_settings(values["page"])
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError(f"{path}: is not the description of a project ({error})") from error
        named = {one["id"] for one in self.objects}
        painted = {i for one in self.records.painted.values() for i in one.ids}
        computed = {i for objects in self.records.margins.values() for i in objects}
        for object_id in sorted((painted | computed) - named):
            self.objects.append(descriptions.new_object(object_id))


def _line(
    names: Sequence[str],
    index: int,
    source: int,
    key: int,
    objects: Mapping[int, tuple[int, float]],
) -> str:
    values = {
        "frame": names[index],
        "from": None if source == NOWHERE else names[source],
        "key": key,
        "objects": {str(i): [area, round(margin, 4)] for i, (area, margin) in objects.items()},
    }
    return json.dumps(values, separators=(",", ":")) + "\n"
