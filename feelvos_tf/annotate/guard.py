"""Who may ask: the one who knows the token, from a page of this server's, in bounded requests.

A browser sends requests of any page it shows to 127.0.0.1. So the address holds a token, which no
other page can know; Host must be ours, whatever name leads here; and Origin, where there is one,
must be ours.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' blob: data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


class TooLarge(Exception):
    """A body larger than what was asked for."""


def refusal(status: int, line: str) -> JSONResponse:
    """An answer that says in one line what is wrong."""
    return JSONResponse({"error": " ".join(line.split())}, status)


class Guard:
    """Lets requests through to an application; takes the token off their paths.

    Args:
      app: an ASGI application.
      token: first part of every path.
      hosts: values of Host that are ours; None where any is (a server for other machines).
    """

    def __init__(self, app: Any, token: str, hosts: Collection[str] | None) -> None:
        self._app, self._token, self._hosts = app, token, hosts

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """As ASGI says."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        problem = self._problem(scope)
        if problem is not None:
            await problem(scope, receive, send)
            return
        path = "/" + scope["path"].split("/", 2)[2]

        async def with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                extra = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message["headers"], *extra]}
            await send(message)

        await self._app({**scope, "path": path, "root_path": ""}, receive, with_headers)

    def _problem(self, scope: Any) -> JSONResponse | None:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        host, origin = headers.get(b"host", ""), headers.get(b"origin")
        if self._hosts is not None and host not in self._hosts:
            return refusal(403, "Host is another machine's, expected the address as printed")
        if origin is not None and origin != f"http://{host}":
            return refusal(403, "Origin is another page's, expected this server's own")
        parts = scope["path"].split("/", 2)
        if len(parts) < 3 or not hmac.compare_digest(parts[1].encode(), self._token.encode()):
            return refusal(403, "the address has no valid token, expected it as printed")
        return None


async def body(request: Request, limit: int) -> bytes:
    """The body of a request, which is not read beyond a limit in bytes; TooLarge."""
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced) > limit:
        raise TooLarge(f"the request has {announced[:20]} bytes, expected at most {limit}")
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise TooLarge(f"the request has more than {limit} bytes")
        parts.append(part)
    return b"".join(parts)
