"""NIfTI, NRRD and MetaImage files: voxels keep their position, invalid files are refused."""

import errno
import gzip
import re
import struct
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from dicom_kit import assert_same_image
from radfuse.errors import GeometryError, InputError
from radfuse.io.nifti import write_mask
from radfuse.io.volume_checks import check_voxel_count
from radfuse.io.volumes import UNKNOWN_FORMAT, read_volume, volume_suffix, write_volume
from volume_kit import RNG, VALUES, assert_in_place, grid, refusal

ALL = [".nii", ".nii.gz", ".nrrd", ".mha"]
CORNERS = [*np.ndindex(2, 2, 2)]


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    angles=st.tuples(*[st.floats(-3.1, 3.1)] * 3),
    spacing=st.tuples(*[st.floats(0.06, 24.0)] * 3),
    origin=st.tuples(*[st.floats(-900, 900)] * 3),
)
@example(angles=(0.0, 0.0, 0.0), spacing=(0.05, 25.0, 1.0), origin=(0.0, 0.0, 0.0))
@pytest.mark.parametrize("suffix", ALL)
def test_any_rigid_grid_is_written_and_read_back(
    tmp_path_factory: pytest.TempPathFactory,
    suffix: str,
    angles: tuple[float, float, float],
    spacing: tuple[float, ...],
    origin: tuple[float, ...],
) -> None:
    image = grid(angles, spacing, origin)
    path = tmp_path_factory.mktemp("volume") / f"image{suffix}"
    write_volume(path, image)
    found = read_volume(path)
    assert found.GetPixelID() == sitk.sitkFloat32
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found), VALUES.T)
    for corner in CORNERS:
        index = [int(part) for part in np.multiply(corner, np.array(VALUES.shape) - 1)]
        np.testing.assert_allclose(
            found.TransformIndexToPhysicalPoint(index),
            image.TransformIndexToPhysicalPoint(index),
            rtol=0,
            atol=1e-3,
        )


def nifti(
    path: Path,
    values: np.ndarray = VALUES,
    affine: Any = None,
    *,
    codes: tuple[int, int] = (1, 1),
    kind: type[nibabel.Nifti1Image] = nibabel.Nifti1Image,
) -> Path:
    affine = np.diag([1.0, 2.0, 3.0, 1.0]) if affine is None else affine
    image = kind(values, affine)
    image.set_sform(affine if codes[0] else None, codes[0])
    image.set_qform(affine if codes[1] else None, codes[1])
    nibabel.save(image, path)
    return path


def nifti_precision_mm(affine: np.ndarray, codes: tuple[int, int]) -> float:
    """How far float32 headers may move a voxel: much near rotations of 180 degrees by a qform.

    A qform stores three components of a unit quaternion, and the fourth, w, follows from their
    squares: an error e of w^2 is one of e/w, and of sqrt(e) at w = 0, in w. The angle is twice it.
    nibabel takes w for 0 where w^2 is below three times the precision of float32.
    """
    half_ulp = 2.0**-25
    extent_mm = float(np.linalg.norm(affine[:3, :3] @ (np.array(VALUES.shape) - 1)))
    rounding_mm = 2 * half_ulp * (np.abs(affine[:3]) @ (*VALUES.shape, 1)).max()
    if codes[0]:
        return float(4 * rounding_mm)
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    axes[:, 2] *= np.linalg.det(axes)  # a qform stores the handedness beside the quaternion
    quaternion = np.abs(Rotation.from_matrix(axes).as_quat())
    square_error = 2 * half_ulp * float(quaternion[:3].sum())
    w_error = min(np.sqrt(square_error), square_error / max(quaternion[3], 1e-12))
    if quaternion[3] ** 2 - square_error < 3 * np.finfo(np.float32).eps:
        w_error = max(w_error, quaternion[3])
    return float(4 * rounding_mm + 2 * (w_error + 2 * half_ulp) * extent_mm)


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    angles=st.tuples(*[st.floats(-3.1, 3.1)] * 3),
    flips=st.tuples(*[st.sampled_from([-1, 1])] * 3),
    codes=st.sampled_from([(1, 1), (1, 0), (0, 1)]),
)
@example(angles=(3.1415, 0.0, 0.0), flips=(1, 1, 1), codes=(0, 1))
@example(angles=(0.3, 3.14159, 0.2), flips=(1, -1, 1), codes=(0, 1))
def test_every_nifti_voxel_keeps_position_in_either_handedness(
    tmp_path_factory: pytest.TempPathFactory,
    angles: tuple[float, float, float],
    flips: tuple[int, int, int],
    codes: tuple[int, int],
) -> None:
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", angles).as_matrix() * (
        np.array([0.8, 1.7, 3.1]) * flips
    )
    affine[:3, 3] = (-31.5, 64.0, -99.25)
    path = nifti(tmp_path_factory.mktemp("nifti") / "image.nii", affine=affine, codes=codes)
    image = read_volume(path)
    assert np.linalg.det(np.reshape(image.GetDirection(), (3, 3))) == pytest.approx(1)
    assert_in_place(image, affine, VALUES, nifti_precision_mm(affine, codes))


