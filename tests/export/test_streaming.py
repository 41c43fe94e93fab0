"""The exported SavedModel against VideoSegmenter, in interpreters that do not have the package."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from exported import LATE_ID, Exported

from feelvos_tf.checkpoints import save_model

ROOT = pathlib.Path(__file__).resolve().parents[2]
SERVING = ROOT / "experiments" / "serving"
CLIENT = pathlib.Path(__file__).with_name("streaming_client.py")


def run_client(python, export, clip, folder, steps=0):
    """Runs streaming_client.py; returns its labels, confidences and what it printed."""
    np.savez(folder / "clip.npz", **clip)
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "TF_USE_LEGACY_KERAS")
    }
    done = subprocess.run(
        [
            python,
            CLIENT,
            SERVING,
            export,
            folder / "clip.npz",
            folder / "result.npz",
            str(steps),
        ],
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
