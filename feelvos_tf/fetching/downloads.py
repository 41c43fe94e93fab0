"""One file over HTTP: in bounds, resumed where it was cut, by the standard library alone.

Proxies of the environment (http_proxy, https_proxy, no_proxy) work as urllib has them. Nothing here
judges what was fetched; the server's word on the size is held, and that is all.
"""

from __future__ import annotations

import contextlib
import errno
import http.client
import json
import os
import pathlib
import re
import socket
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from typing import BinaryIO

from feelvos_tf.errors import InputError
from feelvos_tf.files import read_text, write_json
from feelvos_tf.version import __version__

TIMEOUT = 30.0  # seconds without a byte
_WAITS = (1.0, 3.0, 10.0)  # seconds before the second try, the third, ...
_BLOCK = 1 << 16
_WORTH = 1 << 20  # bytes; a try that brought so many is not counted as failed
_PASSING = (408, 425, 429, 500, 502, 503, 504)  # statuses that may be others a moment later
_SECONDS_BETWEEN_LINES = 10.0

Progress = Callable[[int, "int | None"], None]


class DownloadError(InputError):
    """A file could not be fetched; the message names the address and why."""


class _Passing(Exception):
    """Something that another try may not meet."""


def fetch(
    url: str, path: pathlib.Path, most: int, progress: Progress, timeout: float | None = None
) -> None:
    """Fetches a file, or the rest of one that was cut.

    What arrives is kept in `path`, and what tells it from another file of the same address beside
    it in `path`.json, so that after a failure, Ctrl-C or SIGKILL the next call goes on there. A
    server that takes no ranges sends everything again.

    Args:
      url: http:// or https://.
      path: the file; complete when the function returns. Only one process may write to it.
      most: bytes; a larger file is refused.
      progress: told of the bytes that are there, and of all bytes or None where unknown.
      timeout: seconds without a byte after which a try has failed; TIMEOUT by default.

    Raises:
      DownloadError: no connection, no file, or one of another size than announced.
      InputError: the file cannot be written.
    """
    if not url.startswith(("http://", "https://")):
        raise DownloadError(f"{url} cannot be fetched, expected http:// or https://")
    failed = 0
    while True:
        before = _size(path)
        try:
            return _try(url, path, most, progress, TIMEOUT if timeout is None else timeout)
        except _Passing as error:
            failed = 0 if _size(path) - before >= _WORTH else failed + 1
            if failed > len(_WAITS):
                kept = _size(path)
                rest = f"; {kept / 1e6:.1f} MB are kept, the next try goes on there" if kept else ""
                raise DownloadError(
                    f"{url} cannot be fetched ({error}; {failed} tries{rest})"
                ) from error
            time.sleep(_WAITS[max(failed - 1, 0)])


def forget(path: pathlib.Path) -> None:
    """Removes what `fetch` keeps at `path`; the next call begins anew."""
    for kept in (path, _record(path)):
        with contextlib.suppress(FileNotFoundError):
            kept.unlink()


def _try(url: str, path: pathlib.Path, most: int, progress: Progress, timeout: float) -> None:
    have, validator, total = _kept(path, url)
    if have and have == total:
        return
    try:
        request = urllib.request.Request(
            url, headers={"User-Agent": f"feelvos_tf/{__version__}", "Accept-Encoding": "identity"}
        )
    except ValueError as error:
        raise DownloadError(f"{url} cannot be fetched ({error})") from error
    if have:
        request.add_header("Range", f"bytes={have}-")
        request.add_header("If-Range", validator)
    with _named(url, path), urllib.request.urlopen(request, timeout=timeout) as response:
        _check_answer(url, response)
        start = 0
        if response.status == 206:
            start, total = _content_range(response)
            if start != have:
                forget(path)
                raise _Passing(f"asked for bytes from {have} on, got those from {start} on")
        else:
            length = response.headers.get("Content-Length", "")
            total = int(length) if length.isdigit() else None
        if total is not None and total > most:
            raise DownloadError(f"{url} has {total} bytes, expected at most {most}")
        if not start:
            _remember(path, url, response.headers, total)
        with _written(path), open(path, "r+b" if start else "wb") as file:
            file.seek(start)
            file.truncate()
            done = _copy(response, file, start, total, most, progress)
            os.fsync(file.fileno())
    if done > most:
        forget(path)
        raise DownloadError(f"{url} has more than the {most} bytes expected at most")
    if total is not None and done < total:
        raise _Passing(f"cut after {done} of {total} bytes")


def _copy(
    response: http.client.HTTPResponse,
    file: BinaryIO,
    done: int,
    total: int | None,
    most: int,
    progress: Progress,
) -> int:
    """Returns how many bytes of the file are there; a connection that ends early is no error."""
    progress(done, total)
    while done <= most:
        try:
            block = response.read1(_BLOCK)
        except (http.client.HTTPException, OSError) as error:
            file.flush()  # what is there counts, whatever comes now
            raise _Passing(_reason(error)) from error
        if not block:
            break
        file.write(block)
        done += len(block)
        progress(done, total)
    return done