def test_nifti_2_is_read(tmp_path: Path) -> None:
    path = nifti(tmp_path / "two.nii", kind=nibabel.Nifti2Image)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read_volume(path)), VALUES.T)


@pytest.mark.parametrize("slope", [2.0, 1.0, 1 / 3])
def test_scaled_voxels_are_those_of_nibabel(tmp_path: Path, slope: float) -> None:
    path = nifti(tmp_path / "scaled.nii")
    poke(path, 112, "<2f", slope, -1024.0)
    expected = np.asarray(nibabel.load(path).dataobj, np.float32).T
    assert expected.min() < 0
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read_volume(path)), expected)


def test_axis_orders_give_the_same_image(shared: Path) -> None:
    folder = shared / "data/real/io/nifti_orientations"
    if not folder.is_dir():
        pytest.skip(f"real data is missing: {folder.name}")
    images = [read_volume(path) for path in sorted(folder.iterdir())]
    assert len(images) == 24
    first = sitk.DICOMOrient(images[0], "LPS")
    for image in images[1:]:
        same = sitk.DICOMOrient(image, "LPS")
        assert same.GetSize() == first.GetSize()
        np.testing.assert_allclose(same.GetOrigin(), first.GetOrigin(), atol=1e-3)
        np.testing.assert_allclose(same.GetSpacing(), first.GetSpacing(), atol=1e-5)
        np.testing.assert_allclose(same.GetDirection(), first.GetDirection(), atol=1e-5)
        np.testing.assert_array_equal(sitk.GetArrayFromImage(same), sitk.GetArrayFromImage(first))


@pytest.mark.parametrize(
    "name", ["anatomical.nii", "example_nifti2.nii.gz", "FLAIR.nrrd", "mha.mha"]
)
def test_real_files_are_read(shared: Path, name: str) -> None:
    path = shared / "data/real/io/volumes" / name
    if not path.exists():
        pytest.skip(f"real data is missing: {name}")
    if name.startswith("example_nifti2"):
        assert "expected one 3-D volume" in refusal(path, InputError)
    else:
        assert read_volume(path).GetDimension() == 3


def test_image_is_equal_in_two_formats(shared: Path) -> None:
    folder = shared / "data/real/io/volumes"
    if not folder.is_dir():
        pytest.skip(f"real data is missing: {folder.name}")
    pair = [read_volume(folder / name) for name in ("FLAIR.nii.gz", "FLAIR.nrrd")]
    one, two = (sitk.DICOMOrient(image, "LPS") for image in pair)
    np.testing.assert_allclose(one.GetOrigin(), two.GetOrigin(), atol=1e-3)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(one), sitk.GetArrayFromImage(two))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "shear.nii.gz",
            r"the axes are not perpendicular unit vectors \(off by 0\.\d+\); resample",
        ),
        ("example4d.nii.gz", r"a 4-D image of 128 x 96 x 24 x 2, expected one 3-D volume"),
        ("nifti1.hdr", "its voxel file 'nifti1.img' is missing; copy it to the header"),
    ],
)
def test_real_files_without_a_volume_are_refused(shared: Path, name: str, said: str) -> None:
    path = shared / "data/real/io/volumes" / name
    if not path.exists():
        pytest.skip(f"real data is missing: {name}")
    with pytest.raises(InputError, match=said):
        read_volume(path)


