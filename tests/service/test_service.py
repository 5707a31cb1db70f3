"""A study from its files to a sign-off, over the interface of the page."""

import io
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
from drawing_kit import Board, ball
from service_kit import MOST_UPLOAD_BYTES, Site, refused, running

from radfuse.record import NOTICE, Record
from radfuse.service.jobs.job_queue import CANCELLED
from radfuse.service.server import default_folder
from radfuse.service.stores.studies import STOPPED, Studies
from radfuse.service.stores.uploads import keep_files


def zipped(*folders: Path) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for folder in folders:
            for path in sorted(folder.iterdir()):
                archive.write(path, f"{folder.name}/{path.name}")
    return packed.getvalue()


def test_the_page_is_told_version_notice_methods_and_windows(site: Site) -> None:
    told = site.client.get("/api/v1/info").json()
    assert told["notice"] == NOTICE
    assert "bone_blend" in told["methods"]
    assert told["windows"]["brain"] == [80, 40]


def test_a_run_tells_its_stages_and_its_outcome(site: Site, done: str) -> None:
    events = list(site.events(done))
    stages = list(dict.fromkeys(facts["stage"] for kind, facts in events if kind == "stage"))
    assert stages[0] == "waiting for its turn"
    assert {"reading", "registering", "resampling", "fusing", "writing"} <= set(stages)
    assert max(facts["share"] or 0 for kind, facts in events if kind == "stage") == 1
    kind, facts = events[-1]
    assert kind == "done"
    assert facts["outcome"]["trusted"]
    assert "estimated error" in facts["outcome"]["quality"]


def test_signoff_is_in_study_and_record_after_restart(site: Site, done: str) -> None:
    answer = site.sign(done, "accepted", " A. Physicist ")
    signed = answer.json()["signoff"]
    assert (signed["state"], signed["name"]) == ("accepted", "A. Physicist")
    assert signed["registration_id"] == answer.json()["outcome"]["registration_id"]
    study = Studies(site.folder).get(done)
    assert study.signoff is not None
    path = site.folder / "studies" / done / "result" / "record.json"
    record = Record.model_validate_json(path.read_bytes())
    assert record.signoff == study.signoff
    with running(site.folder) as again:
        assert again.study(done) == site.study(done)
        assert done in [one["id"] for one in again.client.get("/api/v1/studies").json()]


def test_signoff_of_another_registration_is_refused(site: Site, done: str) -> None:
    before, place = site.study(done), site.folder / "studies" / done / "result"
    written = (place / "record.json").read_bytes()
    verdict = {"state": "accepted", "name": "A", "registration_id": "0" * 8}
    answer = site.client.put(f"/api/v1/studies/{done}/signoff", json=verdict)
    refused(answer, 409, "has another registration by now than the one that was looked at")
    del verdict["registration_id"]
    answer = site.client.put(f"/api/v1/studies/{done}/signoff", json=verdict)
    refused(answer, 422, "registration_id")
    assert site.study(done) == before
    assert (place / "record.json").read_bytes() == written


def test_without_a_result_nothing_is_signed_or_kept(site: Site, asked: dict[str, Any]) -> None:
    identifier = site.make(**asked)
    verdict = {"state": "accepted", "name": "A", "registration_id": "none"}
    answer = site.client.put(f"/api/v1/studies/{identifier}/signoff", json=verdict)
    refused(answer, 400, "no result to sign off")
    kind, facts = site.run(identifier, keep_registration=True)[-1]
    assert (kind, facts["state"]) == ("error", "failed")
    assert facts["error"].startswith("there is no earlier registration to keep")


def test_new_method_keeps_registration_and_revokes_signoff(site: Site, done: str) -> None:
    board = Board(site, done)
    drawn = board.get(board.add("Kept target", ball(board.shape, 4))["id"])
    assert site.sign(done, "rejected").status_code == 200
    before, folder = site.study(done)["outcome"], site.folder / "studies" / done / "view"
    written = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    recipe = {"method": "maximum", "outputs": ["fused"]}
    events = site.run(done, recipe=recipe, keep_registration=True)
    stages = [facts["stage"] for _, facts in events if "stage" in facts]
    assert "registering: judging the given alignment" in stages
    study = site.study(done)
    assert study["state"] == "done"
    assert study["outcome"]["method"] == "maximum"
    for kept in ("registration_id", "alignment"):
        assert study["outcome"][kept] == before[kept]
    changed = {path.name for path in folder.iterdir()
               if path.stat().st_mtime_ns != written[path.name]}  # fmt: skip
    assert changed == {"fused.nii", "view.json"}
    assert study["signoff"] is None
    assert board.get(drawn["id"]) == drawn
    sheet = site.client.get(f"/api/v1/studies/{done}/qa.html")
    assert NOTICE in sheet.text
    assert "sandbox" in sheet.headers["content-security-policy"]


def test_runs_wait_their_turn_and_can_be_cancelled(site: Site, asked: dict[str, Any]) -> None:
    recipe = {**asked["recipe"], "transform": None}
    first, second = (site.make(**{**asked, "recipe": recipe}) for _ in range(2))
    for identifier in (first, second):
        site.client.post(f"/api/v1/studies/{identifier}/run", json={})
    again = site.client.post(f"/api/v1/studies/{first}/run", json={})
    refused(again, 400, "queued or runs already")
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
        assert names <= {"study.json", "view"}
    refused(site.client.post(f"/api/v1/studies/{first}/cancel"), 400, "nothing to cancel")


