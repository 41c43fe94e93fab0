"""What may be replaced in a folder of results, and by whom."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from feelvos_tf.errors import InputError
from feelvos_tf.output_folder import LOCK_FILE, OutputFolder

ROOT = pathlib.Path(__file__).resolve().parents[1]


def opened(folder, program="feelvos-segment"):
    return OutputFolder(folder, program)


def content(folder):
    return {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_only_recorded_files_may_be_replaced(tmp_path):
    out = tmp_path / "deep" / "out"
    with opened(out) as folder:
        folder.check(["a.png", "b.png"])
        folder.record(["a.png"])
        (out / "a.png").write_text("ours")
    (out / "b.png").write_text("a user's")
    with opened(out) as folder:
        assert folder.knows("a.png") and not folder.knows("b.png")
        folder.check(["a.png", "c.png"])
        with pytest.raises(
            InputError,
            match=r"b\.png: is there already, and no run\.json says "
            "that feelvos-segment wrote it",
        ):
            folder.check(["a.png", "b.png"])
        folder.record(["c.png"], made_from={"size": [1, 2]})
    with opened(out) as folder:
        assert folder.knows("a.png") and folder.knows("c.png")
        assert folder.values == {"made_from": {"size": [1, 2]}}
        folder.check_same({"size": [1, 2]}, "do something")
        with pytest.raises(InputError, match=r"size is \[1, 2\], now it is \[2, 2\]; do something"):
            folder.check_same({"size": [2, 2]}, "do something")
        with pytest.raises(InputError, match="max_side is None, now it is 3"):
            folder.check_same({"size": [1, 2], "max_side": 3}, "do something")


def test_folders_are_filled_that_are_recorded_or_empty(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a").write_text("")
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("empty")
    with opened(tmp_path) as folder:
        folder.check(["empty/", "absent/"])
        for name in ("mine/", "link/"):
            with pytest.raises(InputError, match=name[:-1]):
                folder.check([name])
        folder.record(["empty/", "file"])
        (tmp_path / "empty" / "a").write_text("")
        folder.check(["empty/"])
        (tmp_path / "file").mkdir()
        with pytest.raises(InputError, match="file: is there already"):
            folder.check(["file"])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "half {",
        "[]",
        "3",
        "[" * 100_000,
        "{}",
        '{"program": "feelvos-segment"}',
        '{"program": "feelvos-segment", "files": ["../a.png"]}',
        '{"program": "feelvos-segment", "files": ["/a.png"]}',
        '{"program": "feelvos-segment", "files": ["a.png//"]}',
        '{"program": "feelvos-segment", "files": [3]}',
        '{"program": "feelvos-segment", "files": 3}',
        '{"program": "feelvos-evaluate", "files": ["a.png"]}',
        '{"program": [], "files": ["a.png"]}',
        b"\xff\xfe",
    ],
)
def test_what_is_not_of_this_program_is_left_alone(text, tmp_path):
    (tmp_path / "run.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    (tmp_path / "a.png").write_text("")
    before = content(tmp_path)
    with opened(tmp_path) as folder:
        assert not folder.files and folder.made_from is None
        with pytest.raises(InputError, match=r"run\.json: is not from feelvos-segment"):
            folder.check(["a.png"])
    assert content(tmp_path) == before


@pytest.mark.parametrize("kind", ["pipe", "folder", "loop"])
def test_a_description_that_is_no_file(kind, tmp_path):
    path = tmp_path / "run.json"
    {"pipe": lambda: os.mkfifo(path), "folder": path.mkdir, "loop": lambda: path.symlink_to(path)}[
        kind
    ]()
    with opened(tmp_path) as folder, pytest.raises(InputError, match=r"run\.json: is not from"):
        folder.check([])


def test_inputs_are_not_written_over_by_any_name_of_theirs(tmp_path):
    out = tmp_path / "out"
    with opened(out) as folder:
        folder.record(["a.png"])
        (out / "a.png").write_text("mask")
        (tmp_path / "link.png").symlink_to(out / "a.png")
        (tmp_path / "other").symlink_to(out)
        for name in (out / "a.png", tmp_path / "link.png", tmp_path / "other" / "a.png"):
            with pytest.raises(InputError, match=f"results would overwrite {name}, expected"):
                folder.check(["a.png"], [name])
        with pytest.raises(InputError, match="results would overwrite"):
            folder.check([], [tmp_path / "other"])
        folder.check(["b.png"], [out / "a.png", tmp_path / "absent", "a\0b"])


def test_one_at_a_time_and_who_it_is(tmp_path):
    with opened(tmp_path):
        with pytest.raises(InputError, match=f"process {os.getpid()} on .* writes to it; wait"):
            opened(tmp_path).__enter__()
        with opened(tmp_path / "another"):
            pass
    with pytest.raises(ZeroDivisionError), opened(tmp_path):
        raise ZeroDivisionError
    with opened(tmp_path):
        pass
    assert not (tmp_path / LOCK_FILE).exists()


def test_a_killed_holder_blocks_nobody(tmp_path):
    script = (
        "import sys, time\nfrom feelvos_tf.output_folder import OutputFolder\n"
        "with OutputFolder(sys.argv[1], 'feelvos-segment'):\n    time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    lock = tmp_path / LOCK_FILE
    deadline = time.monotonic() + 60
    while not (lock.exists() and lock.read_text()) and time.monotonic() < deadline:
        time.sleep(0.01)
    with pytest.raises(InputError, match=f"process {process.pid} on "):
        opened(tmp_path).__enter__()
    process.send_signal(signal.SIGKILL)
    process.wait(60)
    assert lock.exists()
    with opened(tmp_path):
        assert f"process {os.getpid()} " in lock.read_text()
    assert not lock.exists()


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_a_lock_that_is_no_file(kind, tmp_path):
    path, victim = tmp_path / "out" / LOCK_FILE, tmp_path / "victim"
    path.parent.mkdir()
    victim.write_text("precious")
    {
        "link": lambda: path.symlink_to(victim),
        "pipe": lambda: os.mkfifo(path),
        "folder": path.mkdir,
    }[kind]()
    with pytest.raises(InputError, match="cannot be used as a lock"):
        opened(tmp_path / "out").__enter__()
    assert victim.read_text() == "precious"


def test_a_file_system_without_locks_is_told_of(tmp_path, monkeypatch, caplog):
    def refuse(*arguments):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", refuse)
    with opened(tmp_path) as folder:
        folder.record(["a"])
    assert "has no locks" in caplog.text
    assert json.loads((tmp_path / "run.json").read_text()) == {
        "program": "feelvos-segment",
        "files": ["a"],
    }


def test_unfinished_files_of_a_killed_run_are_removed(tmp_path):
    for name in (".feelvos-01.part", ".other.part", "feelvos-01.part"):
        (tmp_path / name).write_text("")
    with opened(tmp_path) as folder:
        folder.remove_parts()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".other.part", "feelvos-01.part"]
