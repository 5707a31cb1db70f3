"""PET series: a scale for each slice, the unit, corrections, and frames that are never mixed."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from dicom_kit import AXIAL, CORONAL, OBLIQUE, SAGITTAL, Angles, change, change_all, put, slices
from nuclear_kit import pet, uptake
from radfuse.dicom.validate.dciodvfy import errors_of
from radfuse.errors import GeometryError, InputError
from radfuse.modality import PT
from radfuse.phantom.functional_dicom import MAX_STORED
from radfuse.pipeline.read import read


@pytest.mark.parametrize("angles", [AXIAL, CORONAL, SAGITTAL, OBLIQUE])
def test_each_slice_has_its_own_scale(tmp_path: Path, angles: Angles) -> None:
    image = uptake(angles)
    series = read(pet(tmp_path / "pet", image), PT)
    assert series.notes == ()
    assert len({header.RescaleSlope for header in series.headers}) == image.GetSize()[2]
    for attribute in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
        found, wanted = getattr(series.image, attribute)(), getattr(image, attribute)()
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6)
    found, wanted = (sitk.GetArrayFromImage(one) for one in (series.image, image))
    half_step = wanted.max(axis=(1, 2), keepdims=True) / MAX_STORED / 2
    assert (np.abs(found - wanted) <= 1.001 * half_step).all()


def test_another_program_finds_no_error(tmp_path: Path) -> None:
    for path in slices(pet(tmp_path / "pet")):
        assert list(errors_of(path)) == []


@pytest.mark.parametrize(
    ("values", "note"),
    [
        ({"Units": "CNTS"}, "Units (0054,1001) is CNTS, counts; the values are not Bq/ml"),
        ({"Units": "PROPCNTS"}, "PROPCNTS, proportional to counts; the values are not Bq/ml"),
        ({"Units": "GML"}, "Units (0054,1001) is GML, g/ml (an SUV); the values are not Bq/ml"),
        ({"Units": "ODD"}, "Units (0054,1001) is ODD; the values are not Bq/ml"),
        ({"Units": None}, "Units (0054,1001) is missing; the unit of the values is unknown"),
        ({"CorrectedImage": ["DECY", "SCAT"]}, "the PET has no attenuation correction"),
        ({"CorrectedImage": "DECY"}, "CorrectedImage (0028,0051) has DECY"),
        ({"CorrectedImage": None}, "whether the PET has attenuation correction is unknown"),
        ({"SeriesType": ["DYNAMIC", "IMAGE"]}, "one of the time frames of a dynamic PET"),
        ({"SeriesType": ["GATED", "IMAGE"]}, "SeriesType (0054,1000) is GATED"),
    ],
)
def test_a_note_states_the_difference(tmp_path: Path, values: dict[str, object], note: str) -> None:
    (found,) = read(pet(tmp_path / "pet", **values), PT).notes
    assert note in found


@pytest.mark.parametrize(
    ("series_type", "keyword", "values"),
    [
        ("DYNAMIC", "FrameReferenceTime", ["150000", "450000", "750000"]),
        ("DYNAMIC", "AcquisitionTime", ["120000", "120500", "121000"]),
        ("GATED", "TriggerTime", ["0", "300", "600"]),
    ],
)
def test_frames_are_never_mixed(
    tmp_path: Path, series_type: str, keyword: str, values: list[str]
) -> None:
    for number, value in enumerate(values, 1):
        attributes: dict[str, object] = {keyword: value, "SeriesType": [series_type, "IMAGE"]}
        folder = pet(tmp_path / value, uptake(peak=1e4 * number), value, **attributes)
        change_all(folder, put("SeriesInstanceUID", "1.2.3"))
        change_all(folder, put("SeriesDescription", "frames"))
    with pytest.raises(GeometryError, match=r"contains 3 volumes; choose one with --pet-series"):
        read(tmp_path, PT)
    peaks = [
        sitk.GetArrayFromImage(read(tmp_path, PT, series_uid=f"1.2.3#{number}").image).max()
        for number in (1, 2, 3)
    ]
    wanted = [sitk.GetArrayFromImage(uptake(peak=1e4 * number)).max() for number in (1, 2, 3)]
    np.testing.assert_allclose(sorted(peaks), wanted, rtol=1e-4)


def test_mixed_units_are_refused(tmp_path: Path) -> None:
    folder = pet(tmp_path / "pet")
    change(slices(folder)[2], put("Units", "CNTS"))
    with pytest.raises(InputError, match=r"2 units \(Units \(0054,1001\) is BQML, CNTS\)"):
        read(folder, PT)


def test_a_reprojection_is_refused(tmp_path: Path) -> None:
    folder = pet(tmp_path / "pet", SeriesType=["STATIC", "REPROJECTION"])
    with pytest.raises(InputError, match="projections of a volume"):
        read(folder, PT)


def test_a_missing_intercept_is_refused(tmp_path: Path) -> None:
    folder = pet(tmp_path / "pet")
    change(slices(folder)[1], lambda header: delattr(header, "RescaleIntercept"))
    with pytest.raises(InputError, match="values of the PT are not in Bq/ml"):
        read(folder, PT)
