"""Rules of accessibility (WCAG 2.2 A and AA, best practices), checked by axe-core in a browser.

And what a window of some size cuts off.
"""

import sys
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import WebDriverWait

AXE = Path(sys.prefix) / "npm/node_modules/axe-core/axe.min.js"
"""Where `make ready` installs axe-core."""

GRAVE = ("serious", "critical")

Size = tuple[int, int, int]
LAPTOP, ZOOMED, DESKTOP, UHD = (1366, 768, 1), (683, 384, 2), (1920, 1080, 1), (3840, 2160, 1)
"""Width and height in CSS pixels, and pixels of the screen per CSS pixel: at 200 % it is 2."""


RUN = """
const done = arguments[arguments.length - 1];
axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => done(
  violations.flatMap(({ id, impact, nodes }) => nodes.map(({ target, any, all, none }) => [
    impact, `${id}: ${target.join(" ")}: ${[...any, ...all, ...none][0]?.message}`,
  ]))
), (error) => done([["critical", String(error)]]));
"""


def grave_violations(browser: WebDriver) -> list[str]:
    """Serious and critical violations of the document as it is: rule, element and reason."""
    if not AXE.is_file():
        pytest.skip("axe-core is missing: make ready installs it with npm")
    if not browser.execute_script("return 'axe' in window"):
        browser.execute_script(AXE.read_text())
    found = browser.execute_async_script(RUN)
    return [violation for impact, violation in found if impact in GRAVE]


CLIPPED = """
const isText = (element) => getComputedStyle(element).display !== "inline";
return [...document.querySelectorAll("button, select, input, label, th, td, h2, legend, p, a")]
  .filter((element) => element.checkVisibility({ visibilityProperty: true }))
  .filter((element) => !element.closest(".visually-hidden"))
  .flatMap((element) => {
    const box = element.getBoundingClientRect();
    const name = `${element.tagName} ${element.id} ${element.textContent.slice(0, 30)}`;
    const isControl = element.matches("button, select, input:not([type=checkbox], [type=radio])");
    return [
      box.width && (box.right > innerWidth + 1 || box.left < -1) && `outside: ${name}`,
      isText(element) && element.matches("button:not(.name), label, th, td, h2, p")
        && element.scrollWidth > element.clientWidth + 1 && `clipped: ${name}`,
      box.width && isControl && (box.width < 24 || box.height < 24) && `small: ${name}`,
    ].filter(Boolean);
  });
"""
"""What is outside of the window, cut off in its element, or a target below 24 pixels."""


def clipped(browser: WebDriver) -> list[str]:
    """See `CLIPPED`."""
    return list(browser.execute_script(CLIPPED))


def resize(browser: Chrome, size: Size) -> None:
    """Show the document as in a window of some size, until `restore_size`."""
    width, height, ratio = size
    metrics = {"width": width, "height": height, "deviceScaleFactor": ratio, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    wait = WebDriverWait(browser, 10.0, poll_frequency=0.05)
    wait.until(lambda _: browser.execute_script("return innerWidth") == width)


def restore_size(browser: Chrome) -> None:
    """Show the document as the window is."""
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
