"""A real CT with a tilted gantry and uneven steps: fused, written, judged, drawn on."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from radfuse.dicom.validate import dciodvfy
from radfuse.dicom.validate.check import check
from radfuse.io.volumes import read_volume, write_volume
from radfuse.pipeline.fuse import fuse
from radfuse.pipeline.read import read
from radfuse.pipeline.structures import read_contours, write_contours
from radfuse.recipe import Recipe
from radfuse.registration.transforms import write_transform

CT, MR = "ct_ge_tilt18_variable_gap", "mr_siemens_t1_gammaknife"
"""Of two people: what is written is judged here, not the registration."""


@pytest.fixture(scope="module")
def out(heads: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ladder")
    transform = sitk.Euler3DTransform((0.0, 0.0, 80.0), 0.1, 0.0, 0.0, (0.0, 0.0, -80.0))
    write_transform(folder / "rough.tfm", transform)
    recipe = Recipe(
        transform=folder / "rough.tfm",
        method="bone_blend",
        accept_registration=True,
        accept_patients=True,
    )
    fuse(heads / CT, heads / MR, folder / "out", recipe=recipe)
    return folder / "out"


def test_every_object_of_a_rectified_ct_is_valid(out: Path) -> None:
    report = check(out, with_dciodvfy=dciodvfy.is_installed())
    assert [str(problem) for problem in report.problems if problem.severity == "error"] == []
    assert {path.name for path in out.iterdir() if path.is_dir()} == {
        "FUSED_bone_blend", "MR_on_CT", "COLOUR_CT_MR", "REG",
    }  # fmt: skip


def test_the_fused_series_states_that_the_ct_was_resampled(out: Path, heads: Path) -> None:
    fused, ct = read(out / "FUSED_bone_blend", "MR"), read(heads / CT, "CT")
    np.testing.assert_allclose(fused.image.GetOrigin(), ct.image.GetOrigin(), atol=1e-4)
    np.testing.assert_allclose(fused.image.GetSpacing(), ct.image.GetSpacing(), atol=1e-6)
    header = fused.headers[0]
    assert "on the regular grid that its slices were resampled onto" in header.DerivationDescription
    sources = {item.SpatialLocationsPreserved for item in header.SourceImageSequence}
    assert sources == {"NO"}


def test_record_and_sheet_state_what_was_corrected(out: Path) -> None:
    for name in ("record.json", "qa.html"):
        text = (out / name).read_text()
        assert "gantry tilt of 18.5 degrees corrected" in text
        assert "interpolated to 4.002 mm" in text


def test_structures_of_a_rectified_ct_are_on_its_slices(heads: Path, tmp_path: Path) -> None:
    """A ball drawn on the rectified grid is written on tilted slices, and read back."""
    ct = read(heads / CT, "CT")
    middle = np.array(ct.image.TransformContinuousIndexToPhysicalPoint((256.0, 300.0, 20.0)))
    size = ct.image.GetSize()[::-1]
    axes = np.reshape(ct.image.GetDirection(), (3, 3)) * ct.image.GetSpacing()
    places = np.moveaxis(np.indices(size)[::-1], 0, -1) @ axes.T + ct.image.GetOrigin()
    ball = sitk.GetImageFromArray((np.linalg.norm(places - middle, axis=-1) < 25).astype(np.uint8))
    ball.CopyInformation(ct.image)
    write_volume(tmp_path / "ball.nii.gz", ball)
    structures, labels = tmp_path / "ball.dcm", tmp_path / "back.nii.gz"
    write_contours(heads / CT, tmp_path / "ball.nii.gz", structures, names={1: "GTVp"})

    contours = pydicom.dcmread(structures).ROIContourSequence[0].ContourSequence
    planes = [np.reshape(header.ImageOrientationPatient, (2, 3)) for header in ct.headers]
    heights = [np.dot(np.cross(*plane), header.ImagePositionPatient)
               for plane, header in zip(planes, ct.headers, strict=True)]  # fmt: skip
    for contour in contours:
        points = np.reshape(contour.ContourData, (-1, 3)).astype(float) @ np.cross(*planes[0])
        assert np.abs(points - points.mean()).max() < 0.01
        assert np.abs(np.array(heights) - points.mean()).min() < 0.05

    read_contours(structures, heads / CT, labels)
    back = sitk.GetArrayFromImage(read_volume(labels)) > 0
    drawn = sitk.GetArrayFromImage(ball) > 0
    assert 2 * (back & drawn).sum() / (back.sum() + drawn.sum()) > 0.95