def _check_answer(url: str, response: http.client.HTTPResponse) -> None:
    where = response.geturl()
    schemes = [urllib.parse.urlsplit(address).scheme for address in (url, where)]
    if schemes[1] not in ("https", schemes[0]):
        raise DownloadError(f"{url} leads to {where}, expected {schemes[0]}:// there too")
    if response.headers.get_content_type() in ("text/html", "application/xhtml+xml"):
        raise DownloadError(f"{url} answers with a web page, expected a file")
    if response.status not in (200, 206):
        raise DownloadError(f"{url} answers with status {response.status}, expected 200")


def _content_range(response: http.client.HTTPResponse) -> tuple[int, int | None]:
    found = re.fullmatch(
        r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)", response.headers.get("Content-Range", "")
    )
    if found is None:
        raise _Passing("a part of a file that does not say which")
    return int(found[1]), None if found[2] == "*" else int(found[2])


@contextlib.contextmanager
def _named(url: str, path: pathlib.Path) -> Iterator[None]:
    """Tells failures that may pass from others, and names the address in these."""
    try:
        yield
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:  # the file is shorter now than what is here
            forget(path)
            raise _Passing("the file has changed meanwhile") from error
        if error.code in _PASSING:
            raise _Passing(f"status {error.code}") from error
        raise DownloadError(
            f"{url} cannot be fetched (status {error.code} {error.reason})"
        ) from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, (socket.timeout, ConnectionResetError)):
            raise _Passing(_reason(error.reason)) from error
        raise DownloadError(
            f"{url} cannot be fetched (no connection: {_reason(error.reason)})"
        ) from error
    except (http.client.HTTPException, OSError) as error:
        raise _Passing(_reason(error)) from error
    except InputError:
        raise
    except ValueError as error:  # a redirection to an address that is none
        raise DownloadError(f"{url} cannot be fetched ({error})") from error


@contextlib.contextmanager
def _written(path: pathlib.Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error


def _reason(error: object) -> str:
    if isinstance(error, socket.timeout):
        return "no answer in time"
    if isinstance(error, OSError) and error.errno == errno.ECONNREFUSED:
        return "connection refused"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(str(text).split()) or type(error).__name__


def _record(path: pathlib.Path) -> pathlib.Path:
    return path.with_name(path.name + ".json")


def _size(path: pathlib.Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _remember(
    path: pathlib.Path, url: str, headers: http.client.HTTPMessage, total: int | None
) -> None:
    """Keeps what tells the file from another one that the address may have later."""
    etag = headers.get("ETag", "")
    validator = headers.get("Last-Modified", "") if etag.startswith("W/") or not etag else etag
    with _written(_record(path)):
        with contextlib.suppress(FileNotFoundError):
            path.unlink()  # it belongs to the record before
        write_json(_record(path), {"url": url, "validator": validator, "size": total})


def _kept(path: pathlib.Path, url: str) -> tuple[int, str, int | None]:
    """How many bytes are here, what tells the file from others, and its size where known."""
    try:
        record = json.loads(read_text(_record(path)))
        validator, total = record["validator"], record["size"]
        fits = record["url"] == url and isinstance(validator, str) and "\n" not in validator
    except (OSError, ValueError, KeyError, TypeError):
        return 0, "", None
    have = _size(path)
    if not fits or not isinstance(total, (int, type(None))):
        return 0, "", None
    if have != total and (not validator or total is not None and have > total):
        return 0, "", None
    return have, validator, total


class ShownProgress:
    """Shows how far a download is: a bar on a terminal, else a line now and then.

    with ShownProgress("file.tar.gz", say) as progress:
        fetch(url, path, most, progress)
    """

    def __init__(self, what: str, say: Callable[[str], None] | None) -> None:
        """Args as follows.

        Args:
          what: name of the file.
          say: takes a line; None shows nothing at all.
        """
        self._what, self._say = what, say
        self._began = self._said = time.monotonic()
        self._first: int | None = None
        self._width = 0

    def __enter__(self) -> ShownProgress:
        return self

    def __exit__(self, *error: object) -> None:
        if self._width:
            sys.stderr.write("\n")

    def __call__(self, done: int, total: int | None) -> None:
        """Takes the bytes that are there and, where known, all bytes."""
        if self._say is None:
            return
        if self._first is None:
            self._first = done
        now = time.monotonic()
        is_terminal = sys.stderr.isatty()
        if done != total and now - self._said < (0.2 if is_terminal else _SECONDS_BETWEEN_LINES):
            return
        self._said = now
        rate = (done - self._first) / 1e6 / max(now - self._began, 1e-3)
        of = "" if total is None else f" of {total / 1e6:.1f}"
        line = f"{self._what}: {done / 1e6:.1f}{of} MB, {rate:.1f} MB/s"
        if is_terminal:
            sys.stderr.write("\r" + line.ljust(self._width))
            sys.stderr.flush()
            self._width = len(line)
        else:
            self._say(line)
