"""What goes wrong, in a real browser: nothing painted is lost, and a line says what it is."""

import contextlib
import signal
import subprocess

import numpy as np
import projects
from browsers import jaccard, on_screen, paint_both
from selenium.webdriver.common.action_chains import ActionChains
from test_serving import running

from feelvos_tf.video.masks import read_mask

LAST = projects.FILM_COUNT - 1


def workers(process):
    return subprocess.check_output(["pgrep", "-P", str(process.pid)], text=True).split()


def test_killed_while_a_stroke_is_drawn(film, project, page):
    with running(film, project, 0.05) as (process, client):
        page.open(client.base_url)
        paint_both(page)
        painted = on_screen(page)
        page.click("[data-goal=forward]")
        page.wait("page.model.run && page.model.run.done > 2")
        page.goto(40)
        page.click("#objects li[data-id='1'] .key")
        page.stroke((20, 20), (90, 20))
        page.saved()
        other = on_screen(page)
        stage = page.find("#stage")
        drawn = ActionChains(page.driver, duration=15)
        drawn.move_to_element_with_offset(stage, 0, 0).click_and_hold()
        drawn.move_by_offset(40, 30).perform()
        assert page.js("page.tools.active") and (on_screen(page) != other).any()
        process.send_signal(signal.SIGKILL)
        process.wait()
        drawn = ActionChains(page.driver, duration=15)
        drawn.move_by_offset(20, 0).release().perform()
        page.wait("document.getElementById('saved').textContent === 'waiting to save'")
    page.driver.get("about:blank")
    page.problems()  # the connection's
    with running(film, project) as (process, client):
        page.open(client.base_url)
        assert page.js("page.model.frame") == 40
        assert (on_screen(page) == other).all()
        page.goto(0)
        assert (on_screen(page) == painted).all()
        assert not list(project.rglob(".feelvos-*.part"))
        page.click("[data-goal=both]")
        page.wait("page.model.run === null && page.model.statuses.every((s) => s)")
        assert jaccard(read_mask(project / "00030.png"), 30, 2) >= 0.9


def test_a_worker_that_dies(film, project, page):
    with running(film, project, 0.05) as (process, client):
        page.open(client.base_url)
        paint_both(page)
        page.click("[data-goal=forward]")
        page.wait("page.model.run && page.model.run.done > 2")
        first = workers(process)
        subprocess.check_call(["kill", "-9", first[-1]])
        page.wait("!document.getElementById('banner').hidden")
        assert "the worker died (exit code -9) and is started again" in page.find("#banner").text
        page.js("page.model.goto(50)")
        page.wait("page.model.frame === 50 && page.model.labels")
        page.stroke((150, 20), (250, 20))
        page.saved()
        stroke = on_screen(page)
        page.wait("page.model.run === null && page.model.statuses.every((s) => s)")
        assert workers(process) != first
        assert (read_mask(project / "given" / "00050.png") == stroke).all()


def test_a_full_disk(film, project, page):
    full = project.with_name(project.name + ".full")
    with running(film, project) as (process, client):
        page.open(client.base_url)
        page.stroke((50, 50), (90, 50))
        page.saved()
        before = read_mask(project / "given" / "00000.png")
        full.touch()
        page.stroke((50, 90), (90, 90))
        page.wait("document.getElementById('saved').textContent === 'waiting to save'")
        said = page.find("#banner").text
        assert "00000.png: cannot be written (No space left on device)" in said
        assert "Your strokes are kept here" in said
        page.js("page.model.goto(1)")
        page.wait("page.model.frame === 1 && page.model.labels")
        page.js("page.model.goto(0)")
        page.wait("page.model.frame === 0 && page.model.labels")
        kept = on_screen(page)
        assert kept[90, 60] == 1
        assert (read_mask(project / "given" / "00000.png") == before).all()
        full.unlink()
        page.saved()
        page.wait("document.getElementById('banner').hidden")
        assert (read_mask(project / "given" / "00000.png") == kept).all()
    page.problems()  # what was refused meanwhile


@contextlib.contextmanager
def elsewhere(folder):
    """A folder is moved away inside the block."""
    other = folder.with_name("elsewhere")
    folder.rename(other)
    try:
        yield
    finally:
        other.rename(folder)


def test_a_video_that_vanishes(film, project, page):
    with running(film, project) as (process, client):
        page.open(client.base_url)
        paint_both(page)
        with elsewhere(film):
            page.stroke((150, 220), (200, 220))
            page.saved()
            painted = on_screen(page)
            assert (read_mask(project / "given" / "00000.png") == painted).all()
            page.js("page.model.goto(arguments[0])", LAST)
            page.wait("!document.getElementById('banner').hidden")
            assert f"{film}/000" in page.find("#banner").text
            assert client.get("state").status_code == 200
            page.js("document.getElementById('banner').hidden = true")
            page.click("[data-goal=both]")
            page.wait("!document.getElementById('banner').hidden")
            assert str(film) in page.find("#banner").text
        page.goto(0)
        assert (on_screen(page) == painted).all()
        page.click("[data-goal=both]")
        page.wait("page.model.run === null && page.model.statuses.every((s) => s)")
    page.problems()  # the frames that were missing


def test_pages_of_others_are_refused(film, project, page, tmp_path):
    """A page of another origin in the same browser, which has even learnt the address."""
    other = tmp_path / "other.html"
    other.write_text("<!doctype html><title>other</title>")
    with running(film, project) as (process, client):
        page.open(client.base_url)
        page.stroke((50, 50), (90, 50))
        page.saved()
        painted = on_screen(page)
        address = str(client.base_url)
        page.driver.get(other.as_uri())
        asked = page.driver.execute_async_script(
            """
            const [address, done] = arguments, said = [];
            const ask = (path, options) => fetch(address + path, options).then(
              (answer) => said.push([answer.type, answer.status]), () => said.push("refused"));
            (async () => {
              await ask("state", {});
              await ask("masks/0", { method: "DELETE" });
              await ask("stop", { method: "POST", mode: "no-cors" });
              await ask("masks/0?painted=0", { method: "POST", mode: "no-cors" });
              done(said);
            })();
            """,
            address,
        )
        # Of requests that a browser sends anyhow a page sees nothing, and the server does nothing.
        assert asked == ["refused", "refused", ["opaque", 0], ["opaque", 0]]
        page.problems()
        page.open(client.base_url)
        assert (on_screen(page) == painted).all()
        assert np.count_nonzero(painted)
