"""The page in a real browser: painted with the mouse, with keys, on a small screen."""

import json
import signal
import zlib

import numpy as np
import projects
from browsers import jaccard, on_screen, paint_both
from PIL import Image
from selenium.webdriver.common.keys import Keys
from test_serving import running

from feelvos_tf.video.frames import open_frames
from feelvos_tf.video.masks import read_mask

SIZE, COUNT = projects.FILM_SIZE, projects.FILM_COUNT
SIDE = SIZE[0] // 4


def test_paint_run_correct_and_export(film, project, page):
    with running(film, project, 0.002) as (process, client):
        page.open(client.base_url)
        assert page.find("#empty").is_displayed()
        paint_both(page)
        for object_id in (1, 2):
            assert jaccard(on_screen(page), 0, object_id) > 0.9
        page.click("[data-goal=both]")
        page.wait("page.model.run === null && page.model.statuses.every((s) => s)")
        for index in range(COUNT):
            found = read_mask(project / f"{index:05d}.png")
            assert min(jaccard(found, index, 1), jaccard(found, index, 2)) >= 0.9
        # A stroke that is wrong, taken back: nothing has changed.
        page.goto(30)
        before = on_screen(page)
        page.stroke((100, 200), (200, 220))
        page.saved()
        page.wait("page.model.statuses[31] === 2")
        assert page.statuses() == "#" + 29 * "c" + "#" + 29 * "s"
        page.click("#undo")
        page.saved()
        page.wait("page.model.statuses[31] === 1")
        assert (on_screen(page) == before).all()
        assert page.statuses() == "#" + 59 * "c"
        assert not (project / "given" / "00030.png").exists()
        # Put right: object 2 is gone from here on.
        page.click("#redo")
        page.click("#undo")
        page.click("[data-tool=eraser]")
        page.paint_square(SIZE[1] - SIDE - 90, SIZE[0] // 2, SIDE + 60, 40)
        page.saved()
        assert (read_mask(project / "00030.png") == on_screen(page)).all()
        page.wait("page.model.statuses[59] === 2")
        page.click("[data-goal=stale]")
        page.wait("page.model.run === null && !page.model.statuses.includes(2)")
        assert page.statuses() == "#" + 29 * "c" + "#" + 29 * "c"
        # Written for other programs, and read back.
        page.click("#export")
        for kind in ("cutouts", "matte", "coco", "ytvos", "video"):
            assert page.find(f"#kinds [name={kind}]").is_enabled()
            page.click(f"#kinds [name={kind}]")
        page.click("#export-go")
        page.wait("document.getElementById('export-said').textContent.startsWith('Written')")
        page.click("#export-close")
        assert (project / "overlay.mp4").stat().st_size > 1000
        assert len(list((project / "cutouts" / "1").iterdir())) == COUNT
        listed = json.loads((project / "annotations.json").read_text())
        assert len(listed["annotations"]) == 2
        for index, frame in enumerate(open_frames(project / "labels.mkv")):
            gray = frame.image[..., 0]
            assert (gray == read_mask(project / f"{index:05d}.png")).all()
        for index in (0, 30, 59):
            exported = read_mask(project / "Annotations" / "clip" / f"{index:05d}.png")
            assert (exported == read_mask(project / f"{index:05d}.png")).all()
            for object_id in (1, 2):
                path = project / "matte" / str(object_id) / f"{index:05d}.png"
                matte = np.asarray(Image.open(path))
                assert ((matte > 127) == (exported == object_id)).all()
                assert ((matte > 0) & (matte < 255)).any() == (index not in (0, 30))


def test_reloaded_and_killed_nothing_is_lost(film, project, page):
    with running(film, project, 0.15) as (process, client):
        page.open(client.base_url)
        paint_both(page)
        page.click("[data-goal=forward]")
        page.wait("page.model.run && page.model.run.done > 5")
        page.driver.refresh()
        page.ready()
        page.wait("page.model.run && page.model.run.done > 12")
        page.goto(0)
        painted = on_screen(page)
        assert min(jaccard(painted, 0, 1), jaccard(painted, 0, 2)) > 0.9
        process.send_signal(signal.SIGKILL)
        process.wait()
        page.wait("document.body.classList.contains('offline')")
        assert "cannot be reached" in page.find("#banner").text
        page.stroke((100, 220), (200, 220))  # it waits on the page
        page.wait("page.saver.waiting.size > 0")
    page.problems()  # the connection's
    with running(film, project) as (process, client):
        page.driver.get("about:blank")
        page.open(client.base_url)
        assert page.statuses().startswith("#cccccccccccc") and page.statuses().endswith("·")
        page.goto(0)  # which frame was looked at may not have been kept yet
        assert (on_screen(page) == painted).all()
        page.click("[data-goal=forward]")
        page.wait("page.model.run === null && page.model.statuses.every((s) => s)")
        assert jaccard(read_mask(project / "00059.png"), 59, 2) > 0.9


def test_undo_and_redo_outlive_the_page_and_the_server(film, project, page):
    def move(button):
        number = page.js("page.model.history.done.length")
        page.click(button)
        page.wait(f"page.model.history.done.length !== {number} && page.model.labels")
        page.saved()

    with running(film, project) as (process, client):
        page.open(client.base_url)
        screens = [on_screen(page)]
        for y in (40, 100, 160):
            page.stroke((50, y), (200, y))
            screens.append(on_screen(page))
        page.goto(7)
        page.stroke((50, 50), (60, 60))
        page.saved()
        move("#undo")  # in frame 7, which is not painted then
        assert not (project / "given" / "00007.png").exists()
        page.driver.refresh()
        page.ready()
        assert page.js("page.model.history.done.length") == 3
        assert page.find("#redo").is_enabled()
        move("#undo")
        assert page.js("page.model.frame") == 0
        assert (on_screen(page) == screens[2]).all()
        process.send_signal(signal.SIGKILL)
        process.wait()
    page.driver.get("about:blank")
    page.problems()
    with running(film, project) as (process, client):
        page.open(client.base_url)
        for index in (1, 0):
            move("#undo")
            assert (on_screen(page) == screens[index]).all()
        assert not list((project / "given").iterdir()) and not page.find("#undo").is_enabled()
        for screen in screens[1:]:
            move("#redo")
            assert (on_screen(page) == screen).all()
        assert (read_mask(project / "given" / "00000.png") == screens[3]).all()
        move("#redo")
        assert page.js("page.model.frame") == 7 and on_screen(page)[52:58, 52:58].all()
        # A frame that has changed since is left alone.
        client.put("masks/7", content=zlib.compress(bytes(SIZE[0] * SIZE[1])))
        page.driver.refresh()
        page.ready()
        move("#undo")
        assert "has changed since" in page.find("#banner").text
        assert not on_screen(page).any()


def test_a_connection_that_comes_back(film, project, page):
    """Strokes made meanwhile are kept on the page, and then saved."""
    with running(film, project) as (process, client):
        page.open(client.base_url)
        conditions = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        page.driver.execute_cdp_cmd("Network.enable", {})
        page.driver.execute_cdp_cmd(
            "Network.emulateNetworkConditions", {"offline": True, **conditions}
        )
        page.stroke((50, 50), (90, 90))
        page.wait("document.getElementById('saved').textContent === 'waiting to save'")
        assert "Your strokes are kept here" in page.find("#banner").text
        page.driver.execute_cdp_cmd(
            "Network.emulateNetworkConditions", {"offline": False, **conditions}
        )
        page.saved()
        assert (read_mask(project / "given" / "00000.png") == on_screen(page)).all()
    page.problems()


def test_with_the_keyboard_alone(film, project, page):
    with running(film, project) as (process, client):
        page.open(client.base_url)
        page.keys(Keys.TAB)
        assert page.js("document.activeElement.className") == "skip"
        page.keys(Keys.ENTER)
        page.js("document.getElementById('stage').focus()")
        # The pointer begins in the middle, (160, 120), and moves by 8 pixels.
        page.keys("b", *(["]"] * 6))
        page.keys(*([Keys.ARROW_LEFT] * 16), *([Keys.ARROW_UP] * 6), Keys.ENTER)
        page.keys(*([Keys.ARROW_DOWN] * 2), Keys.ENTER)
        page.saved()
        found = on_screen(page)
        assert found[72:88, 30:34].all() and not found[120:].any() and found.max() == 1
        page.keys("p", "n")
        for keys in ([Keys.ARROW_DOWN] * 8, [Keys.ARROW_RIGHT] * 8, [Keys.ARROW_DOWN] * 6):
            page.keys(*keys, Keys.ENTER)
        page.keys(*([Keys.ARROW_LEFT] * 8), *([Keys.ARROW_UP] * 6), Keys.ENTER)
        page.saved()
        assert 1000 < (on_screen(page) == 2).sum() < 2500
        page.keys(Keys.CONTROL, "z")
        page.keys(Keys.CONTROL)
        page.saved()
        page.keys("r")
        page.wait("page.model.run === null && page.model.statuses.every((s) => s)")
        # The page has followed the run.
        page.keys(Keys.HOME)
        page.wait("page.model.page.frame === 0")
        page.keys(".", ".", ",")
        page.wait("page.model.page.frame === 1")
        page.keys(Keys.END)
        page.wait("page.model.page.frame === 59")
        page.keys("?")
        assert page.find("#help-dialog").is_displayed()
        page.keys(Keys.ESCAPE)
        assert not page.find("#help-dialog").is_displayed()


def test_every_control_has_a_name(film, project, page):
    with running(film, project) as (process, client):
        page.open(client.base_url)
        page.click("#add")
        nameless = page.js(
            "[...document.querySelectorAll('button, input, canvas[tabindex], [role]')]"
            ".filter((e) => !(e.getAttribute('aria-label') || e.textContent.trim()"
            " || e.closest('label') || e.id === 'banner' || e.getAttribute('role') === 'status'))"
            ".map((e) => e.outerHTML)"
        )
        assert nameless == []


def test_390_pixels_wide_with_a_finger(film, project, page):
    with running(film, project) as (process, client):
        page.open(client.base_url, (390, 844), touch=True)
        assert page.js("document.documentElement.scrollWidth") <= 390
        for selector in ("#stage", "[data-tool=brush]", "#size", "#timeline", "[data-goal=both]"):
            box = page.find(selector).rect
            assert box["x"] >= 0 and box["x"] + box["width"] <= 390
            assert box["y"] + box["height"] <= 844, selector
        page.js("page.tools.resize(30)")
        page.driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
        try:
            place = page.js(
                "(() => {const v = page.view, r = v.stage.getBoundingClientRect();"
                "return [r.left + v.left + 60 * v.scale, r.top + v.top + 60 * v.scale, v.scale]})()"
            )
            for kind, dx in (("touchStart", 0), ("touchMove", 30), ("touchMove", 60)):
                point = {"x": place[0] + dx * place[2], "y": place[1]}
                page.driver.execute_cdp_cmd(
                    "Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]}
                )
            page.driver.execute_cdp_cmd(
                "Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []}
            )
        finally:
            page.driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})
        page.saved()
        assert on_screen(page)[55:65, 55:125].all()


