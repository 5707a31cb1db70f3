"""A real browser for the tests of the viewer, and actions of a user."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from selenium.common.exceptions import StaleElementReferenceException, TimeoutException
from selenium.webdriver import ActionChains, Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

FLAGS = (
    "--headless=new", "--no-sandbox", "--window-size=1366,768", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-gpu", "--enable-unsafe-swiftshader", "--hide-scrollbars",
)  # fmt: skip
WAIT_S = 40.0

CENTRES = """
const canvas = document.getElementById('canvas'), box = canvas.getBoundingClientRect();
const scale = box.width / canvas.width;
return radfuse.viewer.viewports.map((viewport) => {
  const [x, y] = viewport.toScreen(arguments[0] ?? radfuse.viewer.crosshairOf(viewport));
  return [viewport.plane, box.left + x * scale, box.top + y * scale];
});
"""


SET_BOTH_CROSSHAIRS = """
radfuse.viewer.setCrosshair(arguments[0]);
radfuse.viewer.setCrosshair(arguments[1], true);
"""
"""Voxel of the CT's crosshair, and of the MR's, both on the CT's grid."""


@contextmanager
def opened_browser(folder: Path) -> Iterator[Chrome]:
    """A headless Chromium that draws without a GPU; downloads go into the folder."""
    chromium, driver = (shutil.which(name) for name in ("chromium", "chromedriver"))
    if chromium is None or driver is None:
        pytest.skip("chromium and chromedriver are missing: apt-get install chromium-driver")
    options = ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(flag)
    options.add_experimental_option("prefs", {"download.default_directory": str(folder)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = Chrome(options=options, service=ChromeService(driver))
    yield browser
    browser.quit()


class ViewerDriver:
    """Actions of a user, and what the viewer displays."""

    def __init__(self, browser: Chrome, folder: Path) -> None:
        self.browser, self.folder = browser, folder

    def element(self, name: str) -> WebElement:
        return self.browser.find_element(By.ID, name)

    def wait_until(self, condition: Callable[[], Any], wait_s: float = WAIT_S) -> None:
        wait = WebDriverWait(self.browser, wait_s, poll_frequency=0.1)
        try:
            wait.until(lambda _: condition())
        except TimeoutException as error:
            shown = [self.element(name).text for name in ("stage", "error")]
            log = [entry["message"] for entry in self.browser.get_log("browser")]
            raise AssertionError(f"the viewer shows {shown}; console: {log}") from error

    def body_data(self, name: str) -> Any:
        """A status value of the viewer in `document.body.dataset`."""
        return self.browser.execute_script(f"return document.body.dataset.{name}")

    def open(self, url: str) -> None:
        self.browser.get(url)
        self.wait_until(lambda: self.body_data("ready"))

    def press(self, key: str) -> None:
        self.element("canvas").send_keys(key)

    def select(self, name: str, value: str) -> None:
        """Choose an option, also of a list that the viewer renews meanwhile."""

        def chosen() -> bool:
            try:
                Select(self.element(name)).select_by_value(value)
            except StaleElementReferenceException:
                return False
            return True

        self.wait_until(chosen)

    def wait_for_result(self, method: str, wait_s: float = WAIT_S) -> None:
        """Wait until the result of a method is displayed."""
        self.wait_until(lambda: self.body_data("shown") == method, wait_s)

    def positions(self, voxel: list[float] | None = None) -> list[tuple[str, float, float]]:
        """Plane and window position of a voxel, or of the crosshair, in each viewport."""
        return [tuple(position) for position in self.browser.execute_script(CENTRES, voxel)]

    def drag(self, *voxels: list[float], plane: str = "axial", viewport: int | None = None) -> None:
        """Press at the first voxel, move over the others, release."""
        shown = self.positions(voxels[0])
        number = next(i for i, (name, *_) in enumerate(shown) if name == plane)
        number = number if viewport is None else viewport
        path = [self.positions(voxel)[number][1:] for voxel in voxels]
        canvas = self.element("canvas")
        middle = [canvas.rect[a] + canvas.rect[b] / 2 for a, b in (("x", "width"), ("y", "height"))]
        offsets = [(round(x - middle[0]), round(y - middle[1])) for x, y in path]
        chain = ActionChains(self.browser, duration=20)
        chain.move_to_element_with_offset(canvas, *offsets[0]).click_and_hold()
        for offset in offsets[1:]:
            chain.move_to_element_with_offset(canvas, *offset)
        chain.release().perform()

    def click(self, voxel: list[float], plane: str = "axial", viewport: int | None = None) -> None:
        self.drag(voxel, plane=plane, viewport=viewport)

    def call_module(self, module: str, body: str, *given: Any) -> Any:
        """Run code with a module of the viewer as `it` and arguments as `given`."""
        return self.browser.execute_async_script(
            "const given = [...arguments], done = given.pop();"
            f"import('/{module}').then(async (it) => {{ {body} }})"
            ".then((value) => done({ value }), (error) => done({ error: String(error) }));",
            *given,
        )

    def sign_off(self, name: str, grade: int = 0, button: str = "accept") -> None:
        """Fill in the grade and a name, and press a button of the sign-off."""
        self.element("tab-results").click()
        self.select("grade", str(grade))
        self.element("signer").send_keys(name)
        self.element(button).click()

    def screenshot(self, name: str) -> np.ndarray:
        """The displayed canvas as RGB; the window's screenshot is kept in the driver's folder."""
        shot = self.browser.get_screenshot_as_png()
        (self.folder / f"{name}.png").write_bytes(shot)
        box = self.element("canvas").rect
        left, top = box["x"], box["y"]
        with Image.open(BytesIO(shot)) as image:
            canvas = image.crop((left, top, left + box["width"], top + box["height"]))
            return np.asarray(canvas.convert("RGB"), float)
