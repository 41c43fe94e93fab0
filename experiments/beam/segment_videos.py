"""Segments many videos on many machines: an Apache Beam pipeline, one element a video.

  pip install 'feelvos_tf[video,beam]'
  python experiments/beam/segment_videos.py --videos=list.txt --output=OUT \\
      --runner=DirectRunner --direct_running_mode=multi_processing --direct_num_workers=2

list.txt has lines VIDEO,MASK as for `feelvos-segment --videos`. All paths may be whatever
`tf.io.gfile` reads (gs://, hdfs:// with TensorFlow's file systems), or lie on a disk that all
workers share. OUT/NAME gets what `feelvos-segment` writes; OUT/NAME/done.json comes last and says
that all is there. A video that has it is left out, so the same command goes on where it was.

A worker loads the network once. A video is fetched, segmented in a folder of the worker's own, and
sent file by file, each whole or not at all. The same video gives the same files, so a bundle that
a runner tries again, or two tries at a time, do no harm. A video that cannot be segmented is named
in OUT/failed.csv and does not stop the rest; the exit code is 1 then.

Options that are not listed here are Beam's.
"""

from __future__ import annotations

import argparse
import json
import logging
import pathlib
import posixpath
import sys
import tempfile
import uuid
from collections.abc import Iterator

import apache_beam as beam
import tensorflow as tf
from apache_beam.options.pipeline_options import PipelineOptions, SetupOptions
from apache_beam.utils import shared

from feelvos_tf.errors import InputError, errors_of_input
from feelvos_tf.video.segment import segment_video
from feelvos_tf.video.video_list import NamedVideo, parse_list

DONE, FAILED = "done.json", "failed.csv"
_OF_THE_RUN = "run.json"  # holds paths of the worker; done.json has what it says of the masks
_MODEL = shared.Shared()


class SegmentVideo(beam.DoFn):
    """Takes a NamedVideo to its output folder; yields (name, what was wrong or "")."""

    def __init__(self, output: str, checkpoint: str | None, max_side: int | None, write: str):
        self._output, self._checkpoint = output, checkpoint
        self._max_side, self._write = max_side, write

    def setup(self) -> None:
        """Loads the network, once for all threads of a worker's process."""
        self._segmenter = _MODEL.acquire(self._load, tag=f"{self._checkpoint}, {self._max_side}")

    def process(self, one: NamedVideo) -> Iterator[tuple[str, str]]:
        """Segments a video unless that is done."""
        target = posixpath.join(self._output, one.name)
        if tf.io.gfile.exists(posixpath.join(target, DONE)):
            yield one.name, ""
            return
        with tempfile.TemporaryDirectory() as folder:
            try:
                self._segment(one, pathlib.Path(folder), target)
            except errors_of_input() as error:
                yield one.name, " ".join(str(error).replace(folder, "").split())
            else:
                yield one.name, ""

    def _load(self) -> _Locked:
        from feelvos_tf.checkpoints import load_model
        from feelvos_tf.streaming.segmenter import VideoSegmenter

        with tempfile.TemporaryDirectory() as folder:
            path = self._checkpoint
            if path is not None and "://" in path:
                path = fetch(path, pathlib.Path(folder))
            return _Locked(VideoSegmenter(load_model(path), max_side=self._max_side))

    def _segment(self, one: NamedVideo, folder: pathlib.Path, target: str) -> None:
        video, mask = (
            fetch(path, folder / name) for path, name in ((one.video, "v"), (one.mask, "m"))
        )
        with self._segmenter.lock:
            summary = segment_video(
                video,
                mask,
                folder / "out",
                lambda: self._segmenter.segmenter,
                write=[kind for kind in self._write.split(",") if kind],
                say=logging.getLogger(__name__).info,
            )
        files = [path for path in sorted((folder / "out").rglob("*")) if path.is_file()]
        run = json.loads((folder / "out" / _OF_THE_RUN).read_text(encoding="utf-8"))
        for path in files:
            if path.name != _OF_THE_RUN:
                name = path.relative_to(folder / "out").as_posix()
                send(path.read_bytes(), posixpath.join(target, name))
        kept = {key: run[key] for key in ("version", "objects", "confidence") if key in run}
        done = {"video": one.video, "mask": one.mask, "masks": summary.masks, **kept}
        send(json.dumps(done, indent=1).encode(), posixpath.join(target, DONE))


