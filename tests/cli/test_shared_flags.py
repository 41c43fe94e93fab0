"""The flag --probes: a word, or a number; --max_side, in a process of its own, likewise."""

import subprocess
import sys

import numpy as np
import pytest
from absl import flags
from absl.testing import flagsaver

from feelvos_tf import checkpoint_file
from feelvos_tf.cli import probes_flag
from feelvos_tf.errors import InputError


@pytest.fixture
def checkpoint(tmp_path):
    """Holds the recommendation alone."""
    if not flags.FLAGS.is_parsed():
        flags.FLAGS(["test"])
    path = tmp_path / "model.npz"
    np.savez(path, **{checkpoint_file.STREAMING_KEY: checkpoint_file.pack_streaming(None, 5)})
    return path


@pytest.mark.parametrize("value,expected", [("auto", 5), ("none", None), ("1", 1), ("12", 12)])
def test_probes_are_a_word_or_a_number(checkpoint, value, expected):
    with flagsaver.flagsaver(probes=value):
        assert probes_flag.chosen(checkpoint) == expected


@pytest.mark.parametrize("value", ["0", "-1", "few", "", "2.5", "٣x"])
def test_other_probes_are_named(checkpoint, value):
    message = f"--probes is {value}, expected auto, none or a number from 1"
    with flagsaver.flagsaver(probes=value), pytest.raises(InputError, match=message):
        probes_flag.chosen(checkpoint)


def test_the_longer_side_is_a_word_or_a_number():
    """Other commands that the tests load have a --max_side that is a number."""
    code = (
        "import sys\n"
        "from absl import flags\n"
        "from feelvos_tf.cli import max_side_flag\n"
        "from feelvos_tf.errors import InputError\n"
        "flags.FLAGS(['test'])\n"
        "for flags.FLAGS.max_side in sys.argv[1:]:\n"
        "    try:\n"
        "        print(max_side_flag.chosen())\n"
        "    except InputError as error:\n"
        "        print(error)\n"
    )
    values = ["auto", "none", "640", "0", "-640", "half", ""]
    done = subprocess.run(
        [sys.executable, "-c", code, *values], capture_output=True, text=True, check=True
    )
    refused = [f"--max_side is {v}, expected auto, none or a number from 1" for v in values[3:]]
    assert done.stdout.splitlines() == ["960", "None", "640", *refused]
