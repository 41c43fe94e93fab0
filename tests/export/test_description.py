"""What stands beside an exported network describes it: signatures, sizes, requests to warm up."""

import json
import pathlib
import re
import subprocess
import sys

import numpy as np
import tensorflow as tf
from exported import state_of

from feelvos_tf import ModelConfig
from feelvos_tf.export.warmup import FILE

SERVING = pathlib.Path(__file__).resolve().parents[2] / "experiments" / "serving"


def test_description_tells_the_truth(mobilenet, loaded):
    described = json.loads((mobilenet.folder / "signatures.json").read_text())
    assert json.loads(loaded.description.numpy()) == described
    assert described["weights"] == "random-7"
    assert ModelConfig.from_dict(described["config"]) == mobilenet.model.config
    assert set(described["signatures"]) == set(loaded.signatures)
    readme = (mobilenet.folder / "README.md").read_text()
    for name, function in loaded.signatures.items():
        entry = described["signatures"][name]
        inputs = function.structured_input_signature[1]
        for tensors, specs in (
            (entry["inputs"], inputs),
            (entry["outputs"], function.structured_outputs),
        ):
            assert set(tensors) == set(specs)
            for key, spec in specs.items():
                assert tensors[key]["dtype"] == spec.dtype.name
                assert f"| {key} | {spec.dtype.name} |" in readme
                if spec.shape.rank is not None and tensors[key]["shape"][0] != "...":
                    assert len(tensors[key]["shape"]) == spec.shape.rank


def test_described_sizes_are_those_of_what_the_export_returns(mobilenet, loaded):
    described = json.loads((mobilenet.folder / "signatures.json").read_text())
    frames, mask = mobilenet.clip["frames"], mobilenet.clip["first"]
    outputs = loaded.signatures["initialize"](image=tf.constant(frames[0]), mask=tf.constant(mask))
    height, width = mask.shape
    sizes = {
        "H": height,
        "W": width,
        "h": (height - 1) // 4 + 1,
        "w": (width - 1) // 4 + 1,
        "N": len(set(np.unique(mask)) | {0}),
        "C": described["dimensions"]["C"],
        "K": len(outputs["reference_pixels"]),
    }

    def size(entry):
        """An entry such as 3, "K", "C+1" or "K/32" as a number."""
        if isinstance(entry, int):
            return entry
        letter, sign, number = re.fullmatch(r"(\w)(?:([+/])(\d+))?", entry).groups()
        return {
            None: lambda: sizes[letter],
            "+": lambda: sizes[letter] + int(number),
            "/": lambda: sizes[letter] / int(number),
        }[sign]()

    for name in ("initialize", "step"):
        if name == "step":
            outputs = loaded.signatures["step"](image=tf.constant(frames[1]), **state_of(outputs))
        for key, entry in described["signatures"][name]["outputs"].items():
            assert [size(part) for part in entry["shape"]] == outputs[key].shape.as_list(), key

    columns = len(outputs["reference_objects"])
    slots = sizes["K"] // columns
    readme = (mobilenet.folder / "README.md").read_text()
    assert f"channel of each column of {slots} slots" in readme
    assert f"slots for reference pixels, a multiple of {slots}\n" in readme
    # All keys of a column are of one object, which holds for no other number of slots.
    pixels = outputs["reference_pixels"].numpy().reshape(slots, columns)
    small = resize_labels(mask, height, width)
    channels = np.searchsorted(outputs["object_ids"], small.ravel())
    kept = np.where(pixels >= 0, channels[pixels], outputs["reference_objects"].numpy())
    np.testing.assert_array_equal(kept, np.broadcast_to(outputs["reference_objects"], kept.shape))


def resize_labels(mask, height, width):
    """The mask at stride 4, every fourth pixel: these sizes are 4 n + 1."""
    assert height % 4 == width % 4 == 1
    return mask[::4, ::4]


def test_saved_model_cli_shows_the_signatures(mobilenet):
    shown = subprocess.run(
        [
            sys.executable,
            "-m",
            "tensorflow.python.tools.saved_model_cli",
            "show",
            "--all",
            "--dir",
            mobilenet.folder,
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout
    for line in (
        "signature_def['initialize']",
        "signature_def['step']",
        "signature_def['add_objects']",
        "signature_def['embed']",
        "inputs['image'] tensor_info",
        "outputs['confidences'] tensor_info",
        "shape: (-1, -1, 3)",
    ):
        assert line in shown
    # About fifty lines for each of five signatures, none for functions of Keras layers.
    assert len(shown.splitlines()) < 320


def test_warmup_requests_are_what_the_server_replays(mobilenet, loaded, monkeypatch):
    monkeypatch.syspath_prepend(SERVING)
    from clients import predict_messages

    request_type = predict_messages()[0]
    names = []
    for record in tf.data.TFRecordDataset(str(mobilenet.folder / FILE)).as_numpy_iterator():
        # PredictionLog.predict_log is field 6, PredictLog.request field 1.
        request = request_type.FromString(_content(_content(record, 6), 1))
        names.append(request.model_spec.signature_name)
        outputs = loaded.signatures[names[-1]](
            **{name: tf.constant(tf.make_ndarray(value)) for name, value in request.inputs.items()}
        )
        assert outputs
    assert names == ["initialize", "step", "add_objects", "correct", "embed"]


def _content(message, number):
    """The one field of a message in protocol buffers' encoding."""
    assert message[0] == number << 3 | 2
    size, shift, start = 0, 0, 1
    while True:
        size |= (message[start] & 127) << shift
        shift, start = shift + 7, start + 1
        if message[start - 1] < 128:
            break
    assert len(message) == start + size
    return message[start:]
