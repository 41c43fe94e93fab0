"""What a second true mask gains, and a start in the middle: J&F over the same frames of videos.

  python experiments/benchmarks/second_mask.py --dataset_dir=DAVIS --split=val --output=OUT

Each video of a DAVIS 2016 tree is segmented four times by the engine of feelvos-segment:

  one      from the first frame's mask
  two      with the mask of the worst frame as well, forward
  both     with the same two masks, --direction=both
  middle   from the mask of the middle frame alone, --direction=both

With --adapt `one` and `both` are run once more by a network that adapts to the video and to all
masks of the run. All are compared with `one` over the frames that neither run was given.
OUT/second_mask.md has the table. A run that was stopped goes on where it was.
"""

import pathlib

import numpy as np
from absl import app, flags

from feelvos_tf.data.layouts import read_dataset
from feelvos_tf.data.videos import Video
from feelvos_tf.evaluation.metrics import boundary_accuracy, region_similarity
from feelvos_tf.files import make_folder, replaced_when_done
from feelvos_tf.video.masks import read_mask, write_mask
from feelvos_tf.video.segment import segment_video
from feelvos_tf.video.tracker import Segmenter

_DATASET_DIR = flags.DEFINE_string("dataset_dir", None, "DAVIS 2016 tree.", required=True)
_SPLIT = flags.DEFINE_string("split", "val", "Split.")
_OUTPUT = flags.DEFINE_string("output", None, "Folder for masks and the table.", required=True)
_CHECKPOINT = flags.DEFINE_string("checkpoint", None, "Weights; by default those that ship.")
_MAX_SIDE = flags.DEFINE_integer("max_side", None, "Compute at reduced size.", lower_bound=1)
_ADAPT = flags.DEFINE_bool("adapt", False, "Run one mask and both with --adapt too.")

# Columns of the table, in their order, and what stands above them.
HEADINGS = {
    "video": "video",
    "worst": "worst frame",
    "one": "one mask",
    "one_adapted": "one, --adapt",
    "two": "two, forward",
    "both": "two, both",
    "both_adapted": "two, both, --adapt",
    "one_beside_middle": "one mask",
    "middle": "middle, both",
}


def main(argv: list[str]) -> None:
    """Runs all videos and writes the table."""
    del argv
    from feelvos_tf.adapting.adaptive_segmenter import AdaptiveSegmenter
    from feelvos_tf.checkpoints import load_model
    from feelvos_tf.streaming.segmenter import VideoSegmenter

    model = load_model(_CHECKPOINT.value)
    segmenter = VideoSegmenter(model, max_side=_MAX_SIDE.value)
    adaptive = AdaptiveSegmenter(model, max_side=_MAX_SIDE.value) if _ADAPT.value else None
    output = make_folder(_OUTPUT.value)
    rows = []
    for video in read_dataset("davis2016", _DATASET_DIR.value, _SPLIT.value):
        rows.append(compare(video, segmenter, adaptive, output / video.name))
        print(rows[-1], flush=True)
    with replaced_when_done(output / "second_mask.md") as temporary:
        pathlib.Path(temporary).write_text(table(rows), encoding="utf-8")


def compare(
    video: Video, segmenter: Segmenter, adaptive: Segmenter | None, folder: pathlib.Path
) -> dict[str, object]:
    """Segments a video in all ways; J&F in percent of each, over frames that none was given."""
    last = len(video.frames) - 1
    make_folder(folder)
    scores = {"one": segmented(video, segmenter, folder / "one", [0], "forward")}
    # As in the protocol the last frame is not scored.
    worst = 1 + int(np.argmin(scores["one"][1:last]))
    middle = last // 2
    scores["two"] = segmented(video, segmenter, folder / "two", [0, worst], "forward")
    scores["both"] = segmented(video, segmenter, folder / "both", [0, worst], "both")
    scores["middle"] = segmented(video, segmenter, folder / "middle", [middle], "both")
    scores["one_beside_middle"] = scores["one"]
    if adaptive is not None:
        for run, given, direction in (("one", [0], "forward"), ("both", [0, worst], "both")):
            name = f"{run}_adapted"
            scores[name] = segmented(video, adaptive, folder / name, given, direction, adapt=True)

    def mean(run: str) -> float:
        told = {0, middle if "middle" in run else worst}
        return 100 * float(np.mean([scores[run][i] for i in range(last) if i not in told]))

    means = {run: mean(run) for run in scores}
    return {"video": video.name, "worst": video.frame_names[worst], **means}


def segmented(
    video: Video,
    segmenter: Segmenter,
    folder: pathlib.Path,
    given: list[int],
    direction: str,
    adapt: bool = False,
) -> np.ndarray:
    """J&F of every frame, float64 [T], of a run that is given the true masks of some."""
    masks = make_folder(folder.with_name(f"{folder.name}_given"))
    for index in given:
        write_mask(masks / f"{video.frame_names[index]}.png", truth(video, index))
    segment_video(
        video.frames[0].parent,
        masks,
        folder,
        lambda: segmenter,
        direction=direction,
        adapt=adapt,
        contact_sheet=False,
        resume=True,
        progress=True,
    )
    found = (read_mask(folder / f"{name}.png") == 1 for name in video.frame_names)
    return np.array(
        [
            (region_similarity(true, mask) + boundary_accuracy(true, mask)) / 2
            for true, mask in ((truth(video, i) == 1, mask) for i, mask in enumerate(found))
        ]
    )


def truth(video: Video, index: int) -> np.ndarray:
    """The true mask of a frame, uint8 [H, W], its object as id 1."""
    labels = video.read_labels(index)
    assert labels is not None  # DAVIS 2016 has a mask for every frame
    return (labels > 0).astype(np.uint8)


def table(rows: list[dict[str, object]]) -> str:
    """The rows and their mean, in Markdown."""
    columns = [name for name in HEADINGS if name in rows[0]]
    numbers = columns[2:]
    mean = {name: np.mean([row[name] for row in rows]) for name in numbers}
    lines = [
        "| " + " | ".join(HEADINGS[name] for name in columns) + " |",
        "|" + "---|" * len(columns),
    ]
    for row in [*rows, {"video": "**mean**", "worst": "", **mean}]:
        values = " | ".join(f"{row[name]:.1f}" for name in numbers)
        lines.append(f"| {row['video']} | {row['worst']} | {values} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    app.run(main)
