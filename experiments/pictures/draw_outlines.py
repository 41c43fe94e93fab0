"""Draws outlines.png: a part of a drawn frame with interpolated and with guided outlines.

  python experiments/pictures/draw_outlines.py

Needs matplotlib (extra eval). The network is the one whose weights ship.
"""

from __future__ import annotations

import pathlib

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402

from feelvos_tf import VideoSegmenter, load_model  # noqa: E402
from feelvos_tf.data.synthetic import synthetic_clip  # noqa: E402
from feelvos_tf.evaluation.metrics import boundary_accuracy, region_similarity  # noqa: E402
from feelvos_tf.video import overlay  # noqa: E402

_STEPS = 8
_SIDE = 120  # pixels of the part that is shown


def main() -> None:
    """Writes the picture beside this file."""
    clip = synthetic_clip(3, num_frames=_STEPS + 1, height=240, width=427, num_objects=2)
    frame, truth = clip.frames[-1], clip.masks[-1]
    model = load_model()
    shown = {"truth": truth}
    for title, outlines in (("interpolated", None), ("guided", "guided")):
        segmenter = VideoSegmenter(model, outlines=outlines)
        segmenter.reset(clip.frames[0], clip.masks[0])
        for image in clip.frames[1:]:
            labels = segmenter.step(image)
        shown[title] = labels
    y, x = (int(v.mean()) for v in np.nonzero(truth == clip.ids[0]))
    top, left = (int(np.clip(v - _SIDE // 2, 0, n - _SIDE)) for v, n in zip((y, x), truth.shape))
    part = np.s_[top : top + _SIDE, left : left + _SIDE]
    figure, axes = plt.subplots(1, 3, figsize=(10, 3.6), layout="constrained")
    for axis, (title, labels) in zip(axes, shown.items()):
        pairs = [(truth == i, labels == i) for i in clip.ids]
        region = 100 * np.mean([region_similarity(*pair) for pair in pairs])
        boundary = 100 * np.mean([boundary_accuracy(*pair) for pair in pairs])
        axis.imshow(overlay(frame, labels)[part], interpolation="nearest")
        axis.set_title(f"{title}, J {region:.1f}, F {boundary:.1f}", fontsize=10)
        axis.axis("off")
    figure.savefig(pathlib.Path(__file__).with_name("outlines.png"), dpi=90)


if __name__ == "__main__":
    main()
