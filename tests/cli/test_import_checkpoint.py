"""`feelvos-import-checkpoint` from the outside: what it writes is what was read, or nothing."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from small_networks import TINY

from feelvos_tf.checkpoints import load_model, named_variables
from feelvos_tf.modeling.feelvos import build_model

ROOT = pathlib.Path(__file__).resolve().parents[2]
YAML = TINY.to_yaml()


@pytest.fixture(scope="module")
def values():
    """Random arrays for every variable, by name."""
    rng = np.random.default_rng(0)
    return {
        name: rng.standard_normal(variable.shape).astype(np.float32)
        for name, variable in named_variables(build_model(TINY)).items()
    }


def write_tf1(prefix, values):
    names = sorted(values)
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=[values[name] for name in names],
    )
    return prefix


def convert(*arguments):
    # The suite's own log level is not to hide what the command does about TensorFlow's messages.
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    return subprocess.run(
        [sys.executable, "-m", "feelvos_tf.cli.import_checkpoint", *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_whole_checkpoint(values, tmp_path):
    prefix = write_tf1(tmp_path / "model.ckpt", {**values, "global_step": np.int64(7)})
    (tmp_path / "net.yaml").write_text(YAML)
    out = tmp_path / "new" / "net.npz"
    done = convert(
        f"--tf1_checkpoint={prefix}", f"--output={out}", f"--config={tmp_path / 'net.yaml'}"
    )
    assert (done.returncode, done.stderr) == (0, "")
    total = sum(value.size for value in values.values())
    assert f"{prefix}: read {len(values)} variables, {total:,} parameters" in done.stdout
    assert f"wrote {out}" in done.stdout
    assert [path.name for path in out.parent.iterdir()] == ["net.npz"]
    model = load_model(out)
    assert model.config == TINY
    for name, variable in named_variables(model).items():
        np.testing.assert_array_equal(variable, values[name], name)


def test_deeplab_checkpoint_gives_all_but_the_heads(values, tmp_path):
    heads = [name for name in values if name.startswith(("embedding", "logits/"))]
    deeplab = {name: value for name, value in values.items() if name not in heads}
    deeplab["logits/semantic/weights"] = np.zeros((1, 1, 8, 21), np.float32)
    prefix = write_tf1(tmp_path / "model.ckpt", deeplab)
    (tmp_path / "net.yaml").write_text(YAML)
    done = convert(
        f"--tf1_checkpoint={prefix}",
        f"--output={tmp_path / 'net.npz'}",
        f"--config={tmp_path / 'net.yaml'}",
        "--parts=deeplab",
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert heads
    assert f"read {len(values) - len(heads)} variables" in done.stdout
    assert f"the rest has its initial values: {len(heads)} variables" in done.stdout
    for name, variable in named_variables(load_model(tmp_path / "net.npz")).items():
        assert np.array_equal(variable, values[name]) == (name not in heads), name


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--output=a.npz"], "tf1_checkpoint"),
        (["--tf1_checkpoint=m", "--output=a.ckpt"], "a.ckpt: unknown kind of file"),
        (
            ["--tf1_checkpoint=m", "--output=a.npz", "--config=absent.yaml"],
            "absent.yaml: No such file",
        ),
        (["--tf1_checkpoint=m", "--output=a.npz", "--config=x.yaml", "--window=3"], "--window"),
        (["--tf1_checkpoint=m", "--output=a.npz", "--atrous_rates=6,x"], "'6,x'"),
        (["--tf1_checkpoint=m", "--output=a.npz", "--output_stride=32"], "output_stride"),
        (["--tf1_checkpoint=m", "--output=a.npz", f"--config={ROOT / 'setup.py'}"], "setup.py: "),
    ],
)
def test_flags_that_do_not_fit_are_told_in_one_line(arguments, message):
    done = convert(*arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert message in done.stderr
