"""Ctrl-C and SIGTERM in a run: heeded between steps, where everything is whole."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from feelvos_tf import signals


class Stopped(Exception):
    """Leaves the loops of a run that is to stop."""


class StopSignals:
    """Takes the first signal down while its block runs; a later one does what it did before.

        with StopSignals() as signals:
            ...
            signals.check()    # raises Stopped once a signal came
            signals.deliver()  # the signal does what it would have done

    Weights, step and place in the data are changed one after the other, so an exception that
    comes anywhere would leave a state that never was. Outside the main thread, which alone
    receives signals, it does nothing.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._when = 0.0  # it was received
        self._before: dict[int, Callable[[int, FrameType | None], Any] | int | None] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            # One that the process ignores, as in the background of a script, stays ignored.
            self._before = {
                number: signal.signal(number, self._take)
                for number in signals.ENDING
                if signal.getsignal(number) not in (signal.SIG_IGN, None)
            }
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _take(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.received is None:
            self.received, self._when = number, now
        elif now - self._when > signals.SECONDS_OF_ONE:
            self.received = number
            self.deliver()

    def check(self) -> None:
        """Raises Stopped if a signal has come."""
        if self.received is not None:
            raise Stopped

    def deliver(self) -> None:
        """Sends the signal that was taken down once more, if there was one."""
        if self.received is not None:
            self.__exit__()
            signal.raise_signal(self.received)
