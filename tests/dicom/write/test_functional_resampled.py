"""PET and SPECT on the grid of an anatomical series: class, values, meaning of the values."""

import dataclasses
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom import Dataset
from pydicom.uid import (
    NuclearMedicineImageStorage,
    PositronEmissionTomographyImageStorage,
    SecondaryCaptureImageStorage,
)

from dicom_kit import OBLIQUE, change_all, volume, write
from ladder_kit import errors_by_dciodvfy, make_context, needs
from nuclear_kit import pet, spect
from radfuse.dicom.read.nuclear.standard_uptake import standard_uptake
from radfuse.dicom.read.scan import scan_folder
from radfuse.dicom.write.derivation_context import DerivationContext
from radfuse.dicom.write.resampled import write_resampled
from radfuse.modality import NM, PT
from radfuse.pipeline.read import read
from radfuse.series import Series

Pair = tuple[Series, Series]

GRID_MM = (1.5, 1.25, 3.0)


def centred(image: sitk.Image) -> sitk.Image:
    """The image moved to the positions of the small CT of the kit."""
    image.SetOrigin((-101.3, 57.25, -1234.567))
    return image


def activity(peak: float = 3e4) -> sitk.Image:
    values = np.random.default_rng(3).uniform(0, peak, (5, 6, 5)).astype(np.float32)
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((2.0, 2.5, 4.0))
    return centred(image)


@pytest.fixture(params=["CT", "MR"])
def fixed(request: pytest.FixtureRequest, tmp_path: Path) -> Series:
    modality: str = request.param
    return read(write(tmp_path / "fixed", volume(modality, OBLIQUE), modality), modality)


def pet_pair(folder: Path, fixed: Series, **values: object) -> Pair:
    return fixed, read(pet(folder / "pet", activity(), **values), PT)


def spect_pair(folder: Path, fixed: Series, peak: float = 3e4) -> Pair:
    return fixed, read(spect(folder / "nm", sitk.Round(activity(peak))), NM)


def written(folder: Path, pair: Pair, **changes: object) -> list[Dataset]:
    return [pydicom.dcmread(path) for path in write_resampled(folder, context(pair, **changes))]


def context(pair: Pair, **changes: object) -> DerivationContext:
    return make_context(pair, **{"moving_from_fixed": sitk.Euler3DTransform(), **changes})


def on_fixed(pair: Pair) -> np.ndarray:
    fixed, moving = (series.image for series in pair)
    return sitk.GetArrayFromImage(sitk.Resample(moving, fixed, sitk.Transform(), sitk.sitkLinear))


def test_a_pet_is_a_pet_on_the_grid(tmp_path: Path, fixed: Series) -> None:
    pair = pet_pair(tmp_path, fixed)
    headers = written(tmp_path / "out", pair)
    (source, *_) = pair[1].headers
    for index, (header, of_fixed) in enumerate(zip(headers, fixed.headers, strict=True)):
        assert header.SOPClassUID == PositronEmissionTomographyImageStorage
        assert header.ImageIndex == index + 1
        for keyword in ("FrameOfReferenceUID", "StudyInstanceUID", "ImagePositionPatient"):
            assert header[keyword].value == of_fixed[keyword].value
        for keyword in ("Units", "DecayCorrection", "CorrectedImage", "SeriesType", "SeriesTime",
                        "AcquisitionTime", "RadiopharmaceuticalInformationSequence",
                        "PatientWeight", "CountsSource", "FrameReferenceTime"):  # fmt: skip
            assert header[keyword].value == source[keyword].value
        assert "RescaleType" not in header
    code = fixed.modality.code
    assert headers[0].SeriesDescription.startswith(f"PT ON {code} pet - RESEARCH")
    found, wanted = read(tmp_path / "out", PT), on_fixed(pair)
    assert wanted.max() > 1000
    step = float(headers[0].RescaleSlope)
    assert step <= sitk.GetArrayViewFromImage(pair[1].image).max() / 65535 * 1.001
    np.testing.assert_allclose(sitk.GetArrayFromImage(found.image), wanted, atol=step)
    assert sitk.GetArrayFromImage(found.image)[wanted == 0].max() == 0


def test_the_suv_of_a_resampled_pet_is_that_of_its_source(tmp_path: Path, fixed: Series) -> None:
    pair = pet_pair(tmp_path, fixed, AcquisitionTime="120500", SeriesTime="120000")
    written(tmp_path / "out", pair)
    suv = standard_uptake(read(tmp_path / "out", PT))
    wanted = on_fixed((fixed, standard_uptake(pair[1])))
    np.testing.assert_allclose(
        sitk.GetArrayFromImage(suv.image), wanted, atol=float(wanted.max()) * 1e-3
    )
    found = sitk.GetArrayFromImage(suv.image)
    brightest = np.unravel_index(wanted.argmax(), wanted.shape)
    np.testing.assert_allclose(found[brightest], wanted[brightest], rtol=1e-4)


