"""What a run writes beside masks, overlay and contact sheet: what `--write` names.

cutouts   cutouts/ID/NAME.png and cutouts.webm      matte   matte/ID/NAME.png
coco      annotations.json                          ytvos   Annotations/VIDEO/NAME.png, meta.json
video     labels.mkv

and of each run confidence.csv, confidence.png, and where asked for confidence/NAME.png.
"""

from __future__ import annotations

import contextlib
import logging
import pathlib
from collections.abc import Collection, Iterable, Sequence
from types import TracebackType
from typing import Protocol

from feelvos_tf.errors import InputError
from feelvos_tf.files import check_name
from feelvos_tf.video.background import BackgroundWork
from feelvos_tf.video.coco_video import COCO, CocoVideo, import_rle
from feelvos_tf.video.confidence import (
    CONFIDENCE,
    CONFIDENCE_MAPS,
    ConfidenceMaps,
    Confidences,
)
from feelvos_tf.video.confidence_plot import CONFIDENCE_PLOT, plot_confidence
from feelvos_tf.video.cutouts import CUTOUT_VIDEO, CUTOUTS, CutoutFiles, CutoutVideo
from feelvos_tf.video.frame_source import FrameSource
from feelvos_tf.video.frames import FolderFrames
from feelvos_tf.video.label_video import LABEL_VIDEO, LabelVideo
from feelvos_tf.video.labeled_frame import KnownIds, LabeledFrame
from feelvos_tf.video.marked_frame import MARKED
from feelvos_tf.video.mattes import MATTES, Mattes
from feelvos_tf.video.video_file import import_av
from feelvos_tf.video.youtube_vos import ANNOTATIONS, META, YoutubeVosList, YoutubeVosMasks

# What `--write` takes; masks are always written, the overlay is drawn by pictures.py.
KINDS = ("masks", "overlay", "cutouts", "matte", "coco", "ytvos", "video")
_NAMES = {
    "cutouts": [CUTOUTS, CUTOUT_VIDEO],
    "matte": [MATTES],
    "coco": [COCO],
    "ytvos": [ANNOTATIONS, META],
    "video": [LABEL_VIDEO],
}
# Folders of pictures named like the masks, those of runs with other kinds included.
FOLDERS = (CUTOUTS, MATTES, ANNOTATIONS, CONFIDENCE_MAPS, MARKED)
_PENDING = 4  # frames that may wait to be written; bounds memory

_logger = logging.getLogger(__name__)


def checked_kinds(write: Iterable[str]) -> list[str]:
    """The kinds in the order of KINDS, each once.

    Raises:
      InputError: one is none of KINDS, or what it is written with is not installed.
    """
    given = list(write)
    unknown = [kind for kind in given if kind not in KINDS]
    if unknown:
        raise InputError(f"write names {unknown[0]!r}, expected some of {', '.join(KINDS)}")
    if "coco" in given:
        import_rle()
    if "video" in given:
        import_av()
    return [kind for kind in KINDS if kind in given]


def output_names(kinds: Iterable[str], save_confidence: bool, names: Collection[str]) -> list[str]:
    """Files that a run writes, and, with a "/" at their end, the folders that it fills.

    Args:
      kinds: see `checked_kinds`.
      save_confidence: whether there are pictures of it.
      names: of the frames.
    """
    found = [name for kind in kinds for name in _NAMES.get(kind, [])]
    plot = [] if _is_taken(CONFIDENCE_PLOT, names) else [CONFIDENCE_PLOT]
    return [*found, CONFIDENCE, *plot, *([CONFIDENCE_MAPS] if save_confidence else [])]


def _is_taken(picture: str, names: Collection[str]) -> bool:
    """Whether a frame's mask has the name of a picture."""
    return picture.removesuffix(".png") in names


class _Output(Protocol):
    def add(self, labeled: LabeledFrame) -> None: ...


class _NotInMasks(_Output, Protocol):
    path: pathlib.Path

    def holds(self, name: str, ids: tuple[int, ...], size: tuple[int, int]) -> bool: ...


