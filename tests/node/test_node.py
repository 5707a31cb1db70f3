"""A node beside a real Orthanc: patients arrive, results come back and are sent on."""

import json
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest

from node_kit import Site, descriptions, patient_files, received, running_site, wait_until
from radfuse.errors import InputError
from radfuse.jobs.fusion import fused
from radfuse.jobs.job import Job, JobImages, JobState
from radfuse.node.delivery import files_below, folders_in, is_whole
from radfuse.node.retrieval import _kept, pair_of
from radfuse.node.state import FusionState, PatientState
from radfuse.node.store import NodeStore
from radfuse.phantom.dicom import write_phantom
from radfuse.phantom.head import make_phantom
from radfuse.recipe import Recipe

OWN = "RESEARCH, NOT FOR DOSE CALC"


@pytest.fixture(scope="session")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantom")
    write_phantom(make_phantom(1, spacing_mm=6.0), folder)
    return folder


def states(site: Site) -> list[FusionState]:
    store = NodeStore(site.settings.data / "node.sqlite")
    found = [one.state for one in store.fusions()]
    store.close()
    return found


def test_a_patient_comes_back_once(phantom: Path, tmp_path: Path) -> None:
    files = patient_files(phantom, tmp_path, 1)
    mixed = [one for pair in zip(files["CT"], files["MR"], strict=False) for one in pair]
    mixed += [one for several in files.values() for one in several if one not in mixed]
    with running_site(tmp_path) as site:
        site.add(*mixed)
        with site.node() as node:
            wait_until(lambda: states(site) == [FusionState.DELIVERED])
            expected = len(files["CT"])
            assert site.first.count() == len(mixed) + 3 * expected + 1
            assert site.second.count() == 3 * expected + 1
            assert all(OWN in one for one in descriptions(site.second))
            # our own results arrive, too, and instances arrive twice: nothing is done again
            site.add(*mixed)
            wait_until(lambda: node.store.position() == node.orthanc.last_change())
            wait_until(lambda: node.store.patients([PatientState.ARRIVING]) == [])
            wait_until(lambda: not node.problems())
        assert states(site) == [FusionState.DELIVERED]
        assert {one.PatientID for one in received(site.second)} == {"P0001"}
        lines = (site.settings.data / "audit.jsonl").read_text().splitlines()
        what = [json.loads(line)["what"] for line in lines]
        assert what == [
            "node started", "fusion planned", "fusion fused", "result stored", "result sent",
            "node ended",
        ]  # fmt: skip
        assert "P0001" not in "".join(lines)
        kept = sorted(path.name for path in (site.settings.data / "results" / "1").iterdir())
        assert "qa.html" in kept
        assert "record.json" in kept
        assert not list((site.settings.data / "results" / "1").glob("*/"))
        assert not list((site.settings.data / "images").iterdir())


@pytest.mark.slow
def test_two_workers_share_the_folder_of_results(phantom: Path, tmp_path: Path) -> None:
    count = 6
    patients = [patient_files(phantom, tmp_path, number) for number in range(count)]
    with running_site(tmp_path, workers=2) as site:
        site.add(*(path for one in patients for files in one.values() for path in files))
        with site.node():
            wait_until(lambda: states(site) == [FusionState.DELIVERED] * count)
        assert site.second.count() == count * (3 * len(patients[0]["CT"]) + 1)


def test_only_the_chosen_pair_is_kept(phantom: Path, tmp_path: Path) -> None:
    # UIDs of which one begins with the other
    parts = {1: "HEAD", 2: "ABDOMEN"}
    for number, name in ((1, "1.2.3"), (2, "1.2.34")):
        for role, paths in patient_files(phantom, tmp_path / "files", number).items():
            folder = tmp_path / "images" / f"{role}-{number}"
            folder.mkdir(parents=True)
            for path in paths:
                header = pydicom.dcmread(path)
                header.SeriesInstanceUID = f"{name}.{role == 'MR':d}"
                header.PatientID = header.PatientName = "P"
                header.BodyPartExamined, header.SeriesNumber = parts[number], number * 10

                header.save_as(folder / path.name)
    pair = pair_of(tmp_path / "images", Recipe())
    assert (pair.ct, pair.mr) == ({"CT-1"}, {"MR-1"})
    kept = _kept(tmp_path / "images", pair)
    assert {path.name for path in (tmp_path / "images").iterdir()} == {"CT", "MR"}
    assert [path.name for path in kept.ct.iterdir()] == ["CT-1"]


@pytest.mark.parametrize(
    ("mr", "words"),
    [
        ({"PatientID": ""}, "has no PatientID"),
        ({"PatientName": "Another^Person"}, "different names or birth dates"),
        ({"PatientBirthDate": "19010101"}, "different names or birth dates"),
    ],
)
def test_two_persons_of_one_id_are_refused(
    phantom: Path, tmp_path: Path, mr: dict[str, str], words: str
) -> None:
    for role, paths in patient_files(phantom, tmp_path / "files", 1).items():
        folder = tmp_path / "images" / role
        folder.mkdir(parents=True)
        for path in paths:
            header = pydicom.dcmread(path)
            header.PatientBirthDate = "19000101"
            header.update(mr if role == "MR" else {})
            header.save_as(folder / path.name)
    with pytest.raises(InputError, match=words):
        pair_of(tmp_path / "images", Recipe())


def test_a_result_is_whole_only_with_all_its_files(phantom: Path, tmp_path: Path) -> None:
    images = JobImages(ct=phantom, mrs=(phantom,))
    recipe = Recipe(method="average", register_rigidly=False, accept_registration=True)
    job = Job(
        identity="1", case="fusion-1", images=images, recipe=recipe,
        output=tmp_path / "results" / "1",
    )  # fmt: skip
    assert fused(job)[0] is JobState.DONE
    store = NodeStore(tmp_path / "node.sqlite")
    number = store.plan("patient", "head", "", forced=False)
    store.change(number, identity="1")
    fusion = store.fusion(number)
    store.close()
    assert fusion is not None
    assert is_whole(job.output, fusion)
    assert not is_whole(job.output, replace(fusion, identity="2"))
    assert len(folders_in(job.output)) == 4
    first = files_below(job.output)[0]
    content = first.read_bytes()
    first.write_bytes(content[:-1])
    assert not is_whole(job.output, fusion)
    first.unlink()
    assert not is_whole(job.output, fusion)
    first.write_bytes(content)
    assert is_whole(job.output, fusion)
    assert not is_whole(tmp_path, fusion)
