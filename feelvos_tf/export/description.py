"""What an export says of itself: signatures.json for programs, README.md for people."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

import tensorflow as tf

from feelvos_tf.modeling.deeplab import DECODER_STRIDE as _STRIDE
from feelvos_tf.ops.sorted_reference import SLOTS
from feelvos_tf.streaming.state import State
from feelvos_tf.version import __version__

DIMENSIONS = {
    "H": "height of the frames in pixels, any",
    "W": "width of the frames in pixels, any",
    "h": f"height at stride {_STRIDE}: (H - 1) // {_STRIDE} + 1, of the reduced frame where "
    "max_side is set",
    "w": f"width at stride {_STRIDE}",
    "N": "objects and background, at least 2",
    "C": "channels of the embedding",
    "K": f"slots for reference pixels, a multiple of {SLOTS}",
    "F": "frames that the memory keeps; only where the export has a memory, as M and S",
    "M": "columns of the memory, by the size of the frames and the number of objects",
    "S": f"slots of a column, {SLOTS}",
}
_SHAPES = {
    "image": ("H", "W", 3),
    "mask": ("H", "W"),
    "confidences": ("H", "W"),
    "embeddings": ("...", "h", "w", "C"),
    "object_ids": ("N",),
    "labels": ("H", "W"),
    "previous_embedding": ("h", "w", "C"),
    "previous_labels": ("h", "w"),
    "previous_mask": ("h", "w", "N"),
    "reference_keys": ("K", "C+1"),
    "reference_pixels": ("K",),
    "reference_objects": (f"K/{SLOTS}",),
    "memory_keys": ("F", "S", "M", "C+1"),
    "memory_objects": ("F", "M"),
    "memory_frames": ("F",),
    "memory_steps": (),
}
_MEANINGS = {
    "image": "RGB, 0 to 255",
    "confidences": "255 times the probability of each pixel's label, rounded",
    "embeddings": "of every pixel at stride 4",
    "object_ids": "id of each channel; the first is 0, the background",
    "labels": "id of each pixel, 0 for background",
    "previous_embedding": "embedding of the frame labeled last",
    "previous_labels": "channel of each of its pixels, -1 for none",
    "previous_mask": "the same, one-hot or as probabilities",
    "reference_keys": "embeddings of the reference pixels and their squared norms",
    "reference_pixels": "where each comes from, -1 for an empty slot",
    "reference_objects": f"channel of each column of {SLOTS} slots, -1 for none",
    "memory_keys": "embeddings of the remembered pixels and their squared norms",
    "memory_objects": "channel of each of its columns, -1 for none",
    "memory_frames": "the step that each remembered frame comes from, 0 for none yet",
    "memory_steps": "steps since the video began",
}
_MASKS = {
    "initialize": "ids of all objects, 0 for background; any ids up to 255",
    "add_objects": "ids of new objects, 0 elsewhere",
    "correct": "ids of all objects in the frame, known and new ones, 0 for background",
}
PURPOSES = {
    "initialize": "Begins a video with its first frame and the objects in it.",
    "step": "Labels the next frame.",
    "add_objects": "Adds objects to the frame handed to the last call; `image` is that frame once "
    "more, so that a mask of another frame is noticed. Costs one `embed`.",
    "correct": "Sets the frame handed to the last call right; `image` is that frame once more. The "
    "mask is the whole truth about it: an object that it lacks is not there. Its pixels are "
    "compared with from then on, and a memory is emptied. Costs one `embed`.",
    "embed": "Computes the embedding of frames, one [H, W, 3] or a batch [B, H, W, 3].",
}


def describe(functions: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what signatures.json holds.

    Args:
      functions: tf ConcreteFunctions by name.
      settings: "weights" (name), "config" (the network's), "options" (of the export).
    """
    return {
        "format": "feelvos_tf streaming SavedModel, version 1",
        "exported_by": {"feelvos_tf": __version__, "tensorflow": tf.__version__},
        **settings,
        "dimensions": {**DIMENSIONS, "C": settings["config"]["embedding_dim"]},
        "state": [
            name for name in State._fields if name in functions["initialize"].structured_outputs
        ],
        "signatures": {
            name: {
                "purpose": PURPOSES[name],
                "inputs": {
                    spec.name: _tensor(spec.name, spec, name)
                    for spec in tf.nest.flatten(function.structured_input_signature)
                },
                "outputs": {
                    key: _tensor(key, value, name)
                    for key, value in function.structured_outputs.items()
                },
            }
            for name, function in functions.items()
        },
    }


