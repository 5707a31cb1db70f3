"""A real CT with a tilted gantry and uneven steps: fused, written, judged, drawn on."""

import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from radfuse.dicom.validate import dciodvfy
from radfuse.dicom.validate.check import check
from radfuse.io.volumes import read_volume, write_volume
from radfuse.pipeline.fuse import fuse_ct_mr
from radfuse.pipeline.read import read
from radfuse.pipeline.structures import read_contours, write_contours
from radfuse.recipe import Recipe
from radfuse.registration.transforms import write_transform

CT, MR = "ct_ge_tilt18_variable_gap", "mr_siemens_t1_gammaknife"
"""Of two people: what is written is judged here, not the registration."""

PARTS = {"part": {CT: slice(7, 21), MR: slice(30, 90, 2)}, "whole": {}}
"""Slices of each series, in the order of their files; those of the CT have both steps."""

STEP_MM = {"part": "3.946", "whole": "4.002"}
"""Of the grid that the CT is resampled onto."""


@pytest.fixture(scope="module", params=["part", pytest.param("whole", marks=pytest.mark.slow)])
def series(
    heads: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with the CT and the MR, or a part of them."""
    folder = tmp_path_factory.mktemp(request.param, numbered=False)
    for name in (CT, MR):
        (folder / name).mkdir()
        for path in sorted((heads / name).iterdir())[PARTS[request.param].get(name, slice(None))]:
            shutil.copy(path, folder / name)
    return folder


@pytest.fixture(scope="module")
def out(series: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ladder")
    transform = sitk.Euler3DTransform((0.0, 0.0, 80.0), 0.1, 0.0, 0.0, (0.0, 0.0, -80.0))
    write_transform(folder / "rough.tfm", transform)
    recipe = Recipe(
        transform=folder / "rough.tfm",
        method="bone_blend",
        accept_registration=True,
        accept_patients=True,
    )
    fuse_ct_mr(series / CT, series / MR, folder / "out", recipe=recipe)
    return folder / "out"


def test_every_object_of_a_rectified_ct_is_valid(out: Path) -> None:
    report = check(out, with_dciodvfy=dciodvfy.is_installed())
    assert [str(problem) for problem in report.problems if problem.severity == "error"] == []
    assert {path.name for path in out.iterdir() if path.is_dir()} == {
        "FUSED_bone_blend", "MR_on_CT", "COLOUR_CT_MR", "REG",
    }  # fmt: skip


def test_the_fused_series_states_that_the_ct_was_resampled(out: Path, series: Path) -> None:
    fused, ct = read(out / "FUSED_bone_blend", "MR"), read(series / CT, "CT")
    np.testing.assert_allclose(fused.image.GetOrigin(), ct.image.GetOrigin(), atol=1e-4)
    np.testing.assert_allclose(fused.image.GetSpacing(), ct.image.GetSpacing(), atol=1e-6)
    header = fused.headers[0]
    assert "on the regular grid that its slices were resampled onto" in header.DerivationDescription
    sources = {item.SpatialLocationsPreserved for item in header.SourceImageSequence}
    assert sources == {"NO"}


def test_record_and_sheet_state_what_was_corrected(out: Path, series: Path) -> None:
    for name in ("record.json", "qa.html"):
        text = (out / name).read_text()
        assert "gantry tilt of 18.5 degrees corrected" in text
        assert f"interpolated to {STEP_MM[series.name]} mm" in text


def test_structures_of_a_rectified_ct_are_on_its_slices(series: Path, tmp_path: Path) -> None:
    """A ball drawn on the rectified grid is written on tilted slices, and read back."""
    ct = read(series / CT, "CT")
    size = ct.image.GetSize()[::-1]
    middle = np.array(ct.image.TransformContinuousIndexToPhysicalPoint((256.0, 300.0, size[0] / 2)))
    axes = np.reshape(ct.image.GetDirection(), (3, 3)) * ct.image.GetSpacing()
    places = np.moveaxis(np.indices(size)[::-1], 0, -1) @ axes.T + ct.image.GetOrigin()
    ball = sitk.GetImageFromArray((np.linalg.norm(places - middle, axis=-1) < 25).astype(np.uint8))
    ball.CopyInformation(ct.image)
    write_volume(tmp_path / "ball.nii.gz", ball)
    structures, labels = tmp_path / "ball.dcm", tmp_path / "back.nii.gz"
    write_contours(series / CT, tmp_path / "ball.nii.gz", structures, names={1: "GTVp"})

    contours = pydicom.dcmread(structures).ROIContourSequence[0].ContourSequence
    planes = [np.reshape(header.ImageOrientationPatient, (2, 3)) for header in ct.headers]
    heights = [np.dot(np.cross(*plane), header.ImagePositionPatient)
               for plane, header in zip(planes, ct.headers, strict=True)]  # fmt: skip
    for contour in contours:
        points = np.reshape(contour.ContourData, (-1, 3)).astype(float) @ np.cross(*planes[0])
        assert np.abs(points - points.mean()).max() < 0.01
        assert np.abs(np.array(heights) - points.mean()).min() < 0.05

    read_contours(structures, series / CT, labels)
    back = sitk.GetArrayFromImage(read_volume(labels)) > 0
    drawn = sitk.GetArrayFromImage(ball) > 0
    assert 2 * (back & drawn).sum() / (back.sum() + drawn.sum()) > 0.95
