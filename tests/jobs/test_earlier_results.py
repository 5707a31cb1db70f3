"""Results of an earlier attempt do not stay where a new one is refused."""

from pathlib import Path

import pytest

from radfuse.jobs.bids import names
from radfuse.jobs.fusion import fused
from radfuse.jobs.job import Derivative, Job, JobImages, JobState
from radfuse.jobs.results import remove_results
from radfuse.recipe import Recipe

CASE = "sub-1_ses-2"
RESULTS = (
    names.fused_path(CASE, "average"), names.mask_path(CASE), names.transform_path(CASE, "T1"),
    names.resampled_path(CASE, "T1_Gd"), names.resampled_path(CASE, "T2_2"),
    names.resampled_path(CASE, "PT"), names.resampled_path(CASE, "T1"),
)  # fmt: skip
OTHERS = (
    names.fused_path(CASE, "maximum"), names.fused_path("sub-1", "average"),
    names.fused_path("sub-1_ses-22", "average"), names.sheet_path("sub-1"),
    names.case_folder(CASE) / "anat" / f"{CASE}_space-CT_desc-own_mask.nii.gz",
    names.case_folder(CASE) / "anat" / f"{CASE}_notes.txt",
)  # fmt: skip


def written(root: Path, *paths: Path) -> set[Path]:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("earlier")
    return {root / path for path in paths}


@pytest.fixture
def job(tmp_path: Path) -> Job:
    (bad,) = written(tmp_path, Path("bad.nii.gz"))
    return Job(
        identity="1", case=CASE, images=JobImages(ct=bad, mrs=(bad,)),
        recipe=Recipe(method="average"), output=tmp_path / "out" / RESULTS[0],
        derivative=Derivative(root=tmp_path / "out"),
    )  # fmt: skip


def test_a_refused_job_leaves_no_earlier_result(job: Job, tmp_path: Path) -> None:
    root = tmp_path / "out"
    sidecars = [names.sidecar_of(one) for one in RESULTS]
    results = written(root, names.sheet_path(CASE), *map(Path, (*RESULTS, *sidecars)))
    others = written(root, *map(Path, OTHERS))
    assert fused(job)[0] is JobState.REFUSED
    assert {path for path in root.rglob("*") if path.is_file()} == others
    assert len(results) == 15


def test_only_dicom_of_the_record_is_deleted(job: Job, tmp_path: Path) -> None:
    folder = tmp_path / "dicom"
    as_dicom = job.model_copy(update={"output": folder, "derivative": None})
    kept = written(folder, Path("notes.txt"), Path("fused/1.dcm"))
    remove_results(as_dicom)
    assert {path for path in folder.rglob("*") if path.is_file()} == kept
