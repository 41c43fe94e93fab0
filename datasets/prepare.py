"""Checks a downloaded dataset and, if asked to, packs it into TFRecords.

    python datasets/prepare.py --dataset=davis2017 --dataset_dir=DAVIS --split=train
    python datasets/prepare.py --dataset=davis2017 --dataset_dir=DAVIS --split=train \\
        --output=tfrecord --shards=10
    python datasets/prepare.py --verify='tfrecord/train-*.tfrecord'

The exit code is 1 where anything is missing or broken. Packing goes on where an earlier run was
stopped; a shard appears under its name when it is complete.
"""

from __future__ import annotations

import glob
import pathlib

from absl import flags
from tqdm import tqdm

from feelvos_tf.cli import app
from feelvos_tf.data import checks, layouts
from feelvos_tf.errors import InputError
from feelvos_tf.triplets import packing

FLAGS = flags.FLAGS
flags.DEFINE_enum("dataset", "davis2017", layouts.DATASETS, "Layout of --dataset_dir.")
flags.DEFINE_string("dataset_dir", None, "Folder of the dataset.")
flags.DEFINE_string("split", "", "Split, such as train, val or test-dev.")
flags.DEFINE_string("resolution", "480p", "480p or Full-Resolution, for DAVIS.")
flags.DEFINE_string("only", None, "A text file with the names of the videos to look at.")
flags.DEFINE_bool("decode", True, "Decode every file, not only its beginning and end.")
flags.DEFINE_bool("objects", False, "Also read every mask and list the ids of every video.")
flags.DEFINE_string("output", None, "Pack the split into TFRecords in this folder.")
flags.DEFINE_integer("shards", 10, "Number of TFRecord files.", lower_bound=1)
flags.DEFINE_string("verify", None, "Read these TFRecords (a pattern) whole instead.")

SPLITS = pathlib.Path(__file__).parent / "splits"

# Videos of each official split; frames where every release agrees.
_EXPECTED = {
    ("davis2016", "train"): (30, 2079),
    ("davis2016", "val"): (20, 1376),
    ("davis2017", "train"): (60, None),
    ("davis2017", "val"): (30, None),
    ("davis2017", "test-dev"): (30, None),
    ("youtube_vos", "train"): (3471, None),
}
# Splits of which only the first frame (or the first of each object) has a mask.
_SPARSE = {("davis2017", "test-dev"), ("youtube_vos", "valid"), ("youtube_vos", "test")}


def verify(pattern: str) -> int:
    """Reads every TFRecord of a pattern whole and prints its videos; returns the exit code."""
    paths = sorted(glob.glob(pattern))
    if not paths:
        raise InputError(f"{pattern}: no such file, expected TFRecords")
    broken = 0
    for path in paths:
        try:
            print(f"{path}: {len(packing.verify_shard(path))} videos, intact")
        except InputError as error:
            broken += 1
            print(error)
    return 1 if broken else 0


def report(videos) -> list[str]:
    """Returns what is wrong with a split, a line each."""
    key = (FLAGS.dataset, FLAGS.split)
    lines = []
    frames = sum(len(video.frames) for video in videos)
    if FLAGS.only is None and FLAGS.resolution == "480p":
        expected_videos, expected_frames = _EXPECTED.get(key, (None, None))
        if expected_videos not in (None, len(videos)):
            lines.append(f"{len(videos)} videos, expected {expected_videos}")
        if expected_frames not in (None, frames):
            lines.append(f"{frames} frames, expected {expected_frames}")
        known = SPLITS / f"{key[0]}_{key[1]}.txt"
        if known.is_file():
            difference = {video.name for video in videos} ^ set(known.read_text().split())
            lines += [f"{name}: not the same in {known.name}" for name in sorted(difference)]
    for video in videos:
        missing = len(video.frames) - len(video.annotated)
        if missing and key not in _SPARSE:
            first = next(i for i, mask in enumerate(video.masks) if mask is None)
            lines.append(
                f"{video.name}: {missing} frames without a mask, the first is "
                f"{video.frames[first].name}"
            )
    problems = checks.check_videos(videos, decode=FLAGS.decode)
    return lines + [problem.message for problem in problems]


def main(argv) -> int:
    del argv
    if FLAGS.verify:
        return verify(FLAGS.verify)
    if FLAGS.dataset_dir is None:
        raise app.app.UsageError("--dataset_dir is missing")
    videos = layouts.read_dataset(
        FLAGS.dataset,
        FLAGS.dataset_dir,
        FLAGS.split,
        resolution=FLAGS.resolution,
        only=FLAGS.only,
        objects=False,
    )
    lines = report(videos)
    frames = sum(len(video.frames) for video in videos)
    masks = sum(len(video.annotated) for video in videos)
    print(f"{FLAGS.dataset} {FLAGS.split}: {len(videos)} videos, {frames} frames, {masks} masks")
    for line in lines:
        print(" ", line)
    print("nothing missing or broken" if not lines else f"{len(lines)} problems")
    if FLAGS.objects:
        for video in videos:
            ids = checks.count_objects(video)
            listed = ", ".join(f"{k} in {count}" for k, count in sorted(ids.items()))
            print(f"{video.name}: {len(video.frames)} frames; ids {listed or 'none'}")
    if FLAGS.output:
        if lines:
            raise InputError(f"{FLAGS.dataset_dir}: not packed, see the {len(lines)} problems")
        with tqdm(total=len(videos), unit="video") as bar:

            def progress(done: int, total: int, name: str) -> None:
                bar.total = total
                bar.set_postfix_str(name, refresh=False)
                bar.update(done - bar.n)

            paths = packing.pack(
                videos, FLAGS.output, FLAGS.split or "all", FLAGS.shards, progress=progress
            )
        print(f"{FLAGS.output}: {len(paths)} shards")
    return 1 if lines else 0


if __name__ == "__main__":
    app.run(main)
