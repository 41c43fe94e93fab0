"""Signals that end a program."""

from __future__ import annotations

import signal

ENDING = (signal.SIGINT, signal.SIGTERM)
# Who stops a program may send the signal to it and once more to its group, as `timeout` does: what
# comes within so many seconds is the same wish.
SECONDS_OF_ONE = 5.0
