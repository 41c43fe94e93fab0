"""Draws region.png: the part of a drawn clip's frames that a region of interest computes.

  python experiments/pictures/draw_region.py

Needs matplotlib (extra eval). The regions are those around the true masks.
"""

from __future__ import annotations

import pathlib

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from feelvos_tf.data.synthetic import synthetic_clip  # noqa: E402
from feelvos_tf.ops import labels as label_ops  # noqa: E402
from feelvos_tf.streaming import regions  # noqa: E402
from feelvos_tf.streaming.sizes import Sizes  # noqa: E402
from feelvos_tf.video import overlay  # noqa: E402

_SHOWN = (0, 11, 23)
_SIZE = (481, 849)  # on the grid, so that a cell is four pixels


def main() -> None:
    """Writes the picture beside this file."""
    height, width = _SIZE
    clip = synthetic_clip(4, num_frames=_SHOWN[-1] + 1, height=height, width=width, num_objects=1)
    sizes = Sizes(None, 16)
    figure, axes = plt.subplots(1, len(_SHOWN), figsize=(12, 2.6), layout="constrained")
    for axis, index in zip(axes, _SHOWN):
        labels = tf.constant((clip.masks[index] > 0).astype(np.int32))
        small = label_ops.shrink_by_nearest(labels, sizes.small(_SIZE))
        region = regions.around(small, 2, sizes)
        top, left, rows, columns = (4 * int(cells) for cells in region)
        picture = overlay(clip.frames[index], clip.masks[index])
        dimmed = (picture * 0.35).astype(np.uint8)
        part = np.s_[top : top + rows - 3, left : left + columns - 3]
        dimmed[part] = picture[part]
        share = int(region.height * region.width) / np.prod(small.shape)
        axis.imshow(dimmed, interpolation="nearest")
        axis.set_title(f"frame {index}: {100 * share:.0f} % is computed", fontsize=10)
        axis.axis("off")
    figure.savefig(pathlib.Path(__file__).with_name("region.png"), dpi=90)


if __name__ == "__main__":
    main()
