"""Users sign in, sign off with their names and sign out, in a real browser.

Screenshots are written to `build/screenshots`.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_kit import grave_violations
from browser_kit import ViewerDriver
from selenium.webdriver import Chrome
from service_kit import Site, running
from users_kit import TOKENS, write_users

from radfuse.service.identification import Identification
from radfuse.service.users import Users

SHOTS = Path(__file__).parents[2] / "build/screenshots"

pytestmark = pytest.mark.slow


@pytest.fixture
def owned(site: Site, unsigned: str, tmp_path: Path) -> Iterator[Site]:
    """A viewer with users, and with a copy of the fused study."""
    folder = tmp_path / "view"
    shutil.copytree(site.folder / "studies" / unsigned, folder / "studies" / unsigned)
    known = Identification(Users(write_users(tmp_path)))
    with running(folder, identification=known) as started:
        yield started


@pytest.fixture
def viewer(browser: Chrome) -> ViewerDriver:
    SHOTS.mkdir(parents=True, exist_ok=True)
    return ViewerDriver(browser, SHOTS)


def shot(viewer: ViewerDriver, name: str) -> None:
    (SHOTS / f"{name}.png").write_bytes(viewer.browser.get_screenshot_as_png())
    assert grave_violations(viewer.browser) == []


def shown_form(viewer: ViewerDriver) -> bool:
    return bool(viewer.browser.execute_script("return document.getElementById('sign-in') !== null"))


def sign_in(viewer: ViewerDriver, name: str) -> None:
    """Fill in the form, and open the tab Results of the study that is shown then."""
    viewer.wait_until(lambda: shown_form(viewer))
    viewer.element("token").send_keys(TOKENS[name], "\n")
    viewer.wait_until(lambda: viewer.body_data("ready") and viewer.body_data("shown"))
    viewer.element("tab-results").click()
    viewer.wait_until(lambda: name in viewer.element("user").text)


def sign_out(viewer: ViewerDriver) -> None:
    viewer.element("sign-out").click()
    viewer.wait_until(lambda: shown_form(viewer))


def test_two_users_sign(viewer: ViewerDriver, owned: Site, unsigned: str) -> None:
    viewer.browser.get(f"{owned.base}/?lang=en#{unsigned}")
    viewer.wait_until(lambda: shown_form(viewer))
    viewer.element("token").send_keys("wrong\n")
    viewer.wait_until(lambda: "No user has this token" in viewer.element("sign-in-error").text)
    shot(viewer, "users-01-sign-in")
    viewer.element("token").clear()
    sign_in(viewer, "anna")
    assert viewer.browser.current_url.endswith(f"/?lang=en#{unsigned}")
    assert viewer.element("signer").get_attribute("value") == "anna"
    assert viewer.element("signer").get_attribute("readonly")
    viewer.sign_off("typed", 1)
    status = viewer.element("signoff-status")
    viewer.wait_until(lambda: "accepted by anna (authenticated)" in status.text)
    viewer.wait_until(lambda: viewer.element("confirm").is_enabled())
    viewer.element("confirm").click()
    viewer.wait_until(lambda: "another person" in viewer.element("second-error").text)
    viewer.browser.execute_script("document.getElementById('signer').scrollIntoView()")
    shot(viewer, "users-02-signed")
    sign_out(viewer)
    sign_in(viewer, "otto")
    viewer.wait_until(lambda: viewer.element("confirm").is_enabled())
    viewer.element("confirm").click()
    status = viewer.element("signoff-status")
    viewer.wait_until(lambda: "confirmed by otto (authenticated)" in status.text)
    viewer.browser.get(f"{owned.base}/sign_in.html#{unsigned}")  # a link without the cookie
    viewer.wait_until(lambda: not shown_form(viewer) and viewer.body_data("shown"))
    sign_out(viewer)


def test_the_role_viewer_looks_only(viewer: ViewerDriver, owned: Site, unsigned: str) -> None:
    viewer.browser.get(f"{owned.base}/?lang=de#{unsigned}")
    sign_in(viewer, "vera")
    assert "Patient verborgen" in viewer.element("patients").text
    assert "Die Rolle viewer darf nicht" in viewer.element("signoff-blocked").text
    assert not viewer.element("accept").is_enabled()
    assert viewer.element("error").text == ""
    viewer.browser.execute_script("document.getElementById('signer').scrollIntoView()")
    shot(viewer, "users-03-role-viewer")
    sign_out(viewer)
    shot(viewer, "users-04-german")
