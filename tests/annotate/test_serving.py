"""The server as a process: its address, its end, and being killed."""

import contextlib
import json
import os
import pathlib
import re
import select
import signal
import socket
import subprocess
import sys
import zlib

import httpx
import numpy as np
import projects
import pytest

from feelvos_tf.annotate import serving
from feelvos_tf.annotate.serving import default_project
from feelvos_tf.errors import InputError

PROGRAM = pathlib.Path(__file__).with_name("serve_by_color.py")


@contextlib.contextmanager
def running(video, project, seconds=0.0):
    """Yields (process, client of its address); the process is killed if it still runs."""
    with open(project.parent / "errors.txt", "ab") as errors:
        process = subprocess.Popen(
            [sys.executable, str(PROGRAM), str(video), str(project), str(seconds)],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        address = None
        for line in process.stdout:
            address = re.search(r"http://\S+", line)
            if address:
                break
        assert address, (project.parent / "errors.txt").read_text()
        with httpx.Client(base_url=address[0], timeout=60, trust_env=False) as client:
            yield process, client
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def video(tmp_path):
    return projects.write_frames(tmp_path / "clip", 30)


def paint(client, index, labels):
    answer = client.put(f"masks/{index}", content=zlib.compress(labels.tobytes()))
    assert answer.status_code == 200, answer.text


def statuses(client):
    return "".join("·cs#"[v] * n for n, v in client.get("state").json()["statuses"])


def test_killed_while_it_computes_nothing_is_lost(video, tmp_path):
    project = tmp_path / "masks"
    with running(video, project, 0.05) as (process, client):
        paint(client, 0, projects.truth(0))
        client.post("run", json={"goal": "both", "frame": 0})
        projects.wait_for(lambda: statuses(client).count("c") > 4)
        paint(client, 25, projects.truth(25))
        before = statuses(client)
        worker = int(subprocess.check_output(["pgrep", "-P", str(process.pid)]).split()[-1])
        process.send_signal(signal.SIGKILL)
        process.wait()
    projects.wait_for(lambda: not pathlib.Path(f"/proc/{worker}").exists())
    with running(video, project) as (process, client):
        after = statuses(client)
        assert after[0] == after[25] == "#" and after.count("c") >= before.count("c")
        labels = np.frombuffer(client.get("masks/25").content, np.uint8)
        assert (labels.reshape(projects.SIZE) == projects.truth(25)).all()
        client.post("run", json={"goal": "both", "frame": 0})
        projects.wait_for(lambda: client.get("state").json()["run"] is None)
        assert statuses(client) == "#" + 24 * "c" + "#" + 4 * "c"
        for index in range(30):
            labels = np.frombuffer(client.get(f"masks/{index}").content, np.uint8)
            assert (labels.reshape(projects.SIZE) == projects.truth(index)).all()


def raw(client, head, chunks=()):
    """Sends a request as it stands; returns (status, body, how many chunks the server took)."""
    token, port = client.base_url.path.strip("/"), client.base_url.port
    sent = 0
    with socket.create_connection(("127.0.0.1", port)) as connection:
        lines = [head.replace("TOKEN", token), f"Host: 127.0.0.1:{port}", "Connection: close"]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        with contextlib.suppress(OSError):
            for chunk in chunks:
                if select.select([connection], [], [], 0)[0]:
                    break  # it has answered
                connection.sendall(b"%x\r\n%b\r\n" % (len(chunk), chunk))
                sent += 1
        said = b""
        with contextlib.suppress(ConnectionResetError):
            while data := connection.recv(1 << 16):
                said += data
    return int(said.split()[1]), said.partition(b"\r\n\r\n")[2], sent


def test_what_is_refused_and_the_server_goes_on(video, tmp_path):
    """By a real server, over a real connection."""
    with running(video, tmp_path / "masks") as (process, client):
        paint(client, 0, projects.truth(0))
        port = client.base_url.port
        asked = [
            (403, client.get(f"http://127.0.0.1:{port}/state")),
            (403, client.get(f"http://127.0.0.1:{port}/{'a' * 32}/state")),
            (403, client.get("state", headers={"origin": "http://evil.example"})),
            (403, client.get("state", headers={"host": f"evil.example:{port}"})),
            (413, client.put("objects", content=b"[" + b'{"id":1},' * 1_000_000 + b"0]")),
            (400, client.put("objects", json=[{"id": i} for i in range(256)])),
        ]
        for status, answer in asked:
            assert answer.status_code == status
            assert set(answer.json()) == {"error"} and "\n" not in answer.json()["error"]
        status, said, _ = raw(client, "GET /TOKEN/page/../../run.json HTTP/1.1")
        assert status in (400, 404) and set(json.loads(said)) == {"error"}
        put = "PUT /TOKEN/masks/0 HTTP/1.1\r\n"
        status, said, _ = raw(client, put + f"Content-Length: {1 << 30}")
        assert status == 413 and "1073741824 bytes" in json.loads(said)["error"]
        endless = (bytes(1 << 20) for _ in range(1024))
        status, _, sent = raw(client, put + "Transfer-Encoding: chunked", endless)
        assert status == 413 and sent < 64
        assert statuses(client) == "#" + 29 * "·" and process.poll() is None


def test_a_second_server_on_one_project_says_who_has_it(video, tmp_path):
    project = tmp_path / "masks"
    with running(video, project):
        done = subprocess.run(
            [sys.executable, "-m", "feelvos_tf.cli.annotate", "--no_browser"]
            + [f"--video={video}", f"--project={project}"],
            capture_output=True,
            text=True,
        )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert re.fullmatch(r"error: .*masks: process \d+ on .* writes to it; .*\n", done.stderr)


def test_ctrl_c_ends_it_with_everything_kept(video, tmp_path):
    with running(video, tmp_path / "masks") as (process, client):
        paint(client, 3, projects.truth(3))
        with client.stream("GET", "events") as events:  # a page is open
            lines = events.iter_lines()
            assert next(lines) == "retry: 1000"
            process.send_signal(signal.SIGINT)
            assert list(lines) == [""]
        assert process.wait(60) is not None
    assert "ASGI" not in (tmp_path / "errors.txt").read_text()
    assert (tmp_path / "masks" / "given" / "00003.png").exists()
    assert not (tmp_path / "masks" / ".feelvos.lock").exists()
    assert "made_from" in (tmp_path / "masks" / "run.json").read_text()


def test_a_port_that_is_taken_is_said(video, tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port} of 127.0.0.1 cannot be used"):
            serving.serve(video, tmp_path / "m", projects.ByColor, settings={}, port=port)
    assert not (tmp_path / "m").exists()


def test_what_is_not_installed_is_said(video, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(InputError, match=r"pip install 'feelvos_tf\[annotate\]'"):
        serving.serve(video, tmp_path / "m", projects.ByColor, settings={})


def test_a_project_is_named_after_its_video(tmp_path):
    (tmp_path / "bus.old").mkdir()
    assert default_project(tmp_path / "bus.old") == pathlib.Path("bus.old-masks")
    assert default_project(tmp_path / "clip.mp4") == pathlib.Path("clip-masks")
    assert os.fspath(default_project(tmp_path)).endswith("-masks")
