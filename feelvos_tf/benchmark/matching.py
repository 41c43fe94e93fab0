"""Time, memory and agreement of every matching implementation, side by side.

Each case runs in one process: all implementations, the forms of the original (the naive ones) and
the bare matrix products that bound them. Cases vary one thing at a time from the base case, 480p
at stride 4 with window 15 and 3 channels.
"""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from feelvos_tf.benchmark import matching_memory, report
from feelvos_tf.benchmark.bare_product import bare_product
from feelvos_tf.benchmark.matching_cases import EMBEDDING_DIM, TRAINING_SIZE, Case, cases, inputs
from feelvos_tf.benchmark.timing import timed
from feelvos_tf.ops import (
    local_correlation,
    local_tiled,
    matching,
    reference_search,
    sorted_reference,
)


@dataclasses.dataclass(frozen=True)
class Row:
    """One measurement.

    Attributes:
      kind: "global" or "local".
      name: implementation.
      case: what was matched.
      milliseconds: the fastest of the repetitions.
      floor_ratio: time over that of the bare matrix product of its kind.
      difference: largest absolute difference of squashed distances from the first form that is no
        bare product ("exact", "tiled"); None where there is nothing to compare.
    """

    kind: str
    name: str
    case: Case
    milliseconds: float
    floor_ratio: float
    difference: float | None


def run_case(case: Case, repetitions: int = 3, slow: bool = True) -> Iterator[Row]:
    """Measures every form on one case, yielding rows as they are done.

    Args:
      case: what to match.
      repetitions: timed runs; the fastest counts.
      slow: whether the naive, shifted and correlation forms run too.
    """
    given = inputs(case)
    for kind, forms in (
        ("global", _global_forms(case, slow)),
        ("local", _local_forms(case.objects, case.window, slow)),
    ):
        floor = float("nan")  # until the matrix product, which is first, is timed
        ours: np.ndarray | None = None
        for name, form in forms.items():
            call = functools.partial(_as_array, tf.function(form), *given)
            milliseconds, result = timed(call, repetitions)
            difference = None
            if name == "matrix product":
                floor = milliseconds
            elif ours is None:
                ours = result
            elif name != "exact, k=3":  # which computes something else
                difference = float(np.abs(result - ours).max())
            yield Row(kind, name, case, milliseconds, milliseconds / floor, difference)


