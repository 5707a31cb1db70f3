"""Series that are read: every voxel has the right value at the right position."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels import get_encoder
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
)

from dicom_kit import (
    AXIAL,
    CORONAL,
    OBLIQUE,
    SAGITTAL,
    Angles,
    assert_same_image,
    change,
    change_all,
    put,
    slices,
    volume,
    write,
)
from radfuse.phantom.head import Phantom
from radfuse.pipeline.read import read

AIR = -1000.0


def values(folder: Path, modality: str = "CT") -> np.ndarray:
    return sitk.GetArrayFromImage(read(folder, modality).image)


@pytest.mark.parametrize("angles", [AXIAL, OBLIQUE, SAGITTAL, CORONAL])
@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_voxels_of_a_regular_series_are_in_position(
    tmp_path: Path, modality: str, angles: Angles
) -> None:
    image = volume(modality, angles)
    found = read(write(tmp_path / "in", image, modality), modality)
    assert_same_image(found.image, image)
    assert found.image.GetPixelID() == (sitk.sitkInt16 if modality == "CT" else sitk.sitkFloat32)


def test_phantom_ct_is_read_back(phantom: Phantom, phantom_folders: tuple[Path, Path]) -> None:
    assert_same_image(read(phantom_folders[0], "CT").image, phantom.ct.image)


def test_oblique_phantom_mr_is_read_back(
    phantom: Phantom, phantom_folders: tuple[Path, Path]
) -> None:
    assert_same_image(read(phantom_folders[1], "MR").image, phantom.mr.image)


def test_files_headers_and_slices_have_one_order(phantom_folders: tuple[Path, Path]) -> None:
    series = read(phantom_folders[1], "MR")
    assert len(series.files) == len(series.headers) == series.image.GetSize()[2]
    for index, (path, header) in enumerate(zip(series.files, series.headers, strict=True)):
        place = series.image.TransformIndexToPhysicalPoint((0, 0, index))
        np.testing.assert_allclose(header.ImagePositionPatient, place, rtol=0, atol=1e-6)
        assert pydicom.dcmread(path).SOPInstanceUID == header.SOPInstanceUID
        assert "PixelData" not in header


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(order=st.permutations(range(6)), numbers=st.permutations(range(6)))
def test_file_names_and_instance_numbers_are_ignored(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], numbers: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("series")
    image = volume(angles=OBLIQUE)
    for path, name, number in zip(slices(write(folder / "in", image)), order, numbers, strict=True):
        change(path, put("InstanceNumber", number))
        path.rename(path.with_name(f"renamed-{name}"))
    assert_same_image(read(folder / "in", "CT").image, image)


def test_slices_are_sorted_along_their_normal(tmp_path: Path) -> None:
    image = volume()
    folder = write(tmp_path / "in", image)
    change_all(folder, put("ImageOrientationPatient", [1, 0, 0, 0, -1, 0]))
    found = read(folder, "CT").image
    assert np.linalg.det(np.reshape(found.GetDirection(), (3, 3))) == pytest.approx(1)
    for index in range(6):
        place = found.TransformPhysicalPointToIndex(
            image.TransformIndexToPhysicalPoint((0, 0, index))
        )
        assert found[place] == image[0, 0, index]


def test_extensionless_slices_in_subfolders_are_found(tmp_path: Path, shared: Path) -> None:
    image = volume()
    folder = write(tmp_path / "in", image)
    for index, path in enumerate(slices(folder)):
        inner = folder / f"S{index % 3}" / "deep"
        inner.mkdir(parents=True, exist_ok=True)
        path.rename(inner / f"IM{index:05d}")
    (folder / "readme.txt").write_text("not a slice")
    (folder / "empty.log").touch()
    (folder / "S0" / "Thumbs.db").write_bytes(bytes(600))
    (folder / "S0" / "._0001.dcm").write_bytes(b"\0\5\x16\7 resource fork of macOS")
    real = shared / "data/real"
    shutil.copy(real / "dicom_head/ct_ge_mixed_series_jpegll_DICOMDIR", folder / "DICOMDIR")
    shutil.copy(real / "io/rtstruct/rt.dcm", folder / "structures.dcm")
    shutil.copy(real / "io/seg/seg_image_ct_binary.dcm", folder / "segmentation")
    assert_same_image(read(folder, "CT").image, image)


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless])
def test_compressed_series_has_the_same_values(tmp_path: Path, syntax: UID) -> None:
    if not get_encoder(syntax).is_available:
        pytest.skip(f"no encoder here for {syntax.name}; real files of it are read elsewhere")
    image = volume()
    folder = write(tmp_path / "in", image)
    change_all(folder, lambda header: header.compress(syntax))
    assert_same_image(read(folder, "CT").image, image)


def test_big_endian_series_has_the_same_values(tmp_path: Path) -> None:
    image = volume()
    folder = write(tmp_path / "in", image)
    for path in slices(folder):
        header = pydicom.dcmread(path)
        header.PixelData = header.pixel_array.astype(">u2").tobytes()
        header.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
        pydicom.dcmwrite(path, header, little_endian=False, implicit_vr=False)
    assert_same_image(read(folder, "CT").image, image)


def test_every_slice_has_its_own_rescale(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    stored = values(folder) + 1024
    for index, path in enumerate(slices(folder)):
        change(path, put("RescaleSlope", f"{1 + index / 4}"))
        change(path, put("RescaleIntercept", f"{-1024 - index}"))
    scaled = [plane * (1 + i / 4) - 1024 - i for i, plane in enumerate(stored)]
    np.testing.assert_allclose(values(folder), scaled, rtol=1e-6)


def test_mr_may_be_rescaled(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", modality="MR")
    before = values(folder, "MR")
    change_all(folder, put("RescaleSlope", "0.5"))
    change_all(folder, put("RescaleIntercept", "7"))
    np.testing.assert_array_equal(values(folder, "MR"), before / 2 + 7)


@pytest.mark.parametrize("missing", ["RescaleSlope", "RescaleIntercept"])
@pytest.mark.parametrize("empty", [False, True])
def test_missing_slope_or_intercept_is_neutral(tmp_path: Path, missing: str, empty: bool) -> None:
    folder = write(tmp_path / "in", modality="MR")
    before = values(folder, "MR")
    change_all(folder, put("RescaleSlope", "2"))
    change_all(folder, put("RescaleIntercept", "30"))
    change_all(folder, put(missing, None) if empty else lambda header: header.__delattr__(missing))
    wanted = before + 30 if missing == "RescaleSlope" else before * 2
    np.testing.assert_array_equal(values(folder, "MR"), wanted)


def test_modality_lut_replaces_the_rescale(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", modality="MR")

    def square(header: Dataset) -> None:
        table = Dataset()
        table.add_new("LUTDescriptor", "US", [4096, 0, 16])
        table.ModalityLUTType = "US"
        table.add_new("LUTData", "OW", (np.arange(4096) ** 2 // 256).astype("<u2").tobytes())
        header.ModalityLUTSequence = [table]

    before = values(folder, "MR")
    change_all(folder, square)
    np.testing.assert_array_equal(values(folder, "MR"), before**2 // 256)


def signed(header: Dataset) -> None:
    """Store HU as they are, and -2000 in the corner that was not scanned."""
    stored = header.pixel_array.astype(np.int16) - 1024
    stored[0, 0] = -2000
    header.PixelRepresentation = 1
    header.RescaleIntercept = "0"
    header.PixelData = stored.tobytes()


def test_signed_values_are_read(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    before = values(folder)
    change_all(folder, signed)
    before[:, 0, 0] = -2000
    np.testing.assert_array_equal(values(folder), before)


@pytest.mark.parametrize(("kind", "padding"), [("SS", -2000), ("US", 65536 - 2000)])
@pytest.mark.parametrize("implicit", [False, True])
def test_padding_of_either_sign_becomes_air(
    tmp_path: Path, kind: str, padding: int, implicit: bool
) -> None:
    folder = write(tmp_path / "in")
    before = values(folder)
    change_all(folder, signed)

    def pad(header: Dataset) -> None:
        header.add_new("PixelPaddingValue", kind, padding)
        if implicit and kind == "SS":
            header.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian

    change_all(folder, pad)
    before[:, 0, 0] = AIR
    np.testing.assert_array_equal(values(folder), before)


def pad_with(keyword: str, value: int | None) -> Callable[[Dataset], None]:
    return lambda header: header.add_new(keyword, "US", value)


def test_padding_range_becomes_air_and_no_other_value(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    change_all(folder, pad_with("PixelPaddingValue", 100))
    change_all(folder, pad_with("PixelPaddingRangeLimit", 500))
    before = values(write(tmp_path / "plain"))
    padded = (before >= 100 - 1024) & (before <= 500 - 1024)
    assert padded.any()
    np.testing.assert_array_equal(values(folder), np.where(padded, AIR, before))


def test_padding_of_an_mr_becomes_zero(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", modality="MR")
    before = values(folder, "MR")
    change_all(folder, pad_with("PixelPaddingValue", int(before[0, 1, 1])))
    assert values(folder, "MR")[0, 1, 1] == 0


def test_empty_padding_value_is_ignored(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    before = values(folder)
    change_all(folder, pad_with("PixelPaddingValue", None))
    np.testing.assert_array_equal(values(folder), before)


def test_positions_rounded_to_0_05_mm_are_regular(tmp_path: Path) -> None:
    image = volume(spacing=(0.9, 1.1, 2.333333))
    folder = write(tmp_path / "in", image)
    change_all(
        folder,
        lambda header: setattr(
            header,
            "ImagePositionPatient",
            [round(part * 20) / 20 for part in header.ImagePositionPatient],
        ),
    )
    found = read(folder, "CT").image
    np.testing.assert_allclose(found.GetSpacing()[2], 2.333333, atol=0.02)
    np.testing.assert_allclose(found.GetOrigin(), image.GetOrigin(), atol=0.05)


def test_high_throughput_jpeg_2000_is_read(tmp_path: Path) -> None:
    """`slice.htj2k` is what OpenJPH makes, without loss, of these values."""
    y, x = np.mgrid[:64, :48]
    noise = np.random.default_rng(5).integers(0, 40, (64, 48))
    plane = (1000 + 300 * np.sin(x / 7) + 200 * np.cos(y / 9) + noise).astype(np.uint16)
    encoded = (Path(__file__).parent / "slice.htj2k").read_bytes()
    folder = write(tmp_path / "in", sitk.GetImageFromArray(np.stack([plane] * 2)), "MR")

    def compress(header: Dataset) -> None:
        header.PixelData = encapsulate([encoded])
        header["PixelData"].VR = "OB"
        header["PixelData"].is_undefined_length = True
        header.file_meta.TransferSyntaxUID = HTJ2KLossless

    change_all(folder, compress)
    for found in sitk.GetArrayFromImage(read(folder, "MR").image):
        np.testing.assert_array_equal(found, plane)


def test_padding_is_compared_in_the_stored_bits(tmp_path: Path) -> None:
    """Twelve bits of an unsigned value; pixels and padding have more in the rest."""
    folder = write(tmp_path / "in")

    def pad(header: Dataset) -> None:
        stored = header.pixel_array.copy()
        stored[0, 0] = 61840
        header.PixelData = stored.tobytes()
        header.BitsStored, header.HighBit = 12, 11
        header.add_new("PixelPaddingValue", "US", 61840)

    change_all(folder, pad)
    found = sitk.GetArrayFromImage(read(folder, "CT").image)
    np.testing.assert_array_equal(found[:, 0, 0], -1000)
