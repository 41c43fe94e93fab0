"""The handle of the process that computes: begins it, hears it, notices its death."""

from __future__ import annotations

import contextlib
import multiprocessing
import threading
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

from feelvos_tf.annotate.compute import Computed, Job, Said, run_worker
from feelvos_tf.video.tracker import Segmenter

_SECONDS_TO_END = 5.0


class Worker:
    """A process of its own, so that neither a long step nor a crash keeps the page waiting.

    Args:
      video: folder or file.
      names: of its frames.
      make: returns the method; runs in the process, so it must pickle.
      hear: takes what the worker says, in a thread of its own; Said("died") where the process
        ended by itself.
    """

    def __init__(
        self,
        video: str,
        names: Sequence[str],
        make: Callable[[], Segmenter],
        hear: Callable[[Computed | Said], None],
    ) -> None:
        self._arguments = video, names, make
        self._hear = hear
        self._context = multiprocessing.get_context("spawn")  # threads and forks do not mix
        self._lock = threading.Lock()
        self._process: Any = None
        self._connection: Connection | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """Of the process; None where there is none."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Begins the process, in place of one that died."""
        with self._lock:
            if self._closed:
                return
            ours, theirs = self._context.Pipe()
            self._process = self._context.Process(
                target=run_worker, args=(theirs, *self._arguments), daemon=True
            )
            self._process.start()
            theirs.close()
            self._connection = ours
            threading.Thread(
                target=self._listen, args=(ours, self._process), name="worker", daemon=True
            ).start()

    def send(self, job: Job | None) -> None:
        """Hands over a job in place of the one at hand; None ends that one alone."""
        with self._lock, contextlib.suppress(OSError):  # one that died is heard of in _listen
            if self._connection is not None:
                self._connection.send(job)

    def close(self) -> None:
        """Ends the process."""
        with self._lock:
            self._closed = True
            process, connection = self._process, self._connection
        if process is None:
            return
        process.terminate()
        process.join(_SECONDS_TO_END)
        if process.is_alive():
            process.kill()
            process.join()
        if connection is not None:
            connection.close()

    def _listen(self, connection: Connection, process: Any) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                self._hear(connection.recv())
        process.join()
        if not self._closed and process is self._process:
            self._hear(Said("died", line=f"exit code {process.exitcode}"))
