"""A page in a real browser, and the hand that paints in it."""

import contextlib
import os
import shutil
import time

import numpy as np
import projects
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
_OPTIONS = [
    "--headless=new",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--force-prefers-reduced-motion",
    "--window-size=1280,900",
]


@contextlib.contextmanager
def browser():
    """A browser without a window."""
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for option in [*_OPTIONS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]:
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


class Page:
    """The page as a person has it before them."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, address, size=(1280, 800), touch=False):
        """Loads the page in a window of a size."""
        self.resize(size, touch)
        self.driver.get(str(address))
        self.ready()

    def resize(self, size, touch=False):
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": touch},
        )

    def dark(self, dark):
        """Sets what the system says it likes."""
        value = "dark" if dark else "light"
        feature = [{"name": "prefers-color-scheme", "value": value}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": feature})

    def ready(self):
        self.wait("document.body.dataset.ready && page.model.labels")

    def js(self, expression, *values):
        return self.driver.execute_script(f"return {expression}", *values)

    def wait(self, expression, seconds=120):
        end, pause = time.monotonic() + seconds, 0.02
        while not self.js(expression):
            assert time.monotonic() < end, f"waited in vain for {expression}"
            time.sleep(pause)
            pause = min(0.3, 1.2 * pause)  # a busy machine is not kept busy by asking

    def saved(self):
        """Waits until the server has everything, with where the person is."""
        self.wait("page.model.timer === null && !page.saver.busy")

    def find(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def click(self, selector):
        self.find(selector).click()

    def keys(self, *keys):
        ActionChains(self.driver).send_keys(*keys).perform()

    def goto(self, index):
        self.js("page.model.goto(arguments[0])", index)
        self.wait(f"page.model.frame === {index} && page.model.page.frame === {index}")

    def stroke(self, *points):
        """Draws with the mouse through points of the picture."""
        stage = self.find("#stage")
        actions = ActionChains(self.driver, duration=15)
        for number, (x, y) in enumerate(points):
            offset = self.js(
                "(() => {const v = page.view, r = v.stage.getBoundingClientRect();"
                f"return [v.left + {x} * v.scale - r.width / 2,"
                f" v.top + {y} * v.scale - r.height / 2]}})()"
            )
            actions.move_to_element_with_offset(stage, *map(round, offset))
            if number == 0:
                actions.click_and_hold()
        actions.release().perform()

    def paint_square(self, left, top, side, size=20):
        """Paints a square as a person does, with a round brush along its rows."""
        self.js("page.tools.resize(arguments[0])", size)
        low, high = left + size / 2, left + side - size / 2
        rows = range(top + size // 2, top + side, max(1, int(size * 0.7)))
        points = []
        for number, y in enumerate([*rows, top + side - size / 2]):
            points += [(low, y), (high, y)][:: 1 if number % 2 == 0 else -1]
        self.stroke(*points)

    def labels(self):
        """The ids on the screen, as bytes."""
        return bytes(self.js("Array.from(page.model.labels)"))

    def statuses(self):
        return "".join("·cs#"[v] for v in self.js("Array.from(page.model.statuses)"))

    def problems(self):
        """What the browser's console has against the page, but for a server that has ended."""
        return [
            entry["message"]
            for entry in self.driver.get_log("browser")
            if entry["level"] == "SEVERE" and "net::ERR_" not in entry["message"]
        ]


def on_screen(page):
    """The ids on the screen, uint8 [H, W]."""
    return np.frombuffer(page.labels(), np.uint8).reshape(projects.FILM_SIZE)


def paint_both(page):
    """Paints the two objects of the film's first frame."""
    height, width = projects.FILM_SIZE
    page.paint_square(0, height // 6, height // 4)
    page.click("#add")
    page.paint_square(width - height // 4, height // 2, height // 4)
    page.saved()


def jaccard(found, index, object_id):
    """Of the ids [H, W] of a frame of the film and what is drawn in it."""
    truth = projects.truth(index, projects.FILM_SIZE) == object_id
    found = found == object_id
    return (found & truth).sum() / (found | truth).sum()
