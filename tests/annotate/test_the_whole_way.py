"""The command with the weights that ship, from the first stroke to the export, with pictures of it.

FEELVOS_PICTURES=docs/pictures keeps the pictures, which the guide shows.
"""

import io
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from feelvos_tf.data.synthetic import synthetic_clip, write_clip
from feelvos_tf.evaluation.metrics import region_similarity
from feelvos_tf.video.masks import read_mask

COUNT, HEIGHT, WIDTH = 60, 216, 384


def corners(labels, object_id):
    """A polygon around an object, [(x, y), ...]."""
    import cv2

    area = (labels == object_id).astype(np.uint8)
    found, _ = cv2.findContours(area, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = cv2.approxPolyDP(max(found, key=cv2.contourArea), 1.2, True)
    return [(float(x) + 0.5, float(y) + 0.5) for x, y in outline[:, 0]]


def along(area):
    """Points along the middle of the largest part of an area that is wider than high."""
    import cv2

    _, parts, sizes, _ = cv2.connectedComponentsWithStats(area.astype(np.uint8))
    ys, xs = np.nonzero(parts == 1 + sizes[1:, cv2.CC_STAT_AREA].argmax())
    columns = range(xs.min() + 2, xs.max() - 1, 3)
    return [(x + 0.5, np.median(ys[xs == x]) + 0.5) for x in columns]


class Pictures:
    def __init__(self, page):
        folder = os.environ.get("FEELVOS_PICTURES")
        self._page, self._folder = page, folder and pathlib.Path(folder)

    def take(self, name, *, light=True, dark=False):
        """Keeps the page as it is, in light or dark, or both side by side."""
        taken = [self._take(is_dark) for is_dark in (False, True) if (light, dark)[is_dark]]
        self._page.dark(False)
        if self._folder:
            self._folder.mkdir(exist_ok=True)
            image = Image.fromarray(np.concatenate(taken, axis=1))
            image.save(self._folder / f"annotate_{name}.webp", quality=80, method=6)

    def _take(self, dark):
        self._page.dark(dark)
        data = self._page.driver.get_screenshot_as_png()
        image = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        assert len(np.unique(image.reshape(-1, 3), axis=0)) > 500  # not blank
        corner = image[-40:, :40].mean()
        assert corner < 60 if dark else corner > 200
        return image


@pytest.mark.slow
def test_the_whole_way(tmp_path, page):
    clip = synthetic_clip(11, COUNT, HEIGHT, WIDTH, num_objects=2)
    write_clip(clip, tmp_path, "clip")
    project = tmp_path / "masks"
    process = subprocess.Popen(
        [sys.executable, "-m", "feelvos_tf.cli.annotate", "--no_browser"]
        + [f"--video={tmp_path}/JPEGImages/480p/clip", f"--project={project}"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        address = next(filter(None, (re.search(r"http://\S+", line) for line in process.stdout)))
        go_the_way(page, address[0], clip, project)
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def go_the_way(page, address, clip, project):
    pictures = Pictures(page)
    page.open(address)
    page.click("[data-tool=polygon]")
    for object_id in (1, 2):
        page.click("#add")
        points = corners(clip.masks[0], object_id)
        for x, y in [*points, points[0]]:
            page.stroke((x, y))
        page.wait(f"page.model.history.done.length === {object_id}")
    page.saved()
    assert region_similarity(page_labels(page) == 1, clip.masks[0] == 1) > 0.9
    pictures.take("paint")
    page.click("[data-goal=both]")
    page.wait("page.model.run && page.model.run.done > 24 && page.model.run.rate", 600)
    pictures.take("run")
    page.wait("page.model.run === null && page.model.statuses.every((s) => s)", 1200)
    scores = scored(project, clip)
    print(f"J of the objects: {scores}")
    assert min(scores) >= 0.9
    # A frame put right at its edges, and what follows from it.
    page.goto(30)
    before, found, true = page.labels(), page_labels(page) == 1, clip.masks[30] == 1
    lacking, too_much = true & ~found, found & ~true
    page.click("#objects li[data-id='1'] .key")
    erases = too_much.sum() > lacking.sum()
    page.click(f"[data-tool={'eraser' if erases else 'brush'}]")
    page.js("page.tools.resize(5)")
    page.stroke(*along(too_much if erases else lacking))
    page.saved()
    similarity = region_similarity(found, true)
    assert region_similarity(page_labels(page) == 1, true) > similarity
    page.wait("page.model.statuses[59] === 2")
    pictures.take("repair", light=False, dark=True)
    page.resize((390, 844), touch=True)
    page.wait("document.documentElement.clientWidth === 390")
    page.js("page.view.fit()")
    pictures.take("small", dark=True)
    page.resize((1280, 800))
    page.click("#undo")
    page.saved()
    page.wait("!page.model.statuses.includes(2)")
    assert page.labels() == before
    page.click("#export")
    page.click("#export-go")
    page.wait("document.getElementById('export-said').textContent.startsWith('Written')", 300)
    assert (project / "overlay.mp4").exists()
    assert page.problems() == []


def page_labels(page):
    return np.frombuffer(page.labels(), np.uint8).reshape(HEIGHT, WIDTH)


def scored(project, clip):
    found = np.stack([read_mask(project / f"{i:05d}.png") for i in range(COUNT)])
    return [
        float(np.mean([region_similarity(f == i, t == i) for f, t in zip(found, clip.masks)]))
        for i in clip.ids
    ]
