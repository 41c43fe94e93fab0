"""The exported SavedModel against VideoSegmenter, in interpreters that do not have the package."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys
import types

import numpy as np
import pytest
import tensorflow as tf

from feelvos_tf import ModelConfig, VideoSegmenter, build_model
from feelvos_tf.checkpoints import named_variables, save_model
from feelvos_tf.data.synthetic import synthetic_clip
from feelvos_tf.errors import InputError
from feelvos_tf.export import FixedShape, export_model, saving
from feelvos_tf.export.warmup import FILE
from feelvos_tf.ops import resize
from feelvos_tf.streaming.state import State

ROOT = pathlib.Path(__file__).resolve().parents[2]
SERVING = ROOT / "experiments" / "serving"
LATE_ID = 200

# Runs in an interpreter of its own: EXPORT CLIP RESULT NUMBER_OF_STEPS
CLIENT = f"""
import importlib.util, json, os, sys
sys.path.insert(0, {str(SERVING)!r})
sys.modules["feelvos_tf"] = None  # as if it were not installed: importing it fails
assert importlib.util.find_spec("feelvos_tf") is None
assert "TF_USE_LEGACY_KERAS" not in os.environ
import numpy as np, psutil
from clients import SavedModelClient, ServingError, Video

export, clip, result, steps = sys.argv[1:]
clip = np.load(clip)
frames, first, late, late_mask = (clip[n] for n in ("frames", "first", "late", "late_mask"))
client = SavedModelClient(export)
video = Video(client)
labels, confidences = [video.begin(frames[0], first)], []
for i in range(1, len(frames)):
    labels.append(video.step(frames[i]))
    confidences.append(video.confidences)
    if i == late:
        labels[-1] = video.add_objects(frames[i], late_mask)
state = dict(video._state)

def refused(signature, **inputs):
    try:
        client.call(signature, **inputs)
    except ServingError as error:
        return str(error)
    return "nothing was refused"

frame, last = frames[0], frames[-1]
rows = {{n: np.asarray(v)[:-1] for n, v in state.items()}}
messages = {{
    "rank": refused("initialize", image=frame[0], mask=first),
    "channels": refused("step", image=frame[..., :2], **state),
    "dtype": refused("step", image=frame.astype(np.float32), **state),
    "mask size": refused("initialize", image=frame, mask=first[1:]),
    "mask rank": refused("initialize", image=frame, mask=first[None]),
    "no object": refused("initialize", image=frame, mask=0 * first),
    "frame size": refused("step", image=frame[1:], **state),
    "batch": refused("step", image=frame[None], **state),
    "ids": refused("step", image=frame, **{{**state, "object_ids": 0 * state["object_ids"]}}),
    "known id": refused("add_objects", image=last, mask=first, **state),
    "other frame": refused("add_objects", image=frame, mask=99 * (first > 0).astype(np.uint8),
                           **state),
    "no new object": refused("add_objects", image=last, mask=0 * first, **state),
    "embed": refused("embed", image=frame[0]),
    **{{f"state {{n}}": refused("step", image=frame, **{{**state, n: rows[n]}}) for n in state}},
    **{{f"state rank {{n}}": refused("step", image=frame, **{{**state, n: np.asarray(v)[None]}})
       for n, v in state.items()}},
}}
process, memory = psutil.Process(), []
for i in range(int(steps)):
    video.step(frames[i % len(frames)])
    if i % 100 == 99:
        memory.append(process.memory_info().rss)
np.savez(result, labels=labels, confidences=confidences)
print(json.dumps({{"messages": messages, "memory": memory,
                   "keras": [m for m in sys.modules if m.split(".")[0] == "tf_keras"]}}))