@pytest.mark.parametrize("suffix", ALL)
def test_format_is_recognized_by_first_bytes(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"image{suffix}"
    write_volume(path, grid((0.1, 0.2, 0.3), (1, 2, 3), (4, 5, 6)))
    wanted = read_volume(path)
    bare = path.rename(tmp_path / "image")
    assert volume_suffix(bare) == suffix
    found = read_volume(bare)
    assert found.GetOrigin() == wanted.GetOrigin()
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found), VALUES.T)


def test_nifti_2_without_suffix_is_recognized(tmp_path: Path) -> None:
    bare = nifti(tmp_path / "two.nii", kind=nibabel.Nifti2Image).rename(tmp_path / "two")
    assert volume_suffix(bare) == ".nii"


def test_unknown_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("nothing")
    assert volume_suffix(path) is None
    assert refusal(path, InputError) == UNKNOWN_FORMAT


def test_suffix_of_any_case_precedes_first_bytes(tmp_path: Path) -> None:
    path = nifti(tmp_path / "a.nii.gz").rename(tmp_path / "A.NII.GZ")
    assert volume_suffix(path) == ".nii.gz"
    assert read_volume(path).GetSize() == VALUES.shape


@pytest.mark.parametrize("suffix", ALL)
@pytest.mark.parametrize("share", [0.001, 0.2, 0.5, 0.9, 0.999])
def test_truncated_file_is_refused(tmp_path: Path, suffix: str, share: float) -> None:
    path = tmp_path / f"image{suffix}"
    write_volume(path, grid((0, 0, 0), (1, 2, 3), (4, 5, 6)))
    whole = path.read_bytes()
    path.write_bytes(whole[: max(1, int(len(whole) * share))])
    assert re.search("copy it again|without = and a value", refusal(path, InputError))


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_flipped_bit_in_compressed_voxels_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"image{suffix}"
    write_volume(path, grid((0, 0, 0), (1, 2, 3), (4, 5, 6)))
    whole = path.read_bytes()
    start = 20 if suffix == ".nii.gz" else len(whole) - 400
    for at in range(start, len(whole), 13):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        with pytest.raises(InputError):
            read_volume(path)


@pytest.mark.parametrize("tail", [b"", b"\0" * 700])
def test_several_gzip_streams_are_read(tmp_path: Path, tail: bytes) -> None:
    plain = nifti(tmp_path / "a.nii").read_bytes()
    path = tmp_path / "a.nii.gz"
    path.write_bytes(gzip.compress(plain[:500]) + gzip.compress(plain[500:]) + tail)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read_volume(path)), VALUES.T)


def poke(path: Path, offset: int, form: str, *values: float) -> None:
    data = bytearray(path.read_bytes())
    struct.pack_into(form, data, offset, *values)
    path.write_bytes(data)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
def test_invalid_nifti_spacing_is_refused(tmp_path: Path, bad: float) -> None:
    path = nifti(tmp_path / "a.nii")
    poke(path, 80, "<f", bad)
    assert refusal(path, GeometryError) == f"voxel spacing {bad:g} x 2 x 3 mm; correct the header"


@pytest.mark.parametrize("factor", [0.001, 30.0])
@pytest.mark.parametrize("suffix", ALL)
def test_implausible_spacing_is_refused(tmp_path: Path, suffix: str, factor: float) -> None:
    path = tmp_path / f"a{suffix}"
    write_volume(path, grid((0, 0, 0), (factor, factor, factor), (0, 0, 0)))
    assert "expected 0.05 to 25 mm; correct the header" in refusal(path, GeometryError)


