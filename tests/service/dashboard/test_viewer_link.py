"""The link from the dashboard to the viewer names the patient's studies."""

from io import BytesIO
from pathlib import Path

import pydicom
from dashboard_kit import Dashboard

SERIES = [
    ("1.2.3", "20240101", "CT"), ("1.2.4", "20240301", "MR"), ("1.2.5", "20240401", "SR"),
]  # fmt: skip
"""Study, its date, and the modality of its series."""


def stored_as(path: Path, study: str, date: str, modality: str) -> bytes:
    header = pydicom.dcmread(path)
    header.PatientID, header.StudyInstanceUID, header.StudyDate = "LINKED", study, date
    header.Modality, header.SeriesInstanceUID = modality, f"{study}.1"
    header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = f"{study}.1.1"
    written = BytesIO()
    header.save_as(written)
    return written.getvalue()


def test_viewer_is_opened_with_the_studies_of_ct_and_mr(
    dashboard: Dashboard, coarse_folders: tuple[Path, Path]
) -> None:
    node, path = dashboard.node, next(coarse_folders[0].iterdir())
    for one in SERIES:
        node.orthanc.store(stored_as(path, *one))
    (patient,) = node.orthanc.find_patients("LINKED")
    with dashboard.client("operator") as client:
        answer = client.get(f"/api/v1/patients/{patient}/viewer")
        assert answer.status_code == 404
        assert "name no viewer" in answer.json()["error"]
        node.settings = node.settings.model_copy(update={"viewer": "https://viewer.example"})
        answer = client.get(f"/api/v1/patients/{patient}/viewer")
    assert answer.status_code == 303
    assert answer.headers["location"] == "https://viewer.example/?study=1.2.4&study=1.2.3"
    with dashboard.client("admin") as client:
        entries = client.get("/api/v1/audit").json()["entries"]
    assert any(one["what"] == "opened in the viewer" for one in entries)