"""


def small_model(backbone):
    """A network with random weights that is quick to trace and undecided about nothing."""
    tf.keras.utils.set_random_seed(0)
    model = build_model(
        ModelConfig(
            backbone=backbone,
            depth_multiplier=0.35 if backbone == "mobilenet_v2" else 1.0,
            aspp_filters=8,
            decoder_filters=16,
            embedding_dim=8,
            head_filters=8,
            head_layers=2,
            head_kernel_size=3,
            window=4,
            atrous_rates=(),
        )
    )
    # The initializers fade away in so deep a network; these keep every layer alive, so that the
    # embedding matters. The head weighs what tells the objects apart more than their features.
    rng = np.random.default_rng(0)
    for name, variable in named_variables(model).items():
        if name.endswith("weights"):
            shape = variable.shape
            fan_in = shape[0] * shape[1] * (1 if name.endswith("depthwise_weights") else shape[2])
            variable.assign(rng.normal(0, np.sqrt(2 / fan_in), shape))
    features, _ = model.embed(make_clip()["frames"][:1])
    for name in ("gamma", "beta"):
        last = named_variables(model)[f"decoder/decoder_conv1_pointwise/BatchNorm/{name}"]
        last.assign(last / tf.reduce_max(features))
    first = named_variables(model)["embedding_seg/split_separable_conv2d_0_pointwise/weights"]
    weights = first.numpy()
    weights[:, :, -3:] *= 10
    first.assign(weights)
    return model


def make_clip():
    """30 frames of 65 x 97 with two objects, and a third in frame `late`."""
    clip = synthetic_clip(5, num_frames=30, height=65, width=97, num_objects=3, late_objects=1)
    late = min(clip.first_frames[3] + 4, 28)
    masks = np.where(clip.masks == 3, LATE_ID, clip.masks)
    return {
        "frames": clip.frames,
        "first": np.where(masks[0] == LATE_ID, 0, masks[0]),
        "late": late,
        "late_mask": np.where(masks[late] == LATE_ID, masks[late], 0),
    }


def stream(segmenter, clip):
    """Labels of all frames by VideoSegmenter, and the confidences its logits stand for."""
    segmenter.reset(clip["frames"][0], clip["first"])
    labels, confidences = [clip["first"]], []
    for i in range(1, len(clip["frames"])):
        result = segmenter.step(clip["frames"][i], return_details=True)
        full = resize.resize_bilinear(result.logits[np.newaxis], result.labels.shape)[0]
        confidences.append(tf.reduce_max(tf.nn.softmax(full), axis=-1).numpy())
        labels.append(result.labels)
        if i == clip["late"]:
            labels[-1] = segmenter.add_objects(clip["late_mask"])
    return np.array(labels), np.array(confidences)


def run_client(python, export, clip, folder, steps=0):
    """Runs CLIENT; returns its labels, confidences and what it printed."""
    np.savez(folder / "clip.npz", **clip)
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "TF_USE_LEGACY_KERAS")
    }
    done = subprocess.run(
        [python, "-c", CLIENT, export, folder / "clip.npz", folder / "result.npz", str(steps)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    with np.load(folder / "result.npz") as result:
        return (result["labels"], result["confidences"], json.loads(done.stdout.splitlines()[-1]))


def other_python():
    """The interpreter of the other stack, as .ci/run makes it, or FEELVOS_OTHER_PYTHON."""
    named = os.environ.get("FEELVOS_OTHER_PYTHON")
    other = ".venv" if tf.__version__ >= "2.16" else ".venv-modern"
    path = pathlib.Path(named) if named else ROOT / other / "bin" / "python"
    if not path.exists():
        pytest.skip(f"needs the other stack's environment ({path})")
    return path


class Exported:
    """One network's export and what VideoSegmenter makes of the clip."""

    def __init__(self, backbone, folder):
        self.backbone = backbone
        self.model = small_model(backbone)
        self.folder = folder / backbone
        self.clip = make_clip()
        export_model(self.model, self.folder, weights="random-7")
        self.labels, self.confidences = stream(VideoSegmenter(self.model), self.clip)


@pytest.fixture(scope="module")
def mobilenet(tmp_path_factory):
    return Exported("mobilenet_v2", tmp_path_factory.mktemp("exports"))


@pytest.fixture(scope="module")
def loaded(mobilenet):
    return tf.saved_model.load(mobilenet.folder)


@pytest.fixture(scope="module")
def streamed(mobilenet, tmp_path_factory):
    return run_client(
        sys.executable, mobilenet.folder, mobilenet.clip, tmp_path_factory.mktemp("client")
    )


@pytest.mark.compat
def test_streams_like_the_segmenter(mobilenet, streamed):
    labels, confidences, printed = streamed
    np.testing.assert_array_equal(labels, mobilenet.labels)
    np.testing.assert_allclose(confidences, 255 * mobilenet.confidences, rtol=0, atol=0.51)
    assert np.ptp(confidences) > 50
    assert printed["keras"] == []
    # The clip shows what is compared: every object for most of the time.
    for object_id, start in ((1, 0), (2, 0), (LATE_ID, mobilenet.clip["late"])):
        visible = (mobilenet.labels[start:] == object_id).any(axis=(1, 2))
        assert visible.mean() > 0.5


