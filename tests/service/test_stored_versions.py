"""Stored studies and structures have a schema version: older ones are migrated, newer refused."""

import json
from pathlib import Path
from typing import Any

from service_kit import Site, refused
from study_kit import ball, prepare

from radfuse.phantom.head import Phantom
from radfuse.service.jobs.job_queue import CANCELLED
from radfuse.service.stores.results import OUTCOME, read_outcome, run_folder
from radfuse.service.stores.studies import Studies, Study

NEWER = "has schema_version 99; this version of radfuse reads 1 to"


def edit(path: Path, **changes: Any) -> None:
    """Change fields of a JSON file; None removes one."""
    facts = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in facts.items() if value is not None}))


def as_version_1(outcome: dict[str, Any]) -> dict[str, Any]:
    names = {"qa_passed": "trusted", "job": "run"}
    facts = {names.get(key, key): value for key, value in outcome.items()}
    del facts["schema_version"], facts["further"]
    return facts


def test_study_of_version_1_is_migrated(copied: tuple[Studies, Study]) -> None:
    studies, study = copied
    folder = studies.folder_of(study.id)
    stored = json.loads((folder / "study.json").read_text())
    assert (stored["schema_version"], stored["outcome"]["schema_version"]) == (4, 2)
    old = as_version_1(stored["outcome"])
    edit(folder / "study.json", schema_version=None, outcome=old, further=None)
    run = run_folder(folder, study.current)
    (run / "result" / OUTCOME).write_text(json.dumps(old))
    assert studies.get(study.id) == study
    assert read_outcome(run)[0] == study.outcome
    assert studies.finish_job(study.id, "cancelled", CANCELLED).outcome == study.outcome
    assert json.loads((folder / "study.json").read_text())["outcome"] == stored["outcome"]


def test_newer_study_is_refused_and_kept(site: Site, asked: dict[str, Any]) -> None:
    identifier = site.make(**asked)
    path = site.folder / "studies" / identifier / "study.json"
    edit(path, schema_version=99, later="field")
    content = path.read_bytes()
    refused(site.client.get(f"/api/v1/studies/{identifier}"), 404, f"study {NEWER}")
    studies = site.client.get("/api/v1/studies").json()
    (listed,) = (one for one in studies if one["id"] == identifier)
    assert listed["state"] == "failed"
    assert listed["message"].startswith(f"study {identifier}: study {NEWER}")
    assert path.read_bytes() == content
    assert site.client.delete(f"/api/v1/studies/{identifier}").status_code == 204


def test_newer_outcome_fails_the_job_and_is_kept(copied: tuple[Studies, Study]) -> None:
    studies, study = copied
    path = run_folder(studies.folder_of(study.id), study.current) / "result" / OUTCOME
    edit(path, schema_version=99)
    content = path.read_bytes()
    after = studies.finish_job(study.id, "cancelled", CANCELLED)
    assert after.state == "failed"
    assert NEWER in after.message
    assert after.outcome == study.outcome
    assert path.read_bytes() == content


def test_structure_without_version_is_read_newer_refused(
    site: Site, phantom: Phantom, phantom_folders: tuple[Path, Path]
) -> None:
    client = prepare(site, phantom_folders, phantom.ct.image)
    old, new = client.add("Old", ball(client.shape, 3)), client.add("New")
    for structure, version in ((old, None), (new, 99)):
        path = client.folder / "structures" / f"{structure['id']}.json"
        assert json.loads(path.read_text())["schema_version"] == 2
        edit(path, schema_version=version)
    first, second = client.call("GET", "/structures").json()
    assert first == old
    assert (second["id"], second["revision"]) == (new["id"], 0)
    assert NEWER in second["problem"]
    refused(client.call("GET", f"/structures/{new['id']}"), 400, NEWER)
    assert json.loads(path.read_text())["schema_version"] == 99
