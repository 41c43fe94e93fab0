"""What is pushed to the pages that are open."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

_WAITING = 1000  # events that a slow page may be behind; then it is told to load anew
_SECONDS_BETWEEN_SIGNS = 10.0


class Events:
    """Takes events from any thread and hands them to every page, in their order."""

    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[str | None]] = set()
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None

    def send(self, kind: str, **values: Any) -> None:
        """Pushes an event; values are plain as JSON has them."""
        if self._loop is not None and self._queues:
            text = json.dumps({"kind": kind, **values}, separators=(",", ":"))
            self._loop.call_soon_threadsafe(self._put, text)

    def close(self) -> None:
        """Ends all that listen, so that a server can end."""
        self._closed = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._put, None)

    async def listen(self) -> AsyncIterator[str]:
        """Yields the events from now on as server-sent events, and signs of life between them."""
        self._loop = asyncio.get_running_loop()
        queue: asyncio.Queue[str | None] = asyncio.Queue()
        self._queues.add(queue)
        try:
            yield "retry: 1000\n\n"
            while not self._closed:
                try:
                    text = await asyncio.wait_for(queue.get(), _SECONDS_BETWEEN_SIGNS)
                    if text is None:
                        return
                    yield f"data: {text}\n\n"
                except asyncio.TimeoutError:
                    yield ": still here\n\n"
        finally:
            self._queues.discard(queue)

    def _put(self, text: str | None) -> None:
        for queue in self._queues:
            if text is not None and queue.qsize() >= _WAITING:
                while not queue.empty():
                    queue.get_nowait()
                text = json.dumps({"kind": "reload"})
            queue.put_nowait(text)
