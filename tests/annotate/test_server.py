"""Who may ask the page's server, and what it refuses in one line while it goes on."""

import asyncio
import json
import pathlib
import urllib.parse
import zlib

import numpy as np
import projects
import pytest
from starlette.testclient import TestClient

from feelvos_tf.annotate.keeping import NotKept
from feelvos_tf.annotate.server import make_app

pytestmark = pytest.mark.compat  # Starlette differs between the stacks
TOKEN, HOST = "secret-token", "127.0.0.1:7777"
WIDTH, HEIGHT = projects.SIZE[1], projects.SIZE[0]


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    video = projects.write_frames(folder / "clip")
    with projects.opened(video, folder / "masks") as opened:
        yield opened


@pytest.fixture
def client(session):
    app = make_app(session, TOKEN, {HOST, "localhost:7777"})
    return TestClient(app, base_url=f"http://{HOST}/{TOKEN}/", raise_server_exceptions=False)


def refused(answer, status, words):
    """Whether a request was refused on one line."""
    assert answer.status_code == status, answer.text
    line = answer.json()["error"]
    assert words in line and "\n" not in line and len(line) < 400
    return True


def test_the_page_and_its_parts(client):
    page = client.get("")
    assert page.status_code == 200 and "<!doctype html>" in page.text
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert page.headers["referrer-policy"] == "no-referrer"
    for name, kind in (("main.js", "javascript"), ("style.css", "css"), ("icons.svg", "svg")):
        part = client.get(f"page/{name}")
        assert part.status_code == 200 and kind in part.headers["content-type"]


def test_everything_the_page_asks_for_is_there(client):
    text = client.get("").text + client.get("page/main.js").text
    for name in ("style.css", "parts.css", "main.js", "icons.svg", "tools.js", "view.js"):
        assert name in text
        assert client.get(f"page/{name}").status_code == 200


@pytest.mark.parametrize(
    ("path", "headers", "words"),
    [
        (f"http://{HOST}/", {}, "token"),
        (f"http://{HOST}/state", {}, "token"),
        (f"http://{HOST}/wrong/state", {}, "token"),
        (f"http://{HOST}/{TOKEN}x/state", {}, "token"),
        (f"http://{HOST}/{TOKEN}", {}, "token"),
        ("state", {"host": "evil.example:7777"}, "Host"),
        ("state", {"host": "127.0.0.1"}, "Host"),
        ("state", {"host": ""}, "Host"),
        ("state", {"origin": "http://evil.example"}, "Origin"),
        ("state", {"origin": "null"}, "Origin"),
        ("state", {"origin": "http://127.0.0.1:1"}, "Origin"),
        ("state", {"origin": f"https://{HOST}"}, "Origin"),
    ],
)
def test_strangers_are_refused(client, path, headers, words):
    assert refused(client.get(path, headers=headers), 403, words)
    assert client.get("state").status_code == 200


def test_its_own_origin_may_ask(client):
    assert client.get("state", headers={"origin": f"http://{HOST}"}).status_code == 200
    own = {"host": "localhost:7777", "origin": "http://localhost:7777"}
    assert client.get("state", headers=own).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "page/../project.py",
        "page/%2e%2e/project.py",
        "page/%2e%2e%2fproject.py",
        "page/..%5cproject.py",
        "page//etc/passwd",
        "page/index.html%00",
        "../../etc/passwd",
        "frames/../state",
        "frames/-1.jpg",
        "frames/1.5.jpg",
        "run.json",
        "given/00000.png",
        "page/nothing.js",
    ],
)
def test_no_other_files_are_served(session, client, path):
    # Asked for as it stands, for a client would put the dots in order.
    sent = []
    scope = {
        "type": "http",
        "method": "GET",
        "path": f"/{TOKEN}/{urllib.parse.unquote(path)}",
        "raw_path": f"/{TOKEN}/{path}".encode(),
        "query_string": b"",
        "headers": [(b"host", HOST.encode())],
    }

    async def receive():
        return {"type": "http.request", "body": b""}

    async def send(message):
        sent.append(message)

    asyncio.run(make_app(session, TOKEN, {HOST})(scope, receive, send))
    assert sent[0]["status"] in (400, 404)
    assert set(json.loads(sent[1]["body"])) == {"error"}
    assert client.get("state").status_code == 200


def test_a_gigabyte_is_refused_unread(client):
    def endless():
        for _ in range(1024):
            yield bytes(1 << 20)
        raise AssertionError("the server has read all of it")

    told = {"content-length": str(1 << 30)}
    assert refused(client.put("masks/0", content=b"", headers=told), 413, "1073741824 bytes")
    assert refused(client.put("masks/0", content=b"x" * (1 << 20)), 413, "expected at most")
    assert client.get("state").status_code == 200


