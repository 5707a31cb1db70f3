"""The viewer in two languages, in small windows, and against the rules of accessibility."""

import json
from pathlib import Path

import pytest
from axe_kit import LAPTOP, ZOOMED, clipped, grave_violations, resize, restore_size
from browser_kit import ViewerDriver
from selenium.webdriver import Chrome
from service_kit import Site, running

from radfuse.service.app import STATIC
from radfuse.verdict import Verdict

SHOTS = Path(__file__).parents[2] / "build/screenshots"
TABS = ("fusion", "registration", "structures", "results")
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
        translates_the_server(viewer, site)
        viewer.open(f"{site.base}/?lang=en")
        assert viewer.element("open-study").text == text_of("en", "studies.open")
        assert viewer.element("open-phantom").text == text_of("en", "empty.phantom")
        assert grave_violations(browser) == []
        browser.execute_script("localStorage.clear()")


def translates_the_server(viewer: ViewerDriver, site: Site) -> None:
    """Its errors, and sentences with values; what is not known stays."""
    verdict = Verdict("inspect", 2.4).sentence()
    given = [verdict, f"T2: {verdict}; unknown", "registering: refine the best", "unknown"]
    shown = viewer.call_module("sentences.js", "return given.map(it.translated)", *given)
    german = "QA der Registrierung PRÜFEN: Registrierungsfehler bis 2.4 mm"
    stage = "Registrierung: die besten verfeinern"
    assert shown["value"] == [german, f"T2: {german}; unknown", stage, "unknown"]
    viewer.element("open-study").click()
    viewer.element("study-path").send_keys(str(site.folder / "none"))
    viewer.element("create-study").click()
    viewer.wait_until(lambda: "keine solche Datei" in viewer.element("open-error").text)


@pytest.mark.slow
def test_user_without_images_opens_the_phantom(viewer: ViewerDriver, tmp_path: Path) -> None:
    with running(tmp_path) as site:
        opened_in(viewer, site, "de")
        resize(viewer.browser, LAPTOP)
        viewer.screenshot("40-empty-german")
        viewer.element("open-phantom").click()
        viewer.wait_until(lambda: viewer.body_data("loaded"), 120.0)
        assert not viewer.element("empty-state").is_displayed()
        assert viewer.screenshot("41-phantom-german").std() > 20
        restore_size(viewer.browser)


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
            resize(viewer.browser, size)
            found[f"{state}, {name}"] = clipped(viewer.browser)
            viewer.screenshot(f"42-{language}-{state}-{name}")
        resize(viewer.browser, LAPTOP)

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
    restore_size(viewer.browser)
    assert {state: problems for state, problems in found.items() if problems} == {}
