"""How fast a stroke of feelvos-annotate is drawn and kept, and its memory over a long video.

  python experiments/benchmarks/annotate.py --output=OUT

Drives the page in Debian's Chromium with Selenium (apt install chromium chromium-driver), on drawn
clips. OUT/annotate.md has the tables, OUT/annotate.json all figures:

  script  a stroke of a large brush at 1280x720: script time of the browser for each move of the
          mouse, and for the whole of its end
  kept    strokes at 854x480 while the weights that ship compute: by HTTP alone from the request
          until the answer, when the file is there; on the page from the end of the stroke on
  length  a small clip, computed to its end by a method without a network, then stepped through
          frame by frame: memory that is held

--parts names some of them; each adds its figures to those that OUT holds.
"""

import contextlib
import json
import logging
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator

import httpx
import numpy as np
from absl import app, flags

from feelvos_tf.benchmark import report
from feelvos_tf.data.synthetic import Clip, synthetic_clip, write_clip
from feelvos_tf.files import make_folder
from feelvos_tf.video.masks import read_mask

sys.path.append(str(pathlib.Path(__file__).parents[2] / "tests" / "annotate"))
import browsers  # noqa: E402
import projects  # noqa: E402

_OUTPUT = flags.DEFINE_string("output", None, "Folder for the tables.", required=True)
_PARTS = flags.DEFINE_list("parts", ["script", "kept", "length"], "What to measure.")
_FRAMES = flags.DEFINE_integer("frames", 1000, "Length of the small clip.", lower_bound=20)
_STROKES = flags.DEFINE_integer("strokes", 30, "Strokes of each kind.", lower_bound=2)


def main(argv: list[str]) -> None:
    """Measures all and writes the tables."""
    del argv
    results: dict[str, object] = {}
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it tells every request
    output = make_folder(_OUTPUT.value)
    with contextlib.suppress(FileNotFoundError):
        results = json.loads((output / "annotate.json").read_text())["results"]
    measured = {"script": script, "kept": kept, "length": length}
    for part in _PARTS.value:
        with tempfile.TemporaryDirectory() as folder, browsers.browser() as driver:
            results[part] = measured[part](browsers.Page(driver), pathlib.Path(folder))
        results[f"load after {part}"] = os.getloadavg()
        report.write(output, "annotate", results, tables(results))


