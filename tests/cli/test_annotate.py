"""`feelvos-annotate` from the outside; tests/annotate has what it does."""

import commands
import pytest


def run(*arguments):
    return commands.run("annotate", *arguments)


def test_help_teaches():
    done = run("--help")
    assert done.returncode == 0
    for words in ("feelvos-annotate --video=", "--resume", "--[no]no_browser", "--memory"):
        assert words in done.stdout


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "--video"),
        (["--video=/nowhere/at.mp4"], "/nowhere/at.mp4: no such folder or video file"),
        (["--video=.", "--port=70000"], "port"),
        (["--video=.", "--checkpoint=nothing_known"], "nothing_known"),
    ],
)
def test_what_cannot_be_is_one_line(arguments, line, tmp_path):
    done = run("--no_browser", f"--project={tmp_path}/masks", *arguments)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and line in done.stderr
    assert not (tmp_path / "masks").exists()
