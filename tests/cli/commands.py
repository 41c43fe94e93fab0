"""Commands as a user runs them: absl keeps one set of flags a process, so each gets its own."""

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
# The suite's own log level is not to hide what a command does about TensorFlow's messages.
ENVIRONMENT.pop("TF_CPP_MIN_LOG_LEVEL", None)


def command(program, *arguments, python=()):
    """The command line; `python` are options of the interpreter."""
    return [sys.executable, *python, "-m", f"feelvos_tf.cli.{program}", *map(str, arguments)]


def run(program, *arguments, python=(), environment=ENVIRONMENT):
    return subprocess.run(
        command(program, *arguments, python=python),
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def start(program, *arguments):
    """A command that goes on beside the test, its output in pipes."""
    return subprocess.Popen(
        command(program, *arguments),
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
