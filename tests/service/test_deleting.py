"""What goes when a study goes, and what is swept."""

import os
import time
from contextlib import suppress
from itertools import count
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from drawing_kit import show
from service_kit import Site, refused

from radfuse.errors import InputError
from radfuse.phantom.head import Phantom
from radfuse.recipe import Recipe
from radfuse.service.stores.structure_store import Change, Draft, Drawings
from radfuse.service.stores.studies import UNREADABLE, Studies, UnknownStudyError
from radfuse.service.stores.uploads import LEAST_AGE_S


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


def test_while_a_study_cannot_be_read_no_upload_is_swept(tmp_path: Path) -> None:
    studies = Studies(tmp_path)
    place, other = uploaded(studies, "used"), uploaded(studies, "other")
    damaged, whole = (studies.create("study", one, one, Recipe()) for one in (place, other))
    file = studies.place(damaged.id) / "study.json"
    file.write_text(damaged.model_dump_json()[:-1] + ',"later":1}')
    yesterday = time.time() - LEAST_AGE_S - 60
    os.utime(place, (yesterday, yesterday))
    studies.recover()
    studies.delete(whole.id)
    assert place.exists()
    assert other.exists()
    (told,) = studies.broken()
    assert (told.id, told.state) == (damaged.id, "failed")
    assert told.message == UNREADABLE
    with pytest.raises(UnknownStudyError, match=f"study {damaged.id}: its study.json is damaged"):
        studies.get(damaged.id)
    studies.delete(damaged.id)
    assert studies.broken() == []


def test_unreadable_study_is_listed_and_can_be_deleted(site: Site, asked: dict[str, Any]) -> None:
    identifier = site.make(**asked)
    (site.folder / "studies" / identifier / "study.json").write_text("{")
    (told,) = (one for one in site.client.get("/api/v1/studies").json() if one["id"] == identifier)
    assert (told["state"], told["message"]) == ("failed", UNREADABLE)
    refused(site.client.get(f"/api/v1/studies/{identifier}"), 404, "is damaged or of another")
    assert site.client.delete(f"/api/v1/studies/{identifier}").status_code == 204


def test_structure_change_does_not_restore_deleted_study(tmp_path: Path, phantom: Phantom) -> None:
    studies = Studies(tmp_path)
    drawings = Drawings(studies)
    for _ in range(5):
        study = studies.create("study", tmp_path, tmp_path, Recipe())
        show(studies.place(study.id), phantom.ct.image)
        (made,) = drawings.add(study.id, [Draft(name="GTVp")])
        drawn = Event()

        def draw(study: str = study.id, made: str = made.id, drawn: Event = drawn) -> None:
            with suppress(InputError):
                for revision in count(1):
                    drawings.change(study, made, Change(revision=revision))
                    drawn.set()

        drawer = Thread(target=draw)
        drawer.start()
        drawn.wait(60)
        studies.delete(study.id)
        drawer.join(60)
        assert not studies.place(study.id).exists()
