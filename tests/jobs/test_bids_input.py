"""A BIDS data set as the input of a batch."""

import json
from pathlib import Path

import pytest
from bids_kit import validation_errors

from radfuse.errors import InputError, OutputError
from radfuse.io.volumes import write_volume
from radfuse.jobs.batch import check_folders, plan, run_batch
from radfuse.jobs.bids.dataset import write_description
from radfuse.jobs.case import Case
from radfuse.jobs.cases import read_cases
from radfuse.jobs.fusion import fused
from radfuse.jobs.job import JobState
from radfuse.modality import MR
from radfuse.phantom.head import Phantom, draw_layers, make_phantom
from radfuse.phantom.uptake import FDG, scan_uptake
from radfuse.pipeline.study.sequences import MrSequence, mr_sequence
from radfuse.recipe import Recipe
from radfuse.series import Series

pytest.importorskip("bids", reason="pybids is missing: pip install 'radfuse[bids]'")

QUICK = Recipe(method="average", register_rigidly=False, accept_registration=True)
"""No search."""


def dataset(root: Path, *files: str, **facts: object) -> Path:
    """A data set of empty files."""
    for name in files:
        path = root.joinpath(*name.split("_")[:-1][:2] if "ses-" in name else name.split("_")[:1])
        folder = path / {"ct": "ct", "pet": "pet"}.get(name.split("_")[-1], "anat")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.nii.gz").touch()
    root.mkdir(exist_ok=True)
    known = {"Name": "phantoms", "BIDSVersion": "1.9.0", **facts}
    (root / "dataset_description.json").write_text(json.dumps(known))
    return root


def by_name(cases: list[Case]) -> dict[str, Case]:
    return {case.name: case for case in cases}


def test_a_case_is_a_session_or_a_patient_without(tmp_path: Path) -> None:
    root = dataset(
        tmp_path / "raw", "sub-01_ses-1_ct", "sub-01_ses-1_T1w", "sub-01_ses-1_ce-gadolinium_T1w",
        "sub-01_ses-1_pet", "sub-02_CT", "sub-02_run-1_T2w", "sub-02_FLAIR", "sub-02_T2star",
    )  # fmt: skip
    dataset(root / "derivatives/other", "sub-01_ses-1_T2w")
    found = by_name(read_cases(root, Recipe()))
    assert list(found) == ["sub-01_ses-1", "sub-02"]
    first, second = found["sub-01_ses-1"].images, found["sub-02"].images
    assert first is not None
    assert first.ct == root / "sub-01/ses-1/ct/sub-01_ses-1_ct.nii.gz"
    assert [path.name.split("_", 2)[2] for path in first.mrs] == [
        "T1w.nii.gz", "ce-gadolinium_T1w.nii.gz",
    ]  # fmt: skip
    assert first.pet == root / "sub-01/ses-1/pet/sub-01_ses-1_pet.nii.gz"
    assert second is not None
    assert [path.name for path in second.mrs] == ["sub-02_FLAIR.nii.gz", "sub-02_run-1_T2w.nii.gz"]
    assert second.pet is None


def test_what_a_session_lacks_is_stated(tmp_path: Path) -> None:
    root = dataset(
        tmp_path / "raw", "sub-1_ses-1_ct", "sub-1_ses-2_T1w", "sub-2_acq-a_CT", "sub-2_acq-b_CT",
        "sub-2_T1w", "sub-4_ct", "sub-4_T1w",
    )  # fmt: skip
    (root / "sub-3/func").mkdir(parents=True)
    link = root / "sub-4/anat/sub-4_T1w.nii.gz"
    link.unlink()
    link.symlink_to("../../.git/annex/objects/none")
    problems = {name: case.problem for name, case in by_name(read_cases(root, Recipe())).items()}
    assert problems == {
        "sub-1_ses-1": "no MR (suffix T1w, T2w, FLAIR)",
        "sub-1_ses-2": "no CT (suffix ct or CT)",
        "sub-2": "2 CT (sub-2_acq-a_CT.nii.gz, sub-2_acq-b_CT.nii.gz); choose one by a table "
        "instead",
        "sub-3": "no CT (suffix ct or CT); no MR (suffix T1w, T2w, FLAIR)",
        "sub-4": "sub-4_T1w.nii.gz: the content is missing; fetch it",
    }


def test_a_data_set_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    write_description(own)
    with pytest.raises(InputError, match="written by radfuse"):
        read_cases(own, Recipe())
    for text, match in (("{", "cannot be read"), ("[]", "not the description")):
        (own / "dataset_description.json").write_text(text)
        with pytest.raises(InputError, match=match):
            read_cases(own, Recipe())
    (own / "dataset_description.json").write_text("{}")
    with pytest.raises(InputError):
        read_cases(own, Recipe())


