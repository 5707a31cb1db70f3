"""Results leave the viewer in a real browser: signed with the form, downloaded, sent.

Screenshots are written to `build/screenshots`.
"""

from pathlib import Path

import pytest
from browser_kit import ViewerDriver
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from service_kit import Site

SHOTS = Path(__file__).parents[2] / "build/screenshots"


@pytest.fixture
def viewer(browser: Chrome, site: Site, done: str) -> ViewerDriver:
    SHOTS.mkdir(parents=True, exist_ok=True)
    opened = ViewerDriver(browser, SHOTS)
    opened.open(site.access.url)
    opened.select("studies", done)
    opened.wait_until(lambda: opened.body_data("loaded") == done and opened.body_data("shown"))
    opened.element("tab-results").click()
    return opened


def shot(viewer: ViewerDriver, name: str, element: str) -> None:
    """A screenshot with an element in view."""
    found = viewer.element(element)
    viewer.browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", found)
    viewer.screenshot(name)


def status(viewer: ViewerDriver) -> str:
    return viewer.element("signoff-status").text


@pytest.mark.slow
def test_user_fills_in_the_form_and_two_persons_sign(
    viewer: ViewerDriver, browser: Chrome, done: str, site: Site
) -> None:
    assert site.sign(done, "rejected").status_code == 200
    viewer.open(site.access.url)
    viewer.wait_until(lambda: viewer.body_data("shown"))
    viewer.element("tab-results").click()
    viewer.screenshot("results-01-form")
    for name, answer in (("skull", "yes"), ("eyes", "no")):
        browser.find_element(By.CSS_SELECTOR, f"[name=check-{name}][value={answer}]").click()
    viewer.sign_off("A. Physicist", grade=4)
    viewer.wait_until(lambda: "grade 4 is not acceptable" in viewer.element("signoff-error").text)
    shot(viewer, "results-02-refused", "signoff-error")
    viewer.select("grade", "1")
    viewer.element("region").send_keys("GTVp and 2 cm around it")
    viewer.element("comment").send_keys("globes moved between the scans")
    viewer.element("accept").click()
    viewer.wait_until(lambda: "accepted by A. Physicist" in status(viewer))
    viewer.element("second-signer").send_keys("A. Physicist")
    viewer.element("confirm").click()
    viewer.wait_until(lambda: "signed first" in viewer.element("second-error").text)
    shot(viewer, "results-03-second", "second-error")
    viewer.element("second-signer").clear()
    viewer.element("second-signer").send_keys("B. Oncologist")
    viewer.wait_until(lambda: viewer.element("confirm").is_enabled())
    viewer.element("confirm").click()
    viewer.wait_until(lambda: "confirmed by B. Oncologist" in status(viewer))
    signed = site.study(done)["signoff"]
    assert (signed["grade"], signed["region"]) == (1, "GTVp and 2 cm around it")
    assert (signed["checks"]["Skull"], signed["checks"]["Eyes"]) == ("yes", "no")
    browser.refresh()
    viewer.wait_until(lambda: viewer.body_data("shown"))
    viewer.element("tab-results").click()
    assert "confirmed by B. Oncologist" in status(viewer)
    assert viewer.element("region").get_attribute("value") == signed["region"]
    viewer.screenshot("results-04-signed-by-two")


@pytest.mark.slow
def test_a_preview_of_another_method_cannot_be_signed(viewer: ViewerDriver) -> None:
    viewer.wait_until(lambda: viewer.element("accept").is_enabled())
    viewer.element("tab-fusion").click()
    viewer.select("method", "maximum")
    viewer.wait_until(lambda: viewer.body_data("previewed") == "maximum")
    viewer.element("tab-results").click()
    assert not viewer.element("accept").is_enabled()
    assert "A preview of maximum is displayed" in viewer.element("signoff-blocked").text


@pytest.mark.slow
def test_form_is_in_german(viewer: ViewerDriver, site: Site) -> None:
    viewer.open(f"{site.base}/?lang=de")
    viewer.wait_until(lambda: viewer.body_data("shown"))
    viewer.element("tab-results").click()
    assert "Hirnstamm" in viewer.element("checks").text
    viewer.screenshot("results-05-german")
