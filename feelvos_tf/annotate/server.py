"""The routes of the page's server; each calls one method of the session."""

from __future__ import annotations

import gzip
import importlib.resources
import json
import zlib
from collections.abc import Awaitable, Callable, Collection
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from feelvos_tf.annotate.guard import Guard, TooLarge, body, refusal
from feelvos_tf.annotate.keeping import NotKept
from feelvos_tf.annotate.session import Session
from feelvos_tf.errors import InputError, shown

_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_JSON_BYTES = 64 << 10
_STROKE_BYTES = 1 << 20
_SLACK = 1 << 16  # bytes by which deflate may make incompressible labels longer
_UNCHANGING = {"cache-control": "private, max-age=3600"}
_CHANGING = {"cache-control": "no-store"}


def make_app(session: Session, token: str, hosts: Collection[str] | None) -> Guard:
    """The application of one session.

    Args:
      session: entered.
      token: see `Guard`.
      hosts: see `Guard`.
    """
    routes = Routes(session)
    table: list[tuple[str, str, Callable[[Request], Awaitable[Response]]]] = [
        ("GET", "/", routes.page),
        ("GET", "/page/{name}", routes.asset),
        ("GET", "/state", routes.state),
        ("GET", "/events", routes.events),
        ("GET", "/frames/{index:int}.jpg", routes.frame),
        ("GET", "/thumbnails/{index:int}.jpg", routes.thumbnail),
        ("GET", "/masks/{index:int}", routes.mask),
        ("PUT", "/masks/{index:int}", routes.paint),
        ("DELETE", "/masks/{index:int}", routes.take_back),
        ("PUT", "/objects", routes.objects),
        ("PUT", "/settings", routes.settings),
        ("GET", "/strokes", routes.strokes),
        ("PUT", "/strokes", routes.update_strokes),
        ("POST", "/run", routes.run),
        ("POST", "/stop", routes.stop),
        ("POST", "/box", routes.box),
        ("POST", "/export", routes.export),
        ("GET", "/look_at", routes.look_at),
    ]
    app = Starlette(
        routes=[Route(path, handler, methods=[method]) for method, path, handler in table],
        exception_handlers={
            InputError: lambda request, error: refusal(400, str(error)),
            NotKept: lambda request, error: refusal(507, str(error)),  # the page tries again
            TooLarge: lambda request, error: refusal(413, str(error)),
            HTTPException: _no_such_thing,
        },
    )
    return Guard(app, token, hosts)


async def _no_such_thing(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)
    return refusal(status, f"{request.method} {request.url.path[:100]}: nothing of the project's")