@contextlib.contextmanager
def serving(command: list[str]) -> Iterator[tuple[int, httpx.Client]]:
    """Runs a server; yields the process' id, and what asks at its address."""
    process = subprocess.Popen(
        [sys.executable, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        address = next(filter(None, (re.search(r"http://\S+", line) for line in process.stdout)))
        with httpx.Client(base_url=address[0], timeout=60, trust_env=False) as client:
            yield process.pid, client
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def annotate(folder: pathlib.Path, clip: Clip) -> list[str]:
    """The command for a clip, which it writes; the project is FOLDER/masks."""
    write_clip(clip, folder, "clip")
    video = folder / "JPEGImages" / "480p" / "clip"
    program = ["-m", "feelvos_tf.cli.annotate", "--no_browser"]
    return [*program, f"--video={video}", f"--project={folder / 'masks'}"]


def script(page: browsers.Page, folder: pathlib.Path) -> dict[str, list[float]]:
    """Milliseconds of script, of each move of a stroke and of the end of each."""
    with serving(annotate(folder, synthetic_clip(3, 2, 720, 1280))) as (_, client):
        page.open(client.base_url, (1280, 720))
        page.js("page.tools.resize(120)")
        page.js(
            "(() => {const end = page.model.endStroke.bind(page.model); window.ends = [];"
            "page.model.endStroke = () => {const t = performance.now(); end();"
            "window.ends.push(performance.now() - t)}})()"
        )
        for _ in range(_STROKES.value):
            page.stroke(*((100 + 60 * i, 100 + 250 * (i % 2)) for i in range(18)))
            page.click("#undo")
        page.saved()
        return {"move": page.js("page.tools.costs"), "end": page.js("window.ends")}


def kept(page: browsers.Page, folder: pathlib.Path) -> dict[str, list[float]]:
    """Milliseconds until each stroke is in its file, by HTTP and on the page."""
    clip = synthetic_clip(5, 8 * _STROKES.value, 480, 854, num_objects=2)
    found: dict[str, list[float]] = {"http": []}
    with serving(annotate(folder, clip)) as (_, client):
        put(client, 0, clip.masks[0])
        client.post("run", json={"goal": "both", "frame": 0})
        computing(client, 2)
        for number in range(_STROKES.value):
            index = len(clip.masks) - 1 - number
            labels = np.roll(clip.masks[index], number, axis=0)
            began = time.monotonic()
            put(client, index, labels)
            found["http"].append(1000 * (time.monotonic() - began))
            assert (read_mask(folder / "masks" / "given" / f"{index:05d}.png") == labels).all()
            computing(client)
            time.sleep(0.3)
        page.open(client.base_url)
        page.js("page.model.following = false")
        for number in range(_STROKES.value):
            page.goto(len(clip.masks) - 1 - number)
            page.stroke((100, 100 + 5 * number), (300, 100 + 5 * number))
            page.saved()
            computing(client)
        found["page"] = page.js("page.saver.times")
        assert len(found["page"]) == _STROKES.value
        client.post("stop")
    return found


def put(client: httpx.Client, index: int, labels: np.ndarray) -> None:
    """Hands over what a person painted."""
    client.put(f"masks/{index}", content=zlib.compress(labels.tobytes(), 1)).raise_for_status()


def computing(client: httpx.Client, done: int = 0) -> None:
    """Waits until a run has computed some frames; it must be at work."""
    while True:
        run = client.get("state").json()["run"]
        assert run is not None, "the run has ended before the strokes"
        if run["done"] >= done:
            return
        time.sleep(0.1)


def length(page: browsers.Page, folder: pathlib.Path) -> list[dict[str, object]]:
    """MB held after so many frames, computed and then looked at."""
    count = _FRAMES.value
    video = projects.write_frames(folder / "clip", count, (96, 128))
    program = str(pathlib.Path(projects.__file__).with_name("serve_by_color.py"))
    rows: list[dict[str, object]] = []
    marks = sorted({count // 10, count // 4, count // 2, 3 * count // 4, count})
    with serving([program, str(video), str(folder / "masks")]) as (pid, client):
        page.open(client.base_url)
        put(client, 0, projects.truth(0, (96, 128)))
        page.driver.refresh()
        page.ready()
        page.click("[data-goal=both]")
        for mark in marks:
            page.wait(f"!page.model.run || page.model.run.done >= {mark} - 1", 3600)
            rows.append({"frames": mark, "what": "computed", **held(page, pid)})
        page.wait("!page.model.run", 3600)
        for index in range(count):
            page.js("void page.model.goto(arguments[0])", index)
            page.wait(f"page.model.frame === {index} && page.model.labels !== null")
            if index + 1 in marks:
                rows.append({"frames": index + 1, "what": "looked at", **held(page, pid)})
    return rows


def held(page: browsers.Page, pid: int) -> dict[str, float]:
    """MB of the server's process, of the worker's, of the page's, and its JavaScript heap."""
    page.driver.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
    page.driver.execute_cdp_cmd("Performance.enable", {})
    metrics = page.driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    heap = next(m["value"] for m in metrics if m["name"] == "JSHeapUsedSize")
    driver = below(page.driver.service.process.pid)
    renderers = [p for p in driver if b"--type=renderer" in command(p)]
    return {
        "server": resident(pid),
        "worker": max(resident(p) for p in below(pid)),
        "page": max(resident(p) for p in renderers),
        "heap": heap / 1e6,
    }


def below(pid: int) -> list[int]:
    """Processes that one has begun, and those that they have."""
    tasks = pathlib.Path(f"/proc/{pid}/task").glob("*/children")
    found = [int(child) for path in tasks for child in path.read_text().split()]
    with contextlib.suppress(FileNotFoundError):  # one ends meanwhile
        for child in list(found):
            found += below(child)
    return found


def command(pid: int) -> bytes:
    """What a process was begun with; nothing where it has ended."""
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def resident(pid: int) -> float:
    """MB of memory that a process holds."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+)", text)
    return int(found[1]) / 1000 if found else 0.0


def tables(results: dict[str, object]) -> str:
    """All in Markdown."""
    rows = []
    for what in ("script", "kept"):
        for kind, found in results.get(what, {}).items():
            values = np.array(found)
            rows.append([what, kind, len(values), np.median(values), values.max()])
    first = report.markdown_table(["what", "of", "number", "median ms", "worst ms"], rows)
    names = ["frames", "what", "server", "worker", "page", "heap"]
    second = report.markdown_table(
        names, [[r[n] for n in names] for r in results.get("length", [])]
    )
    return f"{first}\n\nMemory held, MB:\n\n{second}"


if __name__ == "__main__":
    app.run(main)
