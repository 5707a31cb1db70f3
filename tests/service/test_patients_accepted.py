"""Different patients are fused only after a person accepted them with a reason."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from service_kit import Site, refused

from dicom_kit import change_all, put
from radfuse.errors import InputError
from radfuse.modality import MR
from radfuse.recipe import Recipe
from radfuse.record import now, read_record
from radfuse.series import Patient
from radfuse.service.stores.identity import ImageIdentity, identity_in
from radfuse.service.stores.patients import AcceptedPatients, accept, is_accepted, with_acceptance

REASON = "ID changed at admission"

patients = st.lists(
    st.builds(Patient, st.sampled_from(["", "1", "2"]), st.sampled_from(["", "A", "B"])),
    min_size=1,
    max_size=4,
)


@given(patients)
def test_accepted_patients_are_accepted_in_any_part(images: list[Patient]) -> None:
    if is_accepted(images, None):
        with pytest.raises(InputError, match="nothing to accept"):
            accept(images, REASON)
        return
    accepted = accept(images, REASON)
    assert is_accepted(images, accepted)
    assert is_accepted(images[1:], accepted)
    assert not is_accepted([*images, Patient("3", "C")], accepted)


@pytest.mark.parametrize("reason", ["", "x", " x  y\n", "x" * 501])
def test_a_reason_has_some_characters(reason: str) -> None:
    with pytest.raises(ValidationError):
        AcceptedPatients(reason=reason, time=now(), patients=())


def test_a_recipe_alone_accepts_nobody() -> None:
    given = Recipe(accept_patients=True, accept_patients_reason="because I say so")
    assert with_acceptance(given, None) == Recipe()
    accepted = accept([Patient("1"), Patient("2")], REASON)
    assert with_acceptance(Recipe(), accepted).accept_patients_reason == REASON


@pytest.fixture
def two_patients(site: Site, asked: dict[str, Any], tmp_path: Path) -> tuple[str, Path]:
    """A prepared study whose MR has another ID, and the folder of the MR."""
    mr = Path(shutil.copytree(asked["mr"], tmp_path / "mr"))
    change_all(mr, put("PatientID", "another"))
    study = site.make(**{**asked, "mr": str(mr)})
    site.prepare(study)
    return study, mr


def test_fusion_of_two_patients_needs_a_reason(site: Site, two_patients: tuple[str, Path]) -> None:
    study, mr = two_patients
    routes = site.client, f"/api/v1/studies/{study}"
    client, root = routes
    accepting = {"recipe": {**site.study(study)["recipe"], "accept_patients": True}}
    for body in ({}, accepting):
        refused(client.post(f"{root}/fuse", json=body), 409, "accept them with a reason")
    refused(client.put(f"{root}/patients", json={"reason": " x "}), 422, "at least 5 characters")
    answer = client.put(f"{root}/patients", json={"reason": REASON})
    assert answer.json()["accepted_patients"].keys() == {"reason", "time"}
    assert client.get(f"{root}/identities").json()["accepted_reason"] == REASON
    assert site.fuse(study)[-1][0] == "done"
    run = site.run_of(study)
    record = read_record(run / "result" / "record.json")
    assert (record.recipe.accept_patients, record.recipe.accept_patients_reason) == (True, REASON)
    assert REASON in client.get(f"{root}/qa.html").text
    change_all(mr, put("PatientID", "a third"))
    event, data = site.fuse(study)[-1]
    assert event == "error"
    assert "accept them with a reason" in data["error"]
    assert client.get(f"{root}/identities").json()["accepted_reason"] == ""


def test_one_patient_cannot_be_accepted(site: Site, prepared: str) -> None:
    answer = site.client.put(f"/api/v1/studies/{prepared}/patients", json={"reason": REASON})
    refused(answer, 400, "nothing to accept")


def test_a_further_image_of_another_patient_is_noticed(
    site: Site, asked: dict[str, Any], further_folders: tuple[Path, Path], tmp_path: Path
) -> None:
    pet = Path(shutil.copytree(further_folders[1], tmp_path / "pet"))
    change_all(pet, put("PatientID", "another"))
    study = site.make(**{**asked, "further": {"pet": str(pet)}})
    site.prepare(study)
    found = site.client.get(f"/api/v1/studies/{study}/identities").json()
    assert found["differ"]
    assert [one["id"] for one in found["images"]][2] == "another"
    stored = json.loads((site.folder / "studies" / study / "study.json").read_text())
    assert stored["accepted_patients"] is None


def test_an_image_without_headers_has_no_identity(tmp_path: Path) -> None:
    (tmp_path / "mr.nii").write_bytes(b"no header of DICOM")
    assert identity_in(tmp_path, MR) == ImageIdentity(modality="MR")
