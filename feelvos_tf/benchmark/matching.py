"""Time, memory and agreement of every matching implementation, side by side.

Each case runs in one process: all implementations, the forms of the original (the naive ones) and
the bare matrix products that bound them. Cases vary one thing at a time from the base case, 480p
at stride 4 with window 15 and 3 channels.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from feelvos_tf.benchmark.timing import fastest
from feelvos_tf.errors import InputError
from feelvos_tf.ops import (
    local_correlation,
    local_tiled,
    matching,
    reference_search,
    sorted_reference,
)

EMBEDDING_DIM = 100
BASE_SIZE = (120, 214)
SIZES = (BASE_SIZE, (135, 240), (180, 320), (270, 480))
WINDOWS = (7, 15)
OBJECTS = (1, 3, 10, 30)
TRAINING_SIZE = (117, 117)  # stride 4 of the 465x465 crops


@dataclasses.dataclass(frozen=True)
class Case:
    """What is matched: a frame of `size` (h, w) at stride 4, `objects` channels, a window."""

    size: tuple[int, int] = BASE_SIZE
    window: int = 15
    objects: int = 3


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


def cases(quick: bool) -> list[Case]:
    """The base case, then its variations one at a time; `quick` has the base case alone."""
    varied = [Case()]
    if not quick:
        varied += [Case(size=size) for size in SIZES if size != BASE_SIZE]
        varied += [Case(window=window) for window in WINDOWS if window != 15]
        varied += [Case(objects=objects) for objects in OBJECTS if objects != 3]
    return varied


def run_case(case: Case, repetitions: int = 3, slow: bool = True) -> Iterator[Row]:
    """Measures every form on one case, yielding rows as they are done.

    Args:
      case: what to match.
      repetitions: timed runs; the fastest counts.
      slow: whether the naive, shifted and correlation forms run too.
    """
    inputs = _inputs(case)
    for kind, forms in (("global", _global_forms(case, slow)),
                        ("local", _local_forms(case.objects, case.window, slow))):
        floor = ours = None
        for name, form in forms.items():
            milliseconds, result = _timed(tf.function(form), inputs, repetitions)
            difference = None
            if name == "matrix product":
                floor = milliseconds
            elif ours is None:
                ours = result
            elif name != "exact, k=3":  # which computes something else
                difference = float(np.abs(result - ours).max())
            yield Row(kind, name, case, milliseconds, milliseconds / floor, difference)


def _inputs(case):
    rng = np.random.RandomState(0)
    shape = (*case.size, EMBEDDING_DIM)
    query, other = (tf.constant(0.1 * rng.rand(*shape).astype(np.float32)) for _ in range(2))
    # Blobs, as masks are: a few thousand pixels each, all objects present.
    rows, columns = np.indices(case.size)
    blobs = (rows * 5 // case.size[0]) * 6 + columns * 6 // case.size[1]
    return query, other, tf.constant(blobs % case.objects, tf.int32)


def _global_forms(case, slow) -> dict[str, Callable]:
    n = case.objects

    # Once a video, so it is not part of a frame's time.
    _, other, labels = _inputs(case)
    prepared = sorted_reference.prepare(
        tf.reshape(other, [-1, EMBEDDING_DIM]), tf.reshape(labels, [-1]), n)

    def prepared_distances(k):
        def run(query, _other, _labels):
            flat = reference_search.nearest(
                tf.reshape(query, [-1, EMBEDDING_DIM]), prepared, n, k)
            return matching.squash(tf.reshape(flat, [*case.size, n]))
        return run

    def product(query, other, labels):
        queries, keys = _blocks(query, 512), _blocks(other, 8192)

        def row_of_blocks(rows):
            return tf.map_fn(lambda block: tf.matmul(block, rows, transpose_b=True)[0, 0], keys,
                             parallel_iterations=1)
        return tf.map_fn(row_of_blocks, queries, parallel_iterations=1)

    def naive(query, other, labels):
        keys, flags = tf.reshape(other, [-1, EMBEDDING_DIM]), tf.reshape(labels, [-1])
        wrong = tf.cast(flags[tf.newaxis] != tf.range(n)[:, tf.newaxis], tf.float32) * 1e20
        norm = tf.reduce_sum(keys * keys, axis=1)

        def one(rows):
            d = (tf.reduce_sum(rows * rows, axis=1, keepdims=True) + norm
                 - 2 * tf.matmul(rows, keys, transpose_b=True))
            return tf.reduce_min(d[:, tf.newaxis] + wrong, axis=2)
        flat = tf.map_fn(one, query, parallel_iterations=1)
        return matching.squash(flat)

    forms = {"matrix product": product, "exact": prepared_distances(1),
             "exact, k=3": prepared_distances(3)}
    if slow:
        forms["naive (original)"] = naive
    return forms


def _blocks(embedding, most):
    """Pixels [h, w, C] as blocks [b, p, C], p at most `most`, without the few that are left over.

    Blocks of 512 queries and 8192 keys gave as fast a product as any tried, at 120x214 as at
    270x480, where the keys together exceed a processor's cache.
    """
    flat = tf.reshape(embedding, [-1, EMBEDDING_DIM])
    blocks = -(-flat.shape[0] // most)
    size = flat.shape[0] // blocks
    return tf.reshape(flat[:blocks * size], [blocks, size, EMBEDDING_DIM])


def _local_forms(n, window, slow) -> dict[str, Callable]:
    def form(implementation):
        return lambda query, other, labels: matching.local_matching(
            query, other, labels, n, window, implementation)

    def product(query, other, labels):
        return local_tiled.bare_product(query, other, window)

    def naive(query, other, labels):
        h, w = query.shape[:2]
        border = [[window, window], [window, window]]
        padded = tf.pad(other, [*border, [0, 0]], constant_values=1e20)
        flags = tf.pad(labels, border, constant_values=-1)
        offsets = [(y, x) for y in range(2 * window + 1) for x in range(2 * window + 1)]
        volume = tf.stack([
            tf.reduce_sum(tf.math.squared_difference(query, padded[y:y + h, x:x + w]), axis=2)
            for y, x in offsets], axis=2)
        near = tf.stack([flags[y:y + h, x:x + w] for y, x in offsets], axis=2)
        volume = matching.squash(volume)
        return tf.stack([
            tf.reduce_min(tf.where(near == i, volume, 1.0), axis=2) for i in range(n)], axis=-1)

    forms = {"matrix product": product, "tiled": form("tiled")}
    if slow:
        forms["shifted"] = form("shifted")
        if local_correlation.is_available():
            forms["correlation"] = form("correlation")
        forms["naive (original)"] = naive
    return forms


def _timed(function, arguments, repetitions):
    """Milliseconds of the fastest run, and the result."""
    result = None

    def run():
        nonlocal result
        result = np.asarray(function(*arguments))

    return fastest(run, repetitions), result


MEMORY_FORMS = ("global", "global, k=3", "tiled", "shifted", "correlation")


def peak_memory(form: str, case: Case, training: bool) -> float:
    """Extra memory in MB that matching takes at its peak, measured in a process of its own.

    Args:
      form: one of MEMORY_FORMS.
      case: what to match.
      training: whether the backward pass is included.

    Raises:
      InputError: the child process failed; the message ends with its own.
    """
    specification = json.dumps({
        "form": form, "size": case.size, "window": case.window, "objects": case.objects,
        "training": training})
    child = subprocess.run(
        [sys.executable, "-m", "feelvos_tf.benchmark.matching", specification],
        capture_output=True, text=True, check=False)
    if child.returncode:
        reason = (child.stderr.strip().splitlines() or ["no message"])[-1]
        raise InputError(f"measuring the memory of {form} failed: {reason}")
    return float(child.stdout.split()[-1])


def _measure_memory(specification):
    """The child's part of `peak_memory`: prints MB."""
    from feelvos_tf.benchmark.memory import peak_mb, reset_peak

    form, n = specification["form"], specification["objects"]
    case = Case(tuple(specification["size"]), specification["window"], n)

    def match(query, other, labels):
        if form.startswith("global"):
            return matching.global_matching(query, other, labels, n, 3 if "k=3" in form else 1)
        return matching.local_matching(query, other, labels, n, case.window, form)

    def both(query, other, labels):
        with tf.GradientTape() as tape:
            tape.watch([query, other])
            loss = tf.reduce_sum(match(query, other, labels))
        return tape.gradient(loss, [query, other])[0]

    run = tf.function(both if specification["training"] else match)
    # A tiny case first: compiling and the thread pools are not what is measured.
    run(*_inputs(dataclasses.replace(case, size=(17, 19))))
    inputs = _inputs(case)
    concrete = run.get_concrete_function(*inputs)
    before = reset_peak()
    np.asarray(concrete(*inputs))
    print(peak_mb() - before)


if __name__ == "__main__":
    _measure_memory(json.loads(sys.argv[1]))
