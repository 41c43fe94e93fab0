"""Summaries of scores, and the files that tell them: CSV, JSON, Markdown, a zip for servers."""

from __future__ import annotations

import csv
import io
import os
import zipfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from feelvos_tf.data.videos import Video
from feelvos_tf.errors import InputError
from feelvos_tf.evaluation import metrics
from feelvos_tf.evaluation.scoring import ObjectScores, SequenceScores
from feelvos_tf.files import replaced_when_done, write_json

GLOBAL_COLUMNS = ("J&F-Mean", "J-Mean", "J-Recall", "J-Decay", "F-Mean", "F-Recall", "F-Decay")
SEQUENCE_COLUMNS = ("Sequence", "J-Mean", "F-Mean")


def summarize(
    sequences: Sequence[SequenceScores], seen: Collection[str] | None = None
) -> dict[str, float]:
    """Means over all objects, as the official tool averages them.

    Args:
      sequences: scores.
      seen: categories that training had, or None. Where given, and both seen and unseen objects
        exist, the YouTube-VOS numbers are added: J and F apart for seen and unseen categories,
        and G-Mean, the mean of these four.

    Returns:
      Official column name -> share of 1; empty where no object is scored.
    """
    objects = [o for sequence in sequences for o in sequence.objects]
    if not objects:
        return {}
    summary = _means(objects)
    if seen is not None:
        groups = {
            "Seen": [o for o in objects if o.category in seen],
            "Unseen": [o for o in objects if o.category and o.category not in seen],
        }
        apart = {
            f"{measure}-{name}": _means(group)[f"{measure}-Mean"]
            for measure in "JF"
            for name, group in groups.items()
            if group
        }
        if len(apart) == 4:
            summary["G-Mean"] = float(np.mean(list(apart.values())))
        summary.update(apart)
    return summary


def _means(objects: Sequence[ObjectScores]) -> dict[str, float]:
    j = np.mean([metrics.statistics(o.j) for o in objects], axis=0)
    f = np.mean([metrics.statistics(o.f) for o in objects], axis=0)
    return dict(zip(GLOBAL_COLUMNS, map(float, [(j[0] + f[0]) / 2, *j, *f])))


def report_names(split: str) -> tuple[str, str, str, str]:
    """Names of the files of `write_reports`: the official means, those by sequence, JSON, text."""
    return (
        f"global_results-{split}.csv",
        f"per-sequence_results-{split}.csv",
        f"results-{split}.json",
        f"report-{split}.md",
    )


def submission_name(split: str) -> str:
    """Name of the archive of `write_submission`."""
    return f"submission-{split}.zip"


def write_reports(
    folder: str | os.PathLike[str],
    split: str,
    sequences: Sequence[SequenceScores],
    failures: Mapping[str, str],
    run: Mapping[str, Any],
    seen: Collection[str] | None = None,
) -> list[Path]:
    """Writes the tables of an evaluation.

    The two CSV files have the official names, columns and five digits. They exist for complete
    evaluations only, so that no partial mean is taken for a score; JSON and Markdown are always
    written and say what failed.

    Args:
      folder: where to write; must exist.
      split: part of the file names.
      sequences: scores of the sequences that are done.
      failures: name -> reason of the others.
      run: plain values that say what was evaluated.
      seen: see `summarize`.

    Returns:
      The files written.
    """
    summary = summarize(sequences, seen)
    means, by_sequence, every_value, report = (Path(folder) / n for n in report_names(split))
    written = [every_value, report]
    if failures or not summary:
        for path in (means, by_sequence):
            path.unlink(missing_ok=True)
    else:
        write_csv(means, list(summary), [list(summary.values())])
        write_csv(
            by_sequence,
            SEQUENCE_COLUMNS,
            [
                [o.name, metrics.statistics(o.j).mean, metrics.statistics(o.f).mean]
                for sequence in sequences
                for o in sequence.objects
            ],
        )
        written = [means, by_sequence, *written]
    values = {
        "run": dict(run),
        "complete": not failures,
        "summary": summary,
        "failures": dict(failures),
        "sequences": [_described(s) for s in sequences],
    }
    write_json(every_value, values)
    with replaced_when_done(report, durable=True) as temporary:
        temporary.write_text(_markdown(split, sequences, failures, run, summary), encoding="utf-8")
    return written