class _Locked:
    """A segmenter and who uses it: a worker's threads share one, video by video."""

    def __init__(self, segmenter: object) -> None:
        import threading

        self.segmenter, self.lock = segmenter, threading.Lock()


def fetch(path: str, folder: pathlib.Path) -> str:
    """Copies a file, or the files of a folder, into a folder that is made; returns where it is."""
    if not tf.io.gfile.exists(path):
        raise InputError(f"{path}: no such file or folder")
    target = folder / posixpath.basename(path.rstrip("/"))
    folder.mkdir(parents=True, exist_ok=True)
    if not tf.io.gfile.isdir(path):
        tf.io.gfile.copy(path, str(target))
        return str(target)
    target.mkdir()
    for name in tf.io.gfile.listdir(path):
        source = posixpath.join(path, name)
        if not tf.io.gfile.isdir(source):
            tf.io.gfile.copy(source, str(target / name))
    return str(target)


def send(data: bytes, path: str) -> None:
    """Writes a file whole or not at all: under a name of its own, then renamed."""
    tf.io.gfile.makedirs(posixpath.dirname(path))
    part = posixpath.join(posixpath.dirname(path), f".{uuid.uuid4().hex}.part")
    with tf.io.gfile.GFile(part, "wb") as file:
        file.write(data)
    tf.io.gfile.rename(part, path, overwrite=True)


def main(argv: list[str]) -> int:
    """Runs the pipeline; returns 1 where a video failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--videos", required=True, help="text file with lines VIDEO,MASK")
    parser.add_argument("--output", required=True, help="folder for results")
    parser.add_argument("--checkpoint", help="name or file of weights; by default those that ship")
    parser.add_argument("--max_side", type=int, help="as of feelvos-segment")
    parser.add_argument("--write", default="", help="as of feelvos-segment")
    arguments, of_beam = parser.parse_known_args(argv)
    try:
        with tf.io.gfile.GFile(arguments.videos) as file:
            videos = parse_list(file.read().splitlines(), arguments.videos)
    except errors_of_input() as error:
        print("error:", " ".join(str(error).split()), file=sys.stderr)
        return 1
    options = PipelineOptions(of_beam)
    # Workers unpickle what this file defines.
    options.view_as(SetupOptions).save_main_session = __name__ == "__main__"
    failed = posixpath.join(arguments.output, FAILED)
    if tf.io.gfile.exists(failed):
        tf.io.gfile.remove(failed)
    with beam.Pipeline(options=options) as pipeline:
        (
            pipeline
            | "list" >> beam.Create(videos)
            | "spread" >> beam.Reshuffle()  # else a runner may give all to one worker
            | "segment"
            >> beam.ParDo(
                SegmentVideo(
                    arguments.output, arguments.checkpoint, arguments.max_side, arguments.write
                )
            )
            | "failed" >> beam.Filter(lambda outcome: bool(outcome[1]))
            | "one list" >> beam.combiners.ToList()
            | "write" >> beam.Map(_write_failed, failed)
        )
    if not tf.io.gfile.exists(failed):
        return 0
    with tf.io.gfile.GFile(failed) as file:
        for line in file.read().splitlines():
            print("error:", line, file=sys.stderr)
    return 1


def _write_failed(outcomes: list[tuple[str, str]], path: str) -> None:
    if outcomes:
        lines = [f"{name}: {reason}\n" for name, reason in sorted(outcomes)]
        send("".join(lines).encode(), path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