def test_a_study_that_is_deleted_while_it_waits_stops_no_other(
    site: Site, asked: dict[str, Any]
) -> None:
    first, second, third = (site.make(**asked) for _ in range(3))
    for identifier in (first, second):
        site.client.post(f"/api/v1/studies/{identifier}/run", json={})
    shutil.rmtree(site.folder / "studies" / second)
    site.client.post(f"/api/v1/studies/{first}/cancel")
    kind, facts = site.run(third, keep_registration=True)[-1]
    assert (kind, facts["state"]) == ("error", "failed")
    refused(site.client.get(f"/api/v1/studies/{second}"), 404, "no study")


def test_a_run_that_cannot_be_says_why(site: Site, asked: dict[str, Any]) -> None:
    identifier = site.make(**{**asked, "mr": asked["ct"]})
    kind, facts = site.run(identifier)[-1]
    assert (kind, facts["state"]) == ("error", "failed")
    assert "MR" in facts["error"]
    assert site.study(identifier)["message"] == facts["error"]


def test_a_run_that_a_killed_server_left_is_told(site: Site, asked: dict[str, Any]) -> None:
    identifier = site.make(**asked)
    studies = Studies(site.folder)
    studies.change(identifier, state="running")
    half = studies.place(identifier) / ".radfuse-half"
    half.mkdir()
    studies.recover()
    assert studies.get(identifier).state == "failed"
    assert studies.get(identifier).message == STOPPED
    assert not half.exists()


def test_an_uploaded_archive_becomes_a_study(
    site: Site, phantom_folders: tuple[Path, Path]
) -> None:
    files = [("files", ("../../evil.zip", zipped(*phantom_folders)))]
    answer = site.client.post("/api/v1/uploads", files=files)
    path = Path(answer.json()["path"])
    assert path.parent.parent == site.folder / "uploads"
    assert path.name == "00000.zip"
    found = site.client.post("/api/v1/inspect", json={"path": str(path)}).json()
    assert sorted(image["kind"] for image in found["images"]) == ["CT", "MR"]
    assert "patient_name" not in json.dumps(found)
    made = site.client.post("/api/v1/studies", json={"study": str(path)}).json()
    assert "chosen: CT" in made["message"]
    assert made["recipe"]["ct_series"]


def test_uploaded_slices_lie_in_one_folder(site: Site, phantom_folders: tuple[Path, Path]) -> None:
    slices = sorted(phantom_folders[1].iterdir())[:4]
    files = [("files", (one.name, one.read_bytes())) for one in slices]
    path = Path(site.client.post("/api/v1/uploads", files=files).json()["path"])
    assert [one.read_bytes() for one in sorted(path.iterdir())] == [
        one.read_bytes() for one in slices
    ]


def test_an_upload_that_is_too_large_is_refused(site: Site) -> None:
    files = [("files", ("a.zip", b"0" * (MOST_UPLOAD_BYTES + 1)))]
    refused(site.client.post("/api/v1/uploads", files=files), 413, "larger than the 20 MB")

    def endless() -> Any:
        head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
        yield head
        for _ in range(MOST_UPLOAD_BYTES // 10**6 + 2):
            yield b"0" * 10**6

    headers = {"content-type": "multipart/form-data; boundary=x"}
    answer = site.client.post("/api/v1/uploads", content=endless(), headers=headers)
    refused(answer, 413, "larger than the 20 MB")
    large = {"path": "x" * 2_000_000}
    refused(site.client.post("/api/v1/inspect", json=large), 413, "larger than the 1 MB")


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
def test_a_malformed_upload_is_refused(site: Site, content: bytes, kind: str) -> None:
    answer = site.client.post("/api/v1/uploads", content=content, headers={"content-type": kind})
    assert answer.status_code == 400
    assert list(answer.json()) == ["error"]


def test_invalid_uploaded_archive_is_refused_on_inspection(site: Site) -> None:
    path = keep_files(site.folder / "uploads", [("a.zip", io.BytesIO(b"PK\x03\x04 rubbish"))])
    answer = site.client.post("/api/v1/studies", json={"study": str(path)})
    refused(answer, 400, str(path))


@pytest.mark.parametrize(
    ("asked", "status", "words"),
    [
        ({}, 422, "give ct and mr, or study"),
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
def test_what_cannot_be_made_a_study_is_refused_in_a_line(
    site: Site, asked: dict[str, Any], status: int, words: str
) -> None:
    refused(site.client.post("/api/v1/studies", json=asked), status, words)


def test_half_a_surrogate_pair_is_refused_and_not_a_bug(site: Site) -> None:
    headers = {"content-type": "application/json"}
    for body in (b'{"path": "\\ud800"}', b'{"\\ud800": 1}', b"{", b"\xff"):
        answer = site.client.post("/api/v1/inspect", content=body, headers=headers)
        assert answer.status_code in {400, 422}, body


def test_from_elsewhere_only_uploads_are_opened(
    site: Site, asked: dict[str, Any], tmp_path: Path
) -> None:
    with running(tmp_path, host="192.168.1.7") as served:
        for path in (asked["ct"], "/nowhere"):
            answer = served.client.post("/api/v1/inspect", json={"path": path})
            refused(answer, 400, "upload the files")
        files = [("files", ("a.nii.gz", b"rubbish"))]
        path = served.client.post("/api/v1/uploads", files=files).json()["path"]
        assert served.client.post("/api/v1/inspect", json={"path": path}).status_code == 200


def test_without_the_fusion_there_is_nothing_to_look_at(site: Site, asked: dict[str, Any]) -> None:
    identifier = site.make(**asked)
    for name in ("volumes/fused.nii", "qa.html"):
        answer = site.client.get(f"/api/v1/studies/{identifier}/{name}")
        refused(answer, 404, "run the fusion")
    assert list(site.events(identifier)) == []


def test_studies_lie_in_the_folder_for_the_users_data() -> None:
    assert default_folder().parts[-2:] == ("radfuse", "view")