def test_contradictory_nifti_spacings_are_refused(tmp_path: Path) -> None:
    path = nifti(tmp_path / "a.nii", codes=(1, 0))
    poke(path, 80, "<f", 1.5)
    message = refusal(path, GeometryError)
    assert message.startswith("voxel spacing 1.5 x 2 x 3 mm in pixdim and 1 x 2 x 3 mm in the")


def test_contradictory_nifti_transforms_are_refused(tmp_path: Path) -> None:
    path = nifti(tmp_path / "a.nii")
    poke(path, 280 + 12, "<f", 0.4)
    assert read_volume(path).GetOrigin()[0] == pytest.approx(-0.4)
    poke(path, 280 + 12, "<f", 50.0)
    assert refusal(path, GeometryError) == "sform and qform differ by 50.0 mm; delete the wrong one"


def test_nifti_without_transform_is_refused(tmp_path: Path) -> None:
    path = nifti(tmp_path / "a.nii", codes=(0, 0))
    message = refusal(path, GeometryError)
    assert message == "neither sform nor qform is set, so the orientation is unknown; set one"


@pytest.mark.parametrize(("codes", "offset"), [((1, 0), 292), ((0, 1), 268)])
def test_nifti_with_nan_origin_is_refused(
    tmp_path: Path, codes: tuple[int, int], offset: int
) -> None:
    path = nifti(tmp_path / "a.nii", codes=codes)
    poke(path, offset, "<f", np.nan)
    assert "is not finite; correct the header" in refusal(path, GeometryError)


def test_invalid_quaternion_is_refused(tmp_path: Path) -> None:
    path = nifti(tmp_path / "a.nii")
    poke(path, 256, "<3f", 0.9, 0.9, 0.9)
    assert "damaged or truncated" in refusal(path, InputError)


@pytest.mark.parametrize("dimension", [-6, 32000])
def test_invalid_size_is_refused(tmp_path: Path, dimension: int) -> None:
    path = nifti(tmp_path / "a.nii")
    poke(path, 42, "<h", dimension)
    assert re.search("damaged or truncated|voxels along an axis", refusal(path, InputError))


def test_corrupted_header_is_refused_or_harmless(tmp_path: Path) -> None:
    whole = nifti(tmp_path / "a.nii").read_bytes()
    for at in range(0, 352, 3):
        (tmp_path / "a.nii").write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        with suppress(InputError):
            read_volume(tmp_path / "a.nii")


def test_sheared_nifti_is_refused_and_rounding_is_not(tmp_path: Path) -> None:
    affine = np.diag([1.0, 1.0, 3.0, 1.0])
    affine[0, 1] = 0.0005
    assert read_volume(nifti(tmp_path / "a.nii", affine=affine, codes=(1, 0))).GetDimension() == 3
    affine[0, 1] = 0.1
    path = nifti(tmp_path / "b.nii", affine=affine, codes=(1, 0))
    assert re.match(
        r"the axes are not perpendicular unit vectors \(off by 0\.09", refusal(path, GeometryError)
    )


def test_analyze_file_is_refused(tmp_path: Path) -> None:
    nibabel.save(nibabel.AnalyzeImage(VALUES, np.eye(4)), tmp_path / "a.hdr")
    message = refusal(tmp_path / "a.hdr", GeometryError)
    assert message == "Analyze files have no orientation; convert it to NIfTI"


def test_nifti_pair_is_read(tmp_path: Path) -> None:
    image = nibabel.Nifti1Pair(VALUES, np.diag([1.0, 2.0, 3.0, 1.0]))
    nibabel.save(image, tmp_path / "a.hdr")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read_volume(tmp_path / "a.hdr")), VALUES.T)