def test_private_factors_are_kept(tmp_path: Path, fixed: Series) -> None:
    def add(header: Dataset) -> None:
        block = header.private_block(0x7053, "Philips PET Private Group", create=True)
        block.add_new(0x00, "DS", "0.00056")

    change_all(pet(tmp_path / "pet", activity(), Units="CNTS"), add)
    pair = fixed, read(tmp_path / "pet", PT)
    written(tmp_path / "out", pair)
    suv = standard_uptake(read(tmp_path / "out", PT))
    wanted = on_fixed(pair).max() * 0.00056
    np.testing.assert_allclose(sitk.GetArrayFromImage(suv.image).max(), wanted, rtol=1e-4)


def test_an_suv_is_written_as_an_suv(tmp_path: Path, fixed: Series) -> None:
    _, series = pet_pair(tmp_path, fixed)
    header = written(tmp_path / "out", (fixed, standard_uptake(series)))[0]
    assert (header.Units, header.SUVType) == ("GML", "BW")


@pytest.mark.parametrize(("peak", "is_rounded"), [(3e4, True), (20.0, False)])
def test_a_spect_is_one_nm_image_on_the_grid(
    tmp_path: Path, fixed: Series, peak: float, is_rounded: bool
) -> None:
    pair = spect_pair(tmp_path, fixed, peak)
    (header,) = written(tmp_path / "out", pair)
    assert header.SOPClassUID == NuclearMedicineImageStorage
    assert list(header.ImageType) == ["DERIVED", "PRIMARY", "RECON TOMO", "EMISSION"]
    assert header.FrameOfReferenceUID == fixed.frame_of_reference_uid
    found = read(tmp_path / "out", NM).image
    assert found.GetSize() == fixed.image.GetSize()
    for attribute in ("GetSpacing", "GetOrigin", "GetDirection"):
        ours, theirs = getattr(found, attribute)(), getattr(fixed.image, attribute)()
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)
    assert ("RescaleSlope" not in header) == is_rounded
    step = 1.0 if is_rounded else peak / 65535
    np.testing.assert_allclose(sitk.GetArrayFromImage(found), on_fixed(pair), atol=0.51 * step)


def test_a_pet_without_headers_is_a_capture(tmp_path: Path, fixed: Series) -> None:
    _, series = pet_pair(tmp_path, fixed)
    bare = dataclasses.replace(series, headers=())
    for header in written(tmp_path / "out", (fixed, bare)):
        assert header.SOPClassUID == SecondaryCaptureImageStorage
        assert header.Modality == "OT"
    wanted = on_fixed((fixed, bare))
    found = np.array([one.pixel_array for one in written(tmp_path / "again", (fixed, bare))])
    slope = float(header.RescaleSlope)
    np.testing.assert_allclose(found * slope, wanted, atol=0.51 * slope)


def test_a_moving_ct_is_no_ct_object(tmp_path: Path, fixed: Series) -> None:
    ct = read(write(tmp_path / "ct", volume("CT"), name="second"), "CT")
    headers = written(tmp_path / "out", (fixed, ct))
    assert {one.SOPClassUID for one in headers} == {SecondaryCaptureImageStorage}
    assert headers[0].RescaleType == "HU"
    found = np.array([one.pixel_array * float(one.RescaleSlope) for one in headers])
    assert found.min() < -900
    inside = sitk.GetArrayFromImage(
        sitk.Resample(
            ct.image, fixed.image, sitk.Transform(), sitk.sitkLinear, -1000.0, sitk.sitkFloat32
        )
    )
    np.testing.assert_allclose(found, inside, atol=0.1)


@needs("dciodvfy")
@pytest.mark.parametrize("kind", ["pet", "suv", "spect", "capture"])
def test_another_program_finds_no_error(tmp_path: Path, fixed: Series, kind: str) -> None:
    pair = spect_pair(tmp_path, fixed) if kind == "spect" else pet_pair(tmp_path, fixed)
    if kind == "suv":
        pair = fixed, standard_uptake(pair[1])
    if kind == "capture":
        pair = fixed, dataclasses.replace(pair[1], headers=())
    written(tmp_path / "out", pair)
    assert errors_by_dciodvfy(tmp_path / "out") == []


@pytest.mark.parametrize("kind", ["pet", "spect"])
def test_it_is_recognised_as_our_own(tmp_path: Path, fixed: Series, kind: str) -> None:
    pair = spect_pair(tmp_path, fixed) if kind == "spect" else pet_pair(tmp_path, fixed)
    written(tmp_path / "out", pair)
    (series,) = scan_folder(tmp_path / "out").series
    assert series.derivation is not None
    assert series.derivation.reason == "resampled by radfuse"
    assert not series.derivation.is_fused


def test_the_series_number_may_have_an_offset(tmp_path: Path, fixed: Series) -> None:
    (header, *_) = written(tmp_path / "out", pet_pair(tmp_path, fixed), series_offset=10)
    assert header.SeriesNumber == 312
