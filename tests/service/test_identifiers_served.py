"""What the service sends contains no path, no name of a file and no patient."""

import io
import json
import re
import zipfile
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
import pytest
import SimpleITK as sitk
from service_kit import Site
from study_kit import StudyClient, ball

from dicom_kit import change_all, put
from radfuse.phantom.dicom import write_functional, write_phantom
from radfuse.phantom.head import draw_layers, make_phantom
from radfuse.phantom.uptake import FDG, scan_uptake
from radfuse.registration.transforms import write_transform

NAME, FILES = "Bartholomew^Maria", "Montgomery"
"""The patient in the headers, and what files and folders are named after."""

NOT_ASKED = ("/transfers/{transfer}", "/sheet.pdf")
"""Ends of routes without an answer here: there is no transfer; the PDF is a print of the HTML."""

WITH_NAME = (".dcm", "/dicom.zip", "/identities")
"""Ends of addresses that may name the patient."""

HERE = sitk.Euler3DTransform()
"""Pose of the head in the scanner of the PET: that in the CT."""


def archive(phantom: Path, names: str = "[CM]*") -> bytes:
    """CT and MR in folders named like the patient, with a slice twice and a text."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as made:
        for path in sorted(phantom.glob(f"{names}/*")):
            made.write(path, f"{FILES}_M/{path.parent.name}_{FILES}/{FILES}_{path.name}")
        first = sorted(phantom.glob(f"{names}/*"))[0]
        made.write(first, f"{FILES}_M/{FILES}_copy.dcm")
        made.writestr(f"{FILES}_M/{FILES}_notes.txt", FILES)
    return packed.getvalue()


@pytest.fixture(scope="module")
def answers() -> dict[str, str]:
    """What the server sent while the study was made, by request."""
    return {}


@dataclass(frozen=True)
class Hospital:
    """The files of a patient, and a server."""

    site: Site
    folder: Path
    sources: tuple[Path, ...]

    def fused(self, number: str, answers: dict[str, str]) -> StudyClient:
        """A fused study of an uploaded archive, for a patient of an ID."""
        client, transform = self.site.client, self.folder / f"{FILES}.tfm"
        recipe = {"method": "average", "transform": str(transform), "outputs": ["fused"],
                  "accept_registration": True}  # fmt: skip
        for source in self.sources:
            change_all(source, put("PatientID", number))
            change_all(source, put("PatientName", NAME))
        uploaded, uploaded_pet = (
            client.post("/api/v1/uploads", files=[("files", (f"{FILES}.zip", packed))])
            for packed in (archive(self.folder), archive(self.folder, "PT"))
        )
        path, pet_path = (one.json()["path"] for one in (uploaded, uploaded_pet))
        inspected = client.post("/api/v1/inspect", json={"path": path})
        created = client.post(
            "/api/v1/studies",
            json={"study": path, "name": "Head", "recipe": recipe, "further": {"pet": pet_path}},
        )
        assert created.status_code == 201, created.text
        identifier = created.json()["id"]
        events = self.site.fuse(identifier)
        assert events[-1][0] == "done", events
        answers |= {"upload": uploaded.text, "inspect": inspected.text, "create": created.text,
                    "fuse": json.dumps(events)}  # fmt: skip
        return StudyClient(self.site, identifier)


@pytest.fixture(scope="module")
def hospital(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Hospital:
    phantom = make_phantom(7, spacing_mm=6.0)
    folder = tmp_path_factory.mktemp(FILES)
    pet = scan_uptake(draw_layers(7, spacing_mm=6.0), FDG, 7, functional_from_ct=HERE)
    sources = (*write_phantom(phantom, folder), write_functional(phantom, pet.series, folder))
    frame = pydicom.dcmread(next(sources[0].iterdir())).FrameOfReferenceUID
    change_all(sources[2], put("FrameOfReferenceUID", frame))
    write_transform(folder / f"{FILES}.tfm", phantom.mr_from_ct)
    return Hospital(site, folder, sources)


@pytest.fixture(scope="module")
def fused(hospital: Hospital, answers: dict[str, str]) -> StudyClient:
    return hospital.fused("1", answers)


@pytest.fixture(scope="module")
def client(fused: StudyClient) -> StudyClient:
    """The study with a structure and its exports."""
    fused.add("Ball", ball(fused.shape, 3))
    return fused


def served(client: StudyClient, answers: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Address and content of every GET route, with each volume and export of the study."""
    (structure,) = client.call("GET", "/structures").json()
    exports = [
        client.call("POST", "/structures/export", format=one) for one in ("rtstruct", "nifti")
    ]
    answers |= {f"export {number}": answer.text for number, answer in enumerate(exports)}
    values = {
        "{structure}": [structure["id"]],
        "{name}.nii": ["ct.nii", "mr.nii", "fused.nii"],
        "{number}.nii": ["0.nii"],
        "{name}": [name for answer in exports for name in answer.json()["files"]],
    }
    routes = client.site.client.get("/api/v1/openapi.json").json()["paths"]
    readable = [route for route, methods in routes.items() if "get" in methods]
    for route in (route for route in readable if not route.endswith(NOT_ASKED)):
        variable = next((name for name in values if name in route), "")
        for value in values.get(variable, [""]):
            address = route.replace("{identifier}", client.study).replace(variable, value)
            answer = client.site.client.get(address)
            assert answer.status_code == 200, (address, answer.text)
            yield address, with_bytes(answer.content).decode("latin-1").lower()