def test_a_million_objects_are_refused(client):
    one = {"id": 1, "name": "a", "color": "#ffffff", "hidden": False, "locked": False}
    many = json.dumps([one] * 1_000_000)
    assert refused(client.put("objects", content=many), 413, "expected at most")
    few = [{**one, "name": "", "id": 0}] * 300
    small = [dict.fromkeys(one, 0)] * 256
    assert refused(client.put("objects", json=small), 400, "objects are 256 of them")
    assert refused(client.put("objects", json=few[:1]), 400, "expected")
    assert refused(client.put("objects", json=[one, one]), 400, "an id twice")
    assert client.get("state").json()["objects"] == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"id": 256}, "id is 256"),
        ({"id": True}, "id is True"),
        ({"name": "  "}, "name is"),
        ({"name": "x" * 61}, "name is"),
        ({"color": "red"}, "color is 'red'"),
        ({"color": "#ffffff\n"}, "color is"),
        ({"hidden": 1}, "hidden is 1"),
        ({"more": 1}, "an object is"),
    ],
)
def test_objects_are_checked(client, change, words):
    one = {"id": 1, "name": "a", "color": "#ffffff", "hidden": False, "locked": False}
    assert refused(client.put("objects", json=[{**one, **change}]), 400, words)


@pytest.mark.parametrize(
    ("values", "words"),
    [([], "settings are"), ({"evil": 1}, "a setting is"), ({"opacity": 2}, "setting opacity is 2")],
)
def test_settings_are_checked(client, values, words):
    assert refused(client.put("settings", json=values), 400, words)
    assert client.put("settings", json={"opacity": 0.5, "theme": "dark"}).status_code == 200
    assert client.get("state").json()["page"] == {"opacity": 0.5, "theme": "dark"}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "has not 64x48 pixels"),
        (b"no zlib at all", "cannot be unpacked"),
        (zlib.compress(bytes(WIDTH * HEIGHT - 1)), "has not 64x48 pixels"),
        (zlib.compress(bytes(WIDTH * HEIGHT + 1)), "has not 64x48 pixels"),
        (zlib.compress(bytes(WIDTH * HEIGHT))[:-3], "has not 64x48 pixels"),
        (zlib.compress(bytes(60_000_000)), "has not 64x48 pixels"),
    ],
)
def test_masks_are_checked(client, data, words):
    assert refused(client.put("masks/3", content=data), 400, words)
    assert client.get("masks/3").status_code == 204


def test_masks_come_back_as_they_were_painted(client, session):
    labels = np.random.default_rng(1).integers(0, 256, projects.SIZE, np.uint8)
    assert client.put("masks/2", content=zlib.compress(labels.tobytes())).status_code == 200
    found = client.get("masks/2")
    assert found.headers["content-encoding"] == "gzip"
    assert found.content == labels.tobytes()
    blank = zlib.compress(bytes(WIDTH * HEIGHT))
    assert client.put("masks/2?painted=0", content=blank).status_code == 200
    assert client.get("masks/2").status_code == 204
    assert not list(session.project.given.iterdir())


def test_strokes_come_back(client):
    one = {"id": 3, "frame": 0, "box": [0, 0, 2, 1], "before": [2, 0], "after": [1, 0, 1, 4]}
    values = {"strokes": [{**one, "first": True}], "done": [3], "undone": []}
    assert client.put("strokes", json=values).status_code == 200
    assert client.get("strokes").json() == values
    assert refused(client.put("strokes", json={**values, "strokes": [one]}), 400, "a stroke is")
    assert refused(client.put("strokes", content=b"1" * (2 << 20)), 413, "expected at most")
    assert client.get("strokes").json() == values


def test_what_the_disk_does_not_take_is_to_be_tried_again(client, session, monkeypatch):
    def full(index, labels):
        raise NotKept(pathlib.Path("00000.png"), OSError(28, "No space left on device"))

    monkeypatch.setattr(session.project, "paint", full)
    answer = client.put("masks/0", content=zlib.compress(bytes(WIDTH * HEIGHT)))
    assert refused(answer, 507, "00000.png: cannot be written (No space left on device)")
    assert client.get("masks/0").status_code == 204


@pytest.mark.parametrize("path", ["frames/12.jpg", "thumbnails/99999999999999999999.jpg"])
def test_frames_that_are_not_there(client, path):
    assert refused(client.get(path), 400, "expected 0 to 11")


def test_frames_and_thumbnails(client):
    for path in ("frames/11.jpg", "thumbnails/0.jpg"):
        answer = client.get(path)
        assert answer.status_code == 200 and answer.content.startswith(b"\xff\xd8\xff")


@pytest.mark.parametrize(
    ("path", "values", "words"),
    [
        ("run", {"goal": "both", "frame": 0}, "no object is painted yet"),
        ("run", {"goal": "both", "frame": True}, "the frame is True"),
        ("run", {"goal": "both"}, "expected goal, frame"),
        ("run", [1], "expected goal, frame"),
        ("box", {"frame": 0, "box": [0, 0, 1, 1]}, "less than 2x2 pixels"),
        ("box", {"frame": 0, "box": [0, 0, 1e9, 1]}, "expected left, top, right, bottom"),
        ("export", {"kinds": ["everything"]}, "export names"),
        ("export", {"kinds": "overlay"}, "kinds are"),
        ("export", {"kinds": []}, "export names"),
    ],
)
def test_what_cannot_be_done_is_said(client, path, values, words):
    assert refused(client.post(path, json=values), 400, words)


def test_json_that_is_none(client):
    for text in (b"{", b"[" * 50_000, b"\xff"):
        assert refused(client.put("objects", content=text), 400, "no JSON")


def test_other_methods_and_places(client):
    assert client.delete("state").status_code == 405
    assert client.post("frames/0.jpg").status_code == 405