def _tensor(name: str, spec: tf.TensorSpec, signature: str) -> dict[str, Any]:
    """Type, shape and meaning of one input or output."""
    shape = list(_SHAPES[name])
    if name == "image" and signature == "embed":
        shape = ["...", *shape]
    if spec.shape.rank is not None:
        # Letters where the size is open, numbers where it is fixed.
        static = spec.shape.as_list()
        shape = [
            letter if size is None else size for letter, size in zip(shape[-len(static) :], static)
        ]
    meaning = _MASKS[signature] if name == "mask" else _MEANINGS[name]
    return {"dtype": spec.dtype.name, "shape": shape, "meaning": meaning}


def readme(description: Mapping[str, Any]) -> str:
    """Returns the text of README.md."""
    signatures = description["signatures"]
    tables = "\n".join(
        _section(name, entry, description["state"]) for name, entry in signatures.items()
    )
    state = _rows(
        {name: signatures["initialize"]["outputs"][name] for name in description["state"]}
    )
    dimensions = "\n".join(
        f"- {letter}: {text}" for letter, text in description["dimensions"].items()
    )
    options = ", ".join(
        f"{key} {json.dumps(value)}" for key, value in description["options"].items()
    )
    adding = _ADDING if "add_objects" in signatures else _FIXED
    return _README.format(
        weights=description["weights"],
        backbone=description["config"]["backbone"],
        stride=description["config"]["output_stride"],
        options=options,
        version=description["exported_by"]["feelvos_tf"],
        tensorflow=description["exported_by"]["tensorflow"],
        names="".join(f"    {json.dumps(name)},\n" for name in description["state"]),
        tables=tables,
        state=state,
        dimensions=dimensions,
        adding=adding,
    )


def _section(name: str, entry: Mapping[str, Any], state: Collection[str]) -> str:
    own_inputs = {key: value for key, value in entry["inputs"].items() if key not in state}
    outputs = {
        key: value for key, value in entry["outputs"].items() if key not in state or key == "labels"
    }
    takes = "inputs, and the state:" if len(own_inputs) < len(entry["inputs"]) else "inputs:"
    gives = "outputs, and the state:" if len(outputs) < len(entry["outputs"]) else "outputs:"
    return (
        f"### {name}\n\n{entry['purpose']}\n\n{takes}\n\n{_rows(own_inputs)}\n\n"
        f"{gives}\n\n{_rows(outputs)}\n"
    )


def _rows(tensors: Mapping[str, Mapping[str, Any]]) -> str:
    lines = ["| name | type | shape | meaning |", "|---|---|---|---|"]
    for name, entry in tensors.items():
        shape = ", ".join(str(size) for size in entry["shape"])
        lines.append(f"| {name} | {entry['dtype']} | [{shape}] | {entry['meaning']} |")
    return "\n".join(lines)


_ADDING = """A late object, in the frame just labeled:

```python
outputs = model["add_objects"](image=frame, mask=new_mask, **state)
```

The same frame set right, where its labels are wrong; the next one follows from the mask:

```python
outputs = model["correct"](image=frame, mask=right_mask, **state)
```
"""
_FIXED = """`step` is compiled by XLA for one size of frames and one number of objects, so there is
no `add_objects` and no `correct`, and other sizes are refused.
"""
_README = """# FEELVOS, streaming video object segmentation

Weights: {weights}. Network: {backbone}, output stride {stride}; all of it in signatures.json.
Options: {options}.
Exported by feelvos_tf {version} with TensorFlow {tensorflow}. It needs TensorFlow or a server of
it, nothing else; preprocessing and resizing are inside.

```python
import tensorflow as tf

model = tf.saved_model.load("THIS FOLDER").signatures
names = [
{names}]  # the state

outputs = model["initialize"](image=first_frame, mask=first_mask)  # uint8 tensors
for frame in frames:
    state = {{name: outputs[name] for name in names}}
    outputs = model["step"](image=frame, **state)
    outputs["labels"]  # uint8 [H, W], the ids of first_mask
```

{adding}
The module keeps nothing between calls. Each returns the whole state, and the next takes it back
unread, so one module serves any number of videos in any order, and an earlier state can be taken
up again.

Videos are independent calls, also at the same time. `embed` takes a batch. The others do not:
matching runs video by video, each with its own number of reference pixels and objects, and a
batch would pad all to the largest.

Input that does not fit ends in an InvalidArgumentError (HTTP 400, gRPC INVALID_ARGUMENT) whose
message says what was found and expected. Give images as uint8: TensorFlow's Python client
casts NumPy arrays of other types without a word.

## State

{state}

Sizes:

{dimensions}

## Signatures

{tables}"""
