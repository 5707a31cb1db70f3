"""What users fill in and get: accessible in each state, and not cut off in windows of four sizes.

Screenshots of each state are written to `build/screenshots/states-LANGUAGE`.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_kit import DESKTOP, LAPTOP, UHD, ZOOMED, clipped, grave_violations, resize, restore_size
from browser_kit import ViewerDriver
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from service_kit import Site
from study_kit import StudyClient
from test_browser_aligning import click, mark
from test_browser_drawing import FIND, crosshair, opens, script
from test_browser_language import opened_in
from test_browser_open import folder as folder  # noqa: PLC0414  # a fixture

from dicom_kit import change_all, put
from radfuse.dicom.network.address import DimseNode
from radfuse.phantom.head import Phantom
from radfuse.registration.transforms import matrix_of
from radfuse.service.stores.view_volumes import matrix_rows

pytestmark = pytest.mark.slow
SHOTS = Path(__file__).parents[2] / "build/screenshots"
SIZES = {"laptop": LAPTOP, "zoomed": ZOOMED, "desktop": DESKTOP, "4k": UHD}
DOCUMENTED = {"series": "50-series", "patients": "51-two-patients", "send": "52-send"}
"""States whose image in English and the size of a laptop is in the how-to."""

LONG_S = 120.0


class Check:
    """Checks the viewer in each state; `found` has the problems."""

    def __init__(self, viewer: ViewerDriver, site: Site, language: str) -> None:
        self.viewer, self.site, self.language = viewer, site, language
        self.found: dict[str, list[str]] = {}

    def __call__(self, state: str, element: str = "") -> None:
        """Check a state, with an element of the panel in view."""
        browser = self.viewer.browser
        self.found[state] = grave_violations(browser)
        for name, size in SIZES.items():
            resize(browser, size)
            if element:
                code = "document.getElementById(arguments[0]).scrollIntoView({block: 'center'})"
                browser.execute_script(code, element)
            self.found[f"{state}, {name}"] = clipped(browser)
            self.viewer.screenshot(f"{state}-{name}")
        resize(browser, LAPTOP)
        if self.language == "en" and state in DOCUMENTED:
            made = self.viewer.folder / f"{state}-laptop.png"
            shutil.copy(made, SHOTS / f"{DOCUMENTED[state]}.png")

    def ends(self) -> None:
        assert {state: problems for state, problems in self.found.items() if problems} == {}


@pytest.fixture(params=["en", "de"])
def check(request: pytest.FixtureRequest, browser: Chrome, site: Site) -> Iterator[Check]:
    shots = SHOTS / f"states-{request.param}"
    shots.mkdir(parents=True, exist_ok=True)
    viewer = ViewerDriver(browser, shots)
    opened_in(viewer, site, request.param)
    resize(browser, LAPTOP)
    yield Check(viewer, site, request.param)
    restore_size(browser)
    browser.execute_script("localStorage.clear()")


@pytest.fixture
def two_patients(site: Site, asked: dict[str, Any], tmp_path: Path) -> Iterator[str]:
    """A prepared study whose MR has another ID."""
    mr = Path(shutil.copytree(asked["mr"], tmp_path / "mr"))
    change_all(mr, put("PatientID", "PHANTOM-8"))
    study = site.make(**{**asked, "mr": str(mr), "name": "Two patients"})
    site.prepare(study)
    yield study
    site.client.delete(f"/api/v1/studies/{study}")


@pytest.fixture
def failed(site: Site, asked: dict[str, Any], phantom: Phantom) -> Iterator[str]:
    """A study whose fusion failed: the MR is 40 mm off."""
    recipe = {"method": "average", "outputs": ["fused"]}
    study = site.make(**{**asked, "name": "Failed", "recipe": recipe})
    wrong = matrix_of(phantom.mr_from_ct) @ np.array(
        [[1, 0, 0, 40.0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    )
    site.prepare(study)
    events = site.fuse(study, mr_from_ct=matrix_rows(wrong), refine=False)
    assert events[-1][0] == "error", events
    yield study
    site.client.delete(f"/api/v1/studies/{study}")


@pytest.fixture
def away(site: Site) -> Iterator[None]:
    """A configured PACS that does not respond."""
    assert site.deps is not None
    destinations = site.deps.destinations
    assert isinstance(destinations, dict)
    destinations["archive"] = DimseNode("ARCHIVE", "127.0.0.1", 1)
    yield
    destinations.clear()


def shows(check: Check, study: str, *, is_fused: bool = True) -> None:
    viewer = check.viewer
    viewer.browser.get("about:blank")
    viewer.open(f"{check.site.base}/?lang={check.language}#{study}")
    viewer.wait_until(lambda: viewer.body_data("loaded") == study, LONG_S)
    if is_fused:
        viewer.wait_until(lambda: viewer.body_data("shown"), LONG_S)


def test_table_of_series(check: Check, folder: Path) -> None:
    viewer = check.viewer
    viewer.element("open-study").click()
    viewer.element("study-path").send_keys(str(folder))
    viewer.element("inspect").click()
    viewer.wait_until(lambda: script(viewer, "return radfuse.panels.open.table.isLoaded"), LONG_S)
    script(viewer, "document.getElementById('study-path').value = arguments[0]", "/data/head")
    check("series", "series-table")
    click(viewer, "close-dialog")
    check.ends()


def test_two_patients(check: Check, two_patients: str) -> None:
    viewer = check.viewer
    shows(check, two_patients, is_fused=False)
    viewer.wait_until(lambda: viewer.element("patients-dialog").is_displayed())
    viewer.element("patients-reason").send_keys("ID changed after a correction of the register")
    check("patients")
    viewer.element("refuse-patients").click()
    viewer.element("tab-fusion").click()
    viewer.element("start-fusion").click()
    viewer.wait_until(lambda: viewer.element("error").is_displayed())
    viewer.element("refuse-patients").click()
    check("patients-refused")
    check.ends()


def test_images_without_and_with_a_failed_fusion(
    check: Check, prepared: str, failed: str, phantom: Phantom
) -> None:
    viewer = check.viewer
    shows(check, prepared, is_fused=False)
    viewer.element("tab-fusion").click()
    check("unfused")
    shows(check, failed, is_fused=False)
    viewer.wait_until(lambda: viewer.element("next-steps").is_displayed())
    check("failed")
    marks_pairs(check, phantom)
    check.ends()


def marks_pairs(check: Check, phantom: Phantom) -> None:
    """Five pairs, one of them an outlier, and a saved alignment."""
    viewer = check.viewer
    viewer.element("tab-registration").click()
    click(viewer, "reset-registration")
    mark(viewer, phantom)
    click(viewer, "fit-pairs")
    viewer.wait_until(lambda: viewer.element("fit-result").text)
    viewer.wait_until(lambda: viewer.element("landmark-errors").text)
    check("landmarks", "pairs")
    viewer.element("alignment-name").send_keys("by pairs")
    script(viewer, "document.getElementById('save-alignment').requestSubmit()")
    viewer.wait_until(lambda: "by pairs" in viewer.element("alignments-section").text)
    check("alignments", "alignments-section")


def test_structures_with_values(check: Check, done: str) -> None:
    """With an operation and a comparison."""
    viewer = check.viewer
    StudyClient(check.site, done).clear()
    shows(check, done)
    viewer.element("tab-structures").click()
    columns, _, _ = script(viewer, "return radfuse.viewer.ct.size")
    x, y, z = crosshair(viewer, *(value // 2 for value in script(viewer, SIZE)))
    for name, half in (("GTVp", 4), ("CTVp", 7)):
        runs = {
            str(at): [n for row in range(y - half, y + half) for n in (row * columns + x, half)]
            for at in range(z - 3, z + 4)
        }
        add = "return radfuse.panels.structures.store.add(arguments[0], arguments[1])"
        script(viewer, add, name, runs)
    viewer.wait_until(lambda: "CTVp" in viewer.element("structures").text)
    script(viewer, f"{FIND} radfuse.panels.structures.choose(one);", "GTVp")
    for name in ("statistics", "operations"):
        opens(viewer, name)
    viewer.wait_until(lambda: "HU" in viewer.element("statistics-values").text)
    check("structures", "structures")
    check("structures-values", "operations")
    viewer.select("reference", script(viewer, f"{FIND} return one.id", "CTVp"))
    script(viewer, "document.getElementById('comparison').requestSubmit()")
    viewer.wait_until(lambda: viewer.element("agreement").text)
    check("structures-compared", "comparison")
    check.ends()


SIZE = "return radfuse.viewer.ct.size"


def test_signed_and_sent(check: Check, done: str, site: Site, away: None) -> None:
    """The form refused, and signed."""
    viewer = check.viewer
    assert site.sign(done, "rejected").status_code == 200
    shows(check, done)
    viewer.element("tab-results").click()
    for name, answer in (("skull", "yes"), ("eyes", "no"), ("ventricles", "yes")):
        found = viewer.browser.find_element(By.CSS_SELECTOR, f"[name=check-{name}][value={answer}]")
        script(viewer, "arguments[0].click()", found)
    viewer.element("region").send_keys("GTVp and 2 cm around it")
    viewer.sign_off("A. Physicist", grade=4)
    viewer.wait_until(lambda: viewer.element("signoff-error").is_displayed())
    check("form-refused", "signoff-error")
    viewer.select("grade", "1")
    viewer.element("comment").send_keys("globes moved between the scans")
    viewer.element("accept").click()
    viewer.wait_until(lambda: "A. Physicist" in viewer.element("signoff-status").text, LONG_S)
    viewer.wait_until(lambda: viewer.element("confirm").is_enabled())
    check("signed", "signoff-status")
    check("signed-form", "second-signer")
    sends(check)
    check.ends()


def sends(check: Check) -> None:
    """The dialog, and that the PACS does not respond."""
    viewer = check.viewer
    viewer.wait_until(lambda: viewer.body_data("shown"))
    click(viewer, "send-result")
    viewer.wait_until(lambda: viewer.element("send-dialog").is_displayed())
    check("send")
    viewer.element("start-send").click()
    viewer.wait_until(lambda: viewer.element("send-error").is_displayed())
    check("send-failed")
    click(viewer, "close-send")


def test_layers_and_images_without_panel(check: Check, several: str) -> None:
    viewer = check.viewer
    shows(check, several)
    viewer.element("tab-fusion").click()
    viewer.press("6")
    viewer.press("d")
    check("layers", "further")
    viewer.press("ds")
    assert not viewer.element("controls").is_displayed()
    check("without-panel")
    viewer.press("s")
    assert viewer.element("controls").is_displayed()
    check.ends()
