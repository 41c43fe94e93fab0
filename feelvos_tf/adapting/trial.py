"""Whether a network finds a video's own way back to its given frames: a trial that needs no truth.

Clips are as in `cycles`, but whole frames and as a segmenter computes them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from feelvos_tf.adapting.cycles import objects_of, ways_back
from feelvos_tf.streaming.segmenter import VideoSegmenter
from feelvos_tf.video.adapted import PassedFrame


def way_back(
    segmenter: VideoSegmenter,
    frames: Sequence[PassedFrame],
    count: int,
    ignore_label: int | None = None,
) -> float | None:
    """How well given masks are found again from other frames under the labels of a first pass.

    Args:
      segmenter: goes to and fro between frames; whatever video it was in is gone.
      frames: of one size, in order.
      count: how many other frames to begin with, at most, spread evenly.
      ignore_label: id in given masks that means "unknown".

    Returns:
      Mean intersection over union of the objects of given frames; None where there is no way.
    """
    ways = ways_back(frames)
    objects = [objects_of(frame.labels, ignore_label) for frame in frames]
    begins = [place for place, ids in enumerate(objects) if ids and not frames[place].given]
    if not ways or not begins:
        return None
    spread = np.linspace(0, len(begins) - 1, min(count, len(begins))).round().astype(int)
    found = []
    for turn, place in enumerate(spread):
        of_one = ways[turn % len(ways)]
        far, near, given = of_one[turn // len(ways) % len(of_one)]
        begin = frames[begins[place]]
        segmenter.reset(begin.image, begin.labels)
        segmenter.resume(frames[far].image, frames[far].labels, forget=True)
        segmenter.step(frames[near].image)
        labels, true = segmenter.step(frames[given].image), frames[given].labels
        known = true != (-1 if ignore_label is None else ignore_label)
        for one in set(objects[given]) & set(objects[begins[place]]):
            shared = (labels == one) & (true == one)
            either = ((labels == one) | (true == one)) & known
            found.append(np.count_nonzero(shared) / np.count_nonzero(either))
    return float(np.mean(found)) if found else None
