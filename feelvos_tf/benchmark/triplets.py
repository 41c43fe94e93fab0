"""How fast triplets are made, stage by stage."""

from __future__ import annotations

import dataclasses
import pathlib
import time
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from feelvos_tf import process_memory
from feelvos_tf.benchmark import report
from feelvos_tf.data import checks, layouts
from feelvos_tf.triplets import clips
from feelvos_tf.triplets.clip_sources import ClipSource, TreeSource
from feelvos_tf.triplets.stream import make_triplets
from feelvos_tf.triplets.triplet_config import TripletConfig


@dataclasses.dataclass(frozen=True)
class StageSpeed:
    """Speed of the pipeline up to and including a stage.

    Attributes:
      stage: what the pipeline does last.
      triplets_per_second: by the clock, on the machine as loaded as it is.
      cpu_ms: processor time of this process for one triplet, in milliseconds; hardly depends on
        what else the machine does.
      peak_memory_mb: largest resident memory of this process so far, in MB.
    """

    stage: str
    triplets_per_second: float
    cpu_ms: float
    peak_memory_mb: float


def benchmark_triplets(
    sources: Sequence[ClipSource], config: TripletConfig, num_triplets: int = 100, warm_up: int = 10
) -> list[StageSpeed]:
    """Times reading and decoding alone, then whole triplets, plain and with each option that is on.

    Args:
      sources: as of make_triplets. Reading is timed on the first one.
      config: what is to be measured.
      num_triplets: elements to time in each stage.
      warm_up: elements to make before the clock starts.

    Returns:
      one StageSpeed for each stage, in the order of the work.
    """
    plain = dataclasses.replace(
        config, color_jitter=0.0, damage_previous=False, paste_probability=0.0
    )
    source = sources[0]
    stages = [("read and decode", _decoded(source, config.num_frames, warm_up + num_triplets))]
    options: dict[str, dict[str, Any]] = {
        "triplets": {},
        "with color jitter": {"color_jitter": config.color_jitter},
        "with damaged masks": {"damage_previous": config.damage_previous},
        "with pasted objects": {"paste_probability": config.paste_probability},
    }
    for stage, change in options.items():
        if not change or any(change.values()):
            stage_config = dataclasses.replace(plain, **change)
            stages.append((stage, make_triplets(sources, stage_config)))
    return [_time(stage, dataset, num_triplets, warm_up) for stage, dataset in stages]


def _decoded(source: ClipSource, num_frames: int, count: int) -> tf.data.Dataset:
    """Clips of consecutive frames (of stills: one frame), decoded and nothing more."""
    frames = 1 if source.still else num_frames
    usable = [i for i, length in enumerate(source.lengths) if length >= frames]
    videos = tf.data.Dataset.from_tensor_slices(tf.constant(usable, tf.int64)).repeat().take(count)
    return videos.map(
        lambda video: clips.read_clip(source, video, tf.range(frames))[2],
        num_parallel_calls=tf.data.AUTOTUNE,
    )


def _time(stage: str, dataset: tf.data.Dataset, count: int, warm_up: int) -> StageSpeed:
    iterator = iter(dataset.take(warm_up + count))
    for _ in range(warm_up):
        next(iterator)
    start, cpu = time.perf_counter(), time.process_time()
    made = sum(1 for _ in iterator)
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    return StageSpeed(stage, made / wall, 1000 * cpu / made, process_memory.peak_mb())


def measure(
    folder: pathlib.Path, dataset: str, root: str, split: str, num_triplets: int = 100
) -> None:
    """Measures the training stream of a dataset and writes data.md and .json.

    Args:
      folder: where to; made where it is missing.
      dataset, root, split: as of `layouts.read_dataset`.
      num_triplets: elements a stage.

    Raises:
      InputError: the dataset cannot be read.
    """
    videos = checks.drop_bad(
        layouts.read_dataset(dataset, pathlib.Path(root), split, objects=False)
    )
    config = TripletConfig(
        color_jitter=0.1, damage_previous=True, paste_probability=1.0, paste_objects=1
    )
    rows = benchmark_triplets([TreeSource(dataset, videos)], config, num_triplets)
    table = report.markdown_table(
        ["stage", "triplets/s", "CPU ms a triplet", "peak MB"],
        [list(dataclasses.astuple(row)) for row in rows],
    )
    print(table)
    report.write(folder, "data", [dataclasses.asdict(row) for row in rows], table)
