"""Peak memory of a stream against its length."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Sequence

import numpy as np

from feelvos_tf import process_memory
from feelvos_tf.benchmark import networks, report
from feelvos_tf.data.synthetic import synthetic_clip
from feelvos_tf.streaming.segmenter import VideoSegmenter


def stream(
    segmenter: VideoSegmenter, frames: np.ndarray, mask: np.ndarray, lengths: Sequence[int]
) -> Iterator[tuple[int, float]]:
    """Runs a clip over and over as one long video.

    Args:
      segmenter: the engine.
      frames: uint8 [T, H, W, 3].
      mask: integers [H, W], of the first frame.
      lengths: ascending numbers of frames at which to look.

    Yields:
      (frames done, peak memory of the process so far in MB).
    """
    segmenter.reset(frames[0], mask)
    for t in range(1, lengths[-1] + 1):
        segmenter.step(frames[t % len(frames)])
        if t in lengths:
            yield t, process_memory.peak_mb()


def measure(folder: pathlib.Path, names: Sequence[str], lengths: Sequence[int]) -> None:
    """Measures networks and writes memory.md, .json and .png.

    Args:
      folder: where to; made where it is missing.
      names: of `networks`.
      lengths: ascending numbers of frames.

    Raises:
      InputError: an unknown name, told before anything is measured.
    """
    networks.check(names)
    clip = synthetic_clip(seed=0, num_frames=12, height=240, width=427, num_objects=3)
    results: dict[str, list[tuple[float, float]]] = {}
    for network in names:
        segmenter = VideoSegmenter(networks.build(network))
        results[network] = []
        for length, megabytes in stream(segmenter, clip.frames, clip.masks[0], lengths):
            results[network].append((length, megabytes))
            print(
                f"  {network} after {length:5} frames of 427x240: peak {megabytes:7.1f} MB",
                flush=True,
            )
    table = report.markdown_table(
        ["frames", *results],
        [[length, *(dict(results[network])[length] for network in results)] for length in lengths],
    )
    report.write(folder, "memory", results, table)
    report.plot(
        folder / "memory.png",
        results,
        "Peak memory of one process, networks one after the other",
        "frames",
        "MB",
        logarithmic=False,
    )
