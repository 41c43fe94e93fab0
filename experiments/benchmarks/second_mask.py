"""What a second true mask gains, and a start in the middle: J&F over the same frames of videos.

  python experiments/benchmarks/second_mask.py --dataset_dir=DAVIS --split=val --output=OUT

Each video of a DAVIS 2016 tree is segmented four times by the engine of feelvos-segment:

  one      from the first frame's mask
  two      with the mask of the worst frame as well, forward
  both     with the same two masks, --direction=both
  middle   from the mask of the middle frame alone, --direction=both

`two` and `both` are compared with `one` over the frames that neither run was given; so is `middle`.
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

RUNS = ("one", "two", "both", "middle")


def main(argv: list[str]) -> None:
    """Runs all videos and writes the table."""
    del argv
    from feelvos_tf.checkpoints import load_model
    from feelvos_tf.streaming.segmenter import VideoSegmenter

    segmenter = VideoSegmenter(load_model(_CHECKPOINT.value), max_side=_MAX_SIDE.value)
    output = make_folder(_OUTPUT.value)
    rows = []
    for video in read_dataset("davis2016", _DATASET_DIR.value, _SPLIT.value):
        rows.append(compare(video, segmenter, output / video.name))
        print(rows[-1], flush=True)
    with replaced_when_done(output / "second_mask.md") as temporary:
        pathlib.Path(temporary).write_text(table(rows), encoding="utf-8")


def compare(video: Video, segmenter: Segmenter, folder: pathlib.Path) -> dict[str, object]:
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

    def mean(run: str, given: set[int]) -> float:
        return 100 * float(np.mean([scores[run][i] for i in range(last) if i not in given]))

    told = {0, worst}
    return {
        "video": video.name,
        "worst": video.frame_names[worst],
        "one": mean("one", told),
        "two": mean("two", told),
        "both": mean("both", told),
        "one_beside_middle": mean("one", {0, middle}),
        "middle": mean("middle", {0, middle}),
    }


def segmented(
    video: Video, segmenter: Segmenter, folder: pathlib.Path, given: list[int], direction: str
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
    names = [name for name in rows[0] if name not in ("video", "worst")]
    mean = {name: np.mean([row[name] for row in rows]) for name in names}
    lines = [
        "| video | worst frame | one mask | two, forward | two, both | one mask | middle, both |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in [*rows, {"video": "**mean**", "worst": "", **mean}]:
        values = " | ".join(f"{row[name]:.1f}" for name in names)
        lines.append(f"| {row['video']} | {row['worst']} | {values} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    app.run(main)
