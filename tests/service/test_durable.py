"""What a person has done is on the disk before the server answers: it survives a power cut."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from service_kit import Site, stored_upload
from study_kit import StudyClient

from radfuse.io.staging import make_durable
from radfuse.record import Signoff
from radfuse.service.stores import uploads
from radfuse.service.stores.studies import Studies, Study

Synced = Callable[[Path], bool]
ORIGIN = np.eye(4).tolist()


@pytest.mark.parametrize(
    ("method", "where", "body"),
    [
        ("POST", "alignments", {"name": "A", "image_from_ct": ORIGIN}),
        ("POST", "structures", {"name": "A", "runs": {}}),
    ],
)
def test_what_is_saved_is_synced(
    site: Site, prepared: str, synced: Synced, method: str, where: str, body: dict[str, Any]
) -> None:
    study = StudyClient(site, prepared)
    answer = study.call(method, f"/{where}", **body)
    assert answer.status_code == 201, answer.text
    path = study.folder / where / f"{answer.json()['id']}.json"
    assert synced(path)
    assert synced(path.parent)
    assert study.call("DELETE", f"/{where}/{path.stem}").status_code == 204


@pytest.mark.parametrize("name", ["landmarks", "region"])
def test_what_is_replaced_is_synced(site: Site, prepared: str, synced: Synced, name: str) -> None:
    study = StudyClient(site, prepared)
    found = study.call("GET", f"/{name}").json()
    found.pop("of_other_images", None)
    assert study.call("PUT", f"/{name}", **found).status_code == 200
    assert synced(study.folder / f"{name}.json")
    assert synced(study.folder)


def test_a_study_is_synced(site: Site, asked: dict[str, Any], synced: Synced) -> None:
    folder = site.folder / "studies" / site.make(**asked)
    assert all(map(synced, (folder / "study.json", folder, folder.parent)))
    assert site.client.delete(f"/api/v1/studies/{folder.name}").status_code == 204


def test_a_signed_run_is_synced(
    copied: tuple[Studies, Study], signoff: Signoff, synced: Synced
) -> None:
    studies, study = copied
    signed = studies.sign(study.id, study.current, signoff)
    run = studies.folder_of(study.id) / "results" / signed.current
    assert all(map(synced, (*run.rglob("*"), run, run.parent, run.parents[1] / "study.json")))


def test_an_upload_is_written_through(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it by one call, which has no descriptor for each file."""
    durable: list[Path] = []

    def noting(folder: Path) -> None:
        make_durable(folder)
        durable.append(folder)

    monkeypatch.setattr(uploads, "make_durable", noting)
    answer = site.client.post("/api/v1/uploads", files=[("files", ("a.nii", b"a"))])
    assert stored_upload(site, answer.json()["path"]).parent in durable
