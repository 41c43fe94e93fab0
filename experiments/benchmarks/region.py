"""What a region of interest gains and costs: J&F and time a frame beside whole frames, in turn.

  python experiments/benchmarks/region.py --dataset_dir=DAVIS --split=val --output=OUT
  python experiments/benchmarks/region.py --dataset_dir=DAVIS --split=val --output=OUT \
      --max_side=960 --size=1920x1080 --frames=13

Each frame of each video of a DAVIS 2016 tree goes through two segmenters, one that computes whole
frames on an aligned grid and one that computes a region. OUT/region.md has the table: J&F over the
frames after the first, medians of the time of a step, and the share of whole frames' that it is.
"""

import pathlib
import time

import numpy as np
from absl import app, flags
from PIL import Image

from feelvos_tf.data.layouts import read_dataset
from feelvos_tf.data.videos import Video
from feelvos_tf.evaluation.metrics import boundary_accuracy, region_similarity
from feelvos_tf.files import make_folder, replaced_when_done
from feelvos_tf.video.images import read_image
from feelvos_tf.video.tracker import Segmenter

_DATASET_DIR = flags.DEFINE_string("dataset_dir", None, "DAVIS 2016 tree.", required=True)
_SPLIT = flags.DEFINE_string("split", "val", "Split.")
_OUTPUT = flags.DEFINE_string("output", None, "Folder for the table.", required=True)
_CHECKPOINT = flags.DEFINE_string("checkpoint", None, "Weights; by default those that ship.")
_MAX_SIDE = flags.DEFINE_integer("max_side", None, "Compute at reduced size.", lower_bound=1)
_SIZE = flags.DEFINE_string("size", None, "WIDTHxHEIGHT that frames are enlarged to first.")
_FRAMES = flags.DEFINE_integer("frames", None, "So many frames of each video.", lower_bound=2)


def main(argv: list[str]) -> None:
    """Runs all videos and writes the table."""
    del argv
    from feelvos_tf.checkpoints import load_model
    from feelvos_tf.streaming.segmenter import VideoSegmenter

    model = load_model(_CHECKPOINT.value)
    segmenters = [
        VideoSegmenter(model, max_side=_MAX_SIDE.value, grid="aligned", roi=roi)
        for roi in (False, True)
    ]
    output = make_folder(_OUTPUT.value)
    rows = []
    for video in read_dataset("davis2016", _DATASET_DIR.value, _SPLIT.value):
        rows.append(compare(video, segmenters))
        print(rows[-1], flush=True)
    with replaced_when_done(output / "region.md") as temporary:
        pathlib.Path(temporary).write_text(table(rows), encoding="utf-8")


def compare(video: Video, segmenters: list[Segmenter]) -> dict[str, object]:
    """J&F in percent and milliseconds a step of both; names with 0 are of whole frames."""
    scores: list[list[float]] = [[], []]
    times: list[list[float]] = [[], []]
    for index in range(len(video.frames))[: _FRAMES.value]:
        frame, true = at_size(video, index)
        for i, segmenter in enumerate(segmenters):
            if index == 0:
                segmenter.reset(frame, true)
                continue
            start = time.perf_counter()
            mask = segmenter.step(frame) > 0
            times[i].append(1e3 * (time.perf_counter() - start))
            scores[i].append(
                50 * (region_similarity(true > 0, mask) + boundary_accuracy(true > 0, mask))
            )
    return {
        "video": video.name,
        **{f"J&F {i}": float(np.mean(scores[i])) for i in (0, 1)},
        **{f"ms {i}": float(np.median(times[i])) for i in (0, 1)},
    }


def at_size(video: Video, index: int) -> tuple[np.ndarray, np.ndarray]:
    """A frame uint8 [H, W, 3] and its true mask uint8 [H, W], enlarged where it is asked for."""
    frame, labels = read_image(video.frames[index]), video.read_labels(index)
    assert labels is not None  # DAVIS 2016 has a mask for every frame
    true = (labels > 0).astype(np.uint8)
    if _SIZE.value is None:
        return frame, true
    width, _, height = _SIZE.value.partition("x")
    size = int(width), int(height)
    enlarged = Image.fromarray(frame).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(enlarged), np.asarray(Image.fromarray(true).resize(size))


def table(rows: list[dict[str, object]]) -> str:
    """The rows and their mean, in Markdown."""
    names = [name for name in rows[0] if name != "video"]
    mean = {name: float(np.mean([row[name] for row in rows])) for name in names}
    lines = [
        "| video | J&F, whole | J&F, region | ms, whole | ms, region | of whole |",
        "|---|---|---|---|---|---|",
    ]
    for row in [*rows, {"video": "**mean**", **mean}]:
        share = row["ms 1"] / row["ms 0"]
        lines.append(
            f"| {row['video']} | {row['J&F 0']:.1f} | {row['J&F 1']:.1f} | {row['ms 0']:.0f} | "
            f"{row['ms 1']:.0f} | {share:.2f} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    app.run(main)
