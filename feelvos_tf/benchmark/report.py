"""What a benchmark leaves behind: JSON, Markdown and a plot, with the machine's description."""

from __future__ import annotations

import datetime
import json
import os
import pathlib
import platform
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from feelvos_tf.errors import InputError
from feelvos_tf.files import replaced_when_done
from feelvos_tf.version import __version__


def machine() -> dict[str, Any]:
    """Describes the processor, memory and versions that figures depend on."""
    cpu = platform.processor()
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    flags = []
    if cpuinfo.exists():
        fields = dict(
            line.split(":", 1) for line in cpuinfo.read_text().splitlines() if ":" in line
        )
        fields = {key.strip(): value.strip() for key, value in fields.items()}
        cpu = fields.get("model name", cpu)
        flags = [
            f
            for f in ("avx2", "avx512f", "avx512_bf16", "amx_tile")
            if f in fields.get("flags", "").split()
        ]
    return {
        "date": datetime.date.today().isoformat(),
        "cpu": cpu,
        "instructions": flags,
        "cores": os.cpu_count(),
        "gpus": len(tf.config.list_physical_devices("GPU")),
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "feelvos_tf": __version__,
    }


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Returns a Markdown table; numbers are shortened to three digits, None is left blank."""

    def text(value: Any) -> str:
        if value is None:
            return ""
        if isinstance(value, float):
            return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
        return str(value)

    cells = [[text(value) for value in row] for row in rows]
    widths = [max(len(row[i]) for row in [list(header), *cells]) for i in range(len(header))]
    lines = [list(header), ["-" * width for width in widths], *cells]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |"
        for line in lines
    )


def write(folder: pathlib.Path, name: str, results: Any, table: str) -> None:
    """Writes NAME.json and NAME.md into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    description = machine()
    with replaced_when_done(folder / f"{name}.json") as path:
        path.write_text(json.dumps({"machine": description, "results": results}, indent=1) + "\n")
    lines = ", ".join(f"{key} {value}" for key, value in description.items())
    with replaced_when_done(folder / f"{name}.md") as path:
        path.write_text(f"{lines}\n\n{table}\n")


def plot(
    path: pathlib.Path,
    curves: dict[str, list[tuple[float, float]]],
    title: str,
    x_label: str,
    y_label: str,
    guides: dict[str, float] | None = None,
    logarithmic: bool = True,
) -> None:
    """Draws curves, on doubly logarithmic axes by default.

    Args:
      path: the PNG file.
      curves: points (x, y) by label.
      title, x_label, y_label: texts.
      guides: exponent by label: dashed lines y ~ x^exponent through the first curve's start.
      logarithmic: whether both axes are.

    Raises:
      InputError: matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise InputError("plots need matplotlib: pip install feelvos_tf[eval]") from error
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    for label, points in curves.items():
        axes.plot(*zip(*sorted(points)), marker="o", label=label)
    for label, exponent in (guides or {}).items():
        points = sorted(next(points for name, points in curves.items() if label.startswith(name)))
        x0, y0 = points[0]
        xs = [x for x, _ in points]
        axes.plot(xs, [y0 * (x / x0) ** exponent for x in xs], "k:", linewidth=1, label=label)
    if logarithmic:
        axes.set_xscale("log")
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.set(title=title, xlabel=x_label, ylabel=y_label)
    axes.grid(True, which="both", alpha=0.3)
    axes.legend()
    figure.tight_layout()
    with replaced_when_done(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
    pyplot.close(figure)