def test_tools_of_every_kind(film, project, page):
    with running(film, project) as (process, client):
        page.open(client.base_url)
        # A box around the red square finds it.
        page.click("[data-tool=box]")
        page.stroke((0, 30), (70, 110))
        page.wait("page.model.history.done.length === 1")
        page.saved()
        assert jaccard(on_screen(page), 0, 1) > 0.9
        page.click("#add")
        page.click("[data-tool=polygon]")
        top, left = SIZE[0] // 2, SIZE[1] - SIDE
        for x, y in ((left, top), (319, top), (319, top + SIDE), (left, top + SIDE), (left, top)):
            page.stroke((x, y))
        page.wait("page.model.history.done.length === 2")
        assert jaccard(on_screen(page), 0, 2) > 0.9
        # What is locked cannot be painted over; a click on an object picks it.
        page.click("#objects li[data-id='2'] button[title=Lock]")
        page.click("[data-tool=pick]")
        page.stroke((30, 70))
        assert page.js("page.model.chosen") == 1
        page.click("[data-tool=fill]")
        page.stroke((160, 20))
        found = on_screen(page)
        assert (found == 2).sum() > 3000 and (found == 0).sum() == 0
        for _ in range(3):
            page.click("#undo")
        page.saved()
        assert not on_screen(page).any()
        assert not list((project / "given").iterdir())
        for _ in range(3):
            page.click("#redo")
        assert (on_screen(page) == found).all()
        page.saved()


def test_a_stroke_is_on_the_screen_within_a_frame(tmp_path, page):
    """16 ms of script at 1280x720, with a large brush."""
    video = projects.write_frames(tmp_path / "clip", 2, (720, 1280))
    with running(video, tmp_path / "masks") as (process, client):
        page.open(client.base_url)
        page.js("page.tools.resize(120)")
        page.stroke(*((100 + 60 * i, 100 + 250 * (i % 2)) for i in range(18)))
        costs = sorted(page.js("page.tools.costs"))
        assert len(costs) >= 10
        assert costs[len(costs) // 2] < 16
        page.saved()
