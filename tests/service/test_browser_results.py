"""Results leave the viewer in a real browser: signed with the form, downloaded, sent.

Screenshots are written to `build/screenshots`.
"""

import zipfile
from pathlib import Path

import pytest
from axe_kit import grave_violations
from browser_kit import ViewerDriver
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from service_kit import Site

from orthanc_kit import Orthanc
from radfuse.dicom.network.connect import connect
from radfuse.dicom.network.outgoing import collect_files
from radfuse.progress import no_progress

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


def downloaded(viewer: ViewerDriver, browser: Chrome, button: str) -> Path:
    """The file that a button saves."""
    folder = Path(browser.capabilities["chrome"]["userDataDir"]).parent
    before = set(folder.iterdir())
    viewer.element(button).click()

    def new() -> list[Path]:
        found = (path for path in set(folder.iterdir()) - before if not path.name.startswith("."))
        return [path for path in found if path.suffix != ".crdownload" and path.is_file()]

    viewer.wait_until(lambda: new() and not list(folder.glob("*.crdownload")))
    return new()[0]


@pytest.mark.slow
def test_user_saves_all_files_of_a_result(
    viewer: ViewerDriver, browser: Chrome, done: str, site: Site
) -> None:
    run = site.study(done)["current"][:8]
    for button, end in (("dicom", "-dicom.zip"), ("nifti", "-nifti.zip"), ("html", "-qa.html"),
                        ("pdf", "-qa.pdf"), ("transform", "xfm.tfm")):  # fmt: skip
        path = downloaded(viewer, browser, f"download-{button}")
        assert path.name.endswith(end)
        assert run in path.name or button == "transform"
        if end.endswith("zip"):
            with zipfile.ZipFile(path) as archive:
                assert archive.testzip() is None
        if button == "pdf":
            (SHOTS / "results-qa.pdf").write_bytes(path.read_bytes())
    viewer.element("download-rtstruct").click()
    viewer.wait_until(lambda: "draw a structure first" in viewer.element("download-error").text)
    shot(viewer, "results-06-saved", "download-error")


@pytest.mark.slow
def test_user_sends_series_to_an_orthanc(
    viewer: ViewerDriver, done: str, site: Site, pacs: Orthanc
) -> None:
    viewer.element("send-result").click()
    viewer.wait_until(lambda: viewer.element("send-dialog").is_displayed())
    viewer.screenshot("results-07-send-dialog")
    viewer.element("start-send").click()
    viewer.wait_until(lambda: "objects are stored at archive" in viewer.element("send-status").text)
    viewer.screenshot("results-08-sent")
    assert pacs.count() == len(list((site.run_of(done) / "result").rglob("*.dcm")))
    pacs.program.kill()
    try:
        viewer.element("start-send").click()
        viewer.wait_until(lambda: "no connection" in viewer.element("send-error").text)
        viewer.screenshot("results-09-not-sent")
    finally:
        pacs.program.start()
    assert grave_violations(viewer.browser) == []


@pytest.mark.slow
def test_a_link_opens_a_study_of_the_pacs(
    viewer: ViewerDriver, site: Site, pacs: Orthanc, phantom_folders: tuple[Path, Path]
) -> None:
    files = collect_files(phantom_folders).files
    assert connect(pacs.node).send(files, no_progress) == ()
    (study,) = pacs.ask("/studies")
    uid = pacs.ask(f"/studies/{study}")["MainDicomTags"]["StudyInstanceUID"]
    viewer.open(f"{site.access.url}&study={uid}")
    viewer.wait_until(lambda: viewer.body_data("loaded"))
    assert "study=" not in viewer.browser.current_url
    opened = viewer.browser.current_url.partition("#")[2]
    viewer.screenshot("results-10-opened-by-link")
    viewer.open(f"{site.base}/?study={uid}")
    viewer.wait_until(lambda: viewer.element("retrieval-again").is_displayed())
    assert viewer.browser.current_url.endswith(opened)
    viewer.screenshot("results-11-opened-before")
    viewer.element("retrieval-again").click()
    viewer.wait_until(lambda: not viewer.browser.current_url.endswith(opened))
    again = viewer.browser.current_url.partition("#")[2]
    viewer.wait_until(lambda: viewer.body_data("loaded") == again)
    viewer.open(f"{site.base}/?study=1.2.3")
    assert "does not have the study" in viewer.element("retrieval-error").text
    assert viewer.element("no-study").is_displayed()
    viewer.screenshot("results-12-unknown-study")
    found = grave_violations(viewer.browser)
    for one in (opened, again):
        assert site.client.delete(f"/api/v1/studies/{one}").status_code == 204
    assert found == []


@pytest.mark.slow
def test_a_link_without_a_pair_offers_the_series(
    viewer: ViewerDriver, site: Site, pacs: Orthanc, phantom_folders: tuple[Path, Path]
) -> None:
    connect(pacs.node).send(collect_files(phantom_folders[:1]).files, no_progress)
    (study,) = pacs.ask("/studies")
    uid = pacs.ask(f"/studies/{study}")["MainDicomTags"]["StudyInstanceUID"]
    viewer.open(f"{site.base}/?study={uid}")
    viewer.element("retrieval-choose").click()
    viewer.wait_until(lambda: "CT head" in viewer.element("open-dialog").text)
    viewer.screenshot("results-13-choose-series")
