"""What training on a video's own way back to its first frame gains: J&F of a DAVIS 2016 tree.

  python experiments/benchmarks/cycles.py --dataset_dir=DAVIS --split=val --output=OUT

Mask cycle consistency (Bertrand et al., "Test-time Training for Matching-based Video Object
Segmentation", NeurIPS 2023): a first pass labels the video from the mask of its first frame. Then
the head and the embedding are trained on clips that come back: the reference is some later frame
under the labels of the first pass, the frames that follow approach the first one, and the loss is
at the first frame, whose mask is given. Nothing but that mask is known to be true.

Each video is segmented with the weights given and with those trained. "kept" are the trained ones
where the loss of the last 20 steps is lower than that of the first 20 by --least_fall, and else
those given: a loss that does not fall says that the clips teach nothing. OUT/cycles.md has the
table; videos that are in OUT/cycles.json are not computed again.
"""

import json
import pathlib
import time
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf
from absl import app, flags

from feelvos_tf.adapting.adaptation import Adaptation
from feelvos_tf.adapting.adapter import Adapter, Progress
from feelvos_tf.checkpoints import assign, load_model
from feelvos_tf.data.layouts import read_dataset
from feelvos_tf.data.videos import Video
from feelvos_tf.evaluation.protocols import plan_video
from feelvos_tf.evaluation.reports import table
from feelvos_tf.evaluation.scoring import read_truth, score_frame
from feelvos_tf.files import make_folder, replaced_when_done
from feelvos_tf.modeling.precision import with_precision
from feelvos_tf.streaming.segmenter import VideoSegmenter
from feelvos_tf.triplets.label_maps import IGNORE
from feelvos_tf.video.images import read_image

_DATASET_DIR = flags.DEFINE_string("dataset_dir", None, "DAVIS 2016 tree.", required=True)
_SPLIT = flags.DEFINE_string("split", "val", "Split.")
_OUTPUT = flags.DEFINE_string("output", None, "Folder for the table.", required=True)
_CHECKPOINT = flags.DEFINE_string("checkpoint", None, "Weights; by default those that ship.")
_STEPS = flags.DEFINE_integer("steps", 40, "Of the optimizer.", lower_bound=20)
_LEAST_FALL = flags.DEFINE_float("least_fall", 0.02, "Of the loss, a share.", lower_bound=0)

_SPAN = 20  # steps, as the loss that is reported is a mean of
_SPEED = 4  # frames from one frame of a clip to the next, at most
_SHIFT = 60  # pixels from a random one of the object to the middle of a crop, at most
_LEAST = 200  # pixels of the object in a crop
_LIGHT = 0.1  # change of each color of a clip, at most
_CHANNELS = 8  # of a batch
_TRIES = 100  # for a clip that shows the object
_PROTOCOL = "davis2016"


def main(argv: list[str]) -> None:
    """Adapts to all videos and writes the table."""
    del argv
    output = make_folder(_OUTPUT.value)
    done = output / "cycles.json"
    rows = json.loads(done.read_text(encoding="utf-8")) if done.exists() else []
    model = load_model(_CHECKPOINT.value)
    settings = Adaptation(steps=_STEPS.value, share=1.0)
    adapter = Adapter(model, settings)
    own = with_precision(model, "float32")
    segmenters = VideoSegmenter(model), VideoSegmenter(own)
    for video in read_dataset(_PROTOCOL, _DATASET_DIR.value, _SPLIT.value):
        if video.name in [row["video"] for row in rows]:
            continue
        rows.append(compare(video, adapter, settings, own, segmenters))
        print(rows[-1], flush=True)
        with replaced_when_done(done) as temporary:
            pathlib.Path(temporary).write_text(json.dumps(rows, indent=1), encoding="utf-8")
    with replaced_when_done(output / "cycles.md") as temporary:
        pathlib.Path(temporary).write_text("\n".join(lines(rows)) + "\n", encoding="utf-8")


def compare(
    video: Video,
    adapter: Adapter,
    settings: Adaptation,
    own: tf.keras.Model,
    segmenters: tuple[VideoSegmenter, VideoSegmenter],
) -> dict[str, object]:
    """Scores a video with the weights given and those trained on it, which `own` gets."""
    frames = [read_image(path) for path in video.frames]
    mask = read_truth(video, 0, _PROTOCOL)
    given, trained = segmenters
    labels = segmented(given, frames, mask)
    print(f"{video.name}: labeled {len(frames)} frames", flush=True)
    losses: list[float] = []

    def report(progress: Progress) -> None:
        losses.append(progress.loss)
        if progress.step % _SPAN == 0:
            print(
                f"{video.name}: step {progress.step}/{progress.steps}, loss {progress.loss:.3f}, "
                f"{progress.seconds_left:.0f} s left",
                flush=True,
            )

    began = time.monotonic()
    found = adapter.adapt(
        frames[:1],
        [mask],
        clips=lambda steps: cycles(frames, labels, steps, settings),
        report=report,
    )
    seconds = time.monotonic() - began
    assign(own, found.weights, "the adaptation", found.weights)
    before, after = score(video, labels), score(video, segmented(trained, frames, mask))
    # Fewer steps than two spans: the object makes too few clips, and nothing is known.
    fall = 1 - losses[-1] / losses[_SPAN - 1] if len(losses) >= 2 * _SPAN else 0.0
    return {
        "video": video.name,
        "given": before,
        "trained": after,
        "kept": after if fall >= _LEAST_FALL.value else before,
        "fall": 100 * fall,
        "steps": found.steps,
        "seconds": seconds,
    }


