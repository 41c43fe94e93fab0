"""Draws synthetic clips with exact masks into a folder that reads as a davis2017 dataset.

    python datasets/draw.py --output=data/drawn
    feelvos-evaluate --dataset=davis2017 --dataset_dir=data/drawn --split=val --output=OUT

The defaults are the 20 clips of 2 to 5 objects by which the weights that ship were scored. Training
draws its clips from seeds below 10,000.
"""

from __future__ import annotations

from absl import flags

from feelvos_tf.cli import app
from feelvos_tf.data import synthetic

FLAGS = flags.FLAGS
flags.DEFINE_string("output", None, "Folder to write to; made where absent.", required=True)
flags.DEFINE_string("split", "val", "Name of the split to list the clips in.")
flags.DEFINE_integer("count", 20, "Number of clips.", lower_bound=1)
flags.DEFINE_integer("num_frames", 24, "Frames of each clip.", lower_bound=1)
flags.DEFINE_integer("height", 240, "Height of the frames.", lower_bound=16)
flags.DEFINE_integer("width", 428, "Width of the frames.", lower_bound=16)
flags.DEFINE_integer("min_objects", 2, "Fewest objects of a clip.", lower_bound=1)
flags.DEFINE_integer("max_objects", 5, "Most objects of a clip; clips take turns.", lower_bound=1)
flags.DEFINE_integer("seed", 20_000, "Seed of the first clip; the others follow.")


def main(argv) -> None:
    del argv
    span = FLAGS.max_objects - FLAGS.min_objects + 1
    if span < 1:
        raise app.app.UsageError(
            f"--min_objects={FLAGS.min_objects} is above --max_objects={FLAGS.max_objects}"
        )
    for number in range(FLAGS.count):
        objects = FLAGS.min_objects + number % span
        clip = synthetic.synthetic_clip(
            FLAGS.seed + number, FLAGS.num_frames, FLAGS.height, FLAGS.width, objects
        )
        name = f"clip{FLAGS.seed + number}"
        synthetic.write_clip(clip, FLAGS.output, name, FLAGS.split)
        print(
            f"{name}: {FLAGS.num_frames} frames, {objects} objects ({number + 1} of {FLAGS.count})",
            flush=True,
        )


if __name__ == "__main__":
    app.run(main)
