"""SUVbw: hand-computed cases in the header styles of three manufacturers, and refusals.

Fluorine-18 has 6586.2 s = 1 h 49 min 46.2 s of half-life here. Of 250 MBq, 125 MBq are left after
that; 25 kBq/ml in 70 kg are then an SUV of 25000 x 70000 / 125e6 = 14.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from highdicom.legacy import LegacyConvertedEnhancedPETImage
from pydicom import Dataset
from pydicom.uid import generate_uid

from dicom_kit import change, change_all, put, put_raw, slices
from nuclear_kit import isotope, pet, uptake
from radfuse.dicom.read.nuclear.standard_uptake import standard_uptake, value_unit
from radfuse.errors import InputError
from radfuse.modality import PT
from radfuse.pipeline.read import read
from radfuse.series import Series

INJECTED = "101013.8"
"""One half-life before noon."""

FULL = 32767.0
"""A peak for which a scanner's RescaleSlope is 1."""

ACTIVITY, SUV = 25000.0, 14.0


def hot_voxel() -> sitk.Image:
    values = np.zeros((4, 9, 7), np.float32)
    values[:, 0, 0] = FULL
    values[2, 5, 3] = ACTIVITY
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((2.0, 3.0, 4.0))
    return image


def scanned(folder: Path, **values: object) -> Path:
    """A PET that began at noon, injected one half-life before; the values replace attributes."""
    given = {
        "PatientWeight": "70", "SeriesDate": "20240115", "SeriesTime": "120000",
        "AcquisitionDate": "20240115", "AcquisitionTime": "120000",
        "RadiopharmaceuticalInformationSequence": isotope(RadiopharmaceuticalStartTime=INJECTED),
        **values,
    }  # fmt: skip
    return pet(folder, hot_voxel(), **given)


def hot_value(series: Series) -> float:
    return float(sitk.GetArrayViewFromImage(series.image)[2, 5, 3])


def suv_of(folder: Path) -> float:
    return hot_value(standard_uptake(read(folder, PT)))


def private(
    group: int, creator: str, element: int, kind: str, value: str
) -> Callable[[Dataset], None]:
    def edit(header: Dataset) -> None:
        header.private_block(group, creator, create=True).add_new(element, kind, value)

    return edit


def ge_time(value: str) -> Callable[[Dataset], None]:
    return private(0x0009, "GEMS_PETD_01", 0x0D, "DT", value)


def philips(element: int, value: str) -> Callable[[Dataset], None]:
    return private(0x7053, "Philips PET Private Group", element, "DS", value)


