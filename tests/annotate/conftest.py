"""A browser with the page, for all tests of a file."""

import browsers
import projects
import pytest


@pytest.fixture(scope="module")
def page():
    if not (browsers.BROWSER and browsers.DRIVER):
        pytest.skip("needs a browser: apt install chromium chromium-driver")
    with browsers.browser() as driver:
        yield browsers.Page(driver)


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Frames that two objects move through, large enough to paint in."""
    folder = tmp_path_factory.mktemp("page") / "clip"
    return projects.write_frames(folder, projects.FILM_COUNT, projects.FILM_SIZE)


@pytest.fixture
def project(film, tmp_path, page):
    """Folder of a new project; what the console has against the page is an error."""
    page.problems()
    page.dark(False)
    yield tmp_path / "masks"
    assert page.problems() == []
