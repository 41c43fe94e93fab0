"""What `cli.app.run` makes of errors, flags and exit codes, each in a command of its own."""

from __future__ import annotations

import os
import pathlib
import platform
import re
import subprocess
import sys

import pytest

from feelvos_tf.version import __version__

ROOT = pathlib.Path(__file__).resolve().parents[2]

COMMAND = '''"""Does one thing."""

import sys

from absl import flags

from feelvos_tf.cli import app
from feelvos_tf.errors import InputError

_SIZE = flags.DEFINE_integer("size", 3, "Side in pixels.", lower_bound=1)
_NAME = flags.DEFINE_string("name", None, "A name.", required=True)


def main(argv):
    {body}


def main_cli():
    app.run(main)


if __name__ == "__main__":
    main_cli()
'''


@pytest.fixture
def command(tmp_path):
    """Runs a command whose main function has the given body."""

    def run(body, *arguments, console_script=False):
        (tmp_path / "command.py").write_text(COMMAND.format(body=body))
        start = ["command.py"]
        if console_script:
            (tmp_path / "start.py").write_text("from command import main_cli\nmain_cli()\n")
            start = ["start.py"]
        # The suite's own choice of log level is not to hide what the command does about it.
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
        return subprocess.run(
            [sys.executable, *start, *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=180,
        )

    return run


@pytest.mark.parametrize(("body", "code"), [("pass", 0), ("return 0", 0), ("return 3", 3)])
def test_exit_code_is_what_main_returns(command, body, code):
    result = command(body, "--name=a")
    assert (result.returncode, result.stderr) == (code, "")


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("raise InputError('a.png: found 3 x 4, expected 5 x 6')",
         "error: a.png: found 3 x 4, expected 5 x 6"),
        ("raise InputError('two\\nlines')", "error: two lines"),
        ("open('nowhere/a.png')", "error: nowhere/a.png: No such file or directory"),
        ("raise OSError(28, 'No space left on device', 'out.png')",
         "error: out.png: No space left on device"),
        ("raise OSError(28, 'No space left on device')", "error: No space left on device"),
        ("raise OSError('broken data stream')", "error: broken data stream"),
        ("raise OSError", "error: OSError"),
    ],
)  # fmt: skip
def test_expected_errors_are_one_line(command, body, line):
    result = command(body, "--name=a")
    assert (result.returncode, result.stdout, result.stderr) == (1, "", line + "\n")


def test_tensorflow_file_errors_are_one_line(command):
    result = command(
        "import tensorflow as tf; tf.io.gfile.GFile('nowhere/a.ckpt').read()", "--name=a"
    )
    assert result.returncode == 1
    lines = result.stderr.splitlines()
    assert [line for line in lines if line.startswith("error: nowhere/a.ckpt")] == lines


def test_interrupt(command):
    result = command("raise KeyboardInterrupt", "--name=a")
    assert (result.returncode, result.stderr) == (130, "error: interrupted\n")


def test_remarks_of_libraries_are_left_out_unless_asked_for(command):
    body = "from absl import logging; logging.info('a remark'); logging.warning('a warning')"
    assert "remark" not in command(body, "--name=a").stderr
    assert "a warning" in command(body, "--name=a").stderr
    assert "a remark" in command(body, "--name=a", "--verbosity=0").stderr


def test_termination_is_as_ctrl_c_with_a_code_of_its_own(command):
    result = command("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", "--name=a")
    assert (result.returncode, result.stderr) == (143, "error: terminated\n")


def test_what_is_being_put_in_order_is_not_stopped_by_the_same_signal_twice(command):
    body = """
    import os, signal
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        os.kill(os.getpid(), signal.SIGTERM)  # as `timeout` does
        print("in order")"""
    result = command(body, "--name=a")
    assert (result.returncode, result.stdout) == (143, "in order\n")
    assert result.stderr == "error: terminated\n"


def test_names_that_are_no_utf8_can_be_printed(command):
    result = command(r"import os; print('wrote', os.fsdecode(b'\xff.png'))", "--name=a")
    assert (result.returncode, result.stdout, result.stderr) == (0, "wrote \\udcff.png\n", "")


def test_bugs_keep_their_traceback(command):
    result = command("raise ZeroDivisionError", "--name=a")
    assert result.returncode == 1
    assert "Traceback" in result.stderr
    assert "ZeroDivisionError" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--name=a", "--sise=4"], ["sise", "size"]),
        (["--name=a", "--size=big"], ["--size=big"]),
        (["--name=a", "--size=0"], ["size"]),
        ([], ["--name"]),
        (["--name=a", "extra"], ["'extra'"]),
        (["--name=a", "--name=b"], ["--name is given 2 times"]),
    ],
)
def test_wrong_flags_are_one_line(command, arguments, words):
    result = command("print('ran')", *arguments)
    assert (result.returncode, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert line.endswith("--help)") or line.endswith("--help")
    for word in words:
        assert word in line


@pytest.mark.parametrize("console_script", [False, True])
def test_help_shows_the_command_and_its_flags(command, console_script):
    result = command("print('ran')", "--help", console_script=console_script)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("Does one thing.")
    assert "--size" in result.stdout
    assert "--name" in result.stdout
    assert "ran" not in result.stdout


def test_flags_of_all_commands_are_in_the_help(command):
    shown = command("pass", "--help").stdout
    assert "--[no]quiet" in shown and "--[no]version" in shown


def test_version_needs_no_other_flag(command):
    result = command("print('ran')", "--version")
    assert (result.returncode, result.stderr) == (0, "")
    assert re.fullmatch(
        rf"feelvos_tf {re.escape(__version__)} \(TensorFlow 2\.[\w.]+, "
        rf"Python {re.escape(platform.python_version())}\)\n",
        result.stdout,
    )


def test_quiet_leaves_errors_alone(command):
    body = "print('ran'); sys.stdout.write('more'); raise InputError('a.png: is empty')"
    result = command(body, "--name=a", "--quiet")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "error: a.png: is empty\n"
    assert command("print('ran'); return 3", "--name=a", "--quiet").returncode == 3
    assert command("print('ran')", "--name=a").stdout == "ran\n"


@pytest.mark.compat
def test_tensorflow_greets_nobody_and_its_errors_show(command):
    body = (
        "import tensorflow as tf; tf.constant(1) + 1; "
        "raise InputError(f'size {tf.constant(2).numpy()}')"
    )
    result = command(body, "--name=a")
    assert (result.stdout, result.stderr) == ("", "error: size 2\n")


@pytest.mark.parametrize(
    ("arguments", "line"), [("--name=a", "x" * 1000), ("--help", "Does one thing.")]
)
def test_reader_that_goes_away(tmp_path, arguments, line):
    # More help than a pipe holds, so that its reader has gone before the end.
    (tmp_path / "command.py").write_text(
        COMMAND.format(body="[print('x' * 1000) for _ in range(10000)]").replace(
            '"""Does one thing."""', '"""Does one thing.\n' + 200_000 * "more\n" + '"""'
        )
    )
    result = subprocess.run(
        f"{sys.executable} command.py {arguments} | head -n 1",
        shell=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert result.stdout == line + "\n"
    assert result.stderr == ""
