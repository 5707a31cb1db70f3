"""What goes when a study goes, and what is swept."""

import os
import time
from pathlib import Path
from typing import Any

from service_kit import Site, refused

from radfuse.recipe import Recipe
from radfuse.service.studies import Studies
from radfuse.service.uploads import LEAST_AGE_S


def uploaded(studies: Studies, name: str, files: int = 1) -> Path:
    place = studies.uploads / name
    place.mkdir(parents=True)
    for number in range(files):
        (place / f"{number}.dcm").write_bytes(b"x")
    return place


def test_a_study_goes_with_the_uploads_that_no_other_study_uses(tmp_path: Path) -> None:
    studies = Studies(tmp_path)
    own, both = uploaded(studies, "own", 2), uploaded(studies, "both")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    first = studies.create("first", own, both / "0.dcm", Recipe())
    second = studies.create("second", both / "0.dcm", elsewhere, Recipe())
    studies.delete(first.id)
    assert not studies.place(first.id).exists()
    assert not own.exists()
    assert both.exists()
    studies.delete(second.id)
    assert not both.exists()
    assert elsewhere.exists()
    assert studies.all() == []


def test_a_study_is_deleted_once_and_not_while_it_runs(site: Site, asked: dict[str, Any]) -> None:
    identifier = site.make(**asked)
    site.client.post(f"/api/v1/studies/{identifier}/run", json={})
    refused(site.client.delete(f"/api/v1/studies/{identifier}"), 400, "cancel it first")
    site.client.post(f"/api/v1/studies/{identifier}/cancel")
    assert list(site.events(identifier))[-1][0] == "error"
    assert site.client.delete(f"/api/v1/studies/{identifier}").status_code == 204
    refused(site.client.delete(f"/api/v1/studies/{identifier}"), 404, "no study")
    assert Path(asked["ct"]).is_dir()


def test_old_uploads_of_no_study_are_swept_when_the_page_starts(tmp_path: Path) -> None:
    studies = Studies(tmp_path)
    studies.recover()
    places = {name: uploaded(studies, name) for name in ("used", "unused", ".radfuse-half", "new")}
    studies.create("study", places["used"], places["used"], Recipe())
    yesterday = time.time() - LEAST_AGE_S - 60
    for name in ("used", "unused", ".radfuse-half"):
        os.utime(places[name], (yesterday, yesterday))
    studies.recover()
    assert {name for name, place in places.items() if place.exists()} == {"used", "new"}
