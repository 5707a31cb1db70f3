"""Deletion of studies and of unused uploads."""

import os
import time
from contextlib import suppress
from itertools import count
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from service_kit import Site, refused
from study_kit import write_volumes

from radfuse.errors import InputError
from radfuse.phantom.head import Phantom
from radfuse.recipe import Recipe
from radfuse.service.stores.shown_files import UnknownStudyError
from radfuse.service.stores.structure_store import StructureStore
from radfuse.service.stores.studies import DAMAGED, Studies
from radfuse.service.stores.uploads import MIN_AGE_S
from radfuse.service.structures.models import NewStructure, StructureChange


def uploaded(studies: Studies, name: str, files: int = 1) -> Path:
    folder = studies.uploads / name
    folder.mkdir(parents=True)
    for number in range(files):
        (folder / f"{number}.dcm").write_bytes(b"x")
    return folder


def test_study_is_deleted_with_its_unshared_uploads(tmp_path: Path) -> None:
    studies = Studies(tmp_path)
    own, both = uploaded(studies, "own", 2), uploaded(studies, "both")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    first = studies.create("first", own, both / "0.dcm", Recipe())
    second = studies.create("second", both / "0.dcm", elsewhere, Recipe())
    studies.delete(first.id)
    assert not studies.folder_of(first.id).exists()
    assert not own.exists()
    assert both.exists()
    studies.delete(second.id)
    assert not both.exists()
    assert elsewhere.exists()
    assert studies.all() == []


def test_running_study_is_not_deleted(site: Site, asked: dict[str, Any]) -> None:
    identifier = site.make(**asked)
    site.client.post(f"/api/v1/studies/{identifier}/fuse", json={})
    refused(site.client.delete(f"/api/v1/studies/{identifier}"), 400, "cancel it first")
    site.client.post(f"/api/v1/studies/{identifier}/cancel")
    assert list(site.events(identifier))[-1][0] == "error"
    assert site.client.delete(f"/api/v1/studies/{identifier}").status_code == 204
    refused(site.client.delete(f"/api/v1/studies/{identifier}"), 404, "no study")
    assert Path(asked["ct"]).is_dir()


def test_old_uploads_without_study_are_removed_on_start(tmp_path: Path) -> None:
    studies = Studies(tmp_path)
    studies.recover()
    uploads = {name: uploaded(studies, name) for name in ("used", "unused", ".radfuse-half", "new")}
    studies.create("study", uploads["used"], uploads["used"], Recipe())
    yesterday = time.time() - MIN_AGE_S - 60
    for name in ("used", "unused", ".radfuse-half"):
        os.utime(uploads[name], (yesterday, yesterday))
    studies.recover()
    assert {name for name, path in uploads.items() if path.exists()} == {"used", "new"}


def test_no_upload_is_removed_while_a_study_is_unreadable(tmp_path: Path) -> None:
    studies = Studies(tmp_path)
    upload, other = uploaded(studies, "used"), uploaded(studies, "other")
    damaged, whole = (studies.create("study", one, one, Recipe()) for one in (upload, other))
    file = studies.folder_of(damaged.id) / "study.json"
    file.write_text(damaged.model_dump_json()[:-1] + ',"later":1}')
    yesterday = time.time() - MIN_AGE_S - 60
    os.utime(upload, (yesterday, yesterday))
    studies.recover()
    studies.delete(whole.id)
    assert upload.exists()
    assert other.exists()
    (listed,) = studies.unreadable()
    assert (listed.id, listed.state) == (damaged.id, "failed")
    assert listed.message == f"study {damaged.id}: {DAMAGED}"
    with pytest.raises(UnknownStudyError, match=f"study {damaged.id}: its study.json is damaged"):
        studies.get(damaged.id)
    studies.delete(damaged.id)
    assert studies.unreadable() == []


def test_unreadable_study_is_listed_and_can_be_deleted(site: Site, asked: dict[str, Any]) -> None:
    identifier = site.make(**asked)
    (site.folder / "studies" / identifier / "study.json").write_text("{")
    (listed,) = (
        one for one in site.client.get("/api/v1/studies").json() if one["id"] == identifier
    )
    assert (listed["state"], listed["message"]) == ("failed", f"study {identifier}: {DAMAGED}")
    refused(
        site.client.get(f"/api/v1/studies/{identifier}"),
        404,
        "its study.json is damaged; restore it",
    )
    assert site.client.delete(f"/api/v1/studies/{identifier}").status_code == 204


def test_structure_change_does_not_restore_deleted_study(tmp_path: Path, phantom: Phantom) -> None:
    studies = Studies(tmp_path)
    drawings = StructureStore(studies)
    for _ in range(5):
        study = studies.create("study", tmp_path, tmp_path, Recipe())
        write_volumes(studies.folder_of(study.id), phantom.ct.image)
        (made,) = drawings.add(study.id, [NewStructure(name="GTVp")])
        drawn = Event()

        def draw(study: str = study.id, made: str = made.id, drawn: Event = drawn) -> None:
            with suppress(InputError):
                for revision in count(1):
                    drawings.change(study, made, StructureChange(revision=revision))
                    drawn.set()

        drawer = Thread(target=draw)
        drawer.start()
        drawn.wait(60)
        studies.delete(study.id)
        drawer.join(60)
        assert not studies.folder_of(study.id).exists()
