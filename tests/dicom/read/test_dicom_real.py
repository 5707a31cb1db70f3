"""Real series of real scanners."""

import re
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from dicom_kit import assert_same_image
from radfuse.errors import GeometryError, InputError, NoImageError
from radfuse.pipeline.read import read

MIXED = "ct_ge_mixed_series_jpegll"


@pytest.fixture(scope="module")
def mixed_listing(heads: Path) -> str:
    with pytest.raises(InputError) as caught:
        read(heads / MIXED, "CT")
    return str(caught.value)


def itk_reads(folder: Path) -> sitk.Image:
    """The volume by SimpleITK, of the files sorted along the normal."""

    def height(path: Path) -> float:
        header = pydicom.dcmread(path, stop_before_pixels=True)
        rows, columns = np.reshape(header.ImageOrientationPatient, (2, 3))
        return float(np.dot(np.cross(rows, columns), header.ImagePositionPatient))

    reader = sitk.ImageSeriesReader()
    paths = sorted(folder.iterdir(), key=height)
    reader.SetFileNames([str(path) for path in paths])
    reader.SetOutputPixelType(sitk.sitkFloat32)
    return reader.Execute()


def test_stereotactic_mr_matches_simpleitk(heads: Path, tmp_path: Path) -> None:
    for path in sorted((heads / "mr_siemens_t1_gammaknife").iterdir())[:24]:
        shutil.copy(path, tmp_path)
    assert_same_image(read(tmp_path, "MR").image, itk_reads(tmp_path), atol=1e-4)


def test_mixed_study_lists_series_without_localizers(mixed_listing: str) -> None:
    first, *listed = mixed_listing.splitlines()
    assert first.endswith("4 CT series; choose one with --ct-series UID:")
    assert len(listed) == 4
    assert "localizer" not in mixed_listing


def uid_of(listing: str, images: int) -> str:
    found = re.search(rf"{images} images(?:, derived: reformatted)?, UID (\S+)", listing)
    assert found
    return found[1]


@pytest.mark.parametrize("images", [89, pytest.param(111, marks=pytest.mark.slow)])
def test_reformats_are_read_without_the_other_slice(
    heads: Path, mixed_listing: str, images: int
) -> None:
    series = read(heads / MIXED, "CT", series_uid=uid_of(mixed_listing, images))
    assert series.image.GetSize()[2] == images - 1
    derived, left_out = series.notes
    assert derived.endswith(f"{MIXED}: derived: reformatted")
    assert re.search(r"1 image left out: orientation is .*, not ", left_out), left_out


def test_jpeg_lossless_axial_series_matches_simpleitk(
    heads: Path, mixed_listing: str, tmp_path: Path
) -> None:
    series = read(heads / MIXED, "CT", series_uid=uid_of(mixed_listing, 34))
    for path in series.files:
        shutil.copy(path, tmp_path)
    wanted = itk_reads(tmp_path)
    padded = sitk.GetArrayFromImage(wanted) < -1024
    np.testing.assert_array_equal(sitk.GetArrayFromImage(series.image)[padded], -1000)
    plain = sitk.GetArrayFromImage(wanted)
    plain[padded] = -1000
    mended = sitk.GetImageFromArray(plain)
    mended.CopyInformation(wanted)
    assert_same_image(series.image, mended, atol=1e-4)


CONVERTED = (
    "generic/anatomical/001", "generic/anatomical/001_implicit",
    "generic/anatomical/002_non_isotropic", "generic/compressed/001",
    "generic/compressed_j2k/001", "generic/compressed_jpeg/001", "generic/compressed_jpegls/001",
    "generic/compressed_rle/001", "failing/slicecount/001", "philips_enhanced/anatomical/001",
    "philips_enhanced/anatomical/001_implicit",
)  # fmt: skip
"""Series of several makers with a NIfTI file that dicom2nifti made of each. Not the tilted one,
of which it takes the steps along the table for those along the normal."""


@pytest.mark.parametrize("name", CONVERTED)
def test_voxels_and_affine_match_an_independent_conversion(odd: Path, name: str) -> None:
    folder = odd / "dicom2nifti" / name
    found = read(folder, "MR").image
    truth = nibabel.load(folder.with_name(f"{folder.name}_ground_truth.nii.gz"))
    values = np.squeeze(truth.get_fdata())
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ truth.affine
    axes = np.reshape(found.GetDirection(), (3, 3)) * found.GetSpacing()
    ours = np.moveaxis(np.indices(values.shape), 0, -1) @ lps[:3, :3].T + lps[:3, 3]
    indices = (ours - found.GetOrigin()) @ np.linalg.inv(axes).T
    nearest = np.rint(indices)
    assert np.abs((indices - nearest) @ axes.T).max() < 1e-4  # mm
    x, y, z = np.moveaxis(nearest.astype(int), -1, 0)
    np.testing.assert_allclose(sitk.GetArrayFromImage(found)[z, y, x], values, rtol=1e-6)


def test_slice_has_equal_values_in_seven_transfer_syntaxes(odd: Path, tmp_path: Path) -> None:
    values = []
    for path in sorted((odd / "transfer_syntaxes_same_mr_slice").iterdir()):
        for index in range(2):
            header = pydicom.dcmread(path)
            header.ImageType = ["ORIGINAL", "PRIMARY"]  # it is a mosaic, which is no slice
            x, y, z = header.ImagePositionPatient
            rows, columns = np.reshape(header.ImageOrientationPatient, (2, 3))
            header.ImagePositionPatient = (
                np.array([x, y, z]) + index * np.cross(rows, columns)
            ).tolist()
            header.save_as(tmp_path / f"{index}")
        values.append(sitk.GetArrayFromImage(read(tmp_path, "MR").image))
    assert len(values) == 9
    for other in values[1:]:
        np.testing.assert_array_equal(other, values[0])


@pytest.mark.parametrize(
    ("name", "modality", "said"),
    [
        ("dicom2nifti/failing/notavolume", "CT", "two slices have the same position"),
        ("dicom2nifti/failing/sliceincrement/001", "CT", "it is 10 mm between"),
        ("dicom2nifti/failing/sliceorientation", "MR", "4 images contains 2 volumes; choose"),
        ("transfer_syntaxes_same_mr_slice", "MR", "two slices have the same position"),
    ],
)
def test_series_without_a_regular_grid_are_refused(
    odd: Path, name: str, modality: str, said: str
) -> None:
    with pytest.raises(GeometryError, match=said):
        read(odd / name, modality)  # type: ignore[arg-type]


def test_secondary_captures_in_colour_are_no_ct(odd: Path) -> None:
    with pytest.raises(NoImageError, match="no CT series; the folder contains:\n  OT"):
        read(odd / "secondary_capture_rgb", "CT")


def test_dicom_file_without_preamble_is_not_ignored(odd: Path, tmp_path: Path) -> None:
    shutil.copy(odd / "pydicom/no_meta.dcm", tmp_path)
    with pytest.raises(InputError, match=r"no_meta\.dcm: damaged, or not a DICOM file"):
        read(tmp_path, "CT")
