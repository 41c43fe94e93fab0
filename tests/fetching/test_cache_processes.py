"""Processes that fetch at once, or are killed while they do."""

import os
import signal
import subprocess
import sys
import time

import pytest
from small_release import ARCHIVE, NAME, RELEASE, ROOT, content

SCRIPT = """
import numpy as np
from feelvos_tf import checkpoint_file, named_weights, presets

def importer(prefix, config, path):
    np.savez(path, **{checkpoint_file.CONFIG_KEY: checkpoint_file.pack(config.to_dict())})

def say(line):
    print(line, flush=True)

print(named_weights.checkpoint("feelvos_davis17", importer, say=say))
"""


def start():
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.compat
def test_two_processes_at_once_fetch_once(cache, server):
    server.gate.clear()
    first = start()
    wait_for(lambda: server.requests)
    second = start()
    waiting = second.stdout.readline()
    assert waiting.startswith(f"waiting for process {first.pid} on "), waiting
    server.gate.set()
    done = [process.communicate(timeout=120) for process in (first, second)]
    assert [process.returncode for process in (first, second)] == [0, 0], done
    assert server.requests == [(f"/models/{ARCHIVE}", None)]
    assert all(out.splitlines()[-1] == str(cache / f"{NAME}.npz") for out, _ in done)
    assert content(cache) == [f"{NAME}.json", f"{NAME}.npz", ARCHIVE]


@pytest.mark.compat
def test_killed_in_the_middle_it_goes_on_there(cache, server):
    server.gate.clear()
    process = start()
    part = cache / f"{ARCHIVE}.incomplete"
    wait_for(lambda: part.exists() and part.stat().st_size > 20_000)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert any(path.name.startswith(".feelvos-") for path in cache.iterdir())
    kept = part.stat().st_size
    server.gate.set()
    again = start()
    out, error = again.communicate(timeout=120)
    assert again.returncode == 0, error
    assert server.requests[1] == (f"/models/{ARCHIVE}", f"bytes={kept}-")
    assert content(cache) == [f"{NAME}.json", f"{NAME}.npz", ARCHIVE]
    assert (cache / ARCHIVE).read_bytes() == RELEASE
