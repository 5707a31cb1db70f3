"""Further images of a patient in the viewer: MR sequences, PET and SPECT on the CT."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from click.testing import CliRunner
from service_kit import Site, refused

from radfuse.cli import main
from radfuse.cli.view import study_request
from radfuse.phantom.head import Phantom
from radfuse.phantom.uptake import FunctionalScan
from radfuse.pipeline.read import read
from radfuse.service.jobs.worker import FURTHER_REMEDIES
from radfuse.service.stores.studies import Studies, Study
from radfuse.service.stores.view_volumes import DATA_OFFSET

POINTS = ((-45.0, -50.0, 10.0), (45.0, -50.0, 40.0), (0.0, 55.0, 30.0))
"""Points of the brain, mm of the phantom's CT."""


def stored_values(site: Site, identifier: str, number: int) -> np.ndarray:
    """Values of a further image in its own unit, (slices, rows, columns)."""
    answer = site.client.get(f"/api/v1/studies/{identifier}/further/{number}.nii")
    assert answer.status_code == 200, answer.text
    volume = site.view(identifier)["further"][number]["volume"]
    values = np.frombuffer(answer.content, "<i2", offset=DATA_OFFSET) * volume["step"]
    return values.reshape(volume["size"][::-1])


def test_view_has_each_image_with_unit_and_colours(site: Site, several: str) -> None:
    t2, pet = site.view(several)["further"]
    assert (t2["label"], t2["unit"], t2["colour_map"]) == ("T2", "", "")
    assert (pet["label"], pet["unit"], pet["colour_map"]) == ("PT", "Bq/ml", "lightness")
    assert pet["value_range"][0] == 0
    positions, rgb = site.client.get("/api/v1/info").json()["colour_maps"]["lightness"]
    assert (positions[0], positions[-1]) == (0, 1)
    assert len(rgb) == len(positions)


def test_served_values_are_those_of_the_files(
    site: Site, several: str, further_folders: tuple[Path, Path]
) -> None:
    for number, (folder, code) in enumerate(zip(further_folders, ("MR", "PT"), strict=True)):
        values = sitk.GetArrayFromImage(sitk.DICOMOrient(read(folder, code).image, "LPS"))
        step = site.view(several)["further"][number]["volume"]["step"]
        assert np.abs(stored_values(site, several, number) - values).max() <= 0.51 * step


def test_each_image_is_aligned_with_the_ct(
    site: Site, several: str, phantom: Phantom, pet_scan: FunctionalScan
) -> None:
    transforms = (phantom.mr_from_ct, pet_scan.functional_from_ct)
    for one, truth in zip(site.view(several)["further"], transforms, strict=True):
        for point in POINTS:
            moved = (np.array(one["image_from_ct"]) @ [*point, 1])[:3]
            assert np.linalg.norm(moved - truth.TransformPoint(point)) < 0.1


def test_outcome_has_the_verdict_of_each(site: Site, several: str) -> None:
    t2, pet = site.study(several)["outcome"]["further"]
    assert t2["note"] == "shares the registration of T1_Gd, in whose frame of reference it is"
    assert pet["note"] == "registered by itself"
    assert pet["qa_passed"], pet
    for one in (t2, pet):
        assert one["quality"].startswith("registration QA ")
        assert one["qa_passed"] == one["quality"].startswith("registration QA passed")


@pytest.mark.slow
def test_a_manual_alignment_of_a_pet_is_used_and_kept(site: Site, several: str) -> None:
    before = site.view(several)
    pose = np.array(before["further"][1]["image_from_ct"])
    pose[0, 3] += 3.25
    manual = [{"label": "PT", "image_from_ct": pose.tolist(), "refine": False}]
    accepted = {"accept_registration": True, "keep_registration": True}
    events = site.fuse(several, further=manual, **accepted)
    assert events[-1][0] == "done", events
    t2, pet = site.view(several)["further"]
    np.testing.assert_allclose(pet["image_from_ct"], pose, atol=1e-6)
    assert t2 == before["further"][0]
    assert site.view(several)["mr_from_ct"] == before["mr_from_ct"]
    _, verdict = site.study(several)["outcome"]["further"]
    assert (verdict["origin"], verdict["note"]) == ("manual", "aligned manually")
    site.fuse(several, **accepted)
    assert site.view(several)["further"][1]["image_from_ct"] == pet["image_from_ct"]
    refined = [{**manual[0], "refine": True}]
    assert site.fuse(several, further=refined, **accepted)[-1][0] == "done"
    _, pet = site.view(several)["further"]
    assert abs(np.array(pet["image_from_ct"]) - before["further"][1]["image_from_ct"]).max() < 2
    assert site.study(several)["outcome"]["further"][1]["origin"] == "manual, refined"
    site.fuse(several, recipe=site.study(several)["recipe"])
    assert site.study(several)["outcome"]["further"][1]["note"] == "registered by itself"