def test_patient_and_session_do_not_name_the_sequence(tmp_path: Path) -> None:
    def sequence(name: str) -> MrSequence:
        return mr_sequence(Series(None, MR, tmp_path / name))

    assert sequence("sub-post1_ses-T2_T1w.nii.gz") == MrSequence("T1")
    assert sequence("sub-flair_ce-gadolinium_T1w.nii.gz") == MrSequence("T1", is_enhanced=True)
    assert sequence("sub-01_FLAIR.nii.gz") == MrSequence("FLAIR")


def test_the_output_belongs_into_derivatives_only(tmp_path: Path) -> None:
    root = dataset(tmp_path / "raw", "sub-1_ct", "sub-1_T1w")
    check_folders(root / "derivatives/radfuse", root)
    for output in (root, root / "out", root / "derivatives", tmp_path):
        with pytest.raises(OutputError, match="overlaps"):
            check_folders(output, root)


def test_a_derivative_names_its_data_set(coarse_phantom: Phantom, tmp_path: Path) -> None:
    root = dataset(tmp_path / "raw", "sub-1_ct", "sub-1_T1w", DatasetDOI="doi:10.5555/12345678")
    write_volume(root / "sub-1/ct/sub-1_ct.nii.gz", coarse_phantom.ct.image)
    write_volume(root / "sub-1/anat/sub-1_T1w.nii.gz", coarse_phantom.mr.image)
    output = root / "derivatives/radfuse"
    planned = plan(read_cases(root, QUICK), output)
    state, reason = fused(planned.jobs[0])
    assert state is JobState.DONE, reason
    write_description(output, planned.raw)
    facts = json.loads((output / "dataset_description.json").read_text())
    assert facts["SourceDatasets"] == [{"URL": "../..", "DOI": "doi:10.5555/12345678"}]
    assert facts["DatasetLinks"] == {"raw": "../.."}
    sidecar = json.loads(next(output.rglob("*_fused.json")).read_text())
    ct = "bids:raw:sub-1/ct/sub-1_ct.nii.gz"
    assert sidecar["SpatialReference"] == ct
    assert sidecar["Sources"] == [ct, "bids:raw:sub-1/anat/sub-1_T1w.nii.gz"]
    assert validation_errors(output) == []
    assert [case.name for case in read_cases(root, QUICK)] == ["sub-1"]


@pytest.mark.slow
def test_all_images_of_a_session_make_a_valid_derivative(tmp_path: Path) -> None:
    names = "sub-1_ses-a_ct", "sub-1_ses-a_T1w", "sub-1_ses-a_ce-gadolinium_T1w", "sub-1_ses-a_pet"
    root = dataset(tmp_path / "raw", *names)
    phantom = make_phantom(2, spacing_mm=3.0)
    pet = scan_uptake(draw_layers(2, spacing_mm=3.0), FDG, 2).series
    for name, series in zip(names, (phantom.ct, phantom.mr, phantom.mr, pet), strict=True):
        write_volume(next(root.rglob(f"{name}.nii.gz")), series.image)
    output = tmp_path / "out"
    planned = plan(read_cases(root, Recipe(method="average", outputs=("fused", "mr"))), output)
    (stored,) = run_batch(planned, output)
    assert stored.state is JobState.DONE, stored.reason
    assert validation_errors(output) == []
    resampled = sorted(path.name for path in output.rglob("*_desc-resampled_*.nii.gz"))
    assert [name.removeprefix("sub-1_ses-a_") for name in resampled] == [
        "ce-gadolinium_space-CT_desc-resampled_T1w.nii.gz", "space-CT_desc-resampled_T1w.nii.gz",
        "space-CT_desc-resampled_pet.nii.gz",
    ]  # fmt: skip
    sidecar = json.loads(next(output.rglob("*_fused.json")).read_text())
    assert sidecar["Sources"][1].endswith("_ce-gadolinium_T1w.nii.gz")
    (sidecar_of_pet,) = output.glob("sub-1/ses-a/pet/*.json")
    (source, transform) = json.loads(sidecar_of_pet.read_text())["Sources"]
    assert source == "bids:raw:sub-1/ses-a/pet/sub-1_ses-a_pet.nii.gz"
    assert (output / transform.removeprefix("bids::")).is_file()
    assert "1 done" in (output / "group.html").read_text()
