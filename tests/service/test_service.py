"""A study from its files to the sign-off, through REST."""

import io
import json
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
from service_kit import MAX_UPLOAD_BYTES, Site, refused, running, stored_upload
from study_kit import StudyClient, ball

from radfuse.record import NOTICE, read_record
from radfuse.service.jobs.job_queue import CANCELLED
from radfuse.service.server import default_folder
from radfuse.service.stores.studies import STOPPED, Studies
from radfuse.service.stores.uploads import store_upload


def zipped(*folders: Path) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for folder in folders:
            for path in sorted(folder.iterdir()):
                archive.write(path, f"{folder.name}/{path.name}")
    return packed.getvalue()


def test_info_has_notice_methods_and_windows(site: Site) -> None:
    info = site.client.get("/api/v1/info").json()
    assert info["notice"] == NOTICE
    assert info["default_method"] in info["methods"]
    assert "bone_blend" in info["methods"]
    assert info["windows"]["brain"] == [80, 40]


def test_fusion_reports_stages_and_outcome(site: Site, done: str) -> None:
    events = list(site.events(done))
    stages = list(dict.fromkeys(facts["stage"] for kind, facts in events if kind == "stage"))
    assert stages[0] == "queued"
    assert {"reading", "registering", "fusing", "writing"} <= set(stages)
    assert max(facts["fraction"] or 0 for kind, facts in events if kind == "stage") == 1
    kind, facts = events[-1]
    assert kind == "done"
    assert facts["outcome"]["qa_passed"]
    assert "estimated error" in facts["outcome"]["quality"]


def test_signoff_is_in_study_and_record_after_restart(site: Site, done: str) -> None:
    answer = site.sign(done, "accepted", " A. Physicist ")
    signed = answer.json()["signoff"]
    assert (signed["state"], signed["name"]) == ("accepted", "A. Physicist")
    assert signed["registration_id"] == answer.json()["outcome"]["registration_id"]
    study = Studies(site.folder).get(done)
    assert study.signoff is not None
    record = read_record(site.run_of(done) / "result/record.json")
    assert record.signoff == study.signoff
    with running(site.folder) as again:
        assert again.study(done) == site.study(done)
        assert done in [one["id"] for one in again.client.get("/api/v1/studies").json()]


def test_signoff_of_another_run_is_refused(site: Site, done: str) -> None:
    before, folder = site.study(done), site.run_of(done) / "result"
    written = (folder / "record.json").read_bytes()
    signoff = {"state": "accepted", "name": "A", "run": "0" * 16}
    answer = site.client.put(f"/api/v1/studies/{done}/signoff", json=signoff)
    refused(answer, 409, "has another result now than the reviewed one")
    del signoff["run"]
    answer = site.client.put(f"/api/v1/studies/{done}/signoff", json=signoff)
    refused(answer, 422, "run")
    assert site.study(done) == before
    assert (folder / "record.json").read_bytes() == written


def test_without_result_no_signoff_and_no_registration(site: Site, asked: dict[str, Any]) -> None:
    identifier = site.make(**asked)
    signoff = {"state": "accepted", "name": "A", "run": "none"}
    answer = site.client.put(f"/api/v1/studies/{identifier}/signoff", json=signoff)
    refused(answer, 400, "no result to sign off")
    kind, facts = site.fuse(identifier, keep_registration=True)[-1]
    assert (kind, facts["state"]) == ("error", "failed")
    assert facts["error"].startswith("there is no earlier registration to keep")


def test_new_method_keeps_registration_and_revokes_signoff(site: Site, done: str) -> None:
    client = StudyClient(site, done)
    drawn = client.get(client.add("Kept target", ball(client.shape, 4))["id"])
    assert site.sign(done, "rejected").status_code == 200
    before, folder = site.study(done)["outcome"], site.folder / "studies" / done
    signed = site.run_of(done)
    files = [*(folder / "view").iterdir(), *filter(Path.is_file, signed.rglob("*"))]
    written = {path: path.stat().st_mtime_ns for path in files}
    recipe = {"method": "maximum", "outputs": ["fused"]}
    events = site.fuse(done, recipe=recipe, keep_registration=True)
    stages = [facts["stage"] for _, facts in events if "stage" in facts]
    assert "registering: estimate the error of the given alignment" in stages
    study = site.study(done)
    assert study["state"] == "done"
    assert study["outcome"]["method"] == "maximum"
    for kept in ("registration_id", "alignment"):
        assert study["outcome"][kept] == before[kept]
    assert {path: path.stat().st_mtime_ns for path in files} == written  # the rejected run is kept
    assert site.run_of(done) != signed
    assert study["signoff"] is None
    assert client.get(drawn["id"]) == drawn
    sheet = site.client.get(f"/api/v1/studies/{done}/qa.html")
    assert NOTICE in sheet.text
    assert "sandbox" in sheet.headers["content-security-policy"]


DWT = {"method": "dwt", "outputs": ["fused"]}