class Routes:
    """Answers requests; what reads, writes or computes runs in threads."""

    def __init__(self, session: Session) -> None:
        """Reads the files of the page."""
        self._session = session
        self._height, self._width = session.source.size
        folder = importlib.resources.files("feelvos_tf.annotate") / "page"
        self._assets = {
            file.name: file.read_bytes() for file in folder.iterdir() if _type(file.name)
        }

    async def page(self, request: Request) -> Response:
        """The page itself."""
        return Response(self._assets["index.html"], headers=_CHANGING, media_type=_TYPES["html"])

    async def asset(self, request: Request) -> Response:
        """A file of the page."""
        name = request.path_params["name"]
        if name not in self._assets:
            raise HTTPException(404)
        return Response(self._assets[name], headers=_CHANGING, media_type=_type(name))

    async def state(self, request: Request) -> Response:
        """All that the page begins with."""
        return JSONResponse(await run_in_threadpool(self._session.describe), headers=_CHANGING)

    async def events(self, request: Request) -> Response:
        """What happens from now on."""
        return StreamingResponse(
            self._session.events.listen(), media_type="text/event-stream", headers=_CHANGING
        )

    async def frame(self, request: Request) -> Response:
        """A frame as JPEG."""
        data = await run_in_threadpool(self._session.pictures.frame, self._index(request))
        return Response(data, media_type="image/jpeg", headers=_UNCHANGING)

    async def thumbnail(self, request: Request) -> Response:
        """A small picture of a frame."""
        data = await run_in_threadpool(self._session.pictures.thumbnail, self._index(request))
        return Response(data, media_type="image/jpeg", headers=_UNCHANGING)

    async def mask(self, request: Request) -> Response:
        """The ids of a frame, a byte a pixel; nothing (204) where it has no mask."""
        data = await run_in_threadpool(self._packed_labels, self._index(request))
        if data is None:
            return Response(status_code=204, headers=_CHANGING)
        headers = {"content-encoding": "gzip", **_CHANGING}
        return Response(data, media_type="application/octet-stream", headers=headers)

    async def paint(self, request: Request) -> Response:
        """Takes the ids of a frame, deflated; with ?painted=0 as they were before any stroke."""
        index, labels = self._index(request), await self._labels(request)
        if request.query_params.get("painted") == "0":
            await run_in_threadpool(self._session.take_back, index, labels)
        else:
            await run_in_threadpool(self._session.paint, index, labels)
        return JSONResponse({})

    async def take_back(self, request: Request) -> Response:
        """Makes a painted frame one to be computed."""
        await run_in_threadpool(self._session.take_back, self._index(request), None)
        return JSONResponse({})

    async def objects(self, request: Request) -> Response:
        """Takes the list of objects."""
        await run_in_threadpool(self._session.describe_objects, await _json(request))
        return JSONResponse({})

    async def settings(self, request: Request) -> Response:
        """Takes settings of the page."""
        await run_in_threadpool(self._session.describe_page, await _json(request))
        return JSONResponse({})

    async def strokes(self, request: Request) -> Response:
        """What can be undone and redone."""
        text = await run_in_threadpool(self._session.project.strokes.text)
        return Response(text, headers=_CHANGING, media_type="application/json")

    async def update_strokes(self, request: Request) -> Response:
        """Takes what has changed of it."""
        values = await _json(request, _STROKE_BYTES)
        await run_in_threadpool(self._session.project.strokes.update, values)
        return JSONResponse({})

    async def run(self, request: Request) -> Response:
        """Begins a run."""
        values = await _json_object(request, "goal", "frame")
        index = self._checked(values["frame"])
        await run_in_threadpool(self._session.run, values["goal"], index)
        return JSONResponse({})

    async def stop(self, request: Request) -> Response:
        """Ends the run at hand."""
        await run_in_threadpool(self._session.stop)
        return JSONResponse({})

    async def box(self, request: Request) -> Response:
        """The object in a box: a byte a pixel, and where in the frame they belong."""
        values = await _json_object(request, "frame", "box")
        index = self._checked(values["frame"])
        described, inside = await run_in_threadpool(self._session.box, index, values["box"])
        headers = {"x-box": json.dumps(described), **_CHANGING}
        return Response(
            inside.astype(np.uint8).tobytes(),
            media_type="application/octet-stream",
            headers=headers,
        )

    async def export(self, request: Request) -> Response:
        """Begins to write files for other programs."""
        values = await _json_object(request, "kinds")
        kinds = values["kinds"]
        if not isinstance(kinds, list) or not all(isinstance(kind, str) for kind in kinds):
            raise InputError(f"kinds are {shown(kinds)}, expected a list of names")
        await run_in_threadpool(self._session.export, kinds)
        return JSONResponse({})

    async def look_at(self, request: Request) -> Response:
        """The least sure frames."""
        return JSONResponse(await run_in_threadpool(self._session.look_at), headers=_CHANGING)

    def _index(self, request: Request) -> int:
        return self._checked(request.path_params["index"])

    def _checked(self, index: Any) -> int:
        count = len(self._session.project.names)
        if type(index) is not int or not 0 <= index < count:
            raise InputError(f"the frame is {shown(index)}, expected 0 to {count - 1}")
        return index

    def _packed_labels(self, index: int) -> bytes | None:
        labels = self._session.labels(index)
        return None if labels is None else gzip.compress(labels.tobytes(), 1)

    async def _labels(self, request: Request) -> np.ndarray:
        size = self._height * self._width
        data = await body(request, size + _SLACK)
        try:
            unpacked = zlib.decompressobj()
            pixels = unpacked.decompress(data, size + 1)
        except zlib.error as error:
            raise InputError(f"the mask cannot be unpacked ({error})") from error
        if len(pixels) != size or not unpacked.eof:
            raise InputError(f"the mask has not {self._width}x{self._height} pixels like the frame")
        return np.frombuffer(pixels, np.uint8).reshape(self._height, self._width)


def _type(name: str) -> str | None:
    return _TYPES.get(name.rpartition(".")[2])


async def _json(request: Request, most: int = _JSON_BYTES) -> Any:
    try:
        return json.loads(await body(request, most))
    except (ValueError, RecursionError) as error:
        raise InputError(f"the request is no JSON ({error})") from error


async def _json_object(request: Request, *names: str) -> dict[str, Any]:
    values = await _json(request)
    if not isinstance(values, dict) or set(values) != set(names):
        raise InputError(f"the request is {shown(values)}, expected {', '.join(names)}")
    return values
