"""Laws of the SUV factor: decay, weight and dose, and that no clock time is special."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset

from nuclear_kit import isotope
from radfuse.dicom.read.nuclear.scan_time import moment_of
from radfuse.dicom.read.nuclear.standard_uptake import uptake_scale

HALF_LIFE_S = 6586.2
NOON = datetime(2024, 2, 28, 12)

moments = st.datetimes(datetime(2023, 1, 1), datetime(2025, 1, 1)).map(
    lambda moment: moment.replace(second=moment.second or 1, microsecond=0)  # 00:00:00 is a dummy
)
delays_s = st.integers(0, 10 * 6586)


def headers(
    scan: datetime, delay_s: float, *, dated: bool = True, series_delay_s: float = 0.0,
    weight_kg: float = 70.0, dose_bq: float = 250e6,
) -> list[Dataset]:  # fmt: skip
    """Two slices of a PET that began some time after the injection, the second 5 min later."""
    injected = scan - timedelta(seconds=delay_s)
    start = (
        {"RadiopharmaceuticalStartDateTime": f"{injected:%Y%m%d%H%M%S.%f}"}
        if dated
        else {"RadiopharmaceuticalStartTime": f"{injected:%H%M%S.%f}"}
    )
    series = scan + timedelta(seconds=series_delay_s)
    made = []
    for minutes in (5, 0):
        header = Dataset()
        header.Modality = "PT"
        header.Units, header.DecayCorrection = "BQML", "START"
        header.CorrectedImage = ["ATTN", "DECY"]
        header.PatientWeight = f"{weight_kg:.6f}"
        header.SeriesDate, header.SeriesTime = f"{series:%Y%m%d}", f"{series:%H%M%S}"
        acquired = scan + timedelta(minutes=minutes)
        header.AcquisitionDate, header.AcquisitionTime = f"{acquired:%Y%m%d}", f"{acquired:%H%M%S}"
        header.RadiopharmaceuticalInformationSequence = isotope(
            RadionuclideTotalDose=f"{dose_bq:.6g}", RadionuclideHalfLife=str(HALF_LIFE_S), **start
        )
        made.append(header)
    return made


@given(moments, delays_s, st.floats(2.0, 300.0), st.floats(2e6, 1e9))
def test_the_factor_is_weight_by_decayed_dose(
    scan: datetime, delay_s: int, weight_kg: float, dose_bq: float
) -> None:
    made = headers(scan, delay_s, weight_kg=weight_kg, dose_bq=dose_bq)
    dose = float(made[0].RadiopharmaceuticalInformationSequence[0].RadionuclideTotalDose)
    wanted = 1000 * float(made[0].PatientWeight) / (dose * 0.5 ** (delay_s / HALF_LIFE_S))
    assert uptake_scale(made).factor == pytest.approx(wanted, rel=1e-9)


@given(moments, delays_s)
def test_no_time_of_day_is_special(scan: datetime, delay_s: int) -> None:
    anytime, noon = (uptake_scale(headers(one, delay_s)).factor for one in (scan, NOON))
    assert anytime == pytest.approx(noon, rel=1e-12)


@given(moments, delays_s)
def test_a_time_without_a_date_is_the_last_one(scan: datetime, delay_s: int) -> None:
    dated, undated = (
        uptake_scale(headers(scan, delay_s, dated=dated)).factor for dated in (True, False)
    )
    assert undated == pytest.approx(dated, rel=1e-12)


@given(moments, delays_s, st.integers(1, 10**6))
def test_a_later_series_time_changes_nothing(
    scan: datetime, delay_s: int, series_delay_s: int
) -> None:
    plain = uptake_scale(headers(scan, delay_s)).factor
    processed = uptake_scale(headers(scan, delay_s, series_delay_s=series_delay_s)).factor
    assert processed == pytest.approx(plain, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("20240228120000", NOON),
        ("2024022812", NOON),
        ("202402281200", NOON),
        ("20240228120000.000000+0100", NOON),
        ("20240228120000-0500", NOON),
        ("20240228 12:00:00", NOON),
        ("20240228120000.25", NOON + timedelta(milliseconds=250)),
        ("20240228", None),
        ("20240231120000", None),
        ("noon", None),
        ("", None),
    ],
)
def test_date_times_of_all_forms_are_read(text: str, moment: datetime | None) -> None:
    assert moment_of(text) == moment
