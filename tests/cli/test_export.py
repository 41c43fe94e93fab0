"""The flags of feelvos-export reach the export."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys

import pytest
from absl import app as absl_app
from absl import flags
from absl.testing import flagsaver

import feelvos_tf.export
from feelvos_tf import Memory, checkpoint_file, checkpoints
from feelvos_tf.cli import export
from feelvos_tf.errors import InputError
from feelvos_tf.export import FixedShape
from feelvos_tf.streaming_settings import StreamingSettings

RECOMMENDED = Memory(frames=7)
ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def calls(monkeypatch):
    """Records export_model's arguments in place of exporting."""
    made = []
    monkeypatch.setattr(checkpoints, "load_model", lambda path: f"model of {path}")
    recommended = StreamingSettings(RECOMMENDED, outlines="guided", reach=0.25, grid="aligned")
    monkeypatch.setattr(checkpoint_file, "recommended", lambda path: recommended)
    monkeypatch.setattr(
        feelvos_tf.export, "export_model", lambda *values, **options: made.append((values, options))
    )
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
    return made


DEFAULTS = {
    "max_side": None,
    "ignore_label": None,
    "max_reference_pixels": None,
    "probes": "auto",
    "mixed_precision": None,
    "fixed": None,
    "memory": RECOMMENDED,
    "outlines": "guided",
    "reach": 0.25,
    "grid": "aligned",
}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"weights": "model.npz"}),
        ({"weights_name": "tuned"}, {"weights": "tuned"}),
        (
            {
                "max_side": "480",
                "ignore_label": 255,
                "max_reference_pixels": 64,
                "probes": "8",
                "mixed_precision": "mixed_float16",
            },
            {
                "weights": "model.npz",
                "max_side": 480,
                "ignore_label": 255,
                "max_reference_pixels": 64,
                "probes": 8,
                "mixed_precision": "mixed_float16",
            },
        ),
        (
            {"height": 48, "width": 64, "num_objects": 2},
            {"weights": "model.npz", "fixed": FixedShape(48, 64, 2)},
        ),
        ({"memory": "none"}, {"weights": "model.npz", "memory": None}),
        ({"memory": "every=3"}, {"weights": "model.npz", "memory": Memory(every=3)}),
    ],
)
def test_flags_reach_the_export(calls, capsys, given, expected):
    with flagsaver.flagsaver(checkpoint="runs/model.npz", output="out/1", **given):
        export.main(["feelvos-export"])
    assert calls == [(("model of runs/model.npz", "out/1"), {**DEFAULTS, **expected})]
    assert capsys.readouterr().out == "wrote out/1\n"


@pytest.mark.parametrize("given", [{"height": 48}, {"width": 64, "num_objects": 2}])
def test_sizes_go_together(calls, given):
    with flagsaver.flagsaver(checkpoint="model.npz", output="out", **given):
        with pytest.raises(absl_app.UsageError, match="go together"):
            export.main(["feelvos-export"])
    assert calls == []


def test_missing_checkpoint(tmp_path):
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
    missing = str(tmp_path / "missing.npz")
    with flagsaver.flagsaver(checkpoint=missing, output=str(tmp_path / "out")):
        with pytest.raises(InputError, match=r"missing\.npz: no such checkpoint"):
            export.main(["feelvos-export"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("output", "message"),
    [("there", "there: exists already"), ("file/1", "file/1: cannot be made, .*file is no folder")],
)
def test_outputs_are_checked_before_tensorflow_is_loaded(tmp_path, output, message):
    (tmp_path / "there").mkdir()
    (tmp_path / "file").write_text("")
    code = (
        "import sys; from feelvos_tf.cli import export; import atexit\n"
        "atexit.register(lambda: print('tensorflow' in sys.modules))\nexport.main_cli()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, f"--output={tmp_path / output}"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (done.returncode, done.stdout) == (1, "False\n")
    assert re.fullmatch(f"error: .*{message}.*\n", done.stderr)
