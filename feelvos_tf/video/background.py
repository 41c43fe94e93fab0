"""Writing beside computing: work handed to threads, bounded, with the first error kept."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable
from types import TracebackType


class BackgroundWork:
    """Runs calls in threads while the caller goes on; the first error comes back to the caller.

    A context manager: leaving the block waits for every call. Calls that come up after one has
    failed are dropped, as whatever they make would lack what went before.
    """

    def __init__(self, name: str, workers: int = 1, pending: int = 8) -> None:
        """Starts no thread yet.

        Args:
          name: of the threads, for who looks at a process.
          workers: number of threads; with one of them calls run in their order.
          pending: number of calls that may wait before submit() waits; bounds memory.
        """
        self._pool = concurrent.futures.ThreadPoolExecutor(workers, name)
        self._pending = pending
        self._room = threading.BoundedSemaphore(pending)
        self._error: Exception | None = None
        self._raised = False

    def submit(self, call: Callable[..., object], *args: object) -> None:
        """Takes a call; raises what an earlier one raised."""
        self.check()
        self._room.acquire()
        try:
            self._pool.submit(self._run, call, args)
        except BaseException:
            self._room.release()
            raise

    def check(self) -> None:
        """Raises the first error of a call; each error is raised once."""
        if self._error is not None and not self._raised:
            self._raised = True
            raise self._error

    def flush(self) -> None:
        """Waits for what was handed over so far, in the thread that submits; raises as `check`."""
        for _ in range(self._pending):
            self._room.acquire()
        for _ in range(self._pending):
            self._room.release()
        self.check()

    def close(self) -> None:
        """Waits for all calls; raises as `check`."""
        self._pool.shutdown(wait=True)
        self.check()

    def __enter__(self) -> BackgroundWork:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:  # what went wrong first matters more than what a call has to report
            self._pool.shutdown(wait=True)

    def _run(self, call: Callable[..., object], args: tuple[object, ...]) -> None:
        try:
            if self._error is None:
                call(*args)
        except Exception as error:  # handed to the thread that submits
            self._error = self._error or error
        finally:
            self._room.release()
