"""A batch that several files test."""

from pathlib import Path

import pytest

from radfuse.io.volumes import write_volume
from radfuse.jobs.batch import plan, run_batch
from radfuse.jobs.cases import read_cases
from radfuse.jobs.job import JobState
from radfuse.phantom.head import Phantom
from radfuse.recipe import Recipe

RECIPE = Recipe(
    method="average", register_rigidly=False, accept_registration=True, outputs=("fused", "mr")
)
"""No search."""


@pytest.fixture(scope="session")
def derivative(coarse_phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a patient with two MR, and one without images; the name is in the paths; not to change."""
    source = tmp_path_factory.mktemp("source") / "Meier_Anna"
    source.mkdir()
    write_volume(source / "ct.nii.gz", coarse_phantom.ct.image)
    for name in ("t1_gd", "flair"):
        write_volume(source / f"{name}.nii.gz", coarse_phantom.mr.image)
    table = source / "patients.csv"
    table.write_text("id,session,ct,mr\n7,1,ct.nii.gz,t1_gd.nii.gz;flair.nii.gz\n8,1,,\n")
    output = tmp_path_factory.mktemp("derivative")
    (stored,) = run_batch(plan(read_cases(table, RECIPE), output), output)
    assert stored.state is JobState.DONE, stored.reason
    return output
