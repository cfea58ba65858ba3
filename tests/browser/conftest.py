"""When the browser tests run, and what they share: one JupyterLab, one Chromium without a window.

`make browser` sets BROWSER=full; BROWSER=quick takes a few, as does CI=true; without these they skip and say so.
Where there is no Chromium they fail if BROWSER is set, and skip where CI alone asks: apt could not bring one then.
"""

import os
import shutil
from contextlib import closing

import pytest
from browser.jupyterlab import Opened, serving

from conftest import REPOSITORY

MADE = REPOSITORY / "build" / "browser"  # screenshots, and the notebooks that were opened
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


def asked():
    """(quick, full or nothing; whether a person asked)."""
    by_hand = os.environ.get("BROWSER", "")
    return by_hand or ("quick" if os.environ.get("CI") == "true" else ""), bool(by_hand)


def find_chromium():
    """The program's path; a skip where nobody asked, a failure where somebody did and there is none."""
    form, by_hand = asked()
    if not form:
        pytest.skip("opens JupyterLab in a browser: `make browser` does it")
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if not found and not by_hand:
        pytest.skip("CI has no Chromium: apt could not install one, its words stand above")
    if not found:
        pytest.fail(f"got none of {CHROMIUM}; the tests need one on the path; `make browser INSTALL=1`", pytrace=False)
    return found


@pytest.fixture(scope="session")
def chromium():
    return find_chromium()


@pytest.fixture(scope="session")
def mode(chromium):
    return asked()[0]


@pytest.fixture(scope="session")
def server(chromium, tmp_path_factory):
    folder = MADE / "opened"  # `notebooks` would look like a checkout
    folder.mkdir(parents=True, exist_ok=True)
    with serving(folder, tmp_path_factory.mktemp("jupyter")) as started:
        yield started


@pytest.fixture(scope="module")
def browser(chromium):
    """Per module: while playwright runs, no other test may start an event loop."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )  # fmt: skip
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def open_notebook(server, browser):
    """Opens a notebook by name; for `with`, since each holds a kernel."""
    return lambda name: closing(Opened(server, browser, name))


@pytest.fixture
def shot():
    """Keeps a screenshot of a page or of a part of it."""
    return lambda part, name: part.screenshot(path=MADE / f"{name}.png")
