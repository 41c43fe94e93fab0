"""One evaluation from dataset to reports: a method is run, or a folder of results is scored."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from feelvos_tf.data.layouts import read_dataset
from feelvos_tf.data.videos import Video
from feelvos_tf.errors import InputError
from feelvos_tf.evaluation import metrics, plots, protocols, reports, scoring, video_runs
from feelvos_tf.evaluation.results_folder import PROGRAM, RunFolder
from feelvos_tf.evaluation.scoring import SequenceScores
from feelvos_tf.files import check_name
from feelvos_tf.output_folder import OutputFolder


@dataclasses.dataclass(frozen=True)
class Task:
    """What is to be evaluated on.

    Attributes:
      dataset: name, which is also the name of the protocol.
      split: name for reports; "all" where a folder without lists is read, SPLIT-LIST where a list
        narrows the split, so that no part is taken for the whole.
      videos: `feelvos_tf.data.videos.Video`s.
      categories: video -> object id -> category; empty where unknown.
      seen: categories that training had, or None where unknown.
    """

    dataset: str
    split: str
    videos: Sequence[Video]
    categories: Mapping[str, Mapping[int, str]] = dataclasses.field(default_factory=dict)
    seen: frozenset[str] | None = None


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How an evaluation ended.

    Attributes:
      summary: see `reports.summarize`; empty where nothing could be scored.
      failures: name of a failed sequence -> reason.
      files: reports, pictures and archive that were written.
    """

    summary: Mapping[str, float]
    failures: Mapping[str, str]
    files: Sequence[Path]


def read_task(
    dataset: str,
    root: str | os.PathLike[str],
    split: str,
    *,
    only: str | os.PathLike[str] | None = None,
    resolution: str = "480p",
    seen_classes: str | os.PathLike[str] | None = None,
) -> Task:
    """Reads what is to be evaluated on.

    For YouTube-VOS, categories come from SPLIT/meta.json, and the seen ones from `seen_classes`
    or else from the training split's train/meta.json beside it, if it is there.

    Args:
      dataset: one of `protocols.PROTOCOLS`.
      root: folder of the dataset.
      split: name of the split; may be empty for folder.
      only: text file with the names of the videos to take, or None for all.
      resolution: of DAVIS, "480p" or "Full-Resolution".
      seen_classes: text file with a category a line, or a training meta.json; None as above.

    Returns:
      A Task.

    Raises:
      InputError: as `read_dataset`, `protocols.read_categories`, `read_seen_categories`.
    """
    if dataset not in protocols.PROTOCOLS:
        raise InputError(
            f"dataset is {dataset!r}, expected one of {', '.join(protocols.PROTOCOLS)}"
        )
    videos = read_dataset(dataset, root, split, resolution=resolution, only=only)
    categories, seen = {}, None
    if dataset == "youtube_vos":
        folder = Path(root) / split if split and (Path(root) / split).is_dir() else Path(root)
        categories = protocols.read_categories(folder / "meta.json")
        beside = Path(root) / "train" / "meta.json"
        if seen_classes is None and beside.is_file():
            seen_classes = beside
    if seen_classes is not None:
        seen = protocols.read_seen_categories(seen_classes)
    name = split or "all"
    if only is not None:
        name = f"{name}-{Path(only).stem}"
    return Task(dataset, check_name(name, only or root, "split"), videos, categories, seen)


def evaluate_method(
    task: Task,
    make_segmenter: Callable[[], video_runs.Method],
    method: Mapping[str, Any],
    output: str | os.PathLike[str],
    *,
    rerun: bool = False,
    save_embeddings: bool = False,
    pictures: bool = True,
    pack: bool = False,
    say: Callable[[str], None] = print,
) -> Outcome:
    """Runs a method over the task's videos, scores it on the way and reports.

    Args:
      task: from `read_task`.
      make_segmenter: returns the method, see `video_runs`; called where something is to run.
      method: plain values that tell the method from others.
      output: folder; what is finished there is not run again.
      rerun: run all the same.
      save_embeddings: keep those of every frame; the method is a `video_runs.EmbeddingMethod`.
      pictures: draw plots and the worst frames.
      pack: write an archive for the benchmark's server.
      say: takes a line of progress after each sequence.

    Returns:
      An Outcome.

    Raises:
      InputError: `output` holds another run or files that this program did not write, or a
        package for the pictures is missing.
    """
    if pictures:
        plots.check_installed()
    identity = {"dataset": task.dataset, "split": task.split, "method": dict(method)}
    with OutputFolder(output, PROGRAM) as opened:
        # Before hours of work: what is written at their end must not replace a user's files.
        names = _report_names(task, pictures, pack)
        opened.check(names)
        folder = RunFolder(opened, identity, rerun=rerun, embeddings=save_embeddings)
        opened.record(names)
        progress = Progress(len(task.videos), say)
        try:
            done, failures = video_runs.run_videos(
                task.videos,
                make_segmenter,
                task.dataset,
                folder,
                categories=task.categories,
                finished=progress.finished,
                failed=progress.failed,
                say=say,
            )
        except KeyboardInterrupt:
            say(f"finished sequences stay in {output}; the same command goes on after them")
            raise
        return _report(task, done, failures, identity, folder.masks, Path(output), pictures, pack)