@pytest.mark.compat
def test_xception_streams_like_the_segmenter(tmp_path):
    exported = Exported("xception_65", tmp_path)
    labels, _, _ = run_client(sys.executable, exported.folder, exported.clip, tmp_path)
    np.testing.assert_array_equal(labels, exported.labels)
    assert len(np.unique(labels)) == 4


@pytest.mark.compat
def test_runs_on_the_other_stack(mobilenet, tmp_path):
    python = other_python()
    labels, _, _ = run_client(python, mobilenet.folder, mobilenet.clip, tmp_path)
    # Another TensorFlow may round in another way, so that pixels on an edge differ.
    assert (labels == mobilenet.labels).mean() > 0.999

    save_model(mobilenet.model, tmp_path / "model.npz")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(
        [python, "-m", "feelvos_tf.cli.export", "--checkpoint=model.npz", "--output=from_there"],
        cwd=tmp_path,
        env=environment,
        check=True,
        capture_output=True,
        timeout=300,
    )
    labels, _, _ = run_client(sys.executable, tmp_path / "from_there", mobilenet.clip, tmp_path)
    np.testing.assert_array_equal(labels, mobilenet.labels)


@pytest.mark.compat
def test_wrong_input_is_one_clear_line(mobilenet, streamed):
    messages = streamed[2]["messages"]
    expected = {
        "rank": "image is [97 3], expected [H, W, 3]",
        "channels": "image is [65 97 2], expected [H, W, 3]",
        "mask size": "the mask is 97x64, but the image is 97x65 (width x height)",
        "mask rank": "mask is [1 65 97], expected [H, W]",
        "no object": "the mask holds no object, all of it is background or ignored",
        "frame size": "the image is 97x64, but the frames of the video are 97x65 (width x height)",
        "batch": "image is [1 65 97 3], expected [H, W, 3]",
        "ids": "object_ids in the state are [0 0 0 0], "
        "expected 0, then different ids from 1 to 255",
        "known id": "objects [1 2] are tracked already; "
        "a mask of new objects may hold new ids only",
        "no new object": "the mask holds no new object",
        "embed": "image is [97 3], expected [..., H, W, 3]",
    }
    assert {name: messages[name] for name in expected} == expected
    assert "not the one handed to the last call" in messages["other frame"]
    # TensorFlow's own, before the graph runs.
    assert re.search("expected to be a uint8 tensor but is a float tensor", messages["dtype"])
    states = [text for name, text in messages.items() if name.startswith("state")]
    described = json.loads((mobilenet.folder / "signatures.json").read_text())
    assert len(states) == 2 * len(described["state"])
    for text in states:
        assert re.fullmatch(r"\w+ in the state is \[[\d ]+\], expected \[[\d? ]+\]", text), text


def test_memory_is_constant(mobilenet, tmp_path):
    _, _, said = run_client(sys.executable, mobilenet.folder, mobilenet.clip, tmp_path, steps=2000)
    memory = said["memory"]
    assert len(memory) == 20  # 2000 steps
    assert max(memory[5:]) - memory[4] < 6 << 20


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
    assert len(shown.splitlines()) < 300


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
    assert names == ["initialize", "step", "add_objects", "embed"]


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


def test_embed_takes_a_batch(mobilenet, loaded):
    embed = loaded.signatures["embed"]
    frames = mobilenet.clip["frames"][:3]
    batch = embed(image=tf.constant(frames))["embeddings"]
    single = embed(image=tf.constant(frames[1]))["embeddings"]
    assert batch.shape == (3, 17, 25, 8)
    np.testing.assert_allclose(batch[1], single, rtol=1e-5, atol=1e-5)


