"""Gantry tilt and uneven spacing: resampled to a regular grid, checked against known geometry."""

import shutil
import subprocess
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom import Dataset
from scipy import ndimage

from dicom_kit import AXIAL, OBLIQUE, Angles, change, move, put, slices, volume, write
from radfuse.pipeline.read import read

SLOPE = np.array([3.0, -5.0, 2.0])
"""Of a field that is linear in space, per mm: linear interpolation gives it back exactly."""

ROUNDING_MM = 0.25
"""Slices within this of a regular grid are taken as lying on it, as headers round."""

SIXTEENTHS = 16
"""Stored values of the field are whole multiples of this share."""


def field(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of points (..., 3) in mm; positive near the origin."""
    return (points @ SLOPE + 400) * SIXTEENTHS


def places_of(image: sitk.Image) -> NDArray[np.float64]:
    """The centre of every voxel, (slices, rows, columns, 3) in mm."""
    axes = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    indices = np.moveaxis(np.indices(image.GetSize()[::-1])[::-1], 0, -1)
    return indices @ axes.T + image.GetOrigin()


def field_volume(angles: Angles, shifts_mm: NDArray[np.float64]) -> sitk.Image:
    """Slices of the field, of which each was moved by (along a row, along a column, up)."""
    image = volume(angles=angles, spacing=(0.9, 1.1, 2.5), count=len(shifts_mm))
    image.SetOrigin((-3.0, 4.0, 2.0))
    axes = np.reshape(image.GetDirection(), (3, 3))
    moved = places_of(image) + (shifts_mm @ axes.T)[:, None, None]
    filled = sitk.GetImageFromArray(np.rint(field(moved)))
    filled.CopyInformation(image)
    return filled


def write_field(
    folder: Path, angles: Angles, sideways_mm: NDArray[np.float64], heights_mm: NDArray[np.float64]
) -> Path:
    """An MR of the field with the position of each slice in its header."""
    up = heights_mm - 2.5 * np.arange(len(heights_mm))
    shifts = np.column_stack([sideways_mm, up])
    image = field_volume(angles, shifts)
    write(folder, image, "MR")
    axes = np.reshape(image.GetDirection(), (3, 3))
    for path, shift in zip(slices(folder), shifts, strict=True):
        move(path, axes @ shift)
    return folder


def assert_is_field(image: sitk.Image, within_mm: float) -> None:
    """Every voxel with its neighbours in the plane measured has the value of the field."""
    values = sitk.GetArrayFromImage(image)
    inside = ndimage.binary_erosion(values != 0, np.ones((1, 3, 3)))
    assert inside.mean() > 0.1
    steepest = float(np.linalg.norm(SLOPE)) * SIXTEENTHS
    wanted = field(places_of(image))[inside]
    np.testing.assert_allclose(values[inside], wanted, rtol=0, atol=1 + within_mm * steepest)


@pytest.mark.parametrize("angles", [AXIAL, OBLIQUE])
@pytest.mark.parametrize("degrees", [-25.0, -3.0, 18.5])
def test_gantry_tilt_is_corrected(tmp_path: Path, degrees: float, angles: Angles) -> None:
    heights = 2.5 * np.arange(5)
    sideways = np.outer(heights * np.tan(np.radians(degrees)), (0.0, 1.0))
    series = read(write_field(tmp_path / "in", angles, sideways, heights), "MR")
    assert series.regridded
    assert series.slice_headers == ()
    assert len(series.headers) == 5
    (note,) = series.notes
    assert f"gantry tilt of {abs(degrees):.1f} degrees corrected" in note
    assert_is_field(series.image, within_mm=1e-4)
    assert series.image.GetSpacing() == pytest.approx((0.9, 1.1, 2.5))


@settings(deadline=None, max_examples=8)
@given(
    lean=st.tuples(*[st.floats(-0.6, 0.6)] * 2),
    steps=st.lists(st.floats(0.5, 2.9), min_size=2, max_size=6),
)
def test_tilted_uneven_slices_keep_values_in_position(
    tmp_path_factory: pytest.TempPathFactory, lean: tuple[float, float], steps: list[float]
) -> None:
    heights = np.concatenate([[0], np.cumsum(steps)])
    folder = write_field(
        tmp_path_factory.mktemp("in") / "mr", OBLIQUE, np.outer(heights, lean), heights
    )
    image = read(folder, "MR").image
    assert_is_field(image, within_mm=ROUNDING_MM)
    assert image.GetSize()[2] * image.GetSpacing()[2] == pytest.approx(
        heights[-1] + image.GetSpacing()[2], abs=0.5
    )


@pytest.mark.parametrize("angles", [AXIAL, OBLIQUE])
@pytest.mark.parametrize("missing", [1, 3, 4])
def test_one_missing_slice_is_interpolated_with_a_note(
    tmp_path: Path, missing: int, angles: Angles
) -> None:
    folder = write(tmp_path / "in", volume(angles=angles))
    paths = slices(folder)
    paths[missing].unlink()
    series = read(folder, "CT")
    wanted = sitk.GetArrayFromImage(volume(angles=angles))
    wanted[missing] = (wanted[missing - 1] + wanted[missing + 1]) / 2
    np.testing.assert_allclose(sitk.GetArrayFromImage(series.image), wanted, atol=1e-3)
    assert series.regridded
    (note,) = series.notes
    assert "2.5 to 5 mm; interpolated to 2.5 mm" in note
    assert f"it is 5 mm between slices {missing} and {missing + 1}" in note


def test_thick_slices_leave_no_gap(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", volume(spacing=(1.0, 1.0, 7.0)))
    for path, down in zip(slices(folder), (0, 5, 10, 10, 10, 10), strict=True):
        move(path, (0, 0, -down))
    assert "2 to 7 mm; interpolated to" in read(folder, "CT").notes[0]


def test_sideways_rounding_is_not_a_tilt(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    for index, path in enumerate(slices(folder)):
        move(path, (0, 0.03 * index, 0))
    series = read(folder, "CT")
    assert series.image.GetSize() == (7, 9, 6)
    assert not series.regridded
    assert series.slice_headers == series.headers


def test_gaps_between_even_slices_are_noted(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    for path in slices(folder):
        change(path, put("SliceThickness", 1.0))
    series = read(folder, "CT")
    assert not series.regridded
    assert series.notes == (
        "slices of 1 mm thickness are 2.5 mm apart; there are no data between them",
    )


def test_grid_has_the_finest_slice_spacing(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    for path, up in zip(slices(folder), (0, -1.5, -1, -0.5, 0, 0.5), strict=True):
        move(path, (0, 0, up))
    assert read(folder, "CT").image.GetSpacing()[2] == pytest.approx(1.0, abs=0.05)


def test_grid_spacing_has_a_minimum(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    move(slices(folder)[1], (0, 0, -2.35))
    assert read(folder, "CT").image.GetSpacing()[2] == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("cosines", [[0.707, 0.707, 0, 0, 0, -1], [0.8, 0.6, 0, -0.6, 0.8, 0]])
def test_rounded_directions_are_read(tmp_path: Path, cosines: list[float]) -> None:
    image = volume()
    rows, columns = np.reshape(cosines, (2, 3))
    normal = np.cross(rows, columns)
    folder = write(tmp_path / "in", image)
    for index, path in enumerate(slices(folder)):
        change(path, put("ImageOrientationPatient", cosines))
        change(path, put("ImagePositionPatient", (2.5 * index * normal).tolist()))
    axes = np.reshape(read(folder, "CT").image.GetDirection(), (3, 3))
    np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-9)


def dcm2niix(folder: Path, out: Path) -> nibabel.Nifti1Image:
    """What dcm2niix makes of a tilted series after its own correction."""
    if shutil.which("dcm2niix") is None:
        pytest.skip("dcm2niix is missing: apt-get install dcm2niix")
    out.mkdir()
    command = ["dcm2niix", "-f", "x", "-o", out, folder]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    (corrected,) = out.glob("*_Tilt*.nii")
    return nibabel.load(corrected)


def corners(matrix: NDArray[np.float64], size: tuple[int, ...]) -> NDArray[np.float64]:
    """Centres of the eight corner voxels, sorted by position."""
    indices = [np.multiply(corner, np.array(size[:3]) - 1) for corner in np.ndindex(2, 2, 2)]
    places = np.array([(matrix @ (*index, 1))[:3] for index in indices])
    return places[np.lexsort(places.round(0).T)]


def assert_corners_agree(folder: Path, out: Path) -> None:
    theirs = dcm2niix(folder, out)
    ours = read(folder, "CT").image
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(ours.GetDirection(), (3, 3)) * ours.GetSpacing()
    matrix[:3, 3] = ours.GetOrigin()
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ theirs.affine
    apart = corners(matrix, ours.GetSize()) - corners(lps, theirs.shape)
    assert np.linalg.norm(apart, axis=1).max() <= 0.5


def test_tilted_ct_has_the_corners_of_dcm2niix(odd: Path, tmp_path: Path) -> None:
    assert_corners_agree(odd / "dicom2nifti/failing/gantrytilting/001", tmp_path / "out")


@pytest.mark.parametrize("part", [slice(0, 14), slice(15, 28)])
def test_parts_of_uneven_ct_have_corners_of_dcm2niix(
    heads: Path, tmp_path: Path, part: slice
) -> None:
    """Each evenly spaced part; of the whole dcm2niix writes axes that are at no right angle."""
    (tmp_path / "in").mkdir()
    for path in sorted((heads / "ct_ge_tilt18_variable_gap").iterdir())[part]:
        shutil.copy(path, tmp_path / "in")
    assert_corners_agree(tmp_path / "in", tmp_path / "out")


def test_uneven_ct_has_the_extent_of_dcm2niix(heads: Path, tmp_path: Path) -> None:
    folder = heads / "ct_ge_tilt18_variable_gap"
    theirs = dcm2niix(folder, tmp_path / "out")
    ours = read(folder, "CT").image
    extent = np.multiply(np.array(ours.GetSize()) - 1, ours.GetSpacing())
    wanted = np.multiply(np.array(theirs.shape) - 1, theirs.header.get_zooms())
    np.testing.assert_allclose(extent, wanted, atol=0.1)
    first = (np.diag([-1.0, -1.0, 1.0, 1.0]) @ theirs.affine)[:3, 3]
    last_row = ours.TransformIndexToPhysicalPoint((0, ours.GetSize()[1] - 1, 0))
    np.testing.assert_allclose(last_row, first, atol=0.1)


def twelve_bits(header: Dataset) -> None:
    """As a scanner stores; dcm2niix corrects no tilt of unsigned 16 bits."""
    header.BitsStored, header.HighBit = 12, 11


@pytest.mark.parametrize("degrees", [-12.0, 12.0])
def test_both_signs_of_tilt_have_the_corners_of_dcm2niix(tmp_path: Path, degrees: float) -> None:
    values = np.random.default_rng(3).integers(-1024, 1000, (12, 80, 64)).astype(np.float32)
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((1.0, 1.0, 4.0))
    folder = write(tmp_path / "in", image)
    for index, path in enumerate(slices(folder)):
        move(path, (0, 4.0 * index * np.tan(np.radians(degrees)), 0))
        change(path, twelve_bits)
    assert_corners_agree(folder, tmp_path / "out")
