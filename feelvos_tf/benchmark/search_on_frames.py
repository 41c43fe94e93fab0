"""Time and agreement of the global search on real frames, through the weights that ship.

How fast an exact search is does not depend on what it searches; how near a probed one comes does.
So this takes a user's video: its first frame with a mask is the reference, a later frame the query.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf

from feelvos_tf import process_memory
from feelvos_tf.benchmark import networks, report
from feelvos_tf.benchmark.bare_product import bare_product
from feelvos_tf.benchmark.resolutions import RESOLUTIONS, check_resolutions
from feelvos_tf.benchmark.timing import timed
from feelvos_tf.errors import InputError
from feelvos_tf.modeling.feelvos import Feelvos
from feelvos_tf.ops import (
    clusters,
    labels,
    matching,
    probed_search,
    reference_search,
    sorted_reference,
)
from feelvos_tf.video.frames import list_images
from feelvos_tf.video.images import read_image
from feelvos_tf.video.masks import read_mask

PROBES = (2, 4, 8, 16)
# Of the released code's training, of each object.
RANDOM_PIXELS = 1024
# The query lies so many frames after the reference, or at the end of a shorter video.
_APART = 20


@dataclasses.dataclass(frozen=True)
class Row:
    """One form of the search at one size.

    Attributes:
      size: key of RESOLUTIONS.
      name: of the form.
      milliseconds: the fastest of the repetitions.
      share: of the time of the bare product of the same size.
      peak_mb: most memory that the process held meanwhile.
      changed: share of the pixels whose nearest object is another than that of the exact search.
      error: mean difference of the squashed distances from the exact ones; None where there is
        nothing to compare.
    """

    size: str
    name: str
    milliseconds: float
    share: float
    peak_mb: float
    changed: float | None = None
    error: float | None = None


def run(
    model: Feelvos,
    first: np.ndarray,
    mask: np.ndarray,
    later: np.ndarray,
    size: str,
    repetitions: int = 3,
) -> Iterator[Row]:
    """Measures every form at one size.

    Args:
      model: the network.
      first: uint8 [H, W, 3], the reference frame.
      mask: integers [H, W], its objects.
      later: uint8 [H, W, 3], the query frame.
      size: key of RESOLUTIONS, to which frames are resized.
      repetitions: timed runs; the fastest counts.
    """
    embed = tf.function(model.embed, autograph=False)
    known, query = (
        embed(
            tf.image.resize(frame[np.newaxis].astype(np.float32), RESOLUTIONS[size], antialias=True)
        )[1][0]
        for frame in (first, later)
    )
    ids = [0, *(int(n) for n in np.unique(mask) if n)]
    channels = labels.ids_to_channels(tf.constant(mask.astype(np.uint8)), tf.constant(ids))
    small = labels.shrink(channels, tf.shape(known)[:2], len(ids))
    flat, num_channels = tf.reshape(known, [-1, known.shape[-1]]), tf.constant(len(ids))
    own = tf.reshape(small, [-1])

    def reference(kept: tf.Tensor) -> sorted_reference.Reference:
        return sorted_reference.prepare(flat, kept, num_channels)

    def exact(prepared: sorted_reference.Reference) -> Callable[[], np.ndarray]:
        queries = tf.reshape(query, [-1, query.shape[-1]])
        return lambda: reference_search.nearest(queries, prepared, num_channels).numpy()

    def probed(prepared: sorted_reference.Reference, probes: tf.Tensor) -> Callable[[], np.ndarray]:
        return lambda: probed_search.nearest(query, prepared, num_channels, probes).numpy()

    product = tf.function(bare_product)
    process_memory.reset_peak()
    floor, _ = timed(lambda: product(query, known).numpy(), repetitions)
    yield Row(size, "matrix product", floor, 1.0, process_memory.peak_mb())
    random = sorted_reference.subsample(own, num_channels, RANDOM_PIXELS, seed=0)
    clustered = tf.function(clusters.clustered)(reference(own), num_channels)
    forms = {
        "exact": exact(reference(own)),
        **{f"{probes} probes": probed(clustered, tf.constant(probes)) for probes in PROBES},
        f"{RANDOM_PIXELS} random pixels": exact(reference(random)),
    }
    truth: np.ndarray | None = None
    for name, form in forms.items():
        process_memory.reset_peak()
        milliseconds, found = timed(form, repetitions)
        peak = process_memory.peak_mb()
        truth = found if truth is None else truth  # the exact form comes first
        changed = float((found.argmin(-1) != truth.argmin(-1)).mean())
        error = np.abs(matching.squash(found) - matching.squash(truth)).mean()
        yield Row(size, name, milliseconds, milliseconds / floor, peak, changed, float(error))


def measure(
    folder: pathlib.Path,
    frames: str | os.PathLike[str],
    mask: str | os.PathLike[str],
    sizes: Sequence[str],
    repetitions: int = 3,
) -> None:
    """Measures at sizes and writes search.md, .json and .png.

    Args:
      folder: where to; made where it is missing.
      frames: folder of frames.
      mask: file of the first frame's mask.
      sizes: keys of RESOLUTIONS.
      repetitions: timed runs at least.

    Raises:
      InputError: an unknown resolution, or frames or a mask that cannot be read or do not fit.
    """
    check_resolutions(sizes)
    paths = list_images(pathlib.Path(frames))
    first = read_image(paths[0])
    objects = read_mask(mask)
    if objects.shape != first.shape[:2]:
        raise InputError(
            f"{mask}: {objects.shape[1]}x{objects.shape[0]}, and {paths[0]} is "
            f"{first.shape[1]}x{first.shape[0]}; expected the same size"
        )
    later = read_image(paths[min(_APART, len(paths) - 1)])
    model = networks.build(networks.SHIPPED)
    rows = []
    for size in sizes:
        for row in run(model, first, objects, later, size, repetitions):
            rows.append(row)
            changed = "" if row.changed is None else f"{row.changed:8.2%} changed"
            print(
                f"  {size:6} {row.name:20} {row.milliseconds:9.1f} ms {row.share:7.2f}"
                f" {row.peak_mb:6.0f} MB{changed}",
                flush=True,
            )
    table = report.markdown_table(
        ["size", "form", "ms", "of the product", "peak MB", "changed %", "mean error"],
        [
            [
                row.size,
                row.name,
                row.milliseconds,
                row.share,
                row.peak_mb,
                None if row.changed is None else 100 * row.changed,
                row.error,
            ]
            for row in rows
        ],
    )
    print(table)
    report.write(folder, "search", [dataclasses.asdict(row) for row in rows], table)
    curves: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        height, width = RESOLUTIONS[row.size]
        curves.setdefault(row.name, []).append((height * width / 1e6, row.milliseconds))
    report.plot(
        folder / "search.png",
        curves,
        "Global search",
        "megapixels",
        "milliseconds",
        guides={"exact ~ pixels^2": 2.0},
    )
