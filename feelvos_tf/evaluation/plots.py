"""Pictures of scores: J and F over time, their distribution, and the worst frames."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from feelvos_tf.data.videos import Video
from feelvos_tf.errors import InputError
from feelvos_tf.evaluation import metrics, protocols
from feelvos_tf.evaluation.scoring import SequenceScores, read_truth
from feelvos_tf.files import replaced_when_done
from feelvos_tf.video.images import read_image, size_of
from feelvos_tf.video.masks import read_mask
from feelvos_tf.video.overlay import contact_sheet, overlay

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FOLDER = "plots"
SEQUENCES_A_PAGE = 24
_COLUMNS = 4
_J_COLOR, _F_COLOR = "#1f6fb4", "#d9822b"


def worst_frames_name(split: str) -> str:
    """Name of the picture of the worst frames."""
    return f"worst_frames-{split}.png"


def write_plots(folder: str | os.PathLike[str], sequences: Sequence[SequenceScores]) -> list[Path]:
    """Draws J and F over time and their distribution.

    Args:
      folder: made where absent; gets over_time-PAGE.png and distribution.png.
      sequences: scores; those without scored objects are left out.

    Returns:
      The files written; none where nothing is scored.

    Raises:
      InputError: matplotlib is not installed.
    """
    sequences = [s for s in sequences if s.objects]
    if not sequences:
        return []
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for start in range(0, len(sequences), SEQUENCES_A_PAGE):
        path = folder / f"over_time-{start // SEQUENCES_A_PAGE + 1:02d}.png"
        _save(_over_time(sequences[start : start + SEQUENCES_A_PAGE]), path)
        written.append(path)
    path = folder / "distribution.png"
    _save(_distribution(sequences), path)
    return [*written, path]


def check_installed() -> None:
    """Raises InputError where matplotlib is missing, before hours of work end in that."""
    _figure(1, 1)


def _figure(width: float, height: float) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError(
            "plots need matplotlib, which is not installed: "
            "pip install 'feelvos_tf[eval]', or leave the pictures out"
        ) from error
    return Figure(figsize=(width, height), layout="constrained")


def _save(figure: Figure, path: Path) -> None:
    with replaced_when_done(path) as temporary:
        figure.savefig(temporary, format="png", dpi=90)


def _over_time(sequences: Sequence[SequenceScores]) -> Figure:
    rows, columns = math.ceil(len(sequences) / _COLUMNS), min(_COLUMNS, len(sequences))
    figure = _figure(3.6 * columns, 2.2 * rows + 0.4)
    axes = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for axis, sequence in zip(axes, sequences):
        names = sorted({name for o in sequence.objects for name in o.frames})
        place = {name: i for i, name in enumerate(names)}
        for values, color in (("j", _J_COLOR), ("f", _F_COLOR)):
            mean = np.full((len(sequence.objects), len(names)), np.nan)
            for row, scores in enumerate(sequence.objects):
                columns_of_object = [place[name] for name in scores.frames]
                mean[row, columns_of_object] = getattr(scores, values)
                if len(sequence.objects) > 1:
                    axis.plot(
                        columns_of_object, getattr(scores, values), color=color, lw=0.5, alpha=0.4
                    )
            axis.plot(np.nanmean(mean, axis=0), color=color, lw=1.6, label=values.upper())
        axis.set_title(sequence.name, fontsize=9)
        axis.set_ylim(-0.02, 1.02)
        axis.grid(alpha=0.3)
        axis.tick_params(labelsize=7)
    for axis in axes[len(sequences) :]:
        axis.set_visible(False)
    axes[0].legend(fontsize=7, loc="lower left")
    figure.supxlabel("scored frame", fontsize=9)
    return figure


def _distribution(sequences: Sequence[SequenceScores]) -> Figure:
    objects = [o for s in sequences for o in s.objects]
    figure = _figure(10, 3.6)
    by_frame, by_object = figure.subplots(1, 2)
    bins = np.linspace(0, 1, 21)
    by_frame.hist(
        [np.concatenate([o.j for o in objects]), np.concatenate([o.f for o in objects])],
        bins=bins,
        color=[_J_COLOR, _F_COLOR],
        label=["J", "F"],
    )
    by_frame.set_title("values of all objects and frames", fontsize=9)
    by_frame.set_xlabel("value", fontsize=9)
    by_frame.legend(fontsize=8)
    ordered = sorted(objects, key=lambda o: o.mean)
    for offset, values, color in ((-0.2, "j", _J_COLOR), (0.2, "f", _F_COLOR)):
        means = [metrics.statistics(getattr(o, values)).mean for o in ordered]
        by_object.bar(np.arange(len(ordered)) + offset, means, 0.4, color=color)
    by_object.set_title("mean of each object, worst first", fontsize=9)
    by_object.set_ylim(0, 1)
    shown = range(0, len(ordered), max(1, len(ordered) // 30))
    by_object.set_xticks(list(shown), [ordered[i].name for i in shown], rotation=90, fontsize=6)
    return figure


def worst_frames(
    sequences: Sequence[SequenceScores], count: int = 8, each: int = 2
) -> list[tuple[str, str, float, float]]:
    """The frames with the least J&F, the mean over their objects.

    Args:
      sequences: scores.
      count: frames in all.
      each: frames of one sequence at most, as bad neighbors look alike.

    Returns:
      (sequence, frame, J, F), worst first.
    """
    found: list[tuple[str, str, float, float]] = []
    for sequence in sequences:
        values: dict[str, list[tuple[float, float]]] = {}
        for scores in sequence.objects:
            for frame, j, f in zip(scores.frames, scores.j, scores.f):
                values.setdefault(frame, []).append((j, f))
        means = []
        for frame, pairs in values.items():
            mean_j, mean_f = np.mean(pairs, axis=0)
            means.append((sequence.name, frame, float(mean_j), float(mean_f)))
        found += sorted(means, key=lambda entry: entry[2] + entry[3])[:each]
    return sorted(found, key=lambda entry: entry[2] + entry[3])[:count]


def write_worst_frames(
    path: str | os.PathLike[str],
    videos: Sequence[Video],
    sequences: Sequence[SequenceScores],
    masks: str | os.PathLike[str],
    protocol: str,
) -> Path | None:
    """Draws the worst frames as a sheet, truth on the left and prediction on the right.

    Args:
      path: PNG file to write; its folder must exist.
      videos: `feelvos_tf.data.videos.Video`s.
      sequences: their scores.
      masks: folder with results, VIDEO/FRAME.png.
      protocol: one of `protocols.PROTOCOLS`.

    Returns:
      The file, or None where no frame is scored.
    """
    by_name = {video.name: video for video in videos}
    images, captions = [], []
    for name, frame, j, f in worst_frames(sequences):
        video = by_name[name]
        index = [p.stem for p in video.frames].index(frame)
        image = read_image(video.frames[index])
        truth = read_truth(video, index, protocol)
        labels = protocols.protocol_labels(
            read_mask(Path(masks) / name / f"{frame}.png", size_of(truth)), protocol
        )
        images += [overlay(image, truth), overlay(image, labels)]
        captions += [f"{name} {frame} truth", f"result, J {100 * j:.1f} F {100 * f:.1f}"]
    if not images:
        return None
    sheet = contact_sheet(images, captions, columns=4)
    with replaced_when_done(Path(path)) as temporary:
        Image.fromarray(sheet).save(temporary, format="PNG")
    return Path(path)
