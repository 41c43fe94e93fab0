"""A picture of how sure each object is over time."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from feelvos_tf.errors import InputError
from feelvos_tf.files import replaced_when_done
from feelvos_tf.video.colors import object_colors

CONFIDENCE_PLOT = "confidence.png"
_POINTS = 2000  # of a line; of more frames the least sure one of each stretch is drawn
_NAMED = 20  # objects in the legend


def plot_confidence(
    path: pathlib.Path,
    objects: Mapping[int, np.ndarray],
    names: Sequence[str],
    look_at: Sequence[str] = (),
) -> bool:
    """Draws a line an object, in the color of its id.

    Args:
      path: PNG file to write; its folder must exist.
      objects: id -> margin in each frame, floats [frames] in 0..1, NaN where not known.
      names: of the frames.
      look_at: names of frames to mark.

    Returns:
      whether it was drawn; False where matplotlib is not installed.

    Raises:
      InputError: the file cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    axis = figure.subplots()
    step = -(-len(names) // _POINTS) or 1
    for number, (object_id, values) in enumerate(sorted(objects.items())):
        padded = np.pad(values, (0, -len(values) % step), constant_values=np.nan)
        known = np.where(np.isnan(padded), np.inf, padded).reshape(-1, step).min(axis=1)
        color = tuple((object_colors()[object_id] / 255).tolist())
        label = f"object {object_id}" if number < _NAMED else None
        axis.plot(
            np.arange(len(known)) * step,
            np.where(np.isinf(known), np.nan, known),
            color=color,
            label=label,
            marker="." if len(names) < 100 else None,
        )
    places = {name: index for index, name in enumerate(names)}
    for name in look_at:
        axis.axvline(places[name], color="0.6", linewidth=0.8, linestyle="--")
        axis.annotate(name, (places[name], 0.02), rotation=90, fontsize=7, color="0.4")
    axis.set(ylim=(0, 1.02), xlabel=f"frame, from {names[0]}", ylabel="mean margin")
    axis.legend(fontsize=7, loc="lower right", ncols=2)
    try:
        with replaced_when_done(path) as temporary:
            figure.savefig(temporary, format="png", dpi=90)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error
    return True