STYLES: dict[str, tuple[dict[str, object], list[Callable[[Dataset], None]]]] = {
    "siemens": (
        {
            "RadiopharmaceuticalInformationSequence": isotope(
                RadiopharmaceuticalStartTime=INJECTED,
                RadiopharmaceuticalStartDateTime=f"20240115{INJECTED}00000+0100",
            )
        },
        [],
    ),
    "siemens, later bed positions": ({"AcquisitionTime": "121000"}, []),
    "siemens, post-processed": ({"SeriesTime": "173000", "FrameReferenceTime": "298000"}, []),
    "siemens, post-processed, only the last bed position": (
        # 600 s from 12:10 on: their mean count rate is at 298.42146 s, 898.42146 s after noon
        {
            "SeriesTime": "173000", "AcquisitionTime": "121000", "ActualFrameDuration": 600000,
            "FrameReferenceTime": "898421.46",
        },
        [],
    ),
    "ge": ({"CorrectedImage": ["DECY", "DTIM", "ATTN", "SCAT", "RAN"]}, []),
    "ge, post-processed": (
        {"SeriesTime": "173000", "AcquisitionTime": "120500", "FrameReferenceTime": "0"},
        [ge_time("20240115120000.00")],
    ),
    "philips, Bq/ml": ({"AcquisitionTime": "120030.5", "FrameReferenceTime": "1000"}, []),
    "philips, factor to SUV": (
        {"Units": "CNTS", "RadiopharmaceuticalInformationSequence": None},
        [philips(0x00, "0.00056"), philips(0x09, "1")],
    ),
    "philips, factor to Bq/ml": (
        {"Units": "CNTS"},
        [philips(0x00, "0"), philips(0x09, "1.000")],
    ),
    "at the injection": (
        {
            "DecayCorrection": "ADMIN", "SeriesTime": None, "AcquisitionTime": None,
            "RadiopharmaceuticalInformationSequence": isotope(RadionuclideTotalDose="125000000"),
        },
        [],
    ),
    "over midnight": ({"SeriesTime": "010000", "AcquisitionTime": "010000.000",
        "RadiopharmaceuticalInformationSequence": isotope(
            RadiopharmaceuticalStartTime="212027.6", RadionuclideTotalDose="500000000"
        )}, []),
    "over midnight with dates": ({"SeriesTime": "010000", "AcquisitionTime": "010000.000",
        "RadiopharmaceuticalInformationSequence": isotope(
            RadiopharmaceuticalStartDateTime="20240114231013.8"
        )}, []),
    "over midnight in the year": ({"SeriesTime": "00", "SeriesDate": "20240301",
        "AcquisitionTime": "0000", "AcquisitionDate": "20240301",
        "RadiopharmaceuticalInformationSequence": isotope(RadiopharmaceuticalStartTime="221013.8")
        }, []),
    "acquisition over midnight": ({"SeriesTime": "235959", "AcquisitionTime": "000001",
        "AcquisitionDate": "20240116",
        "RadiopharmaceuticalInformationSequence": isotope(RadiopharmaceuticalStartTime="221012.8")
        }, []),
    "another time zone": (
        {"TimezoneOffsetFromUTC": "+0100", "RadiopharmaceuticalInformationSequence": isotope(
            RadiopharmaceuticalStartDateTime="20240115091013.8+0000")},
        [],
    ),
    "another time zone, stated twice": (
        {"TimezoneOffsetFromUTC": "+0100", "RadiopharmaceuticalInformationSequence": isotope(
            RadiopharmaceuticalStartDateTime="20240115091013.8+0000",
            RadiopharmaceuticalStartTime="101013")},
        [],
    ),
    "acquired in another time zone": (
        {"TimezoneOffsetFromUTC": "+0100", "AcquisitionDateTime": "20240115110000+0000"}, [],
    ),
    "zirconium, days after": (
        {"RadiopharmaceuticalInformationSequence": isotope(
            RadionuclideHalfLife="259200", RadiopharmaceuticalStartDateTime="20240112120000")},
        [],
    ),
}  # fmt: skip
"""Attributes of a header style, and private ones; in each the SUV of the hot voxel is 14."""


@pytest.mark.parametrize("style", STYLES)
def test_the_suv_is_the_hand_computed_one(tmp_path: Path, style: str) -> None:
    values, edits = STYLES[style]
    folder = scanned(tmp_path / "pet", **values)
    for edit in edits:
        change_all(folder, edit)
    np.testing.assert_allclose(suv_of(folder), SUV, rtol=1e-6)


def test_all_values_are_scaled_and_headers_say_so(tmp_path: Path) -> None:
    series = read(pet(tmp_path / "pet", uptake()), PT)
    suv = standard_uptake(series)
    found, values = (sitk.GetArrayFromImage(one.image) for one in (suv, series))
    np.testing.assert_allclose(found, values * (70e3 / 250e6 * 2 ** (3600 / 6586.2)), rtol=1e-6)
    assert {(one.Units, one.SUVType) for one in suv.headers} == {("GML", "BW")}
    assert {one.Units for one in series.headers} == {"BQML"}
    assert (value_unit(series.headers), value_unit(suv.headers)) == ("Bq/ml", "g/ml (an SUV)")
    assert suv.notes == (
        "SUVbw by the patient's weight and the dose after 60 min of decay, to the begin of the "
        "scan",
    )
    again = standard_uptake(suv)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(again.image), found)


@pytest.mark.parametrize("kind", ["BW", None])
def test_values_in_suv_are_kept(tmp_path: Path, kind: str | None) -> None:
    folder = scanned(tmp_path / "pet", Units="GML", SUVType=kind, PatientWeight=None)
    assert suv_of(folder) == ACTIVITY


