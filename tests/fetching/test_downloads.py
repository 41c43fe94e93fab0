"""A download against a server that is healthy, slow, broken or another one than before."""

import http.client
import json
import os
import random

import pytest

from feelvos_tf.errors import InputError
from feelvos_tf.fetching import downloads

CONTENT = random.Random(0).randbytes(300_000)
MOST = 1_000_000
NAME = "weights.tar.gz"


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(downloads, "_WAITS", (0.0, 0.0, 0.0))


@pytest.fixture
def file(tmp_path):
    return tmp_path / "weights.incomplete"


def fetch(server, file, timeout=5.0, most=MOST, content=CONTENT):
    """Fetches; returns the calls of the progress."""
    server.files[NAME] = content
    told = []
    downloads.fetch(
        f"{server.url}/{NAME}", file, most, lambda *values: told.append(values), timeout
    )
    return told


@pytest.mark.compat
def test_a_whole_file_with_progress(server, file):
    told = fetch(server, file)
    assert file.read_bytes() == CONTENT
    assert told[0] == (0, len(CONTENT)) and told[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert server.requests == [(f"/{NAME}", None)]
    assert server.headers[0]["User-Agent"].startswith("feelvos_tf/")
    fetch(server, file)
    assert len(server.requests) == 1  # it is there


@pytest.mark.compat
def test_a_cut_file_goes_on_where_it_was(server, file):
    server.plan = [("cut", 100_000), ("status", 503)]
    told = fetch(server, file)
    assert file.read_bytes() == CONTENT
    assert server.requests[1:] == [(f"/{NAME}", "bytes=100000-")] * 2
    assert (100_000, len(CONTENT)) in told


def test_a_call_goes_on_where_an_earlier_one_failed(server, file):
    server.plan = [("cut", 250_000)] + [("status", 500)] * 3
    with pytest.raises(InputError, match=r"status 500; 4 tries; 0.2 MB are kept, the next try"):
        fetch(server, file)
    assert len(server.requests) == 4
    fetch(server, file)
    assert server.requests[4] == (f"/{NAME}", "bytes=250000-")
    assert file.read_bytes() == CONTENT


def test_tries_that_bring_much_are_not_counted(server, file, monkeypatch):
    monkeypatch.setattr(downloads, "_WORTH", 1000)

    def cut(self, size):
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        self.answer(
            206 if start else 200,
            {
                "Content-Range": f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}",
                "Content-Length": str(len(CONTENT) - start),
                "ETag": '"a"',
            },
            CONTENT[start : start + size],
        )

    monkeypatch.setattr(server.RequestHandlerClass, "part", cut, raising=False)
    server.plan = [("part", 20_000)] * 20
    fetch(server, file)
    assert file.read_bytes() == CONTENT and len(server.requests) == 15


@pytest.mark.parametrize("healthy", [{"ranges": False}, {"length": False}, {"etag": False}])
def test_servers_that_take_no_ranges_or_say_little(server, file, healthy):
    server.plan = [("cut", 100_000), ("healthy", *healthy_arguments(**healthy))]
    fetch(server, file)
    assert file.read_bytes() == CONTENT


def healthy_arguments(ranges=True, length=True, etag=True):
    return ranges, length, etag


def test_without_a_validator_nothing_is_resumed(server, file):
    server.plan = [
        ("answer", 200, {"Content-Length": str(len(CONTENT)), "ETag": 'W/"weak"'}, CONTENT[:90])
    ]
    fetch(server, file)
    assert server.requests == [(f"/{NAME}", None)] * 2
    assert file.read_bytes() == CONTENT


def test_another_file_of_the_same_address_is_not_mixed_in(server, file):
    server.plan = [("cut", 100_000)] + [("status", 500)] * 3
    with pytest.raises(InputError):
        fetch(server, file)
    other = CONTENT[::-1]
    fetch(server, file, content=other)
    assert server.requests[-1][1] == "bytes=100000-"
    assert file.read_bytes() == other


@pytest.mark.parametrize(
    "answer",
    [
        (416, {}),
        (206, {"Content-Range": "bytes 5-299999/300000"}, CONTENT[5:]),
        (206, {"Content-Range": "bytes 150000-299999/300000"}, CONTENT[150_000:]),
        (206, {"Content-Range": "none of yours"}, CONTENT),
    ],
)
def test_wrong_parts_are_not_taken(server, file, answer):
    server.plan = [("cut", 100_000), ("answer", *answer)]
    fetch(server, file)
    assert file.read_bytes() == CONTENT


@pytest.mark.parametrize("code, reason", [(404, "status 404 Not Found"), (403, "status 403")])
def test_what_another_try_will_not_change_is_told_at_once(server, file, code, reason):
    server.plan = [("status", code)]
    with pytest.raises(downloads.DownloadError, match=reason) as error:
        fetch(server, file)
    assert f"{server.url}/{NAME} cannot be fetched" in str(error.value)
    assert len(server.requests) == 1 and not file.exists()


