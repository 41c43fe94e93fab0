"""Writes a network as a SavedModel folder, whole or not at all."""

from __future__ import annotations

import json
import os
import shutil

import tensorflow as tf

from feelvos_tf.config import Memory
from feelvos_tf.errors import InputError, whole_number
from feelvos_tf.export import description as descriptions
from feelvos_tf.export.signatures import FixedShape, Signatures
from feelvos_tf.export.warmup import write_warmup
from feelvos_tf.files import check_new_folder
from feelvos_tf.modeling.feelvos import Feelvos
from feelvos_tf.modeling.precision import with_precision
from feelvos_tf.streaming.steps import StreamingSteps

MODEL_NAME = "feelvos"


def export_model(
    model: Feelvos,
    folder: str | os.PathLike[str],
    *,
    weights: str,
    max_side: int | None = None,
    ignore_label: int | None = None,
    max_reference_pixels: int | None = None,
    probes: int | None | str = "auto",
    memory: Memory | None | str = "auto",
    outlines: str | None = "auto",
    reach: float | None | str = "auto",
    grid: str | None = "auto",
    mixed_precision: str | None = None,
    fixed: FixedShape | None = None,
) -> None:
    """Writes a SavedModel that streams with explicit state, README.md and signatures.json.

    The module holds no Keras objects and no Python: a program with TensorFlow alone, or
    TensorFlow Serving, gets the labels that VideoSegmenter gives.

    Args:
      model: the network.
      folder: where to; it must not exist; its parents are made.
      weights: name of the weights, for the description.
      max_side: as in VideoSegmenter.
      ignore_label: as in VideoSegmenter.
      max_reference_pixels: as in VideoSegmenter; it bounds the state's size too.
      probes: as in VideoSegmenter; with `fixed` "auto" is None, and no number is possible.
      memory: as in VideoSegmenter; it becomes part of the state.
      outlines: as in VideoSegmenter.
      reach: as in VideoSegmenter.
      grid: as in VideoSegmenter.
      mixed_precision: as in VideoSegmenter.
      fixed: compile `step` by XLA for these sizes; it must not come with max_side. Labels may
        then differ in pixels where two objects are equally likely.

    Raises:
      InputError: an argument is out of range, or the folder exists or cannot be made.
    """
    folder = check_new_folder(folder)
    if ignore_label is not None:
        ignore_label = whole_number("ignore_label", ignore_label, 1, 255)
    if fixed is not None and probes == "auto":
        probes = None
    _check_fixed(fixed, max_side, probes)
    if mixed_precision is not None:
        model = with_precision(model, mixed_precision)
    settings = model.recommended.resolved(
        memory=memory, probes=probes, outlines=outlines, reach=reach, grid=grid
    )
    steps = StreamingSteps(
        model,
        max_side=max_side,
        max_reference_pixels=max_reference_pixels,
        settings=settings,
    )
    functions = Signatures(steps, ignore_label, fixed).functions()
    description = descriptions.describe(
        functions,
        {
            "weights": weights,
            "config": model.config.to_dict(),
            "options": {
                "max_side": max_side,
                "ignore_label": ignore_label,
                "max_reference_pixels": max_reference_pixels,
                **settings.described(),
                "mixed_precision": mixed_precision,
                "fixed": None if fixed is None else fixed._asdict(),
            },
        },
    )
    text = json.dumps(description, indent=2) + "\n"

    module = tf.Module()
    # The variables alone: the Keras layers around them would be traced and saved as well.
    module.variables_of_model = list(model.variables)
    # So that the SavedModel says what it is even without the files beside it.
    module.description = tf.Variable(text, trainable=False, name="description")
    temporary = folder.with_name(f".{folder.name}.part")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(temporary, ignore_errors=True)
        tf.saved_model.save(module, os.fspath(temporary), signatures=functions)
        write_warmup(temporary, functions, fixed, MODEL_NAME)
        (temporary / "signatures.json").write_text(text, encoding="utf-8")
        (temporary / "README.md").write_text(descriptions.readme(description), encoding="utf-8")
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _check_fixed(fixed: FixedShape | None, max_side: int | None, probes: int | None | str) -> None:
    if fixed is None:
        return
    for name, value in fixed._asdict().items():
        if value < 1:
            raise InputError(f"{name} is {value}, expected at least 1")
    if fixed.num_objects > 255:
        raise InputError(f"num_objects is {fixed.num_objects}, expected at most 255")
    if max_side is not None:
        raise InputError("max_side and a fixed shape exclude each other: fix the smaller size")
    if probes is not None:
        raise InputError("probes and a fixed shape exclude each other: XLA does not compile them")
