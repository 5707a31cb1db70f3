"""Standardized uptake values by body weight (SUVbw) of a PET, from the headers of its slices."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import time
from functools import partial

import SimpleITK as sitk
from pydicom import Dataset

from radfuse.dicom.read.nuclear.attributes import attribute, values_of
from radfuse.dicom.read.nuclear.pet import (
    ACTIVITY,
    ACTIVITY_FACTOR,
    ATTENUATION,
    DECAY,
    SUV_FACTOR,
    UNITS,
    is_pet,
    private_text,
)
from radfuse.dicom.read.nuclear.scan_time import injection, scan_start
from radfuse.dicom.read.nuclear.spect import is_nuclear
from radfuse.dicom.read.series import with_values
from radfuse.errors import InputError
from radfuse.modality import NM, PT
from radfuse.series import Series

SUV, BODY_WEIGHT = "GML", "BW"
"""Units (0054,1001) and SUVType (0054,1006) of SUVbw, in g/ml."""

COUNTS = "CNTS"
"""Units (0054,1001) of Philips, with private factors to SUVbw or to Bq/ml."""

START, ADMINISTRATION = "START", "ADMIN"
"""DecayCorrection (0054,1102) to the begin of the scan, or to the injection."""

MIN_DOSE_BQ = 1e6
"""A smaller RadionuclideTotalDose is in MBq: PET doses are tens to hundreds of MBq."""

MIN_WEIGHT_KG, MAX_WEIGHT_KG = 0.3, 650.0
"""From a premature infant to the heaviest people; outside it the weight is in other units."""

MAX_HALF_LIVES = 10.0
"""From the injection to the scan: 1/1000 of the dose is left, and no PET is made of that."""


@dataclass(frozen=True)
class UptakeScale:
    """How the values of a PET become SUVbw."""

    factor: float
    """The values times it are SUVbw, g/ml."""

    note: str
    """How it was determined, in words that do not identify a patient."""


def standard_uptake(series: Series) -> Series:
    """The PET in SUVbw: activity (Bq/ml) x body weight (g) / dose (Bq) at the time of the activity.

    Headers then have Units GML and SUVType BW; values that are SUVbw already are kept. See
    `uptake_scale` for the rules. Raises `InputError`, naming the attribute, where the headers do
    not have what the SUV needs.
    """
    if series.modality is not PT or not series.headers:
        what = "no DICOM headers" if series.modality is PT else f"a {series.modality}, not a {PT}"
        raise InputError(
            f"{series.source}: no SUV: {what}; give the {PT} as the DICOM series of the scanner"
        )
    try:
        scale = uptake_scale(series.headers)
    except InputError as error:
        raise InputError(
            f"{series.source}: no SUV: {error}; correct the header, or use the values as they are"
        ) from error
    return replace(
        series,
        image=sitk.Cast(sitk.Cast(series.image, sitk.sitkFloat64) * scale.factor, sitk.sitkFloat32),
        headers=tuple(with_values(one, Units=SUV, SUVType=BODY_WEIGHT) for one in series.headers),
        notes=(*series.notes, scale.note),
    )


def uptake_scale(headers: Sequence[Dataset]) -> UptakeScale:
    """The factor from the values of a PET to SUVbw, by the headers of its slices.

    Units BQML need patient's weight, dose, half-life, DecayCorrection START with the times of
    injection and scan, or ADMIN; GML is an SUV already; CNTS needs the private factors of Philips.
    The values must be corrected for attenuation, and Bq/ml for decay. After the vendor-neutral
    rules of RSNA QIBA for the SUV from DICOM headers. Raises `InputError` with the reason, without
    a file.
    """
    units = _common(headers, "Units")
    _check_corrected(headers, ATTENUATION)
    if units == ACTIVITY:
        return _of_activity(headers, 1.0)
    if units == SUV:
        return _of_uptake(headers)
    if units == COUNTS:
        return _of_counts(headers)
    raise InputError(f"{attribute('Units')} is {units or 'missing'}, expected {ACTIVITY} or {SUV}")


def value_unit(headers: Sequence[Dataset]) -> str:
    """The unit of the values of a PET or SPECT, in words; empty for others and where unknown."""
    if headers and is_nuclear(headers[0]):
        return NM.unit
    units = values_of(headers[0], "Units") if headers and is_pet(headers[0]) else ()
    return UNITS.get(" ".join(units), " ".join(units))


def uptake_notes(headers: Sequence[Dataset]) -> list[str]:
    """The unit of PET or SPECT values, and whether they can become SUVbw; nothing for others."""
    if not (is_pet(headers[0]) or is_nuclear(headers[0])):
        return []
    unit = f"values in {value_unit(headers) or 'an unknown unit'}"
    if is_nuclear(headers[0]):
        return [unit]
    try:
        return [f"{unit}; {uptake_scale(headers).note}"]
    except InputError as error:
        return [f"{unit}; no SUV: {error}"]


def _of_uptake(headers: Sequence[Dataset]) -> UptakeScale:
    """Of values that are an SUV; PS3.3 C.8.9.1 has body weight where SUVType is missing."""
    kind = _common(headers, "SUVType") or BODY_WEIGHT
    if kind != BODY_WEIGHT:
        raise InputError(f"{attribute('SUVType')} is {kind}, expected {BODY_WEIGHT} (body weight)")
    return UptakeScale(1.0, f"the values are SUVbw ({attribute('Units')} is {SUV})")


def _of_counts(headers: Sequence[Dataset]) -> UptakeScale:
    """By the factor from counts to SUVbw, else by that from counts to Bq/ml."""
    suv_factor, activity_factor = (
        _number(headers, partial(private_text, private=one), str(one))
        for one in (SUV_FACTOR, ACTIVITY_FACTOR)
    )
    if suv_factor:
        return UptakeScale(suv_factor, f"SUVbw by the factor of the scanner in {SUV_FACTOR}")
    if activity_factor:
        return _of_activity(headers, activity_factor)
    raise InputError(
        f"{attribute('Units')} is {COUNTS}, and the factors of Philips, {SUV_FACTOR} and "
        f"{ACTIVITY_FACTOR}, are missing"
    )


def _of_activity(headers: Sequence[Dataset], activity_factor: float) -> UptakeScale:
    """By weight and dose; `activity_factor` gives Bq/ml."""
    _check_corrected(headers, DECAY)
    weight_kg = _needed(headers, "PatientWeight")
    if not MIN_WEIGHT_KG <= weight_kg <= MAX_WEIGHT_KG:
        raise InputError(f"{attribute('PatientWeight')} is {weight_kg:g}, which is not in kg")
    dose_bq = _needed(headers, "RadionuclideTotalDose", of_isotope=True)
    if dose_bq < MIN_DOSE_BQ:
        raise InputError(
            f"{attribute('RadionuclideTotalDose')} is {dose_bq:g}, which is not in Bq but "
            "probably in MBq"
        )
    correction = _common(headers, "DecayCorrection")
    if correction == ADMINISTRATION:
        left, words = 1.0, "the dose at the injection"
    elif correction == START:
        left, words = _fraction_left(headers)
    else:
        raise InputError(
            f"{attribute('DecayCorrection')} is {correction or 'missing'}, expected {START} or "
            f"{ADMINISTRATION}"
        )
    factor = activity_factor * weight_kg * 1000.0 / (dose_bq * left)
    return UptakeScale(factor, f"SUVbw by the patient's weight and {words}")


def _check_corrected(headers: Sequence[Dataset], correction: str) -> None:
    if correction not in _common(headers, "CorrectedImage").split("\\"):
        what = "attenuation" if correction == ATTENUATION else "decay"
        raise InputError(f"{attribute('CorrectedImage')} lacks {correction}, correction for {what}")


def _fraction_left(headers: Sequence[Dataset]) -> tuple[float, str]:
    """The fraction of the dose that is left at the begin of the scan, with words for a note."""
    half_life_s = _needed(headers, "RadionuclideHalfLife", of_isotope=True)
    offset = _common(headers, "TimezoneOffsetFromUTC")
    scan = scan_start(headers, half_life_s, offset)
    begin, keyword = injection(_isotope(headers[0]), scan, half_life_s, offset)
    if scan.time() == begin.time() == time():
        raise InputError("injection and scan are both at 00:00:00, so their times were removed")
    decay_s = (scan - begin).total_seconds()
    if not 0 <= decay_s <= MAX_HALF_LIVES * half_life_s:
        raise InputError(
            f"{attribute(keyword)} is {decay_s / 60:.6g} min before the "
            f"scan, {decay_s / half_life_s:.3g} half-lives of {half_life_s:g} s; expected 0 to "
            f"{MAX_HALF_LIVES:g}"
        )
    words = f"the dose after {decay_s / 60:.4g} min of decay, to the begin of the scan"
    return math.exp2(-decay_s / half_life_s), words


def _isotope(header: Dataset) -> Dataset:
    """The only item of the radiopharmaceutical sequence."""
    items = list(header.get("RadiopharmaceuticalInformationSequence") or ())
    if len(items) != 1:
        count = f"has {len(items)} items" if items else "is missing"
        raise InputError(f"{attribute('RadiopharmaceuticalInformationSequence')} {count}")
    item: Dataset = items[0]
    return item


def _needed(headers: Sequence[Dataset], keyword: str, *, of_isotope: bool = False) -> float:
    """A number that must be present and positive."""

    def text(header: Dataset) -> str:
        return str((_isotope(header) if of_isotope else header).get(keyword) or "")

    number = _number(headers, text, attribute(keyword))
    if not number:
        raise InputError(f"{attribute(keyword)} is missing or 0")
    return number


def _number(headers: Sequence[Dataset], text: Callable[[Dataset], str], name: str) -> float:
    """The positive number that all slices have; 0 where they have none."""
    values = {text(header).strip() for header in headers}
    if len(values) > 1:
        raise InputError(f"{name} has {len(values)} values in one series")
    try:
        number = float(values.pop() or 0)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise InputError(f"{name} is not a positive number")
    return number


def _common(headers: Sequence[Dataset], keyword: str) -> str:
    """The value that all slices have, in capitals; empty where they have none."""
    values = {"\\".join(values_of(header, keyword)) for header in headers}
    if len(values) > 1:
        raise InputError(f"{attribute(keyword)} has {len(values)} values in one series")
    return values.pop()