def test_alignments_of_unknown_images_and_scaling_are_refused(site: Site, several: str) -> None:
    one = {"label": "PT", "image_from_ct": np.diag([1.1, 1, 1, 1]).tolist()}
    where = f"/api/v1/studies/{several}/fuse"
    request = {"keep_registration": True, "further": [one]}
    refused(site.client.post(where, json=request), 400, "image_from_ct of PT is not rigid")
    other = {"label": "CT of a car", "image_from_ct": np.eye(4).tolist()}
    refused(site.client.post(where, json={**request, "further": [other]}), 400, "there are T2, PT")


def test_paths_of_further_images_are_not_sent(site: Site, several: str) -> None:
    stored = json.loads((site.folder / "studies" / several / "study.json").read_text())
    assert stored["further"]["pet"]
    assert "further" not in site.study(several)
    sent = site.client.get("/api/v1/studies").text + json.dumps(site.view(several))
    assert not [path for path in (*stored["further"]["mrs"], stored["further"]["pet"]) if
                path in sent]  # fmt: skip


def test_study_without_further_images_has_none(site: Site, done: str) -> None:
    assert site.view(done)["further"] == []
    assert site.study(done)["outcome"]["further"] == []
    answer = site.client.get(f"/api/v1/studies/{done}/further/0.nii")
    refused(answer, 404, "has no further image 0; fuse first")


@pytest.mark.parametrize("number", [2, -1])
def test_number_of_no_further_image_is_refused(site: Site, several: str, number: int) -> None:
    answer = site.client.get(f"/api/v1/studies/{several}/further/{number}.nii")
    refused(answer, 404, f"no further image {number}")


@pytest.fixture
def copied_several(site: Site, several: str, tmp_path: Path) -> tuple[Studies, Study]:
    shutil.copytree(site.folder / "studies" / several, tmp_path / "studies" / several)
    studies = Studies(tmp_path)
    return studies, studies.get(several)


def test_damaged_further_volume_is_refused(copied_several: tuple[Studies, Study]) -> None:
    studies, study = copied_several
    path = studies.further_volume(study.id, 1)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Exception, match=r"further_1\.nii is damaged; prepare the study again"):
        studies.further_volume(study.id, 1)


def test_view_of_an_earlier_version_has_no_further_images(
    copied_several: tuple[Studies, Study],
) -> None:
    studies, study = copied_several
    path = studies.folder_of(study.id) / "results" / study.current / "view" / "view.json"
    facts = json.loads(path.read_text())
    assert len(facts.pop("further")) == 2
    path.write_text(json.dumps(facts))
    assert studies.view(study.id).further == ()
    assert studies.volume(study.id, "fused").is_file()


def test_signoff_leaves_other_registrations_unreviewed(
    copied_several: tuple[Studies, Study], signoff: Any
) -> None:
    studies, study = copied_several
    signed = studies.sign(study.id, study.current, signoff)
    assert signed.signoff is not None
    result = studies.folder_of(study.id) / "results" / signed.current / "result"
    for name, state in (("FUSED_average", "accepted"), ("PT_on_CT", "unreviewed")):
        header = pydicom.dcmread(next((result / name).iterdir()))
        assert state in header.ImageComments
    assert studies.further_volume(study.id, 1).is_file()


def test_changed_pet_is_neither_shown_nor_signed(
    copied_several: tuple[Studies, Study], signoff: Any, tmp_path: Path
) -> None:
    studies, study = copied_several
    inputs = studies.folder_of(study.id) / "results" / study.current / "result" / "inputs.json"
    files = json.loads(inputs.read_text())
    changed = tmp_path / "changed.dcm"
    changed.write_bytes(b"another image")
    inputs.write_text(json.dumps({**files, "PT": [str(changed)]}))
    with pytest.raises(Exception, match="the files of the PT were changed after the fusion"):
        studies.sign(study.id, study.current, signoff)
    inputs.write_text(json.dumps({**files, "PT": [str(tmp_path / "removed.dcm")]}))
    with pytest.raises(Exception, match="the files of the PT were changed"):
        studies.check_shown(study.id)


