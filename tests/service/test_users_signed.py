"""The signature of a user: in all parts, authenticated, in the audit log; patients by role."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pydicom
import pytest
from service_kit import Site, refused, running
from users_kit import browser_of, client_of, write_users

from radfuse.record import Signature, Signoff, now
from radfuse.service.identification import Identification
from radfuse.service.routes.actor import AUDIT
from radfuse.service.users import Users


@pytest.fixture
def owned(site: Site, unsigned: str, tmp_path: Path) -> Iterator[Site]:
    """A viewer with users, and with a copy of the fused study."""
    folder = tmp_path / "view"
    shutil.copytree(site.folder / "studies" / unsigned, folder / "studies" / unsigned)
    known = Identification(Users(write_users(tmp_path)))
    with running(folder, identification=known) as started:
        yield started


def put(client: httpx.Client, study: str, where: str = "", **given: Any) -> httpx.Response:
    url = f"/api/v1/studies/{study}"
    body = {"run": client.get(url).json()["current"], **given}
    return client.put(f"{url}/signoff{where}", json=body)


def entries(site: Site) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (site.folder / AUDIT).read_text().splitlines()]


def written(site: Site) -> list[tuple[str, str, str]]:
    """Who did what to which study, as the audit log has it."""
    return [(one["who"], one["what"], one.get("study", "")) for one in entries(site)]


def test_the_login_signs_in_all_parts(owned: Site, unsigned: str) -> None:
    with browser_of(owned, "anna") as anna, client_of(owned, "otto") as otto:
        words = "you are signed in as anna; sign with this name"
        refused(put(anna, unsigned, state="accepted", name="otto"), 400, words)
        assert anna.get(f"/api/v1/studies/{unsigned}").json()["signoff"] is None
        signed = put(anna, unsigned, state="accepted", grade=1).json()["signoff"]
        assert (signed["name"], signed["is_authenticated"]) == ("anna", True)
        refused(put(anna, unsigned, "/second"), 400, "another person")
        refused(put(anna, unsigned, "/second", name="otto"), 400, words)
        study = put(otto, unsigned, "/second", name="otto").json()
        assert study["signoff"]["second"]["is_authenticated"] is True
        sheet = otto.get(f"/api/v1/studies/{unsigned}/qa.html").text
    result = owned.folder / "studies" / unsigned / "results" / study["current"] / "result"
    assert json.loads((result / "record.json").read_bytes())["signoff"] == study["signoff"]
    comment = pydicom.dcmread(min(result.rglob("*.dcm"))).ImageComments
    for name, word in (("anna", "accepted by"), ("otto", "confirmed by")):
        assert f"<span>{name} (authenticated)</span>" in sheet
        assert f"{word} {name} (authenticated), " in comment
    assert written(owned) == [
        ("anna", "signed in", ""), ("anna", "signed off", unsigned),
        ("otto", "confirmed the sign-off", unsigned),
    ]  # fmt: skip
    assert [one.get("state") for one in entries(owned)] == [None, "accepted", None]
    assert entries(owned)[-1]["run"] == study["current"]


def test_the_audit_log_names_who_did_what(owned: Site, unsigned: str) -> None:
    with browser_of(owned, "anna"), client_of(owned, "otto") as otto:
        refused(put(otto, unsigned, "/second"), 400, "no sign-off to confirm")
        sent = {"series": ["fused"], "run": "x", "destination": "archive"}
        assert otto.post(f"/api/v1/studies/{unsigned}/send", json=sent).status_code == 400
        assert otto.delete(f"/api/v1/studies/{unsigned}").status_code == 204
    assert written(owned) == [("anna", "signed in", ""), ("otto", "deleted the study", unsigned)]
    assert (owned.folder / AUDIT).stat().st_mode & 0o777 == 0o600


def test_a_viewer_sees_no_patient_and_signs_nothing(owned: Site, unsigned: str) -> None:
    url = f"/api/v1/studies/{unsigned}"
    with client_of(owned, "vera") as vera, client_of(owned, "anna") as anna:
        seen, hidden = (one.get(f"{url}/identities").json() for one in (anna, vera))
        assert seen["images"][0]["name"]
        assert not seen["is_withheld"]
        assert hidden["is_withheld"]
        for one, whole in zip(hidden["images"], seen["images"], strict=True):
            blank = dict.fromkeys(("name", "id", "birth_date", "sex"), "")
            assert one == {**whole, **blank}
        assert vera.get(f"{url}/volumes/fused.nii").status_code == 200
        for where in ("", "/second"):
            answer = put(vera, unsigned, where, state="accepted", name="anna")
            refused(answer, 403, "this needs the role operator; you have viewer")
        assert anna.get(url).json()["signoff"] is None


def test_a_client_cannot_say_that_it_is_authenticated(site: Site, done: str) -> None:
    signed = put(site.client, done, state="accepted", name="A", is_authenticated=True)
    refused(signed, 422, "is_authenticated")
    refused(put(site.client, done, state="accepted"), 400, "type your name")
    assert not (site.folder / AUDIT).exists()


def test_older_signatures_are_typed() -> None:
    older = {
        "state": "accepted",
        "name": "A",
        "time": now(),
        "second": {"name": "B", "time": now()},
    }
    signoff = Signoff.model_validate(older)
    assert signoff.second is not None
    assert {signoff.is_authenticated, signoff.second.is_authenticated} == {False}
    assert "authenticated" not in signoff.sentence()
    first = Signature(name="A", time=signoff.time, is_authenticated=True)
    assert first.sentence().startswith("A (authenticated), 20")