@pytest.mark.parametrize("plan", [("cut", 120_000, True), ("silent",)])
def test_a_server_that_falls_silent(server, file, plan):
    server.plan = [plan] + [("silent",)] * 3
    with pytest.raises(downloads.DownloadError, match="no answer in time; 4 tries"):
        fetch(server, file, timeout=0.1)
    kept = plan[1] if plan[0] == "cut" else 0
    assert (file.stat().st_size if file.exists() else 0) == kept
    fetch(server, file)
    assert server.requests[-1][1] == (f"bytes={kept}-" if kept else None)
    assert file.read_bytes() == CONTENT


def test_a_web_page_is_no_file_and_costs_nothing(server, file):
    server.plan = [("cut", 100_000)] + [("status", 500)] * 3
    with pytest.raises(InputError):
        fetch(server, file)
    server.plan = [("answer", 200, {"Content-Type": "text/html; charset=utf-8"}, b"<html>Log in")]
    with pytest.raises(downloads.DownloadError, match="answers with a web page, expected a file"):
        fetch(server, file)
    assert file.read_bytes() == CONTENT[:100_000]


@pytest.mark.parametrize("plan", [("healthy",), ("healthy", True, False)])
def test_a_file_that_is_too_large(server, file, plan):
    server.plan = [plan]
    with pytest.raises(downloads.DownloadError, match="expected at most|has more than the 200000"):
        fetch(server, file, most=200_000)
    assert not file.exists()


def test_no_connection(server, file):
    server.shutdown()
    server.server_close()
    with pytest.raises(downloads.DownloadError, match=r"no connection: connection refused\)"):
        fetch(server, file)


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://127.0.0.1/x", "weights", "http://", "http://[1/x"]
)
def test_other_addresses(file, url):
    with pytest.raises(InputError) as error:
        downloads.fetch(url, file, MOST, lambda *values: None)
    assert "\n" not in str(error.value) and not file.exists()


def test_redirections(server, file):
    server.plan = [("answer", 302, {"Location": f"{server.url}/elsewhere/{NAME}"})]
    fetch(server, file)
    assert file.read_bytes() == CONTENT and server.requests[1][0] == f"/elsewhere/{NAME}"
    downloads.forget(file)
    server.plan = [("answer", 302, {"Location": "file:///etc/passwd"})]
    with pytest.raises(downloads.DownloadError, match="cannot be fetched"):
        fetch(server, file)


def test_https_does_not_lead_to_http():
    class Response:
        status, headers = 200, http.client.HTTPMessage()

        def geturl(self):
            return "http://elsewhere/x"

    with pytest.raises(downloads.DownloadError, match="leads to http://elsewhere/x, expected http"):
        downloads._check_answer("https://here/x", Response())


def test_a_proxy_of_the_environment_is_asked(server, file, monkeypatch):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setattr("urllib.request._opener", None)  # it keeps the proxies of its first use
    server.files[NAME] = CONTENT
    downloads.fetch(f"http://weights.invalid/{NAME}", file, MOST, lambda *values: None)
    assert server.requests == [(f"http://weights.invalid/{NAME}", None)]
    assert file.read_bytes() == CONTENT


@pytest.mark.parametrize("record", ["", "[]", "{}", '{"url": 1}', '{"validator": [], "size": 3}'])
def test_damaged_notes_begin_anew(server, file, record):
    server.plan = [("cut", 100_000)] + [("status", 500)] * 3
    with pytest.raises(InputError):
        fetch(server, file)
    notes = file.with_name(file.name + ".json")
    assert set(json.loads(notes.read_text())) == {"url", "validator", "size"}
    notes.write_text(record)
    fetch(server, file)
    assert server.requests[-1][1] is None and file.read_bytes() == CONTENT


def test_a_folder_that_cannot_be_written(server, tmp_path):
    with pytest.raises(InputError, match=r"weights.incomplete.*: cannot be written \(No such file"):
        fetch(server, tmp_path / "absent" / "weights.incomplete")


def test_progress_is_shown_by_lines_where_there_is_no_terminal(monkeypatch):
    monkeypatch.setattr(downloads, "_SECONDS_BETWEEN_LINES", 0.0)
    said = []
    with downloads.ShownProgress("w.tar.gz", said.append) as progress:
        progress(1_000_000, 4_000_000)
        progress(4_000_000, 4_000_000)
    assert said[0].startswith("w.tar.gz: 1.0 of 4.0 MB, ") and "4.0 of 4.0 MB" in said[1]
    with downloads.ShownProgress("w.tar.gz", None) as progress:
        progress(1, 2)
    assert len(said) == 2


def test_progress_is_a_bar_on_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with downloads.ShownProgress("w.tar.gz", lambda line: None) as progress:
        progress(4_000_000, 4_000_000)
    shown = capsys.readouterr().err
    assert shown.startswith("\rw.tar.gz: 4.0 of 4.0 MB") and shown.endswith(os.linesep)
