"""One project at work: what the page asks for, and what the worker finds."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from feelvos_tf.annotate import box_refinement, descriptions, exports
from feelvos_tf.annotate.compute import Computed, Job, Said
from feelvos_tf.annotate.events import Events
from feelvos_tf.annotate.frame_records import Sources, margins_by_object, run_lengths
from feelvos_tf.annotate.pictures import Pictures
from feelvos_tf.annotate.planning import Stretch, plan
from feelvos_tf.annotate.project import Project
from feelvos_tf.annotate.worker import Worker
from feelvos_tf.errors import InputError
from feelvos_tf.video.confidence import least_sure
from feelvos_tf.video.frame_source import FrameSource
from feelvos_tf.video.masks import MAX_ID
from feelvos_tf.video.tracker import Segmenter

_SECONDS_OF_QUIET = 1.0  # after a stroke, until a run takes it in
_DEATHS = 3  # of the worker, one after the other, until it is given up
_RATED = 20  # frames that the rate is of


@dataclasses.dataclass
class _Run:
    """A run: what a person asked for, and how far it is."""

    number: int
    goal: str
    current: int
    total: int
    sources: dict[int, Sources]
    stretches: list[Stretch]
    done: int = 0
    overtaken: bool = False  # by a stroke since it was planned
    times: collections.deque[float] = dataclasses.field(
        default_factory=lambda: collections.deque(maxlen=_RATED)
    )

    def describe(self) -> dict[str, Any]:
        """Plain values as JSON has them; rate in frames/s, left in seconds, None while unknown."""
        rate = None
        if len(self.times) > 1:
            rate = (len(self.times) - 1) / max(1e-6, self.times[-1] - self.times[0])
        return {
            "goal": self.goal,
            "total": self.total,
            "done": self.done,
            "rate": rate and round(rate, 2),
            "left": rate and round((self.total - self.done) / rate, 1),
        }


class Session:
    """Holds the project, the worker and the pictures together; any thread may call.

    A context manager: the worker runs inside the block.
    """

    def __init__(
        self, source: FrameSource, project: Project, make: Callable[[], Segmenter], events: Events
    ) -> None:
        """Args as follows.

        Args:
          source: the video.
          project: entered.
          make: returns the method; must pickle.
          events: tells the pages.
        """
        self.source, self.project, self.events = source, project, events
        self.pictures = Pictures(source, len(project.names))
        self._lock = threading.RLock()
        self._worker = Worker(str(source.path), project.names, make, self._hear)
        self._state = "loading"  # or "ready" or "gone", of the worker
        self._problem = ""
        self._run: _Run | None = None
        self._number = self._deaths = 0
        self._timer: threading.Timer | None = None
        self._exporting = False

    @property
    def worker_pid(self) -> int | None:
        """Of the process that computes."""
        return self._worker.pid

    def __enter__(self) -> Session:
        self._worker.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._worker.close()

    def describe(self) -> dict[str, Any]:
        """All that a page needs to begin, as JSON has it."""
        height, width = self.source.size
        with self._lock:
            names = self.project.names
            plain = all(name == f"{index:05d}" for index, name in enumerate(names))
            return {
                "video": self.source.path.name,
                "project": str(self.project.folder.resolve()),
                "width": width,
                "height": height,
                "count": len(names),
                "rate": self.source.frame_rate,
                "aspect": float(self.source.pixel_aspect),
                "names": None if plain else list(names),
                "colors": [descriptions.color_of(object_id) for object_id in range(MAX_ID + 1)],
                "objects": self.project.objects,
                "page": self.project.page,
                "boxes": box_refinement.is_available(),
                "exports": list(exports.available()),
                "margins": margins_by_object(self.project.records.margins),
                **self._changing(),
            }

    def labels(self, index: int) -> np.ndarray | None:
        """The mask of a frame, uint8 [H, W], or None."""
        with self._lock:
            return self.project.labels(index)

    def paint(self, index: int, labels: np.ndarray) -> None:
        """Keeps what a person painted in a frame; what follows from it becomes stale."""
        with self._lock:
            self.project.paint(index, labels)
            self._painted()

    def take_back(self, index: int, labels: np.ndarray | None) -> None:
        """See Project.take_back."""
        with self._lock:
            if index in self.project.records.painted:
                self.project.take_back(index, labels)
                self._painted()
                self.events.send("mask", index=index)

    def describe_objects(self, values: Any) -> None:
        """Keeps names, colors and so on of the objects."""
        objects = descriptions.checked_objects(values)
        with self._lock:
            self.project.describe(objects=objects)

    def describe_page(self, values: Any) -> None:
        """Keeps settings of the page."""
        page = descriptions.checked_settings(values)
        with self._lock:
            self.project.describe(page=page)

    def run(self, goal: str, current: int) -> None:
        """Begins to compute, in place of a run at hand; raises as `plan`."""
        with self._lock:
            if self._state == "gone":
                self._state, self._deaths = "loading", 0
                self._worker.start()
            self._begin(goal, current)

    def stop(self) -> None:
        """Ends the run at hand at once."""
        with self._lock:
            self._end()

    def look_at(self) -> list[int]:
        """The least sure frames, apart from each other."""
        with self._lock:
            return least_sure(self.project.records.least_margins())

    def box(self, index: int, values: Any) -> tuple[dict[str, Any], np.ndarray]:
        """What a box holds: {"box": within the frame, "found": ...}, see `box_refinement`."""
        box = box_refinement.checked_box(values, self.source.size)
        inside, found = box_refinement.refined(self.pictures.image(index), box)
        return {"box": box, "found": found}, inside

    def export(self, kinds: Iterable[str]) -> None:
        """Begins to write files for other programs; events tell how far it is."""
        kinds = exports.checked(kinds)
        with self._lock:
            if self._exporting:
                raise InputError("an export is being written: wait for its end")
            self._exporting = True
        threading.Thread(target=self._export, args=(kinds,), name="export", daemon=True).start()

    def _export(self, kinds: list[str]) -> None:
        try:
            files = exports.write(
                self.project,
                self.source,
                kinds,
                self._lock,
                lambda done, total: self.events.send("export", done=done, total=total),
            )
            self.events.send("exported", files=files)
        except InputError as error:
            self.events.send("exported", problem=str(error))
        finally:
            self._exporting = False

    def _painted(self) -> None:
        """Tells of what has changed, and has a run take it in once the hand rests."""
        if self._run is not None:
            self._run.overtaken = True
        self._wait(_SECONDS_OF_QUIET)
        self.events.send("frames", **self._changing())

    def _wait(self, seconds: float) -> None:
        """Has `_at_rest` called in a while, once."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(seconds, self._at_rest)
        self._timer.daemon = True
        self._timer.start()

    def _at_rest(self) -> None:
        with self._lock, contextlib.suppress(InputError):
            if self._run is not None:
                self._begin(self._run.goal, self._run.current)
                return
        try:
            self.project.settle()  # not under the lock: a stroke must not wait for the disk
        except InputError as error:
            self._problem = str(error)
            self.events.send("frames", **self._changing())

    def _begin(self, goal: str, current: int) -> None:
        try:
            stretches = plan(self.project.records, goal, current)
        except InputError:
            self._end()
            raise
        self._number += 1
        self._problem = ""
        records = self.project.records
        sources = {direction: records.sources(direction) for direction in (1, -1)}
        total = sum(stretch.num_computed for stretch in stretches)
        self._run = _Run(self._number, goal, current, total, sources, stretches)
        self._send_job()
        self.events.send("frames", **self._changing())

    def _send_job(self) -> None:
        if self._run is not None and self._state == "ready":
            self._worker.send(
                Job(
                    self._run.number,
                    self.project.folder,
                    self.project.given,
                    tuple(self._run.stretches),
                )
            )

    def _end(self, problem: str = "") -> None:
        if self._run is not None:
            self._run = None
            self._worker.send(None)
        self._problem = problem
        self._wait(0)
        self.events.send("frames", **self._changing())

    def _changing(self) -> dict[str, Any]:
        return {
            "statuses": run_lengths(self.project.records.statuses()),
            "worker": self._state,
            "problem": self._problem,
            "run": None if self._run is None else self._run.describe(),
        }

    def _hear(self, said: Computed | Said) -> None:
        with self._lock:
            if isinstance(said, Computed):
                self._take(said)
            elif said.what == "ready":
                self._state = "ready"
                self._send_job()
                self.events.send("frames", **self._changing())
            elif said.what == "died":
                self._died(said.line)
            elif said.what == "failed" and said.number == 0:  # it cannot even begin
                self._state = "gone"
                self._end(said.line)
            elif self._run is not None and said.number == self._run.number:
                if said.what == "done" and self._run.overtaken:
                    with contextlib.suppress(InputError):  # nothing is left
                        self._begin(self._run.goal, self._run.current)
                else:
                    self._end(said.line)

    def _take(self, found: Computed) -> None:
        """Keeps a computed mask, unless a person has painted the frame meanwhile."""
        run = self._run
        if run is None or found.number != run.number:
            return
        self._deaths = 0
        run.done += 1
        run.times.append(time.monotonic())
        direction = next(s.direction for s in run.stretches if found.index in s.frames)
        sources, index = run.sources[direction], found.index
        if not self.project.records.tells_all().get(index, False):
            try:
                source, key = int(sources.frames[index]), int(sources.keys[index])
                self.project.compute(index, found.png, source, key, found.objects, found.soft)
            except InputError as error:
                self._end(str(error))
                return
        status = int(self.project.records.statuses()[index])
        margins = {i: round(margin, 3) for i, (_, margin) in found.objects.items()}
        self.events.send("frame", index=index, status=status, margins=margins, run=run.describe())

    def _died(self, line: str) -> None:
        if self._state == "gone":
            return
        self._deaths += 1
        if self._deaths >= _DEATHS:
            self._state = "gone"
            self._end(f"the worker died {self._deaths} times ({line}); strokes are kept")
            return
        self._state = "loading"
        self.events.send("died", line=f"the worker died ({line}) and is started again")
        self._worker.start()
        if self._run is not None:
            with contextlib.suppress(InputError):
                self._begin(self._run.goal, self._run.current)
