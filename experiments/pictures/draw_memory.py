"""Draws memory.png: which frame each pixel of a drawn clip is recognized from.

  python experiments/pictures/draw_memory.py

Needs matplotlib (extra eval). The network is the one whose weights ship.
"""

from __future__ import annotations

import pathlib

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402

from feelvos_tf import Memory, VideoSegmenter, load_model  # noqa: E402
from feelvos_tf.data.synthetic import synthetic_clip  # noqa: E402
from feelvos_tf.video import overlay  # noqa: E402

_SHOWN = (4, 12, 20)


def main() -> None:
    """Writes the picture beside this file."""
    clip = synthetic_clip(3, num_frames=max(_SHOWN) + 1, height=192, width=320, num_objects=2)
    segmenter = VideoSegmenter(load_model(), memory=Memory(every=4, frames=4, max_pixels=512))
    segmenter.reset(clip.frames[0], clip.masks[0])
    figure, axes = plt.subplots(2, len(_SHOWN), figsize=(10, 4), layout="constrained")
    for number, frame in enumerate(clip.frames[1:], start=1):
        result = segmenter.step(frame, return_details=True)
        if number not in _SHOWN:
            continue
        column = axes[:, _SHOWN.index(number)]
        column[0].imshow(overlay(frame, result.labels))
        column[0].set_title(f"frame {number}", fontsize=10)
        channel = np.argmax(result.logits, axis=-1)[..., np.newaxis]
        source = np.take_along_axis(result.reference_frame, channel, axis=-1)[..., 0]
        drawn = column[1].imshow(source, vmin=0, vmax=max(_SHOWN), cmap="viridis")
        column[1].set_title("comes from frame", fontsize=10)
    for axis in axes.ravel():
        axis.axis("off")
    figure.colorbar(drawn, ax=axes[1, :], shrink=0.8)
    figure.savefig(pathlib.Path(__file__).with_name("memory.png"), dpi=90)


if __name__ == "__main__":
    main()
