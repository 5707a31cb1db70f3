"""A result goes to a real Orthanc, and a study of it is opened by its UID."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from service_kit import Site, refused

from dicom_kit import change_all, put
from orthanc_kit import Orthanc
from radfuse.dicom.network.address import Address, DimseNode
from radfuse.dicom.network.connect import connect
from radfuse.dicom.network.outgoing import collect_files
from radfuse.progress import no_progress

WAYS = ("node", "web")


@pytest.fixture
def destinations(site: Site) -> Iterator[dict[str, Address]]:
    assert site.deps is not None
    given = site.deps.destinations
    assert isinstance(given, dict)
    yield given
    given.clear()


@pytest.fixture
def pacs(orthanc: Orthanc, destinations: dict[str, Address]) -> Orthanc:
    destinations["node"] = orthanc.node
    destinations["web"] = orthanc.web
    return orthanc


def ended(site: Site, answer: Any) -> dict[str, Any]:
    assert answer.status_code == 202, answer.text
    until = time.monotonic() + 60
    while True:
        found = dict(site.client.get(f"/api/v1/transfers/{answer.json()['id']}").json())
        if found["state"] not in {"waiting", "running"}:
            return found
        assert time.monotonic() < until
        time.sleep(0.02)


def send(site: Site, study: str, series: list[str], destination: str | None = None) -> Any:
    run = site.study(study)["current"]
    body = {"destination": destination, "series": series, "run": run}
    return site.client.post(f"/api/v1/studies/{study}/send", json=body)


def names(site: Site, study: str) -> list[str]:
    listed = site.client.get(f"/api/v1/studies/{study}/results").json()
    return [one["name"] for one in listed["series"]]


@pytest.mark.parametrize("way", WAYS)
def test_signed_series_arrives_whole(site: Site, done: str, pacs: Orthanc, way: str) -> None:
    assert site.sign(done, "accepted", "A. Physicist").status_code == 200
    found = ended(site, send(site, done, names(site, done), way))
    written = list((site.run_of(done) / "result").rglob("*.dcm"))
    assert found["state"] == "done", found
    assert found["message"] == f"{len(written)} objects are stored at {way}"
    uids = {pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID for path in written}
    stored = pacs.ask("/instances?expand")
    assert {one["MainDicomTags"]["SOPInstanceUID"] for one in stored} == uids
    tags = pacs.ask(f"/instances/{stored[0]['ID']}/simplified-tags")
    assert "accepted by A. Physicist" in tags["ImageComments"]


def test_configured_pacs_are_listed(site: Site, pacs: Orthanc) -> None:
    listed = site.client.get("/api/v1/destinations").json()
    assert [(one["name"], one["protocol"]) for one in listed] == [
        ("node", "DIMSE"), ("web", "DICOMweb"),
    ]  # fmt: skip
    assert listed[0]["address"] == str(pacs.node)


def test_a_pacs_that_does_not_answer_is_named(
    site: Site, done: str, destinations: dict[str, Address]
) -> None:
    destinations["away"] = DimseNode("NOBODY", "127.0.0.1", 1)
    found = ended(site, send(site, done, names(site, done)))
    assert found["state"] == "failed"
    assert found["message"].startswith("NOBODY@127.0.0.1:1: no connection")


def test_wrong_requests_are_refused(
    site: Site, done: str, destinations: dict[str, Address]
) -> None:
    series = names(site, done)
    refused(send(site, done, series), 400, "no PACS is configured")
    destinations["away"] = DimseNode("NOBODY", "127.0.0.1", 1)
    refused(send(site, done, series, "other"), 400, "no PACS 'other'")
    refused(send(site, done, ["../../inputs.json"]), 400, "no series '../../inputs.json'")
    refused(send(site, done, []), 422, "at least 1")
    body = {"series": series, "run": "0" * 16}
    answer = site.client.post(f"/api/v1/studies/{done}/send", json=body)
    refused(answer, 409, "another result now")
    refused(site.client.get("/api/v1/transfers/none"), 404, "no such transfer")
    answer = site.client.post("/api/v1/retrieve", json={"study_uids": ["1.2.x"]})
    refused(answer, 400, "is not a UID")


def stored_study(pacs: Orthanc, folders: tuple[Path, ...]) -> str:
    """Store images at the PACS; returns the UID of their study."""
    assert connect(pacs.node).send(collect_files(folders).files, no_progress) == ()
    (study,) = pacs.ask("/studies")
    return str(pacs.ask(f"/studies/{study}")["MainDicomTags"]["StudyInstanceUID"])


@pytest.mark.parametrize("way", ["node", pytest.param("web", marks=pytest.mark.slow)])
def test_a_study_is_opened_by_its_uid(
    site: Site, pacs: Orthanc, phantom_folders: tuple[Path, Path], way: str
) -> None:
    uid = stored_study(pacs, phantom_folders)
    body: dict[str, Any] = {"study_uids": [uid], "destination": way, "again": True}
    found = ended(site, site.client.post("/api/v1/retrieve", json=body))
    assert found["state"] == "done", found
    study = site.study(found["study"])
    assert study["state"] == "new"
    assert uid not in str(list((site.folder / "uploads").iterdir()))
    del body["again"]
    again = ended(site, site.client.post("/api/v1/retrieve", json=body))
    assert (again["state"], again["study"]) == ("done", found["study"])
    assert again["is_reopened"]
    assert not found["is_reopened"]
    assert again["message"].startswith("retrieved 20")
    assert site.prepare(found["study"])[-1][0] == "done"
    assert site.client.delete(f"/api/v1/studies/{found['study']}").status_code == 204


@pytest.mark.slow
def test_ct_and_mr_of_two_studies_are_opened(
    site: Site, pacs: Orthanc, phantom_folders: tuple[Path, Path], tmp_path: Path
) -> None:
    ct, mr = (shutil.copytree(one, tmp_path / one.name) for one in phantom_folders)
    change_all(mr, put("StudyInstanceUID", "1.2.3.4"))
    uid = stored_study(pacs, (ct,))
    assert connect(pacs.node).send(collect_files([mr]).files, no_progress) == ()
    body = {"study_uids": [uid, "1.2.3.4"]}
    found = ended(site, site.client.post("/api/v1/retrieve", json=body))
    assert found["state"] == "done", found
    body = {"study_uids": ["1.2.3.4", uid]}
    again = ended(site, site.client.post("/api/v1/retrieve", json=body))
    assert (again["study"], again["is_reopened"]) == (found["study"], True)
    body = {"study_uids": [uid, "1.2.3.5"]}
    missing = ended(site, site.client.post("/api/v1/retrieve", json=body))
    assert "does not have the study, or not all" in missing["message"]
    assert not list((site.folder / "uploads").glob(".radfuse-*"))
    assert site.client.delete(f"/api/v1/studies/{found['study']}").status_code == 204


def test_a_study_without_a_pair_keeps_its_images_to_choose(
    site: Site, pacs: Orthanc, phantom_folders: tuple[Path, Path]
) -> None:
    uid = stored_study(pacs, phantom_folders[:1])
    found = ended(site, site.client.post("/api/v1/retrieve", json={"study_uids": [uid]}))
    assert found["state"] == "failed"
    assert found["message"].startswith("no MR")
    inspected = site.client.post("/api/v1/inspect", json={"path": found["path"]}).json()
    assert [one["kind"] for one in inspected["images"]] == ["CT"]


def test_an_unknown_study_is_refused_in_words(site: Site, pacs: Orthanc) -> None:
    found = ended(site, site.client.post("/api/v1/retrieve", json={"study_uids": ["1.2.3"]}))
    assert found["state"] == "failed"
    assert found["message"] == "node does not have the study, or not all; check the link"
    assert found["study"] == found["path"] == ""