RGB = np.zeros((4, 4, 4), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.zeros((4, 4, 4, 2), np.float32), "a 4-D image of 4 x 4 x 4 x 2, expected one 3-D"),
        (np.zeros((4, 4, 4, 1, 3), np.float32), "a 5-D image of 4 x 4 x 4 x 1 x 3"),
        (np.zeros((4, 4), np.float32), "a 2-D image of 4 x 4, expected one 3-D volume"),
        (np.ones((4, 4, 4), np.complex64), "voxels are complex64, expected a real number each"),
        (RGB, "voxels are .*R.*G.*B.*, expected a real number each"),
        (np.full((4, 4, 4), 7, np.int16), "every value is 7; the image is empty"),
        (np.where(VALUES == 500, np.nan, VALUES), "values are NaN or infinite; replace them"),
        (np.where(VALUES > 998, np.inf, 1.0) + VALUES, "values are NaN or infinite"),
        (VALUES * 1e300, "values are NaN or infinite"),
        (VALUES[:1], "1 x 7 x 8 voxels; a volume needs 2 or more per axis"),
    ],
)  # fmt: skip
def test_nifti_without_a_scalar_volume_is_refused(
    tmp_path: Path, values: np.ndarray, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        read_volume(nifti(tmp_path / "a.nii", values))


def test_further_axes_of_one_element_are_ignored(tmp_path: Path) -> None:
    found = read_volume(nifti(tmp_path / "a.nii", VALUES[..., None, None]))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found), VALUES.T)
    sitk.WriteImage(sitk.JoinSeries([grid((0, 0, 0), (1, 2, 3), (0, 0, 0))]), tmp_path / "a.mha")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read_volume(tmp_path / "a.mha")), VALUES.T)


@pytest.mark.parametrize("suffix", ALL)
def test_full_disk_is_an_error(
    tmp_path: Path, suffix: str, full_disk: Callable[[int], AbstractContextManager[None]]
) -> None:
    noise = sitk.GetImageFromArray(RNG.integers(0, 60000, (20, 20, 20)).astype(np.uint16))
    with full_disk(600), pytest.raises(OSError, match="disk full"):
        write_volume(tmp_path / f"a{suffix}", noise)


def test_a_volume_larger_than_any_head_scan_is_refused() -> None:
    check_voxel_count((1024, 1024, 1024), Path("ct"))
    with pytest.raises(GeometryError, match="ct: 1025 x 1024 x 1024 voxels, at most 1073741824"):
        check_voxel_count((1025, 1024, 1024), Path("ct"))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_volume_without_space_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fails(*_: object, **_more: object) -> None:
        raise RuntimeError("failed")

    def full(*_: object, **_more: object) -> None:
        raise OSError(number, "full")

    monkeypatch.setattr("SimpleITK.WriteImage", fails)
    with pytest.raises(OSError, match="could not be written") as found:
        write_volume(tmp_path / "a.nii.gz", sitk.Image(2, 2, 2, sitk.sitkUInt8))
    assert found.value.errno is None
    monkeypatch.setattr("tempfile.TemporaryFile", full)
    with pytest.raises(OSError, match="could not be written") as found:
        write_volume(tmp_path / "a.nii.gz", sitk.Image(2, 2, 2, sitk.sitkUInt8))
    assert found.value.errno == number


def test_a_mask_is_written_slice_by_slice_as_the_whole(tmp_path: Path) -> None:
    grid = sitk.Image(5, 4, 3, sitk.sitkInt16)
    grid.SetSpacing((0.5, 0.7, 2.0))
    grid.SetOrigin((-10.0, 20.0, 35.5))
    grid.SetDirection((0, 0, 1, 1, 0, 0, 0, 1, 0))
    inside = np.random.default_rng(2).integers(0, 2, (3, 4, 5)).astype(np.uint8)
    write_mask(tmp_path / "mask.nii.gz", grid, inside)
    whole = sitk.GetImageFromArray(inside)
    whole.CopyInformation(grid)
    write_volume(tmp_path / "whole.nii.gz", whole)
    found, wanted = (sitk.ReadImage(str(tmp_path / f"{name}.nii.gz")) for name in ("mask", "whole"))
    assert_same_image(found, wanted)
    assert found.GetPixelID() == sitk.sitkUInt8
    for key in ("descrip", "xyzt_units", "qform_code", "sform_code"):
        assert found.GetMetaData(key) == wanted.GetMetaData(key), key
