"""A real browser for the tests of the page, and what a person does with it."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
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
const share = box.width / canvas.width;
return radfuse.viewer.viewports.map((viewport) => {
  const [x, y] = viewport.toScreen(arguments[0] ?? radfuse.viewer.cursorOf(viewport));
  return [viewport.plane, box.left + x * share, box.top + y * share];
});
"""


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


class Page:
    """What a person sees and does."""

    def __init__(self, browser: Chrome, folder: Path) -> None:
        self.browser, self.folder = browser, folder

    def at(self, name: str) -> WebElement:
        return self.browser.find_element(By.ID, name)

    def until(self, condition: Callable[[], Any], wait_s: float = WAIT_S) -> None:
        WebDriverWait(self.browser, wait_s, poll_frequency=0.1).until(lambda _: condition())

    def fact(self, name: str) -> Any:
        """A word that the page keeps about itself."""
        return self.browser.execute_script(f"return document.body.dataset.{name}")

    def open(self, url: str) -> None:
        self.browser.get(url)
        self.until(lambda: self.fact("ready"))

    def press(self, key: str) -> None:
        self.at("canvas").send_keys(key)

    def choose(self, name: str, value: str) -> None:
        Select(self.at(name)).select_by_value(value)

    def shows(self, method: str, wait_s: float = WAIT_S) -> None:
        """Wait until the volumes of a result are on the canvas."""
        self.until(lambda: self.fact("shown") == method, wait_s)

    def places(self, voxel: list[float] | None = None) -> list[tuple[str, float, float]]:
        """Plane and place in the window of a voxel, or of the cursor, in every viewport."""
        return [tuple(place) for place in self.browser.execute_script(CENTRES, voxel)]

    def drag(self, *voxels: list[float], plane: str = "axial", viewport: int | None = None) -> None:
        """Press at the first voxel, move over the others, let go."""
        shown = self.places(voxels[0])
        number = next(i for i, (name, *_) in enumerate(shown) if name == plane)
        number = number if viewport is None else viewport
        path = [self.places(voxel)[number][1:] for voxel in voxels]
        canvas = self.at("canvas")
        middle = [canvas.rect[a] + canvas.rect[b] / 2 for a, b in (("x", "width"), ("y", "height"))]
        offsets = [(round(x - middle[0]), round(y - middle[1])) for x, y in path]
        chain = ActionChains(self.browser, duration=20)
        chain.move_to_element_with_offset(canvas, *offsets[0]).click_and_hold()
        for offset in offsets[1:]:
            chain.move_to_element_with_offset(canvas, *offset)
        chain.release().perform()

    def click(self, voxel: list[float], plane: str = "axial", viewport: int | None = None) -> None:
        self.drag(voxel, plane=plane, viewport=viewport)

    def call(self, module: str, body: str, *given: Any) -> Any:
        """Run code of the page: `it` is the module, `given` what came."""
        return self.browser.execute_async_script(
            "const given = [...arguments], done = given.pop();"
            f"import('/{module}').then(async (it) => {{ {body} }})"
            ".then((value) => done({ value }), (error) => done({ error: String(error) }));",
            *given,
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