def evaluate_results(
    task: Task,
    results: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    workers: int,
    pictures: bool = True,
    pack: bool = False,
    say: Callable[[str], None] = print,
) -> Outcome:
    """Scores a folder of results, anybody's, and reports.

    Args:
      task: from `read_task`.
      results: folder with VIDEO/FRAME.png.
      output: folder for the reports; created where absent.
      workers: processes.
      pictures: draw plots and the worst frames.
      pack: write an archive for the benchmark's server.
      say: takes a line of progress after each sequence.

    Returns:
      An Outcome.

    Raises:
      InputError: `results` does not exist, `output` holds files that this program did not write,
        or a package for the pictures is missing.
    """
    if pictures:
        plots.check_installed()
    identity = {"dataset": task.dataset, "split": task.split, "method": {"results": str(results)}}
    scoring.check_results(results)
    with OutputFolder(output, PROGRAM) as opened:
        names = _report_names(task, pictures, pack)
        opened.check(names)
        opened.record(names)
        progress = Progress(len(task.videos), say)
        done, failures = scoring.score_results(
            task.videos,
            results,
            task.dataset,
            workers=workers,
            categories=task.categories,
            finished=progress.finished,
            failed=progress.failed,
        )
        return _report(task, done, failures, identity, Path(results), Path(output), pictures, pack)


def _report_names(task: Task, pictures: bool, pack: bool) -> list[str]:
    """Names of what `_report` writes, folders with a "/" at their end."""
    names = list(reports.report_names(task.split))
    if pictures:
        names += [f"{plots.FOLDER}/", plots.worst_frames_name(task.split)]
    if pack:
        names.append(reports.submission_name(task.split))
    return names


def _report(
    task: Task,
    done: Sequence[SequenceScores],
    failures: Mapping[str, str],
    identity: Mapping[str, Any],
    masks: Path,
    output: Path,
    pictures: bool,
    pack: bool,
) -> Outcome:
    files = reports.write_reports(output, task.split, done, failures, identity, task.seen)
    if pictures:
        files += plots.write_plots(output / plots.FOLDER, done)
        worst = plots.write_worst_frames(
            output / plots.worst_frames_name(task.split), task.videos, done, masks, task.dataset
        )
        files += [worst] if worst else []
    if pack and not failures:
        archive = output / reports.submission_name(task.split)
        reports.write_submission(archive, task.videos, masks, task.dataset)
        files.append(archive)
    return Outcome(reports.summarize(done, task.seen), failures, files)


class Progress:
    """Says a line after each sequence: its scores, the running J&F, speed and memory.

    Args:
      total: number of sequences.
      say: takes the line.
    """

    def __init__(self, total: int, say: Callable[[str], None]) -> None:
        self._total, self._say = total, say
        self._count = 0
        self._j: list[float] = []
        self._f: list[float] = []

    def failed(self, name: str, reason: str) -> None:
        """Says that a sequence failed and why."""
        self._count += 1
        self._say(f"[{self._count}/{self._total}] {name}: failed, {reason}")

    def finished(self, scores: SequenceScores, fresh: bool = True) -> None:
        """Says how a sequence went; `fresh` is false where it was finished by an earlier run."""
        self._count += 1
        j = [metrics.statistics(o.j).mean for o in scores.objects]
        f = [metrics.statistics(o.f).mean for o in scores.objects]
        self._j += j
        self._f += f
        parts = [
            f"[{self._count}/{self._total}] {scores.name}: "
            + (f"J&F {_mean(j + f)} (J {_mean(j)}, F {_mean(f)})" if j else "no public masks")
        ]
        if self._j:
            parts.append(f"so far J&F {_mean(self._j + self._f)}")
        if scores.frames_per_second:
            parts.append(f"{scores.frames_per_second:.2f} frames/s")
        if scores.peak_memory:
            parts.append(f"peak memory {scores.peak_memory / 1e9:.2f} GB")
        if not fresh:
            parts.append("finished before")
        self._say(", ".join(parts))


def _mean(values: Sequence[float]) -> str:
    return f"{100 * sum(values) / len(values):.1f}"