@pytest.mark.parametrize(
    ("first", "change"),
    [
        ({}, {"window": "bone"}),
        pytest.param(DWT, {"window": "brain"}, marks=pytest.mark.slow),
        pytest.param(DWT, {"method": "maximum"}, marks=pytest.mark.slow),
        pytest.param(DWT, {"options": {"levels": 1}}, marks=pytest.mark.slow),
    ],
)
def test_one_run_is_never_shown_or_signed_as_another(
    site: Site, done: str, first: dict[str, Any], change: dict[str, Any]
) -> None:
    """Each has the same registration and other inputs: the run of the study, or of a recipe."""
    if first:
        assert site.fuse(done, recipe=first, keep_registration=True)[-1][0] == "done"
    recipe = site.study(done)["recipe"]
    reviewed, before = site.study(done)["current"], site.volume(done, "fused")
    events = site.fuse(done, recipe={**recipe, **change}, keep_registration=True)
    assert events[-1][0] == "done", events
    assert site.study(done)["current"] != reviewed
    study = f"/api/v1/studies/{done}"
    for address in ("volumes/fused.nii", "volumes/ct.nii", "view"):
        answer = site.client.get(f"{study}/{address}", params={"run": reviewed})
        refused(answer, 409, "another result now")
    signoff = {"state": "accepted", "name": "A", "run": reviewed}
    refused(site.client.put(f"{study}/signoff", json=signoff), 409, "another result now")
    assert site.study(done)["signoff"] is None
    assert (site.volume(done, "fused") != before).any()


def test_jobs_are_queued_and_can_be_cancelled(site: Site, asked: dict[str, Any]) -> None:
    recipe = {**asked["recipe"], "transform": None}
    first, second = (site.make(**{**asked, "recipe": recipe}) for _ in range(2))
    for identifier in (first, second):
        site.client.post(f"/api/v1/studies/{identifier}/fuse", json={})
    again = site.client.post(f"/api/v1/studies/{first}/fuse", json={})
    refused(again, 400, "queued or running already")
    for _, facts in site.events(first):
        if facts.get("stage", "").startswith("registering"):
            assert site.study(second)["state"] == "queued"
            site.client.post(f"/api/v1/studies/{second}/cancel")
            assert site.client.post(f"/api/v1/studies/{first}/cancel").status_code == 202
            break
    for identifier in (first, second):
        assert list(site.events(identifier))[-1] == (
            "error", {"state": "cancelled", "error": CANCELLED}
        )  # fmt: skip
        assert site.study(identifier)["message"] == CANCELLED
    assert site.study(first)["state"] == "ready"
    assert site.study(second)["state"] == "cancelled"
    for identifier in (first, second):
        names = {path.name for path in (site.folder / "studies" / identifier).iterdir()}
        assert names <= {"study.json", "identity.json", "view", "results"}
    refused(site.client.post(f"/api/v1/studies/{first}/cancel"), 400, "nothing to cancel")


def test_study_removed_while_queued_stops_no_other(site: Site, asked: dict[str, Any]) -> None:
    first, second, third = (site.make(**asked) for _ in range(3))
    for identifier in (first, second):
        site.client.post(f"/api/v1/studies/{identifier}/fuse", json={})
    shutil.rmtree(site.folder / "studies" / second)
    site.client.post(f"/api/v1/studies/{first}/cancel")
    kind, facts = site.fuse(third, keep_registration=True)[-1]
    assert (kind, facts["state"]) == ("error", "failed")
    refused(site.client.get(f"/api/v1/studies/{second}"), 404, "no study")


def test_failed_fusion_has_a_message(site: Site, asked: dict[str, Any]) -> None:
    identifier = site.make(**{**asked, "mr": asked["ct"]})
    kind, facts = site.fuse(identifier)[-1]
    assert (kind, facts["state"]) == ("error", "failed")
    assert "MR" in facts["error"]
    assert site.study(identifier)["message"] == facts["error"]


def test_job_of_a_killed_server_is_marked_as_failed(site: Site, asked: dict[str, Any]) -> None:
    identifier = site.make(**asked)
    studies = Studies(site.folder)
    studies.change(identifier, state="running")
    half = studies.folder_of(identifier) / ".radfuse-half"
    half.mkdir()
    studies.recover()
    assert studies.get(identifier).state == "failed"
    assert studies.get(identifier).message == STOPPED
    assert not half.exists()


def test_uploaded_archive_becomes_a_study(site: Site, coarse_folders: tuple[Path, Path]) -> None:
    files = [("files", ("../../evil.zip", zipped(*coarse_folders)))]
    answer = site.client.post("/api/v1/uploads", files=files)
    path = answer.json()["path"]
    assert re.fullmatch(r"upload:[0-9a-f]{12}/00000\.zip", path)
    assert stored_upload(site, path).is_file()
    found = site.client.post("/api/v1/inspect", json={"path": path}).json()
    assert sorted(image["kind"] for image in found["images"]) == ["CT", "MR"]
    assert "patient_name" not in json.dumps(found)
    made = site.client.post("/api/v1/studies", json={"study": path}).json()
    assert "chosen: CT" in made["message"]
    assert made["recipe"]["ct_series"]