def _global_forms(case: Case, slow: bool) -> dict[str, Callable[..., tf.Tensor]]:
    n = case.objects

    # Once a video, so it is not part of a frame's time.
    _, other, labels = inputs(case)
    prepared = sorted_reference.prepare(
        tf.reshape(other, [-1, EMBEDDING_DIM]), tf.reshape(labels, [-1]), n
    )

    def prepared_distances(k: int) -> Callable[..., tf.Tensor]:
        def run(query: tf.Tensor, _other: tf.Tensor, _labels: tf.Tensor) -> tf.Tensor:
            flat = reference_search.nearest(tf.reshape(query, [-1, EMBEDDING_DIM]), prepared, n, k)
            return matching.squash(tf.reshape(flat, [*case.size, n]))

        return run

    def naive(query: tf.Tensor, other: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        keys, flags = tf.reshape(other, [-1, EMBEDDING_DIM]), tf.reshape(labels, [-1])
        wrong = tf.cast(flags[tf.newaxis] != tf.range(n)[:, tf.newaxis], tf.float32) * 1e20
        norm = tf.reduce_sum(keys * keys, axis=1)

        def one(rows: tf.Tensor) -> tf.Tensor:
            d = (
                tf.reduce_sum(rows * rows, axis=1, keepdims=True)
                + norm
                - 2 * tf.matmul(rows, keys, transpose_b=True)
            )
            return tf.reduce_min(d[:, tf.newaxis] + wrong, axis=2)

        flat = tf.map_fn(one, query, parallel_iterations=1)
        return matching.squash(flat)

    forms: dict[str, Callable[..., tf.Tensor]] = {
        "matrix product": lambda query, other, _: bare_product(query, other),
        "exact": prepared_distances(1),
        "exact, k=3": prepared_distances(3),
    }
    if slow:
        forms["naive (original)"] = naive
    return forms


def _local_forms(n: int, window: int, slow: bool) -> dict[str, Callable[..., tf.Tensor]]:
    def form(implementation: str) -> Callable[..., tf.Tensor]:
        return lambda query, other, labels: matching.local_matching(
            query, other, labels, n, window, implementation
        )

    def product(query: tf.Tensor, other: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        return local_tiled.bare_product(query, other, window)

    def naive(query: tf.Tensor, other: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        h, w = query.shape[:2]
        border = [[window, window], [window, window]]
        padded = tf.pad(other, [*border, [0, 0]], constant_values=1e20)
        flags = tf.pad(labels, border, constant_values=-1)
        offsets = [(y, x) for y in range(2 * window + 1) for x in range(2 * window + 1)]
        volume = tf.stack(
            [
                tf.reduce_sum(
                    tf.math.squared_difference(query, padded[y : y + h, x : x + w]), axis=2
                )
                for y, x in offsets
            ],
            axis=2,
        )
        near = tf.stack([flags[y : y + h, x : x + w] for y, x in offsets], axis=2)
        volume = matching.squash(volume)
        return tf.stack(
            [tf.reduce_min(tf.where(near == i, volume, 1.0), axis=2) for i in range(n)], axis=-1
        )

    forms: dict[str, Callable[..., tf.Tensor]] = {"matrix product": product, "tiled": form("tiled")}
    if slow:
        forms["shifted"] = form("shifted")
        if local_correlation.is_available():
            forms["correlation"] = form("correlation")
        forms["naive (original)"] = naive
    return forms


def _as_array(function: Callable[..., tf.Tensor], *arguments: tf.Tensor) -> np.ndarray:
    return np.asarray(function(*arguments))


def measure(folder: pathlib.Path, *, quick: bool = False, repetitions: int = 3) -> None:
    """Measures every implementation and writes matching.md, .json and .png.

    Args:
      folder: where to; made where it is missing.
      quick: the base case alone.
      repetitions: timed runs at least.
    """
    rows = []
    for case in cases(quick):
        print(
            f"frame {case.size[0]}x{case.size[1]} at stride 4, window {case.window}, "
            f"{case.objects} objects"
        )
        # Beyond the base case the slow forms would take most of an hour and say nothing new.
        # Global matching is quadratic: once is enough where a run takes seconds.
        once = case.size > (150, 0)
        for row in run_case(case, 1 if once else repetitions, slow=case == Case()):
            rows.append(row)
            print(
                f"  {row.kind:7} {row.name:20} {row.milliseconds:9.1f} ms "
                f"{row.floor_ratio:6.2f} x floor",
                flush=True,
            )
    memory = []
    for training, case in ((False, Case()), (True, Case(size=TRAINING_SIZE))):
        for form in matching_memory.FORMS:
            if form == "correlation" and not local_correlation.is_available():
                continue
            megabytes = matching_memory.peak_memory(form, case, training)
            memory.append({"form": form, "training": training, "megabytes": megabytes})
            kind = "forward and backward, 117x117" if training else "forward, 480p"
            print(f"  peak extra memory of {form:12} {kind:30} {megabytes:7.0f} MB", flush=True)
    table = report.markdown_table(
        ["kind", "form", "frame", "window", "objects", "ms", "x floor", "difference"],
        [
            [
                r.kind,
                r.name,
                f"{r.case.size[0]}x{r.case.size[1]}",
                r.case.window,
                r.case.objects,
                r.milliseconds,
                r.floor_ratio,
                r.difference,
            ]
            for r in rows
        ],
    )
    table += "\n\n" + report.markdown_table(
        ["form", "pass", "peak extra MB"],
        [
            [m["form"], "forward and backward" if m["training"] else "forward", m["megabytes"]]
            for m in memory
        ],
    )
    report.write(
        folder, "matching", {"time": [dataclasses.asdict(r) for r in rows], "memory": memory}, table
    )
    curves: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if row.name in ("exact", "tiled") and row.case.window == 15 and row.case.objects == 3:
            pixels = row.case.size[0] * row.case.size[1]
            curves.setdefault(row.kind, []).append((pixels, row.milliseconds))
    report.plot(
        folder / "matching.png",
        curves,
        "Matching against the size of the frame",
        "pixels at stride 4",
        "milliseconds",
        guides={"global: quadratic": 2, "local: linear": 1},
    )
