"""Runs the tests of Keras files, which need a process that has seen one Keras only."""

import pathlib
import subprocess
import sys

import pytest

FILE = pathlib.Path(__file__).with_name("keras_files.py")


@pytest.mark.compat
def test_keras_files_in_a_process_of_their_own():
    """Model Garden imports the package keras beside tf_keras.

    Both register their classes under the same names, so tf_keras then reads the other's
    InputLayer from a file, does not know it for one and looks for its node for ever.
    """
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--no-cov", str(FILE)],
        cwd=FILE.parents[2],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
