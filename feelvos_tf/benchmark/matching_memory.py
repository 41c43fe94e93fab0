"""Peak memory of every matching implementation, each in a process of its own."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from feelvos_tf import process_memory
from feelvos_tf.benchmark.matching_cases import Case, inputs
from feelvos_tf.errors import InputError
from feelvos_tf.ops import matching

FORMS = ("global", "global, k=3", "tiled", "shifted", "correlation")


def peak_memory(form: str, case: Case, training: bool) -> float:
    """Extra memory in MB that matching takes at its peak, measured in a process of its own.

    Args:
      form: one of FORMS.
      case: what to match.
      training: whether the backward pass is included.

    Raises:
      InputError: the child process failed; the message ends with its own.
    """
    specification = json.dumps(
        {
            "form": form,
            "size": case.size,
            "window": case.window,
            "objects": case.objects,
            "training": training,
        }
    )
    child = subprocess.run(
        [sys.executable, "-m", "feelvos_tf.benchmark.matching_memory", specification],
        capture_output=True,
        text=True,
        check=False,
    )
    if child.returncode:
        reason = (child.stderr.strip().splitlines() or ["no message"])[-1]
        raise InputError(f"measuring the memory of {form} failed: {reason}")
    return float(child.stdout.split()[-1])


def _measure_memory(specification: Mapping[str, Any]) -> None:
    """The child's part of `peak_memory`: prints MB."""
    form, n = specification["form"], specification["objects"]
    case = Case(tuple(specification["size"]), specification["window"], n)

    def match(query: tf.Tensor, other: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        if form.startswith("global"):
            return matching.global_matching(query, other, labels, n, 3 if "k=3" in form else 1)
        return matching.local_matching(query, other, labels, n, case.window, form)

    def both(query: tf.Tensor, other: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch([query, other])
            loss = tf.reduce_sum(match(query, other, labels))
        return tape.gradient(loss, [query, other])[0]

    run = tf.function(both if specification["training"] else match)
    # A tiny case first: compiling and the thread pools are not what is measured.
    run(*inputs(dataclasses.replace(case, size=(17, 19))))
    given = inputs(case)
    concrete = run.get_concrete_function(*given)
    before = process_memory.reset_peak()
    np.asarray(concrete(*given))
    print(process_memory.peak_mb() - before)


if __name__ == "__main__":
    _measure_memory(json.loads(sys.argv[1]))
