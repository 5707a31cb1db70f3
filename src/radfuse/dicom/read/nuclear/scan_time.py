"""The times of a PET: when its radiopharmaceutical was injected, and when its scan began.

The values of a PET with DecayCorrection START are of the begin of the scan. That is its SeriesTime,
unless a program has changed that: then it is later than the first AcquisitionTime.
"""

import math
import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from pydicom import Dataset

from radfuse.dicom.read.nuclear.attributes import attribute
from radfuse.dicom.read.nuclear.pet import SCAN_TIME, private_text
from radfuse.dicom.read.slice_plane import float_values
from radfuse.errors import InputError

TIME = re.compile(r"(\d{2}):?(\d{2})?:?(\d{2})?(?:\.(\d{1,6}))?")
"""A TM value: hours, minutes, seconds, fraction; colons are of ACR-NEMA."""

DATE_DIGITS = 8
"""Of a DA value, and at the begin of a DT value."""

OFFSET = re.compile(r"([+-])(\d{2})(\d{2})$")
"""End of a DT value, and TimezoneOffsetFromUTC: hours and minutes from UTC."""

MIN_FRAME_OFFSET_S = 10.0
"""Least time from the begin of the scan to that of a later frame or bed position. Scanners state
the middle of a frame instead of the time of its mean count rate, which is a few seconds before."""

MAX_HALF_LIFE_WITHOUT_DATE_S = 12 * 3600.0
"""Radionuclides with a longer half-life are imaged days after the injection."""

MS = 1000.0
"""Milliseconds in a second."""


def scan_start(headers: Sequence[Dataset], half_life_s: float) -> datetime:
    """The time that the values of a PET are corrected to, by the headers of all its slices.

    SeriesTime where it is not after the first AcquisitionTime. Else the private scan time of GE;
    else that AcquisitionTime, less the time of its frame since the begin of the scan. Raises
    `InputError` for missing times.
    """
    first = min(headers, key=lambda header: _moment(header, "Acquisition"))
    acquisition, series = _moment(first, "Acquisition"), _moment(first, "Series")
    if series <= acquisition:
        return series
    private = moment_of(private_text(first, SCAN_TIME))
    if private is not None:
        return private
    return acquisition - timedelta(seconds=_frame_offset_s(first, half_life_s))


def injection(
    radiopharmaceutical: Dataset, scan: datetime, half_life_s: float, offset: str = ""
) -> datetime:
    """The time of injection by an item of RadiopharmaceuticalInformationSequence.

    Without a date it is the last such time of day before the scan. `offset` is the
    TimezoneOffsetFromUTC of the scan. Raises `InputError` where it is missing or ambiguous.
    """
    text = str(radiopharmaceutical.get("RadiopharmaceuticalStartDateTime") or "").strip()
    moment = moment_of(text)
    if moment is not None:
        return moment + _zone_difference(text, offset)
    start = _time_of(str(radiopharmaceutical.get("RadiopharmaceuticalStartTime") or ""))
    if start is None:
        raise InputError(
            f"{attribute('RadiopharmaceuticalStartDateTime')} and "
            f"{attribute('RadiopharmaceuticalStartTime')} are missing"
        )
    if half_life_s > MAX_HALF_LIFE_WITHOUT_DATE_S:
        raise InputError(
            f"{attribute('RadiopharmaceuticalStartDateTime')} is missing; with a half-life of "
            f"{half_life_s / 3600:.4g} h the day of the injection must be known"
        )
    midnight = scan.replace(hour=0, minute=0, second=0, microsecond=0)
    on_the_day = midnight + start
    return on_the_day if on_the_day <= scan else on_the_day - timedelta(days=1)


def moment_of(text: str) -> datetime | None:
    """The local time of a DT value, to the hour or better; None for another text."""
    time = _time_of(OFFSET.sub("", text)[DATE_DIGITS:])
    try:
        return None if time is None else datetime.strptime(text[:DATE_DIGITS], "%Y%m%d") + time
    except ValueError:
        return None


def _moment(header: Dataset, what: str) -> datetime:
    """The date and time of the series or of the acquisition; multi-frame images have one value."""
    for keyword in (f"Frame{what}DateTime", f"{what}DateTime"):
        if (stated := moment_of(str(header.get(keyword) or ""))) is not None:
            return stated
    texts = {}
    for keyword in (f"{what}Date", f"{what}Time"):
        texts[keyword] = str(header.get(keyword) or "").strip()
        if not texts[keyword]:
            raise InputError(f"{attribute(keyword)} is missing")
    date, time = texts.values()
    moment = moment_of(date.replace(".", "") + time)
    if moment is None:
        names = " or ".join(attribute(keyword) for keyword in texts)
        raise InputError(f"{names} is not a date and a time")
    return moment


def _time_of(text: str) -> timedelta | None:
    """The time of day of a TM value; None for another text."""
    match = TIME.fullmatch(text.strip())
    if match is None:
        return None
    hours, minutes, seconds = (int(part or 0) for part in match.groups()[:3])
    fraction = float(f"0.{match[4] or 0}")
    return timedelta(hours=hours, minutes=minutes, seconds=seconds + fraction)


def _zone_difference(text: str, offset: str) -> timedelta:
    """From the time zone of a DT value to another; none where one of them is not stated."""
    ours, theirs = OFFSET.search(text), OFFSET.search(offset.strip())
    if ours is None or theirs is None:
        return timedelta()
    minutes = [
        int(f"{match[1]}1") * (60 * int(match[2]) + int(match[3])) for match in (theirs, ours)
    ]
    return timedelta(minutes=minutes[0] - minutes[1])


def _frame_offset_s(header: Dataset, half_life_s: float) -> float:
    """Seconds from the begin of the scan to that of a frame; 0 for the first one.

    FrameReferenceTime, which is at the mean count rate of the frame, less the time of that in the
    frame: PS3.3 C.8.9.4, with exponential decay in the frame.
    """
    times = [float_values(header, keyword) / MS
             for keyword in ("FrameReferenceTime", "ActualFrameDuration")]  # fmt: skip
    if not all(one.size == 1 and one[0] > 0 for one in times):
        return 0.0
    reference_s, duration_s = (float(one[0]) for one in times)
    decay = math.log(2) * duration_s / half_life_s
    mean_s = math.log(decay / -math.expm1(-decay)) * half_life_s / math.log(2)
    offset_s = reference_s - mean_s
    return offset_s if offset_s > MIN_FRAME_OFFSET_S else 0.0
