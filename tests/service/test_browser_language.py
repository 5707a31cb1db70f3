"""The viewer in two languages, in small windows, and against the rules of accessibility."""

import json
from pathlib import Path

import pytest
from axe_kit import grave_violations
from browser_kit import ViewerDriver
from selenium.webdriver import Chrome
from service_kit import Site, running

from radfuse.service.app import STATIC

SHOTS = Path(__file__).parents[2] / "build/screenshots"
TABS = ("fusion", "registration", "structures", "results")
LAPTOP, ZOOMED = (1366, 768, 1), (683, 384, 2)
"""Width and height in CSS pixels, and pixels of the screen per CSS pixel: at 200 % it is 2."""

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


OPEN_ALL = """
for (const details of document.querySelectorAll("details")) details.open = true;
for (const button of document.querySelectorAll("#toolbar [aria-expanded=false]")) button.click();
"""


@pytest.fixture
def viewer(browser: Chrome) -> ViewerDriver:
    SHOTS.mkdir(parents=True, exist_ok=True)
    return ViewerDriver(browser, SHOTS)


def text_of(language: str, key: str) -> str:
    return str(json.loads((STATIC / f"locale/{language}.json").read_text())[key])


def opened_in(viewer: ViewerDriver, site: Site, language: str, study: str = "") -> None:
    viewer.browser.get(site.access.url)
    viewer.open(f"{site.base}/?lang={language}#{study}")
    if study:
        viewer.wait_until(lambda: viewer.body_data("shown"))


def resize(viewer: ViewerDriver, width: int, height: int, ratio: int) -> None:
    metrics = {"width": width, "height": height, "deviceScaleFactor": ratio, "mobile": False}
    viewer.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    viewer.wait_until(lambda: viewer.browser.execute_script("return innerWidth") == width)


def test_language_is_chosen_in_the_viewer_and_kept(
    viewer: ViewerDriver, browser: Chrome, tmp_path: Path
) -> None:
    with running(tmp_path) as site:
        viewer.open(site.access.url)
        assert viewer.element("open-study").text == text_of("en", "studies.open")
        viewer.select("language", "de")
        viewer.wait_until(
            lambda: viewer.element("open-study").text == text_of("de", "studies.open")
        )
        assert browser.execute_script("return document.documentElement.lang") == "de"
        viewer.open(f"{site.base}/?lang=en")
        assert viewer.element("open-study").text == text_of("en", "studies.open")
        assert viewer.element("open-phantom").text == text_of("en", "empty.phantom")
        assert grave_violations(browser) == []
        browser.execute_script("localStorage.clear()")


@pytest.mark.slow
def test_user_without_images_opens_the_phantom(viewer: ViewerDriver, tmp_path: Path) -> None:
    with running(tmp_path) as site:
        opened_in(viewer, site, "de")
        resize(viewer, *LAPTOP)
        viewer.screenshot("40-empty-german")
        viewer.element("open-phantom").click()
        viewer.wait_until(lambda: viewer.body_data("loaded"), 120.0)
        assert not viewer.element("empty-state").is_displayed()
        assert viewer.screenshot("41-phantom-german").std() > 20
        viewer.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "de"])
def test_no_state_has_grave_violations_or_clipped_text(
    viewer: ViewerDriver, site: Site, done: str, language: str
) -> None:
    opened_in(viewer, site, language, done)
    found: dict[str, list[str]] = {}

    def check(state: str) -> None:
        found[state] = grave_violations(viewer.browser)
        for name, size in (("laptop", LAPTOP), ("zoomed", ZOOMED)):
            resize(viewer, *size)
            found[f"{state}, {name}"] = viewer.browser.execute_script(CLIPPED)
            viewer.screenshot(f"42-{language}-{state}-{name}")
        resize(viewer, *LAPTOP)

    viewer.browser.execute_script(OPEN_ALL)
    for tab in TABS:
        viewer.element(f"tab-{tab}").click()
        check(tab)
    for dialog in viewer.browser.execute_script(
        "return [...document.querySelectorAll('dialog')].map((one) => one.id)"
    ):
        viewer.browser.execute_script(f"document.getElementById('{dialog}').showModal()")
        check(dialog)
        viewer.browser.execute_script(f"document.getElementById('{dialog}').close()")
    viewer.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert {state: problems for state, problems in found.items() if problems} == {}
