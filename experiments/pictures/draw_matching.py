"""Draws matching.png: what global and local matching see in one frame of a drawn clip.

  python experiments/pictures/draw_matching.py

Needs matplotlib (extra eval). The network is the one whose weights ship.
"""

from __future__ import annotations

import pathlib

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt  # noqa: E402

from feelvos_tf import VideoSegmenter, load_model  # noqa: E402
from feelvos_tf.data.synthetic import synthetic_clip  # noqa: E402
from feelvos_tf.video import overlay  # noqa: E402

_FRAME = 5


def main() -> None:
    """Writes the picture beside this file."""
    clip = synthetic_clip(3, num_frames=_FRAME + 1, height=192, width=320, num_objects=2)
    segmenter = VideoSegmenter(load_model())
    segmenter.reset(clip.frames[0], clip.masks[0])
    for frame in clip.frames[1:]:
        result = segmenter.step(frame, return_details=True)
    names = ["background"] + [f"object {i}" for i in segmenter.object_ids]
    rows = [
        [("first frame", clip.frames[0]), ("its mask", overlay(clip.frames[0], clip.masks[0]))],
        [("sixth frame", clip.frames[-1]), ("labels found", overlay(frame, result.labels))],
    ]
    for row, kind, distances in zip(
        rows, ("global", "local"), (result.global_distance, result.previous_distance)
    ):
        row += [(f"{kind}: {name}", distances[:, :, i]) for i, name in enumerate(names)]
    figure, axes = plt.subplots(2, 5, figsize=(12, 3.3), layout="constrained")
    for axis, (title, image) in zip(axes.ravel(), [tile for row in rows for tile in row]):
        axis.imshow(image, vmin=0, vmax=1, cmap="magma")
        axis.set_title(title, fontsize=10)
        axis.axis("off")
    figure.savefig(pathlib.Path(__file__).with_name("matching.png"), dpi=90)


if __name__ == "__main__":
    main()