def test_options_are_the_segmenters(mobilenet, tmp_path):
    options = {
        "max_side": 80,
        "ignore_label": 255,
        "max_reference_pixels": 40,
        "mixed_precision": "mixed_bfloat16",
    }
    clip = {**mobilenet.clip, "frames": mobilenet.clip["frames"][:4], "late": 2}
    clip["first"] = clip["first"].copy()
    clip["first"][:5] = 255
    export_model(mobilenet.model, tmp_path / "export", weights="random", **options)
    run = tf.saved_model.load(tmp_path / "export").signatures
    outputs = run["initialize"](
        image=tf.constant(clip["frames"][0]), mask=tf.constant(clip["first"])
    )
    labels = [outputs["labels"]]
    for i in range(1, 4):
        outputs = run["step"](image=tf.constant(clip["frames"][i]), **state_of(outputs))
        if i == clip["late"]:
            outputs = run["add_objects"](
                image=tf.constant(clip["frames"][i]),
                mask=tf.constant(clip["late_mask"]),
                **state_of(outputs),
            )
        labels.append(outputs["labels"])
    expected, _ = stream(VideoSegmenter(mobilenet.model, **options), clip)
    expected[0] = np.where(clip["first"] == 255, 0, clip["first"])
    np.testing.assert_array_equal(np.array(labels), expected)


def state_of(outputs):
    return {name: outputs[name] for name in State._fields if name in outputs}


def test_fixed_shape_is_compiled(mobilenet, tmp_path):
    export_model(mobilenet.model, tmp_path / "fixed", weights="random", fixed=FixedShape(65, 97, 2))
    run = tf.saved_model.load(tmp_path / "fixed").signatures
    assert set(run) == {"initialize", "step", "embed"}
    frames, mask = mobilenet.clip["frames"], mobilenet.clip["first"]
    outputs = run["initialize"](image=tf.constant(frames[0]), mask=tf.constant(mask))
    for i in range(1, 4):
        outputs = run["step"](image=tf.constant(frames[i]), **state_of(outputs))
        assert (outputs["labels"] == mobilenet.labels[i]).numpy().mean() > 0.99
    with pytest.raises(tf.errors.InvalidArgumentError, match="holds 1 objects, expected 2"):
        run["initialize"](image=tf.constant(frames[0]), mask=tf.constant(np.minimum(mask, 1)))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"expected \[65, 97, 3\]"):
        run["step"](image=tf.constant(frames[0][1:]), **state_of(outputs))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ignore_label": 0}, "ignore_label is 0, expected a whole number from 1 to 255"),
        ({"max_side": 0, "memory": None}, "max_side is 0, expected a whole number from 1 up"),
        ({"fixed": FixedShape(4, 0, 1)}, "width is 0, expected at least 1"),
        ({"fixed": FixedShape(4, 4, 256)}, "num_objects is 256, expected at most 255"),
        ({"fixed": FixedShape(4, 4, 1), "max_side": 9}, "exclude each other"),
    ],
)
def test_options_out_of_range(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        export_model(None, tmp_path / "export", weights="none", **options)


def test_folder_must_be_new(tmp_path):
    (tmp_path / "export").mkdir()
    with pytest.raises(InputError, match="export: exists already"):
        export_model(None, tmp_path / "export", weights="none")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file is no folder"):
        export_model(None, tmp_path / "file" / "export", weights="none")


def test_parents_are_made(tmp_path, monkeypatch):
    monkeypatch.setattr(saving.Signatures, "functions", lambda _: {})
    monkeypatch.setattr(saving.descriptions, "describe", lambda *_: {})
    monkeypatch.setattr(saving.descriptions, "readme", lambda _: "")
    monkeypatch.setattr(saving, "write_warmup", lambda *_: None)
    model = build_model(ModelConfig(depth_multiplier=0.1, atrous_rates=(), embedding_dim=4))
    export_model(model, tmp_path / "models" / "feelvos" / "1", weights="none")
    assert (tmp_path / "models" / "feelvos" / "1" / "saved_model.pb").is_file()


def test_interrupted_export_leaves_nothing(tmp_path, monkeypatch, mobilenet):
    def interrupt(*_):
        raise KeyboardInterrupt

    empty = types.SimpleNamespace(structured_outputs={}, structured_input_signature=())
    monkeypatch.setattr(saving.Signatures, "functions", lambda _: {"initialize": empty})
    monkeypatch.setattr(tf.saved_model, "save", lambda _, path, **__: pathlib.Path(path).mkdir())
    monkeypatch.setattr(saving, "write_warmup", interrupt)
    with pytest.raises(KeyboardInterrupt):
        export_model(mobilenet.model, tmp_path / "export", weights="none")
    assert list(tmp_path.iterdir()) == []
