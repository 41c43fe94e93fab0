"""`feelvos-models` and --checkpoint=NAME from the outside: lists, one-line errors, a whole run."""

import pathlib
import subprocess
import sys

import commands
import numpy as np
import pytest
from original_weights import write_checkpoint
from release_server import archive
from small_networks import RELEASED

from feelvos_tf import presets
from feelvos_tf.checkpoints import named_variables
from feelvos_tf.data.synthetic import synthetic_clip, write_clip
from feelvos_tf.modeling.feelvos import build_model

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAME, ARCHIVE = "feelvos_davis17", "feelvos_davis17_trained.tar.gz"
# Runs a command with a small network in place of the release's.
SMALL = """
import dataclasses, importlib, sys
from feelvos_tf import presets
from feelvos_tf.config import ModelConfig
presets.PRESETS["feelvos_davis17"] = dataclasses.replace(
    presets.PRESETS["feelvos_davis17"], config=ModelConfig.from_yaml(sys.argv.pop(1))
)
sys.argv[0] = sys.argv.pop(1)
importlib.import_module(f"feelvos_tf.cli.{sys.argv[0]}").main_cli()
"""


@pytest.fixture
def environment(tmp_path, server):
    found = {
        **commands.ENVIRONMENT,
        "FEELVOS_HOME": str(tmp_path / "cache"),
        "FEELVOS_DOWNLOAD_URL": server.url,
    }
    found.pop("FEELVOS_OFFLINE", None)
    return found


def run(environment, program, *arguments):
    return commands.run(program, *arguments, environment=environment)


def fails(done, *parts):
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    for part in parts:
        assert part in done.stderr


def test_the_list(environment, server, tmp_path):
    cache = tmp_path / "cache"
    done = run(environment, "models")
    assert (done.returncode, done.stderr) == (0, "")
    entries = dict(part.split(": ", 1) for part in done.stdout.split("\n\n")[1:])
    assert list(entries) == list(presets.PRESETS)
    assert f"cache: {cache}" in done.stdout
    assert f"archive: {server.url}/{ARCHIVE} (its size is not published)" in entries[NAME]
    assert "xception_65 at output stride 8, atrous rates 12, 24, 36" in entries[NAME]
    assert "(292 MB)" in entries["xception_65_coco"] and "licence: " in entries[NAME]
    for name in (presets.NAME, "feelvos-mnv2-2", "mobilenet_v2_small-1"):
        path = presets.checkpoint(name)
        assert f"here: {path} ({path.stat().st_size / 1e6:.1f} MB)" in entries[name]
    assert f"not here; feelvos-models --fetch={NAME}" in entries[NAME]
    cache.mkdir()
    (cache / ARCHIVE).write_bytes(bytes(2_000_000))
    (cache / f"{ARCHIVE}.incomplete").write_bytes(bytes(1_000_000))
    done = run(environment, "models")
    assert f"here: {cache / ARCHIVE} (2.0 MB)" in done.stdout
    assert f"cut, goes on: {cache / ARCHIVE}.incomplete (1.0 MB)" in done.stdout
    done = run(environment, "models", f"--remove={NAME}")
    assert done.stdout.splitlines() == [
        f"removed {cache / ARCHIVE} (2.0 MB)",
        f"removed {cache / ARCHIVE}.incomplete (1.0 MB)",
    ]
    assert list(cache.iterdir()) == []
    done = run(environment, "models", f"--remove={NAME}")
    assert done.stdout == f"{NAME}: nothing of it is in {cache}\n"


@pytest.mark.parametrize(
    "arguments, parts",
    [
        (["--fetch=feelvos_davis"], ["no weights have this name", "did you mean feelvos_davis17?"]),
        (["--remove=feelvos"], ["no weights have this name"]),
        ([f"--remove={presets.NAME}"], ["comes with the package"]),
        ([f"--fetch={NAME}", f"--remove={NAME}"], ["do not go together"]),
        ([f"--fetch={NAME}", "--offline"], ["is forbidden", f"put {ARCHIVE} into"]),
        ([f"--fetch={NAME}"], ["status 404", f"put {ARCHIVE} into"]),
    ],
)
def test_what_cannot_be_is_told_in_one_line(environment, server, arguments, parts):
    server.plan = [("status", 404)]
    fails(run(environment, "models", *arguments), *parts)


def test_help_teaches(environment):
    text = run(environment, "models", "--help").stdout
    for part in ("--checkpoint=feelvos_davis17", "SHA-256 is published nowhere", "FEELVOS_HOME"):
        assert part in text
    for program in ("segment", "evaluate", "export"):
        text = " ".join(run(environment, program, "--help").stdout.split())
        assert "--checkpoint: Network to run: a file" in text and "feelvos-models" in text
        assert "--memory:" in text and "--[no]offline" in text
    assert "init_checkpoint: xception_65_coco" in run(environment, "train", "--help").stdout


def lines_of(tmp_path, checkpoint):
    """Commands with --checkpoint, up to where the weights are wanted."""
    return [
        ("segment", "--video=a", "--mask=b", f"--output={tmp_path / 'out'}", checkpoint),
        ("export", f"--output={tmp_path / 'out'}", checkpoint),
    ]


def test_without_a_network(environment, server, tmp_path):
    server.shutdown()
    server.server_close()
    for arguments in lines_of(tmp_path, f"--checkpoint={NAME}"):
        fails(
            run(environment, *arguments),
            f"{NAME}: {server.url}/{ARCHIVE} cannot be fetched (no connection: connection refused)",
            f"put {ARCHIVE} into {tmp_path / 'cache'} by hand, or give its path",
        )
    for arguments in lines_of(tmp_path, "--checkpoint=feelvos_davis"):
        fails(run(environment, *arguments), f"expected one of {presets.NAME}, ")
    # What is wrong with the command line is said before anything is fetched.
    fails(run(environment, "segment", "--output=x", f"--checkpoint={NAME}"), "give --video")
    assert not (tmp_path / "out").exists()


def test_a_video_by_the_name_of_the_network(environment, server, tmp_path):
    rng = np.random.default_rng(0)
    values = {
        name: rng.standard_normal(variable.shape).astype(np.float32)
        for name, variable in named_variables(build_model(RELEASED)).items()
    }
    write_checkpoint(values, tmp_path / "model.ckpt-200004")
    files = {path.name: path.read_bytes() for path in tmp_path.glob("model.ckpt*")}
    server.files = {ARCHIVE: archive(files)}
    write_clip(synthetic_clip(5, 2, 45, 62, num_objects=2), tmp_path / "clip")
    done = subprocess.run(
        [
            *(sys.executable, "-c", SMALL, RELEASED.to_yaml(), "segment"),
            f"--video={tmp_path / 'clip' / 'JPEGImages' / '480p' / 'clip'}",
            f"--mask={tmp_path / 'clip' / 'Annotations' / '480p' / 'clip' / '00000.png'}",
            f"--output={tmp_path / 'out'}",
            f"--checkpoint={NAME}",
        ],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{NAME}: fetching {server.url}/{ARCHIVE} into {tmp_path / 'cache'}" in done.stdout
    assert (
        f"{NAME}: mobilenet_v2 at output stride 8, atrous rates 12, 24, as the release tests it"
        in done.stdout
    )
    assert (tmp_path / "out" / "00001.png").is_file()
    assert (tmp_path / "cache" / f"{NAME}.npz").is_file()