@pytest.mark.parametrize(
    ("further", "status", "words"),
    [
        ({"pet": "nowhere"}, 400, "nowhere: no such file or folder"),
        ({"mrs": ["nowhere"]}, 400, "nowhere: no such file or folder"),
        ({"pet_ct": "a"}, 422, "pass pet with pet_ct"),
        ({"mrs": ["a"] * 21}, 422, "at most 20"),
        ({"nm": "a"}, 422, "nm"),
    ],
)
def test_wrong_further_images_are_refused(
    site: Site, asked: dict[str, Any], further: dict[str, Any], status: int, words: str
) -> None:
    answer = site.client.post("/api/v1/studies", json={**asked, "further": further})
    refused(answer, status, words)


def test_pet_that_is_an_mr_fails_the_job(site: Site, asked: dict[str, Any]) -> None:
    identifier = site.make(**{**asked, "further": {"pet": asked["mr"]}})
    kind, data = site.fuse(identifier)[-1]
    assert kind == "error"
    assert data["error"].startswith("MR: no PT series")
    assert site.study(identifier)["state"] == "ready"
    assert site.client.delete(f"/api/v1/studies/{identifier}").status_code == 204


@pytest.mark.slow
def test_failed_qa_of_a_pet_names_it_and_a_way_out(
    site: Site, asked: dict[str, Any], further_folders: tuple[Path, Path], tmp_path: Path
) -> None:
    """A PET of noise."""
    rng = np.random.default_rng(1)
    folder = shutil.copytree(further_folders[1], tmp_path / "PT")
    for path in folder.iterdir():
        header = pydicom.dcmread(path)
        header.PixelData = rng.integers(1, 9, len(header.PixelData), np.uint8).tobytes()
        header.save_as(path)
    identifier = site.make(**{**asked, "further": {"pet": str(folder)}})
    kind, data = site.fuse(identifier)[-1]
    assert kind == "error"
    assert data["error"].startswith("PT: ")
    assert data["error"].endswith(FURTHER_REMEDIES), data
    assert str(tmp_path) not in data["error"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--pet", "a"], "give --ct and --mr, or a STUDY"),
        (["--mr", "a", "--mr", "b"], "give --ct and --mr"),
        (["--ct", "a", "--mr", "b", "--pet-ct", "c"], "--pet-ct needs --pet"),
        (["--ct", "a", "--mr", "b", "--fused-mr", "c"], "--fused-mr c: not one of --mr"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    arguments: list[str], words: str, tmp_path: Path
) -> None:
    command = ["view", "--no-browser", "--folder", str(tmp_path), *arguments]
    ended = CliRunner().invoke(main, command)
    assert ended.exit_code == 2, ended.stderr
    (line,) = ended.stderr.splitlines()
    assert words in line


def test_options_of_the_command_make_the_request() -> None:
    made = study_request(
        None,
        Path("ct"),
        (Path("t1"), Path("t2")),
        {"pet": Path("p"), "pet_ct": None, "spect": None},
    )
    further = {"pet": "p", "mrs": ["t2"], "choose_mr": True}
    assert made == {"ct": "ct", "mr": "t1", "further": further}


def test_the_mr_that_is_named_is_fused() -> None:
    paths = (Path("t1"), Path("t2"), Path("flair"))
    none = dict.fromkeys(("pet", "pet_ct", "spect"))
    made = study_request(None, Path("ct"), paths, none, Path("t2"))
    assert made == {"ct": "ct", "mr": "t2", "further": {"mrs": ["t1", "flair"]}}


def test_the_best_mr_is_fused_and_the_viewer_says_why(
    site: Site, asked: dict[str, Any], further_folders: tuple[Path, Path]
) -> None:
    t1, t2 = asked["mr"], str(further_folders[0])
    choice = {**asked, "mr": t2, "further": {"mrs": [t1], "choose_mr": True}}
    identifier = site.make(**choice)
    study = site.study(identifier)
    assert study["message"].startswith("T1_Gd is fused with the CT: T1-weighted with contrast")
    stored = json.loads((site.folder / "studies" / identifier / "study.json").read_text())
    assert (stored["mr"], stored["further"]["mrs"]) == (t1, [t2])
    assert site.fuse(identifier)[-1][0] == "done"
    assert study["message"] in site.study(identifier)["outcome"]["notes"]
    assert [one["label"] for one in site.view(identifier)["further"]] == ["T2"]
    assert site.client.delete(f"/api/v1/studies/{identifier}").status_code == 204


def test_a_choice_needs_paths_of_mr(site: Site, asked: dict[str, Any]) -> None:
    further = {"mrs": [asked["mr"]], "choose_mr": True}
    for other in (
        {"study": asked["mr"], "further": further},
        {**asked, "further": further, "recipe": {"mr_series": "1.2.3"}},
    ):
        answer = site.client.post("/api/v1/studies", json=other)
        refused(answer, 422, "pass mr, and no mr_series, with choose_mr")
