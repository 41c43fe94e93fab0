"""What a run over the frames of a video tells on its way: how far it is, and warnings."""

from __future__ import annotations

import contextlib
import itertools
import logging
import sys
import time
from collections.abc import Callable, Iterator

from tqdm import tqdm

from feelvos_tf.video.frames import Frame

_SECONDS_BETWEEN_LINES = 30.0  # of progress, where there is no terminal to draw a bar in


def progress_shown(
    frames: Iterator[Frame],
    total: int | None,
    is_warm: Callable[[], bool],
    say: Callable[[str], None],
    part: str = "",
) -> Iterator[Frame]:
    """Passes frames on and shows how fast they come and when the last is due.

    `part` is what to call frames that are a part of a run, which has a bar of its own.

    Rate and time left are those of the frames after `is_warm()`: the ones before it were kept from
    an earlier run, which takes no time, or wait for the network to be compiled.
    """
    before = 0
    while not is_warm():
        frame = next(frames, None)
        if frame is None:
            return
        before += 1
        yield frame
    if sys.stderr.isatty():
        yield from tqdm(
            frames,
            part or None,
            total,
            leave=not part,
            initial=before,
            unit="frame",
            dynamic_ncols=True,
        )
        return
    began = said = time.monotonic()
    for count, frame in zip(itertools.count(before + 1), frames):
        yield frame
        now = time.monotonic()
        if now - said >= _SECONDS_BETWEEN_LINES:
            said = now
            say(tqdm.format_meter(count, total, now - began, 0, part, unit="frame", initial=before))


@contextlib.contextmanager
def warnings_to(say: Callable[[str], None]) -> Iterator[None]:
    """Hands what the readers warn of (frames skipped) to `say`, above a progress bar, once."""
    said = set()

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            line = record.getMessage()
            if line not in said:
                said.add(line)
                with tqdm.external_write_mode():
                    say(line)

    logger, handler = logging.getLogger("feelvos_tf.video"), Handler(logging.WARNING)
    propagate = logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate
