"""The page in a real browser, from a study on disk to a sign-off that is found again."""

import shutil
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait
from service_kit import Site

from radfuse.record import NOTICE
from radfuse.service.work import CANCELLED

FLAGS = (
    "--headless=new", "--no-sandbox", "--window-size=1366,768", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
)  # fmt: skip
WAIT_S = 90


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    chromium, driver = (shutil.which(name) for name in ("chromium", "chromedriver"))
    if chromium is None or driver is None:
        pytest.skip("chromium and chromedriver are missing: apt-get install chromium-driver")
    options = ChromeOptions()
    options.binary_location = chromium
    profile = tmp_path_factory.mktemp("profile")
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    opened = Chrome(options=options, service=ChromeService(driver))
    yield opened
    opened.quit()


class Page:
    """What a person sees and does."""

    def __init__(self, browser: Chrome, folder: Path) -> None:
        self.browser, self.folder = browser, folder

    def at(self, name: str) -> WebElement:
        return self.browser.find_element(By.ID, name)

    def until(self, condition: Callable[[], Any]) -> None:
        WebDriverWait(self.browser, WAIT_S, poll_frequency=0.1).until(lambda _: condition())

    def press(self, key: str) -> None:
        self.at("canvas").send_keys(key)

    def choose(self, name: str, value: str) -> None:
        Select(self.at(name)).select_by_value(value)

    def shows(self, method: str) -> None:
        """Wait until the volumes of a result are on the canvas."""
        self.until(
            lambda: self.browser.execute_script("return document.body.dataset.shown") == method
        )

    def picture(self, name: str) -> np.ndarray:
        """The canvas as a person sees it; the whole page is kept under the test's folder."""
        shot = self.browser.get_screenshot_as_png()
        (self.folder / f"{name}.png").write_bytes(shot)
        place = self.at("canvas").rect
        left, top = place["x"], place["y"]
        with Image.open(BytesIO(shot)) as image:
            canvas = image.crop((left, top, left + place["width"], top + place["height"]))
            return np.asarray(canvas.convert("RGB"), float)


@pytest.fixture
def page(browser: Chrome, site: Site, tmp_path: Path) -> Page:
    browser.get(site.access.url)
    opened = Page(browser, tmp_path)
    opened.until(lambda: browser.execute_script("return document.body.dataset.ready"))
    return opened


def opens_runs_and_cancels(page: Page, asked: dict[str, Any]) -> None:
    page.at("new").click()
    page.at("ct-path").send_keys(asked["ct"])
    page.at("mr-path").send_keys(asked["mr"])
    page.at("look").click()
    page.until(lambda: "MR" in page.at("found").text)
    page.at("study-name").send_keys("Browser")
    page.picture("1-opening")
    page.at("make").click()
    page.until(lambda: not page.at("opening").is_displayed())
    page.at("start").click()
    page.until(lambda: page.at("stage").text.startswith("registering"))
    page.picture("2-running")
    page.at("cancel").click()
    page.until(lambda: page.at("failure").text == CANCELLED)


def fuses(page: Page, method: str) -> None:
    page.choose("method", method)
    assert page.at("keep").is_selected()
    page.at("start").click()
    page.shows(method)
    assert page.at("quality").text.startswith("trusted")


def looks(page: Page) -> None:
    """Cursor, blend and colours change what is seen."""
    assert page.picture("3-fused").std() > 20
    assert "HU" in page.at("hu").text
    place = page.at("place").text
    page.press(Keys.PAGE_UP)
    page.until(lambda: page.at("place").text != place)
    fused = page.picture("4-cursor")
    page.press("[" * 10)
    ct = page.picture("5-ct")
    assert page.at("blended").text == "0 %"
    assert np.abs(fused - ct).mean() > 3
    page.press("]" * 5 + "3")
    assert np.abs(page.picture("6-mr-hot") - ct).mean() > 3
    page.press("4")
    colours = page.picture("7-magenta-green")
    assert np.abs(colours[..., 0] - colours[..., 1]).mean() > 3
    page.press("?")
    page.until(lambda: page.at("helping").is_displayed())
    page.picture("8-help")
    page.at("helping").find_element(By.TAG_NAME, "button").click()
    page.press("1" + "]" * 5)


def test_a_physicist_opens_fuses_looks_and_signs_off(
    page: Page, browser: Chrome, asked: dict[str, Any], done: str
) -> None:
    assert "token" not in browser.current_url
    assert browser.find_element(By.TAG_NAME, "footer").text == NOTICE
    opens_runs_and_cancels(page, asked)
    page.choose("studies", done)
    page.until(lambda: page.at("keep").is_selected())
    fuses(page, "bone_blend")
    looks(page)
    page.at("name").send_keys("A. Physicist")
    page.at("signoff").find_element(By.CSS_SELECTOR, "button[value=accepted]").click()
    page.until(lambda: "accepted by A. Physicist" in page.at("signed").text)
    page.picture("9-signed")
    browser.refresh()
    page.shows("bone_blend")
    assert "accepted by A. Physicist" in page.at("signed").text
    assert page.picture("10-reloaded").std() > 20
    complaints = [entry["message"] for entry in browser.get_log("browser")]
    assert not [one for one in complaints if "Content Security" in one or "Uncaught" in one]


def test_a_wrong_path_is_told_in_the_dialog(page: Page) -> None:
    page.at("new").click()
    page.at("both").send_keys("/nowhere")
    page.at("make").click()
    page.until(lambda: page.at("refused").text == "/nowhere: no such file or folder")