REFUSED: dict[str, tuple[dict[str, object], str]] = {
    "no weight": ({"PatientWeight": None}, r"PatientWeight \(0010,1030\) is missing or 0"),
    "weight 0": ({"PatientWeight": "0"}, r"PatientWeight \(0010,1030\) is missing or 0"),
    "grams": ({"PatientWeight": "70000"}, r"\(0010,1030\) is 70000, which is not in kg"),
    "negative": ({"PatientWeight": "-70"}, r"\(0010,1030\) is not a positive number"),
    "MBq": (
        {"RadiopharmaceuticalInformationSequence": isotope(RadionuclideTotalDose="250")},
        r"RadionuclideTotalDose \(0018,1074\) is 250, which is not in Bq but probably in MBq",
    ),
    "no dose": (
        {"RadiopharmaceuticalInformationSequence": isotope(RadionuclideTotalDose=None)},
        r"RadionuclideTotalDose \(0018,1074\) is missing or 0",
    ),
    "no half-life": (
        {"RadiopharmaceuticalInformationSequence": isotope(RadionuclideHalfLife=None)},
        r"RadionuclideHalfLife \(0018,1075\) is missing or 0",
    ),
    "half-life in minutes": (
        {"RadiopharmaceuticalInformationSequence": isotope(
            RadionuclideHalfLife="109.77", RadiopharmaceuticalStartTime=INJECTED)},
        r"60 half-lives of 109.77 s; expected 0 to 10",
    ),
    "no injection time": (
        {"RadiopharmaceuticalInformationSequence": isotope()},
        r"RadiopharmaceuticalStartDateTime \(0018,1078\) and RadiopharmaceuticalStartTime "
        r"\(0018,1072\) are missing",
    ),
    "injected after the scan": (
        {"RadiopharmaceuticalInformationSequence": isotope(
            RadiopharmaceuticalStartDateTime="20240115130000")},
        r"RadiopharmaceuticalStartDateTime \(0018,1078\) is -60 min before the scan",
    ),
    "two injections": (
        {"RadiopharmaceuticalInformationSequence": isotope(
            RadiopharmaceuticalStartDateTime=f"20240115{INJECTED}",
            RadiopharmaceuticalStartTime="111013.8")},
        r"StartDateTime \(0018,1078\) and RadiopharmaceuticalStartTime \(0018,1072\) are 60 min "
        "apart in the time zone of the scan",
    ),
    "another zone, unknown of the scan": (
        {"RadiopharmaceuticalInformationSequence": isotope(
            RadiopharmaceuticalStartDateTime="20240115091013.8+0000",
            RadiopharmaceuticalStartTime=INJECTED)},
        r"StartDateTime \(0018,1078\) and RadiopharmaceuticalStartTime .* are 60 min apart",
    ),
    "a zone, unknown of the scan": (
        {"RadiopharmaceuticalInformationSequence": isotope(
            RadiopharmaceuticalStartDateTime=f"20240115{INJECTED}+0100")},
        r"StartDateTime \(0018,1078\) has the time zone \+0100, but TimezoneOffsetFromUTC "
        r"\(0008,0201\) of the scan is missing",
    ),
    "a zone, text for that of the scan": (
        {"TimezoneOffsetFromUTC": "CET", "RadiopharmaceuticalInformationSequence": isotope(
            RadiopharmaceuticalStartDateTime=f"20240115{INJECTED}+0100")},
        "of the scan is no time zone",
    ),
    "differ after the zone is applied": (
        {"TimezoneOffsetFromUTC": "+0100", "RadiopharmaceuticalInformationSequence": isotope(
            RadiopharmaceuticalStartDateTime=f"20240115{INJECTED}+0000",
            RadiopharmaceuticalStartTime=INJECTED)},
        "are 60 min apart in the time zone of the scan",
    ),
    "acquired in a zone, unknown of the scan": (
        {"AcquisitionDateTime": "20240115120000+0000"},
        r"AcquisitionDateTime \(0008,002A\) has the time zone \+0000, but TimezoneOffsetFromUTC",
    ),
    "injected during the scan": (
        {"RadiopharmaceuticalInformationSequence": isotope(RadiopharmaceuticalStartTime="120100")},
        r"is 1439 min before the scan, 13.1 half-lives",
    ),
    "long-lived without a date": (
        {"RadiopharmaceuticalInformationSequence": isotope(
            RadionuclideHalfLife="282240", RadiopharmaceuticalStartTime=INJECTED)},
        r"with a half-life of 78.4 h the day of the injection must be known",
    ),
    "no sequence": (
        {"RadiopharmaceuticalInformationSequence": None},
        r"RadiopharmaceuticalInformationSequence \(0054,0016\) is missing",
    ),
    "two tracers": (
        {"RadiopharmaceuticalInformationSequence": [*isotope(), *isotope()]}, "has 2 items",
    ),
    "no decay correction": ({"DecayCorrection": "NONE"}, r"\(0054,1102\) is NONE, expected START"),
    "decay unknown": ({"DecayCorrection": None}, r"DecayCorrection \(0054,1102\) is missing"),
    "no attenuation": ({"CorrectedImage": "DECY"}, r"CorrectedImage \(0028,0051\) lacks ATTN"),
    "not for decay": ({"CorrectedImage": "ATTN"}, "lacks DECY, correction for decay"),
    "times removed": (
        {"SeriesTime": "000000", "AcquisitionTime": "000000",
         "RadiopharmaceuticalInformationSequence": isotope(RadiopharmaceuticalStartTime="000000")},
        "injection and scan are both at 00:00:00, so their times were removed",
    ),
    "counts": ({"Units": "CNTS"}, r"\(7053,xx00\) Philips .* and \(7053,xx09\) .* are missing"),
    "percent": ({"Units": "PCNT"}, r"Units \(0054,1001\) is PCNT, expected BQML or GML"),
    "no unit": ({"Units": None}, r"Units \(0054,1001\) is missing, expected BQML or GML"),
    "lean body": ({"Units": "GML", "SUVType": "LBM"}, r"SUVType \(0054,1006\) is LBM, expected BW"),
    "no series time": ({"SeriesTime": None}, r"SeriesTime \(0008,0031\) is missing"),
    "no acquisition time": ({"AcquisitionTime": None}, r"AcquisitionTime \(0008,0032\) is missing"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_missing_attribute_is_named(tmp_path: Path, case: str) -> None:
    values, message = REFUSED[case]
    folder = scanned(tmp_path / "pet", **values)
    with pytest.raises(InputError, match=message) as caught:
        suv_of(folder)
    assert str(caught.value).startswith(f"{folder}: no SUV: ")
    assert "\n" not in str(caught.value)


def test_a_multi_frame_pet_has_the_same_suv(tmp_path: Path) -> None:
    (item,) = isotope(RadiopharmaceuticalStartTime=INJECTED)
    del item.RadionuclideCodeSequence, item.RadiopharmaceuticalCodeSequence  # empty is refused
    empty = ("PatientBirthDate", "PatientSex", "AccessionNumber", "PositionReferenceIndicator",
             "ReferringPhysicianName")  # fmt: skip
    folder = scanned(
        tmp_path / "pet", StudyID="1", StudyDate="20240115", StudyTime="110000", SeriesNumber=1,
        Manufacturer="x", ContentDate="20240115", ContentTime="130000",
        RadiopharmaceuticalInformationSequence=[item], **dict.fromkeys(empty, ""),
    )  # fmt: skip
    single = [pydicom.dcmread(path) for path in slices(folder)]
    many = LegacyConvertedEnhancedPETImage(single, generate_uid(), 5, generate_uid(), 1)
    many.save_as(tmp_path / "many")
    np.testing.assert_allclose(suv_of(tmp_path / "many"), SUV, rtol=1e-6)


def test_a_time_of_no_clock_is_refused(tmp_path: Path) -> None:
    folder = scanned(tmp_path / "pet")
    change_all(folder, put_raw("SeriesDate", b"20241345"))
    with pytest.raises(InputError, match=r"SeriesDate \(0008,0021\) or .* is not a date"):
        suv_of(folder)


@pytest.mark.parametrize(
    ("keyword", "value"), [("PatientWeight", "71"), ("DecayCorrection", "ADMIN")]
)
def test_slices_that_differ_are_refused(tmp_path: Path, keyword: str, value: str) -> None:
    folder = scanned(tmp_path / "pet")
    change(slices(folder)[1], put(keyword, value))
    with pytest.raises(InputError, match=rf"{keyword} .* has 2 values in one series"):
        suv_of(folder)


def test_other_images_have_no_suv(tmp_path: Path) -> None:
    image = hot_voxel()
    sitk.WriteImage(image, str(tmp_path / "a.nii"))
    with pytest.raises(InputError, match="no SUV: no DICOM headers; give the PT as the DICOM"):
        standard_uptake(read(tmp_path / "a.nii", PT))
    mr = read(tmp_path / "a.nii", "MR")
    with pytest.raises(InputError, match="no SUV: a MR, not a PT"):
        standard_uptake(mr)
    assert value_unit(mr.headers) == ""
