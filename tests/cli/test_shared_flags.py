"""Flags that several commands share are in the help of each command that reads them."""

import importlib
import pathlib
import re

import commands
import pytest
from absl import flags

from feelvos_tf import cli

FOLDER = pathlib.Path(cli.__file__).parent
SHARED = [path.stem for path in sorted(FOLDER.glob("*_flag*.py"))]
COMMANDS = [path.stem for path in sorted(FOLDER.glob("*.py")) if "app.run(main" in path.read_text()]


def names_of(module: str) -> list[str]:
    found = importlib.import_module(f"feelvos_tf.cli.{module}")
    return [flag.name for flag in flags.FLAGS.get_flags_for_module(found.__name__)]


def test_the_lists_are_found():
    assert {"checkpoint_flag", "input_flags", "streaming_flags"} < set(SHARED)
    assert {"annotate", "evaluate", "export", "segment", "train"} < set(COMMANDS)
    assert names_of("streaming_flags") == [
        "max_side",
        "max_reference_pixels",
        "memory",
        "probes",
        "outlines",
        "reach",
        "grid",
    ]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_shows_what_the_command_reads(command):
    source = (FOLDER / f"{command}.py").read_text()
    # These two functions read no flag.
    read = [m for m in SHARED if re.search(rf"{m}\.(?!import_release|say)", source)]
    expected = [name for module in read for name in names_of(module)]
    done = commands.run(command, "--help")
    assert done.returncode == 0
    shown = done.stdout
    for name in expected:
        assert f"--{name}:" in shown or f"--[no]{name}:" in shown
