"""DICOM objects of a job: a repeated job gives the same UIDs, another one never."""

from pathlib import Path

import pydicom
import pytest
from pydicom import Dataset

from radfuse.jobs.fusion import fused
from radfuse.jobs.job import Job, JobImages, JobState, identity_of
from radfuse.phantom.dicom import write_phantom
from radfuse.phantom.head import make_phantom
from radfuse.recipe import Recipe
from radfuse.record import SeriesReference, read_record

QUICK = Recipe(method="average", register_rigidly=False, accept_registration=True)
REPLACED = SeriesReference(study="1.2.3", series="1.2.3.4")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> JobImages:
    folder = tmp_path_factory.mktemp("phantom")
    write_phantom(make_phantom(1, spacing_mm=6.0), folder)
    return JobImages(ct=folder, mrs=(folder,))


def objects(job: Job) -> dict[str, Dataset]:
    """Run a job; the first object of each series by the name of its folder."""
    assert fused(job)[0] is JobState.DONE
    folders = [path for path in job.output.iterdir() if path.is_dir()]
    return {one.name: pydicom.dcmread(sorted(one.iterdir())[0]) for one in folders}


def made(images: JobImages, output: Path, recipe: Recipe = QUICK, **more: object) -> Job:
    facts = {"identity": identity_of(images, recipe), "case": "sub-1", **more}
    return Job(images=images, recipe=recipe, output=output, **facts)


def test_a_repeated_job_gives_the_same_uids(images: JobImages, tmp_path: Path) -> None:
    first = objects(made(images, tmp_path / "first"))
    again = objects(made(images, tmp_path / "again"))
    other = objects(made(images, tmp_path / "other", QUICK.model_copy(update={"opacity": 0.4})))
    assert len(first) == 4
    for keyword in ("SeriesInstanceUID", "SOPInstanceUID"):
        uids = [[str(one[keyword].value) for one in run.values()] for run in (first, again, other)]
        assert uids[0] == uids[1]
        assert len({*uids[0], *uids[2]}) == 8, keyword


def test_a_result_names_what_it_replaces(images: JobImages, tmp_path: Path) -> None:
    job = made(images, tmp_path / "new", replaces=(REPLACED,))
    for header in objects(job).values():
        related = header.RelatedSeriesSequence[0]
        assert (related.StudyInstanceUID, related.SeriesInstanceUID) == ("1.2.3", "1.2.3.4")
    assert read_record(tmp_path / "new" / "record.json").job == job.reference
