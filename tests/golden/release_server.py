"""A server on the loopback that stands in for the release's, healthy or not, and its archives."""

import contextlib
import gzip
import hashlib
import http.server
import io
import tarfile
import threading


def archive(files, folder="feelvos_davis17_trained", level=1):
    """The bytes of a .tar.gz in the layout of the release: {name: bytes} in one folder."""
    packed = io.BytesIO()
    # Without the time, so that the same files give the same bytes.
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=level, mtime=0) as zipped:
        with tarfile.open(fileobj=zipped, mode="w") as tar:
            entry = tarfile.TarInfo(folder)
            entry.type = tarfile.DIRTYPE
            tar.addfile(entry)
            for name, content in files.items():
                entry = tarfile.TarInfo(f"{folder}/{name}")
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


class Server(http.server.ThreadingHTTPServer):
    """Serves `files` ({name: bytes}); each request takes the next of `plan`, then all is well.

    Entries of the plan are names of methods of `_Handler` with their arguments, such as
    ("cut", 1000). `requests` has (path, Range) of each request.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files, self.plan, self.requests, self.headers = {}, [], [], []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.gate = threading.Event()  # while it is clear, answers stop half-way
        self.gate.set()
        self.closing = threading.Event()

    def handle_error(self, request, client_address):
        """Clients that leave early are what the tests are about."""


@contextlib.contextmanager
def running():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.gate.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def do_GET(self):
        self.server.requests.append((self.path, self.headers.get("Range")))
        self.server.headers.append(dict(self.headers))
        plan = self.server.plan
        kind, *arguments = plan.pop(0) if plan else ("healthy",)
        getattr(self, kind)(*arguments)

    def content(self):
        return self.server.files[self.path.rsplit("/", 1)[-1]]

    def healthy(self, ranges=True, length=True, etag=True, kind="application/octet-stream"):
        content = self.content()
        tag = f'"{hashlib.md5(content).hexdigest()}"'
        asked = self.headers.get("Range")
        start = 0
        if ranges and asked and self.headers.get("If-Range", tag) == tag:
            start = int(asked[len("bytes=") :].rstrip("-"))
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", kind)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if length:
            self.send_header("Content-Length", str(len(content) - start))
        if etag:
            self.send_header("ETag", tag)
        self.end_headers()
        for begin in range(start, len(content), 4096):
            self.wfile.write(content[begin : min(begin + 4096, len(content))])
            if begin >= len(content) // 2:
                self.wfile.flush()
                self.server.gate.wait(60)

    def status(self, code):
        self.send_error(code)

    def cut(self, size, stall=False):
        """Announces all of the file, sends `size` bytes and closes, or says nothing any more."""
        content = self.content()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{hashlib.md5(content).hexdigest()}"')
        self.end_headers()
        self.wfile.write(content[:size])
        self.wfile.flush()
        if stall:
            self.server.closing.wait(20)

    def silent(self):
        """Takes the request and never answers."""
        self.server.closing.wait(20)

    def answer(self, code, headers, content=b""):
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
