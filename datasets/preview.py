"""Draws sampled training triplets into one PNG.

    python datasets/preview.py --dataset=davis2016 --dataset_dir=DAVIS --split=train
    python datasets/preview.py --dataset=stills --dataset_dir=PHOTOS --paste=2
    python datasets/preview.py --dataset=stills --dataset_dir=PHOTOS --paste=4 \\
        --options=paste_paths=1,still_motion=2,light=0.3,blur=1.5,lost_probability=0.15
    python datasets/preview.py --dataset=synthetic
    python datasets/preview.py --records='tfrecord/train-*.tfrecord'
"""

from __future__ import annotations

import dataclasses
import pathlib
import tempfile

from absl import flags
from PIL import Image

from feelvos_tf.cli import app
from feelvos_tf.data import layouts, synthetic
from feelvos_tf.files import replaced_when_done
from feelvos_tf.triplets import preview
from feelvos_tf.triplets.clip_sources import RecordSource, TreeSource
from feelvos_tf.triplets.stream import make_triplets
from feelvos_tf.triplets.triplet_config import TripletConfig

FLAGS = flags.FLAGS
flags.DEFINE_enum(
    "dataset", "synthetic", [*layouts.DATASETS, "synthetic"], "Layout of --dataset_dir."
)
flags.DEFINE_string("dataset_dir", None, "Folder of the dataset; synthetic needs none.")
flags.DEFINE_string("split", "", "Split of the dataset.")
flags.DEFINE_string("records", None, "TFRecords to read instead, a file name or pattern.")
flags.DEFINE_string("output", "triplets.png", "The picture to write.")
flags.DEFINE_integer("count", 6, "Number of triplets.", lower_bound=1)
flags.DEFINE_integer("crop", 321, "Height and width of the frames.", lower_bound=33)
flags.DEFINE_integer("tile", 240, "Width of a frame in the picture.", lower_bound=16)
flags.DEFINE_list("scale", ["1.0", "1.3"], "Smallest and largest random scale.")
flags.DEFINE_integer("paste", 0, "Paste up to so many objects of other clips.", lower_bound=0)
flags.DEFINE_bool("damage", False, "Damage the previous frame's mask.")
flags.DEFINE_float("jitter", 0.0, "Strength of color jitter.")
flags.DEFINE_list("options", [], "More fields of TripletConfig, each NAME=NUMBER.")
flags.DEFINE_integer("seed", 0, "Another seed shows other triplets.")


def _synthetic(folder: pathlib.Path) -> TreeSource:
    for number in range(4):
        clip = synthetic.synthetic_clip(FLAGS.seed + number, 8, 240, 320, num_objects=2)
        synthetic.write_clip(clip, folder, f"clip{number}")
    videos = layouts.read_dataset("folder", folder, objects=False)
    return TreeSource("synthetic", videos)


def _source(scratch: pathlib.Path):
    if FLAGS.records:
        return RecordSource("records", FLAGS.records)
    if FLAGS.dataset == "synthetic":
        return _synthetic(scratch)
    if FLAGS.dataset_dir is None:
        raise app.app.UsageError(f"--dataset={FLAGS.dataset} needs --dataset_dir")
    videos = layouts.read_dataset(FLAGS.dataset, FLAGS.dataset_dir, FLAGS.split, objects=False)
    return TreeSource(FLAGS.dataset, videos, still=FLAGS.dataset == "stills")


def _options(config: TripletConfig) -> dict:
    """The numbers of --options by the fields they are for."""
    values = {}
    for option in FLAGS.options:
        name, _, text = option.partition("=")
        kind = type(getattr(config, name, None))
        if kind not in (int, float):
            raise app.app.UsageError(f"--options={option}: TripletConfig has no number {name!r}")
        try:
            values[name] = kind(text)
        except ValueError as error:
            raise app.app.UsageError(
                f"--options={option}: expected a number ({kind.__name__})"
            ) from error
    return values


def main(argv) -> None:
    del argv
    try:
        scale = tuple(float(value) for value in FLAGS.scale)
    except ValueError as error:
        raise app.app.UsageError(f"--scale={FLAGS.scale}: expected two numbers") from error
    config = TripletConfig(
        crop_size=(FLAGS.crop, FLAGS.crop),
        scale_range=scale,
        paste_objects=FLAGS.paste,
        paste_probability=0.8 if FLAGS.paste else 0.0,
        damage_previous=FLAGS.damage,
        color_jitter=FLAGS.jitter,
    )
    config = dataclasses.replace(config, **_options(config))
    with tempfile.TemporaryDirectory() as scratch:
        triplets = make_triplets([_source(pathlib.Path(scratch))], config, seed=FLAGS.seed)
        sheet = preview.triplet_sheet(triplets, FLAGS.count, FLAGS.tile)
    with replaced_when_done(FLAGS.output) as temporary:
        Image.fromarray(sheet).save(temporary, format="PNG", optimize=True)
    print(f"{FLAGS.output}: {FLAGS.count} triplets")


if __name__ == "__main__":
    app.run(main)