def write_csv(path: Path, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Writes a table; floats get the five digits of the official tool."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([f"{v:.5f}" if isinstance(v, float) else v for v in row])
    with replaced_when_done(path, durable=True) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")


def _described(sequence: SequenceScores) -> dict[str, Any]:
    values = sequence.to_dict()
    for entry in values["objects"]:
        for key in "jf":
            entry[f"{key}_statistics"] = metrics.statistics(entry[key])._asdict()
    return values


def _markdown(
    split: str,
    sequences: Sequence[SequenceScores],
    failures: Mapping[str, str],
    run: Mapping[str, Any],
    summary: Mapping[str, float],
) -> str:
    lines = [f"# Evaluation on {run.get('dataset', 'a dataset')}, split {split}", ""]
    lines += [f"- {key}: {value}" for key, value in run.items()]
    speeds = [s.frames_per_second for s in sequences if s.frames_per_second]
    if speeds:
        memory = max(s.peak_memory or 0 for s in sequences if s.frames_per_second) / 1e9
        mean = np.mean(speeds)
        lines.append(
            f"- speed: {mean:.2f} frames/s (mean over sequences), peak memory {memory:.2f} GB"
        )
    lines.append("")
    if failures:
        lines += [
            f"**Incomplete: {len(failures)} of {len(failures) + len(sequences)} sequences "
            "failed.** The numbers below are of the others.",
            "",
        ]
        lines += [f"- {name}: {reason}" for name, reason in failures.items()] + [""]
    if summary:
        lines += table(list(summary), [[_percent(v) for v in summary.values()]]) + [""]
        lines += table(
            ("Sequence", "J&F", "J", "F", "frames scored"),
            [[o.name, *_object_cells(o), str(len(o.frames))] for s in sequences for o in s.objects],
        )
    else:
        lines.append("No frame has a public mask to score against.")
    return "\n".join(lines) + "\n"


def _object_cells(scores: ObjectScores) -> list[str]:
    j, f = metrics.statistics(scores.j).mean, metrics.statistics(scores.f).mean
    return [_percent((j + f) / 2), _percent(j), _percent(f)]


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table."""
    rule = "|".join("---" for _ in columns)
    return [f"| {' | '.join(columns)} |", f"|{rule}|", *(f"| {' | '.join(row)} |" for row in rows)]


def write_submission(
    path: str | os.PathLike[str],
    videos: Sequence[Video],
    masks: str | os.PathLike[str],
    protocol: str,
) -> None:
    """Packs results as the benchmarks' servers expect them.

    DAVIS takes VIDEO/FRAME.png, YouTube-VOS Annotations/VIDEO/FRAME.png. The same masks give the
    same bytes.

    Args:
      path: the zip file.
      videos: `feelvos_tf.data.videos.Video`s; each frame of each needs a result.
      masks: folder with VIDEO/FRAME.png.
      protocol: one of `protocols.PROTOCOLS`.

    Raises:
      InputError: names the first result that is missing.
    """
    root = "Annotations/" if protocol == "youtube_vos" else ""
    names = [f"{video.name}/{frame.stem}.png" for video in videos for frame in video.frames]
    files = [(root + name, Path(masks) / name) for name in names]
    for _, source in files:
        if not source.is_file():
            raise InputError(f"{source}: missing, expected a result of every frame to pack")
    with replaced_when_done(path, durable=True) as temporary:
        with zipfile.ZipFile(temporary, "w") as archive:
            for name, source in files:
                # A PNG does not get smaller; ZipInfo's own date makes the archive reproducible.
                archive.writestr(zipfile.ZipInfo(name), source.read_bytes())