def with_bytes(content: bytes) -> bytes:
    """Content with the bytes of its images: their letters as base64 may be a name by chance."""
    return re.sub(rb"base64,([\w+/=]*)", lambda found: b64decode(found[1]), content)


def test_nothing_served_has_a_path_or_the_patient(
    client: StudyClient, answers: dict[str, str]
) -> None:
    """Except the name in DICOM and for the banner, and the server's own name of an upload."""
    stored = json.loads((client.folder / "study.json").read_text())
    paths = [stored["ct"], stored["mr"], stored["recipe"]["transform"], stored["further"]["pet"]]
    assert all(Path(path).exists() for path in paths)
    sent = dict(served(client, answers))
    assert {Path(address).suffix for address in sent} >= {".nii", ".html", ".dcm", ".gz", ".json"}
    upload = json.loads(answers.pop("upload"))["path"]
    assert FILES.lower() not in upload.lower()
    for address, content in {**sent, **answers}.items():
        words = [FILES, *paths, upload, str(client.site.folder)]
        words += [] if address.endswith(WITH_NAME) else NAME.split("^")
        assert [word for word in words if word.lower() in content.lower()] == [], address


@pytest.mark.slow
def test_an_id_changes_no_number_in_a_sentence(hospital: Hospital, fused: StudyClient) -> None:
    """JSON of patients 1 and 2 is valid and the same, but for identifiers, times and the run."""

    def facts(client: StudyClient) -> dict[str, Any]:
        study = client.site.study(client.study)
        outcome = study.pop("outcome")
        assert re.search(r"dilution of precision \d+", outcome["quality"]), outcome["quality"]
        assert "1 image left out: duplicates" in outcome["notes"]
        for key in ("registration_id", "job", "seconds"):
            assert outcome.pop(key) is not None
        return {"message": study["message"], "recipe": study["recipe"], **outcome}

    first, second = map(facts, (fused, hospital.fused("2", {})))
    assert first == second


@pytest.mark.parametrize("cleared", [False, True])
def test_transform_that_is_not_sent_is_kept_unless_null(fused: StudyClient, cleared: bool) -> None:
    """The viewer fuses again by the recipe that it was sent."""
    stored = json.loads((fused.folder / "study.json").read_text())["recipe"]["transform"]
    recipe = fused.site.study(fused.study)["recipe"]
    assert not {"transform", "initial_transform"} & set(recipe)
    answer = fused.call(
        "POST", "/fuse", recipe={**recipe, **({"transform": None} if cleared else {})}
    )
    assert answer.status_code == 202, answer.text
    assert not {"transform", "initial_transform"} & set(answer.json()["recipe"])
    fused.call("POST", "/cancel")
    list(fused.site.events(fused.study))
    after = json.loads((fused.folder / "study.json").read_text())["recipe"]["transform"]
    assert after == (None if cleared else stored)
