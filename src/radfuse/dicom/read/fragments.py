"""Join the fragments of one series that have several SeriesInstanceUIDs.

De-identifiers and some scanners give every slice a SeriesInstanceUID of its own.
"""

from collections.abc import Hashable, Iterable, Sequence

from pydicom import Dataset

from radfuse.dicom.read.series import DicomSeries, Slice, VolumeSlices
from radfuse.dicom.read.slice_geometry import slice_geometry
from radfuse.dicom.read.slice_plane import image_count, may_continue, slice_plane
from radfuse.errors import GeometryError

IDENTITY = ("Modality", "PatientID", "StudyDate", "SeriesNumber", "SeriesDescription")
"""Attributes that fragments of one series agree in."""


def join_fragments(series: Iterable[DicomSeries]) -> tuple[DicomSeries, ...]:
    """The series, with those joined that have one number, description and geometry.

    They are fragments if each is a single image, or if their slices together are evenly spaced.
    """
    alike: dict[Hashable, list[list[DicomSeries]]] = {}
    for one in series:
        buckets = alike.setdefault(_identity(one.headers[0]) if one.is_image else id(one), [])
        plane = slice_plane(one.headers[0])
        for bucket in buckets:
            if plane.matches(slice_plane(bucket[0].headers[0])):
                bucket.append(one)
                break
        else:
            buckets.append([one])
    return tuple(one for buckets in alike.values() for bucket in buckets for one in _joined(bucket))


def continuations(
    slices: Sequence[Slice], uid: str, series: Iterable[DicomSeries]
) -> list[DicomSeries]:
    """Other series that have the number and description of a volume and may be parts of its body.

    Localizers are not, in a series without number and description.
    """
    ours = {_identity(one.header) for one in slices}
    return [
        one
        for one in series
        if one.uid != uid
        and one.is_image
        and not ours.isdisjoint(identities := {_identity(header) for header in one.headers})
        and (not one.is_localizer or any(any(identity[-2:]) for identity in identities))
        and may_continue(one.slices, slices)
    ]


def _identity(header: Dataset) -> tuple[str, ...]:
    return tuple(str(header.get(keyword) or "") for keyword in IDENTITY)


def _joined(fragments: list[DicomSeries]) -> list[DicomSeries]:
    slices = tuple(image for one in fragments for image in one.slices)
    are_single = all(len(one.slices) == 1 and one.slices[0].frame is None for one in fragments)
    if len(fragments) == 1 or not (are_single or _is_seamless(slices)):
        return fragments
    largest = min(fragments, key=lambda one: (-len(one.slices), one.uid))
    note = (
        f"{image_count(slices)} with {len(fragments)} SeriesInstanceUIDs and one SeriesNumber, "
        "description and geometry; read as one series"
    )
    return [DicomSeries(largest.uid, slices, (note,))]


def _is_seamless(slices: tuple[Slice, ...]) -> bool:
    """Whether all are evenly spaced planes of one volume."""
    planes = [slice_plane(one.header) for one in slices]
    if not all(plane.matches(planes[0]) for plane in planes):
        return False
    try:
        return slice_geometry(VolumeSlices("", slices)).is_even
    except GeometryError:
        return False
