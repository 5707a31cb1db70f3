"""The banner: whose images are displayed, and that two patients are noticed."""

import shutil
from pathlib import Path

import pytest
from browser_kit import ViewerDriver
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from service_kit import Site

from dicom_kit import change_all, put
from radfuse.modality import CT, MR
from radfuse.pipeline.read import read
from radfuse.service.stores.identity import (
    Identities,
    identity_of,
    read_identities,
    write_identities,
)


@pytest.fixture(scope="module")
def named(
    phantom_folders: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """CT and MR of two patients with unusual headers."""
    folder = tmp_path_factory.mktemp("named")
    ct, mr = (Path(shutil.copytree(one, folder / one.name)) for one in phantom_folders)
    change_all(ct, put("PatientName", "Adams^John^Quincy"))
    change_all(ct, put("PatientBirthDate", "17670711"))
    change_all(mr, put("PatientID", "another"))
    change_all(mr, put("PatientName", ""))
    return ct, mr


def test_an_image_is_named_by_its_header(named: tuple[Path, Path]) -> None:
    series = read(named[0], CT)
    identity = identity_of(series)
    assert (identity.name, identity.birth_date) == ("Adams^John^Quincy", "1767-07-11")
    assert identity.size == series.image.GetSize()
    assert identity.description == "CT head, phantom"
    assert identity.date == "2024-01-15"
    assert identity.frame_of_reference == series.frame_of_reference_uid


def test_two_patients_differ(named: tuple[Path, Path], tmp_path: Path) -> None:
    ct, mr = read(named[0], CT), read(named[1], MR)
    write_identities(tmp_path, (ct, mr))
    assert read_identities(tmp_path).differ
    write_identities(tmp_path, (ct, ct))
    assert not read_identities(tmp_path).differ
    assert [one.modality for one in read_identities(tmp_path).images] == ["CT", "CT"]


def test_what_was_never_read_has_no_identity(tmp_path: Path) -> None:
    assert read_identities(tmp_path) == Identities()
    (tmp_path / "identity.json").write_text("{")
    assert read_identities(tmp_path) == Identities()


def test_the_banner_names_the_patient(browser: Chrome, site: Site, prepared: str) -> None:
    viewer = ViewerDriver(browser, site.folder)
    viewer.open(f"{site.access.url}#{prepared}")
    viewer.wait_until(lambda: viewer.body_data("loaded") == prepared)
    patient = site.client.get(f"/api/v1/studies/{prepared}/identities").json()["images"][0]
    assert f"ID {patient['id']}" in viewer.element("patients").text
    assert "CT head, phantom" in viewer.element("series").text
    assert not viewer.element("different-patients").is_displayed()
    viewer.element("hide-patient").click()
    assert not viewer.element("patients").is_displayed()
    assert viewer.element("series").is_displayed()
    viewer.element("hide-patient").click()
    assert viewer.element("patients").is_displayed()


def test_the_banner_warns_of_two_patients(
    browser: Chrome, site: Site, named: tuple[Path, Path]
) -> None:
    study = site.make(ct=str(named[0]), mr=str(named[1]))
    site.prepare(study)
    viewer = ViewerDriver(browser, site.folder)
    viewer.open(f"{site.access.url}#{study}")
    viewer.wait_until(lambda: viewer.body_data("loaded") == study)
    assert viewer.element("different-patients").is_displayed()
    shown = viewer.element("patients").text
    assert "Adams, John, Quincy" in shown
    assert "ID another" in shown
    viewer.wait_until(lambda: viewer.element("patients-dialog").is_displayed())
    compared = [
        one.text for one in viewer.element("patients-rows").find_elements(By.TAG_NAME, "tr")
    ]
    assert "Adams, John, Quincy" in compared[0]
    assert "another" in compared[1]
    assert "≠ differs" in compared[1]
    viewer.screenshot("two-patients")
    viewer.element("refuse-patients").click()
    viewer.element("start-fusion").click()
    viewer.wait_until(lambda: "different patients" in viewer.element("error").text)
    assert viewer.element("patients-dialog").is_displayed()
    assert not viewer.element("accept-patients").is_enabled()
    viewer.element("patients-reason").send_keys("ID changed at admission")
    viewer.element("accept-patients").click()
    accepted = "accepted as one: ID changed at admission"
    viewer.wait_until(lambda: accepted in viewer.element("different-patients").text)
    assert not viewer.element("patients-dialog").is_displayed()
    viewer.screenshot("two-patients-accepted")