class Outputs:
    """Hands each frame to all that is written of it, in background threads.

    A context manager. Files of the whole video appear when the block ends without an error; a
    block that fails leaves none of them, while files of single frames that are there are whole.
    Memory does not grow with the video, but for a few bytes a frame and object.

    Attributes:
      confidence: what is known of it.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        source: FrameSource,
        names: Sequence[str],
        kinds: Collection[str],
        known: KnownIds,
        *,
        save_confidence: bool = False,
        resume: bool = False,
    ) -> None:
        """Args as follows; the folder must exist.

        Args:
          folder: gets all files.
          source: what the frames come from.
          names: of the frames, in their order.
          kinds: see `checked_kinds`.
          known: which objects there are up to a frame.
          save_confidence: whether to write a picture of it for each frame.
          resume: whether `folder` holds files of an earlier run of the same masks.

        Raises:
          InputError: something cannot be written here at all, for instance without an encoder.
        """
        self._size = source.size
        self._known = known
        self._index = {name: index for index, name in enumerate(names)}
        self._told = False
        self._files: list[pathlib.Path] = []
        self._plot = folder / CONFIDENCE_PLOT
        self._not_in_masks: list[_NotInMasks] = []
        # The former take frames in their order, the latter side by side.
        self._in_order: list[_Output] = []
        self._side_by_side: list[_Output] = []
        self._exit = contextlib.ExitStack()
        self.confidence = self._exit.enter_context(Confidences(folder, resume))
        self._in_order.append(self.confidence)
        if "cutouts" in kinds:
            files = CutoutFiles(folder)
            self._side_by_side.append(files)
            film = CutoutVideo(folder, source)
            self._in_order.append(self._exit.enter_context(film))
            self._files += [files.path] + [film.path] * film.is_written
        if "matte" in kinds:
            self._not_in_masks.append(Mattes(folder))
        if save_confidence:
            self._not_in_masks.append(ConfidenceMaps(folder))
        self._side_by_side += self._not_in_masks
        self._files += [output.path for output in self._not_in_masks]
        if "coco" in kinds or "ytvos" in kinds:
            video = _name_of(source)
        if "coco" in kinds:
            coco = CocoVideo(folder, video, _files_of(source))
            self._in_order.append(self._exit.enter_context(coco))
            self._files.append(coco.path)
        if "ytvos" in kinds:
            listed = YoutubeVosList(folder, video)
            self._in_order.append(self._exit.enter_context(listed))
            masks = YoutubeVosMasks(folder, video)
            self._side_by_side.append(masks)
            self._files += [masks.path, listed.path]
        if "video" in kinds:
            labels = LabelVideo(folder, source)
            self._in_order.append(self._exit.enter_context(labels))
            self._files.append(labels.path)
        self._works: list[tuple[BackgroundWork, list[_Output]]] = []

    def add(self, labeled: LabeledFrame) -> None:
        """Takes the next frame.

        Raises:
          InputError: an earlier one could not be written.
        """
        for work, outputs in self._works:
            for output in outputs:
                work.submit(output.add, labeled)

    def add_early(self, labeled: LabeledFrame) -> None:
        """Takes what a frame's mask does not hold, of a frame computed out of order.

        The frame itself comes again by `add`, as one that is kept.

        Raises:
          InputError: an earlier one could not be written.
        """
        for work, outputs in self._works:
            if outputs is self._in_order:
                work.submit(self.confidence.add_early, labeled)
            else:
                for output in self._not_in_masks:
                    work.submit(output.add, labeled)

    def holds(self, name: str) -> bool:
        """Whether all is there of the finished frame of a name that its mask does not hold."""
        # A video file may have more frames than its index says.
        ids = self._known.up_to(self._index.get(name, len(self._index)))
        lacking = [o.path for o in self._not_in_masks if not o.holds(name, ids, self._size)]
        if not lacking:
            return True
        if not self._told:
            self._told = True
            _logger.warning(
                "%s: frame %s lacks one; masks do not hold it, so frames are computed again from "
                "there on",
                lacking[0],
                name,
            )
        return False

    @property
    def files(self) -> list[pathlib.Path]:
        """What was written, once the block has ended."""
        return list(self._files)

    def flush(self) -> None:
        """Waits for what was handed over; InputError where some could not be written."""
        for work, _ in self._works:
            work.flush()

    def __enter__(self) -> Outputs:
        for name, outputs, workers in (
            ("outputs-in-order", self._in_order, 1),
            ("outputs", self._side_by_side, 2),
        ):
            if outputs:
                work = BackgroundWork(name, workers, _PENDING * len(outputs))
                self._works.append((self._exit.enter_context(work), outputs))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._exit.__exit__(kind, error, traceback)
        if kind is not None or self.confidence.summary() is None:
            return
        self._files.append(self.confidence.path)
        if not _is_taken(CONFIDENCE_PLOT, self._index) and plot_confidence(
            self._plot,
            self.confidence.of_objects(),
            self.confidence.names,
            self.confidence.look_at(),
        ):
            self._files.append(self._plot)


def _name_of(source: FrameSource) -> str:
    """Name of a video: that of its folder, or of its file without the extension."""
    path = source.path.resolve()
    return check_name(path.name if path.is_dir() else path.stem, source.path, "video")


def _files_of(source: FrameSource) -> list[pathlib.Path]:
    return source.files if isinstance(source, FolderFrames) else []