def test_uploaded_slices_are_stored_in_one_folder(
    site: Site, coarse_folders: tuple[Path, Path]
) -> None:
    slices = sorted(coarse_folders[1].iterdir())[:4]
    files = [("files", (one.name, one.read_bytes())) for one in slices]
    path = stored_upload(site, site.client.post("/api/v1/uploads", files=files).json()["path"])
    assert [one.read_bytes() for one in sorted(path.iterdir())] == [
        one.read_bytes() for one in slices
    ]


def test_too_large_upload_is_refused(site: Site) -> None:
    files = [("files", ("a.zip", b"0" * (MAX_UPLOAD_BYTES + 1)))]
    refused(site.client.post("/api/v1/uploads", files=files), 413, "larger than 20 MB")

    def endless() -> Any:
        head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
        yield head
        for _ in range(MAX_UPLOAD_BYTES // 10**6 + 2):
            yield b"0" * 10**6

    headers = {"content-type": "multipart/form-data; boundary=x"}
    answer = site.client.post("/api/v1/uploads", content=endless(), headers=headers)
    refused(answer, 413, "larger than 20 MB")
    large = {"path": "x" * 2_000_000}
    refused(site.client.post("/api/v1/inspect", json=large), 413, "larger than 1 MB")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"no form at all", "multipart/form-data; boundary=x"),
        (b"no form at all", "multipart/form-data"),
        (b"--x\r\ngarbage", "multipart/form-data; boundary=x"),
        (b"", "multipart/form-data; boundary=x"),
        (b"\xff" * 99, "text/plain"),
        (b'--x\r\nContent-Disposition: form-data; name="files"\r\n\r\ntext\r\n--x--\r\n',
         "multipart/form-data; boundary=x"),
    ],
)  # fmt: skip
def test_malformed_upload_is_refused(site: Site, content: bytes, kind: str) -> None:
    answer = site.client.post("/api/v1/uploads", content=content, headers={"content-type": kind})
    assert answer.status_code == 400
    assert list(answer.json()) == ["error"]


def test_invalid_uploaded_archive_is_refused_on_inspection(site: Site) -> None:
    path = store_upload(site.folder / "uploads", [("a.zip", io.BytesIO(b"PK\x03\x04 rubbish"))])
    answer = site.client.post("/api/v1/studies", json={"study": str(path)})
    refused(answer, 400, "00000.zip: damaged zip archive")


@pytest.mark.parametrize(
    ("asked", "status", "words"),
    [
        ({}, 422, "pass ct and mr, or study"),
        ({"ct": "/nowhere", "mr": "/nowhere"}, 400, "/nowhere: no such file"),
        ({"ct": "a\0b", "mr": "c"}, 400, "no such file"),
        ({"ct": "x" * 3000, "mr": "c"}, 400, "no such file"),
        ({"study": "/nowhere", "recipe": {"method": "bone_bland"}}, 400, "bone_blend"),
        ({"study": "/nowhere", "recipe": {"method": "a\nb"}}, 400, "no such method"),
        ({"study": "/nowhere", "recipe": {"method": "/nowhere/a.onnx"}}, 400, "no such file"),
        ({"study": "/nowhere", "recipe": {"window": [0, 1]}}, 400, "give a width above 0"),
        ({"study": "/nowhere", "recipe": {"transform": "/nowhere/t"}}, 400, "no such file"),
        ({"study": "/nowhere", "recipe": {"no": 1}}, 422, "recipe.no"),
    ],
)  # fmt: skip
def test_invalid_study_is_refused_in_one_line(
    site: Site, asked: dict[str, Any], status: int, words: str
) -> None:
    refused(site.client.post("/api/v1/studies", json=asked), status, words)


def test_invalid_unicode_is_refused_in_one_line(site: Site) -> None:
    headers = {"content-type": "application/json"}
    for body in (b'{"path": "\\ud800"}', b'{"\\ud800": 1}', b"{", b"\xff"):
        answer = site.client.post("/api/v1/inspect", content=body, headers=headers)
        assert answer.status_code in {400, 422}, body


def test_other_machines_can_only_open_uploads(
    site: Site, asked: dict[str, Any], tmp_path: Path
) -> None:
    with running(tmp_path, host="192.168.1.7") as served:
        for path in (asked["ct"], "/nowhere"):
            answer = served.client.post("/api/v1/inspect", json={"path": path})
            refused(answer, 400, "upload the files")
        files = [("files", ("a.nii.gz", b"rubbish"))]
        path = served.client.post("/api/v1/uploads", files=files).json()["path"]
        assert served.client.post("/api/v1/inspect", json={"path": path}).status_code == 200


def test_without_fusion_there_is_no_result(site: Site, asked: dict[str, Any]) -> None:
    identifier = site.make(**asked)
    for name in ("volumes/fused.nii", "qa.html"):
        answer = site.client.get(f"/api/v1/studies/{identifier}/{name}")
        refused(answer, 404, "fuse first")
    assert list(site.events(identifier)) == []


def test_default_folder_is_in_the_users_data() -> None:
    assert default_folder().parts[-2:] == ("radfuse", "view")
