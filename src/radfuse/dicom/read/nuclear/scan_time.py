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

MAX_ROUNDING_S = 1.0
"""Between two statements of one time, of which one may lack the fraction of a second."""

DAY_S = 24 * 3600.0
"""Seconds in a day."""

MS = 1000.0
"""Milliseconds in a second."""


def scan_start(headers: Sequence[Dataset], half_life_s: float, offset: str = "") -> datetime:
    """The time that the values of a PET are corrected to, by the headers of all its slices.

    SeriesTime where it is not after the first AcquisitionTime. Else the private scan time of GE;
    else that AcquisitionTime, less the time of its frame since the begin of the scan. `offset` is
    their TimezoneOffsetFromUTC. Raises `InputError` for missing times and unknown time zones.
    """
    first = min(headers, key=lambda header: _moment(header, "Acquisition", offset))
    acquisition, series = (_moment(first, what, offset) for what in ("Acquisition", "Series"))
    if series <= acquisition:
        return series
    text = private_text(first, SCAN_TIME)
    if (private := moment_of(text)) is not None:
        return private + _zone_difference(text, offset, str(SCAN_TIME))
    return acquisition - timedelta(seconds=_frame_offset_s(first, half_life_s))


def injection(
    radiopharmaceutical: Dataset, scan: datetime, half_life_s: float, offset: str = ""
) -> tuple[datetime, str]:
    """The time of injection by an item of RadiopharmaceuticalInformationSequence, and its keyword.

    Without a date it is the last such time of day before the scan. `offset` is the
    TimezoneOffsetFromUTC of the scan. Raises `InputError` where it is missing or ambiguous: two
    times that differ, or a time zone where that of the scan is unknown.
    """
    dated, timed = "RadiopharmaceuticalStartDateTime", "RadiopharmaceuticalStartTime"
    text = str(radiopharmaceutical.get(dated) or "").strip()
    moment, start = moment_of(text), _time_of(str(radiopharmaceutical.get(timed) or ""))
    if moment is not None:
        if start is None or _offset_minutes(offset) is not None:
            moment += _zone_difference(text, offset, attribute(dated))
        apart_s = 0.0 if start is None else _of_day_apart_s(moment, start)
        if apart_s > MAX_ROUNDING_S:
            raise InputError(
                f"{attribute(dated)} and {attribute(timed)} are {apart_s / 60:.6g} min apart in "
                "the time zone of the scan, so the time of the injection is unknown"
            )
        return moment, dated
    if start is None:
        raise InputError(f"{attribute(dated)} and {attribute(timed)} are missing")
    if half_life_s > MAX_HALF_LIFE_WITHOUT_DATE_S:
        raise InputError(
            f"{attribute(dated)} is missing; with a half-life of "
            f"{half_life_s / 3600:.4g} h the day of the injection must be known"
        )
    midnight = scan.replace(hour=0, minute=0, second=0, microsecond=0)
    on_the_day = midnight + start
    return (on_the_day if on_the_day <= scan else on_the_day - timedelta(days=1)), timed


def moment_of(text: str) -> datetime | None:
    """The local time of a DT value, to the hour or better; None for another text."""
    time = _time_of(OFFSET.sub("", text)[DATE_DIGITS:])
    try:
        return None if time is None else datetime.strptime(text[:DATE_DIGITS], "%Y%m%d") + time
    except ValueError:
        return None


def _moment(header: Dataset, what: str, offset: str) -> datetime:
    """The date and time of the series or of the acquisition; multi-frame images have one value."""
    for keyword in (f"Frame{what}DateTime", f"{what}DateTime"):
        text = str(header.get(keyword) or "").strip()
        if (stated := moment_of(text)) is not None:
            return stated + _zone_difference(text, offset, attribute(keyword))
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


def _zone_difference(text: str, offset: str, name: str) -> timedelta:
    """From the time zone of a DT value to that of the scan; none for a value without one.

    Raises `InputError` where that of the scan is unknown.
    """
    stated, wanted = _offset_minutes(text), _offset_minutes(offset)
    if stated is None:
        return timedelta()
    if wanted is None:
        raise InputError(
            f"{name} has the time zone {text[-5:]}, but {attribute('TimezoneOffsetFromUTC')} of "
            f"the scan is {'no time zone' if offset.strip() else 'missing'}"
        )
    return timedelta(minutes=wanted - stated)


def _offset_minutes(text: str) -> int | None:
    """Minutes from UTC at the end of a text; None without a time zone."""
    match = OFFSET.search(text.strip())
    if match is None:
        return None
    return int(f"{match[1]}1") * (60 * int(match[2]) + int(match[3]))


def _of_day_apart_s(moment: datetime, of_day: timedelta) -> float:
    """Between the time of day of a moment and another one, over midnight where that is less."""
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    apart_s = (moment - midnight - of_day).total_seconds()
    return min(apart_s % DAY_S, -apart_s % DAY_S)


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
