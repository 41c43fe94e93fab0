"""Ctrl-C and SIGTERM in a run: heeded between steps, where everything is whole."""

from __future__ import annotations

import signal
import threading

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(Exception):
    """Leaves the loops of a run that is to stop."""


class StopSignals:
    """Takes the first signal down while its block runs; the second does what it did before.

        with StopSignals() as signals:
            ...
            signals.check()    # raises Stopped once a signal came
            signals.deliver()  # the signal does what it would have done

    Weights, step and place in the data are changed one after the other, so an exception that
    comes anywhere would leave a state that never was. Outside the main thread, which alone
    receives signals, it does nothing.
    """

    def __init__(self):
        self.received = None
        self._before = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            # One that the process ignores, as in the background of a script, stays ignored.
            self._before = {number: signal.signal(number, self._take) for number in SIGNALS
                            if signal.getsignal(number) not in (signal.SIG_IGN, None)}
        return self

    def __exit__(self, *error) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _take(self, number, frame):
        self.received = number
        for each, handler in self._before.items():
            signal.signal(each, handler)

    def check(self) -> None:
        """Raises Stopped if a signal has come."""
        if self.received is not None:
            raise Stopped

    def deliver(self) -> None:
        """Sends the signal that was taken down once more, if there was one."""
        if self.received is not None:
            signal.raise_signal(self.received)