def segmented(
    segmenter: VideoSegmenter, frames: Sequence[np.ndarray], mask: np.ndarray
) -> list[np.ndarray]:
    """Labels of all frames, uint8 [H, W] each, from the mask of the first."""
    segmenter.reset(frames[0], mask)
    return [mask, *(segmenter.step(frame).astype(np.uint8) for frame in frames[1:])]


def score(video: Video, labels: Sequence[np.ndarray]) -> float:
    """J&F in percent over the frames that the protocol scores."""
    scored = plan_video(video, _PROTOCOL).scored
    return 100 * float(
        np.mean([score_frame(read_truth(video, i, _PROTOCOL), labels[i], [1])[1] for i in scored])
    )


def cycles(
    frames: Sequence[np.ndarray], labels: Sequence[np.ndarray], steps: int, settings: Adaptation
) -> Iterator[Mapping[str, tf.Tensor]]:
    """Batches of clips that come back to the first frame, see `dreams.dream`.

    Args:
      frames: uint8 [H, W, 3], RGB.
      labels: uint8 [H, W], of each frame; the first frame's are true.
      steps: batches.
      settings: how many clips a batch has, their crop size and seed.

    Yields:
      Clips of a reference, two frames on the way and the first one, which alone has a loss. Fewer
      than `steps` where no later frame shows the object.
    """
    side = min(settings.crop_size, *labels[0].shape)
    rng = np.random.default_rng(settings.seed)
    valid = np.arange(_CHANNELS) < 2
    for step in range(steps):
        tried = (cycle(frames, labels, side, rng) for _ in range(_TRIES))
        found = (clip for clip in tried if clip is not None)
        numbers = range(step * settings.batch_size, (step + 1) * settings.batch_size)
        clips = [(*clip, valid, np.int64(index)) for index, clip in zip(numbers, found)]
        if len(clips) < settings.batch_size:
            return
        names = ("images", "labels", "valid", "index")
        yield {name: tf.stack(values) for name, values in zip(names, zip(*clips))}


def cycle(
    frames: Sequence[np.ndarray],
    labels: Sequence[np.ndarray],
    side: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray] | None:
    """Images float32 [4, S, S, 3] and labels int32 [4, S, S]; None where an object is too small."""
    if len(frames) < 3:
        return None
    speed = rng.integers(1, 1 + min(_SPEED, (len(frames) - 1) // 2))
    later = rng.integers(1, len(frames))
    numbers = (later, 2 * speed, speed, 0)
    places = [crop(labels[number], side, rng) for number in (later, 0)]
    if None in places:
        return None
    ways = [places[0], *[places[1]] * 3]
    images = np.stack([frames[n][way] for n, way in zip(numbers, ways)]).astype(np.float32)
    told = np.stack([labels[n][way] for n, way in zip(numbers, ways)]).astype(np.int32)
    if min((told[0] == 1).sum(), (told[3] == 1).sum()) < _LEAST:
        return None
    told[2] = IGNORE  # no loss where nothing is known to be true
    if rng.random() < 0.5:
        images, told = images[:, :, ::-1], told[:, :, ::-1]
    light = rng.uniform(1 - _LIGHT, 1 + _LIGHT, 3).astype(np.float32)
    return np.clip(images * light, 0, 255), told


def crop(labels: np.ndarray, side: int, rng: np.random.Generator) -> tuple[slice, slice] | None:
    """A square near a random pixel of the object; None where there is none."""
    places = np.argwhere(labels == 1)
    if not len(places):
        return None
    middle = places[rng.integers(len(places))] + rng.integers(-_SHIFT, _SHIFT + 1, 2)
    start = np.clip(middle - side // 2, 0, np.array(labels.shape) - side)
    return slice(start[0], start[0] + side), slice(start[1], start[1] + side)


def lines(rows: list[dict[str, object]]) -> list[str]:
    """The rows and their mean, in Markdown."""
    names = ("given", "trained", "kept")
    cells = [
        [
            row["video"],
            *(f"{row[name]:.1f}" for name in (*names, "fall")),
            f"{row['steps']}",
            f"{row['seconds']:.0f}",
        ]
        for row in rows
    ]
    mean = [f"{np.mean([row[name] for row in rows]):.1f}" for name in names]
    columns = ["video", "as given", "trained", "kept", "loss falls, %", "steps", "seconds"]
    return table(columns, [*cells, ["**mean**", *mean, "", "", ""]])


if __name__ == "__main__":
    app.run(main)
