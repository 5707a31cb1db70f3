"""Whether referenced objects exist and have the stated class, series and frame of reference."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pydicom import Dataset
from pydicom.uid import RTStructureSetStorage, SpatialRegistrationStorage

from radfuse.dicom.validate.problem import Instance, Problem, numbers_of

MANAGEMENT_ROOT = "1.2.840.10008.3.1.2."
"""Root of the classes of studies, visits and procedure steps, which are not stored in files."""

RIGID_TOLERANCE = 1e-4
"""Largest deviation of a rigid matrix from orthonormal, by rounding."""

Known = Mapping[str, Instance]
"""All checked objects by SOPInstanceUID."""


@dataclass(frozen=True)
class _Reference:
    name: str
    item: Dataset
    series: str
    """SeriesInstanceUID that the reference states; empty for none."""

    frame: str
    """FrameOfReferenceUID of the enclosing item; empty for none."""

    @property
    def uid(self) -> str:
        return str(self.item.get("ReferencedSOPInstanceUID") or "")


def check_references(instance: Instance, known: Known) -> Iterator[Problem]:
    """References to checked objects with another class, series or frame, and to other objects."""
    outside = []
    for reference in _references(instance.dataset):
        if str(reference.item.get("ReferencedSOPClassUID", "")).startswith(MANAGEMENT_ROOT):
            continue
        target = known.get(reference.uid)
        if target is None:
            outside.append(reference.name)
        else:
            yield from _agreement(instance, reference, target)
    if outside:
        yield instance.warning(outside[0], "refers to objects that are not in the folder")
    if instance.sop_class == RTStructureSetStorage:
        yield from _structures(instance)
    if instance.sop_class == SpatialRegistrationStorage:
        yield from _registration(instance)


def _references(
    dataset: Dataset, prefix: str = "", series: str = "", frame: str = ""
) -> Iterator[_Reference]:
    for element in dataset:
        if element.VR != "SQ":
            continue
        for number, item in enumerate(element.value or (), 1):
            name = f"{prefix}{element.keyword or element.tag}[{number}]."
            item_series = str(item.get("SeriesInstanceUID") or series)
            item_frame = str(item.get("FrameOfReferenceUID") or frame)
            if item.get("ReferencedSOPInstanceUID"):
                yield _Reference(f"{name}ReferencedSOPInstanceUID", item, item_series, item_frame)
            yield from _references(item, name, item_series, item_frame)


def _agreement(instance: Instance, reference: _Reference, target: Instance) -> Iterator[Problem]:
    """Differences between a reference and its existing target."""
    where = f"in {target.file.name}"
    sop_class = str(reference.item.get("ReferencedSOPClassUID") or "")
    if sop_class and sop_class != target.text("SOPClassUID"):
        yield instance.error(
            reference.name, f"stated to be of class {sop_class}; {where} it is "
            f"{target.text('SOPClassUID')}",
        )  # fmt: skip
    if reference.series and reference.series != target.text("SeriesInstanceUID"):
        yield instance.error(reference.name, f"stated to be of another series than {where}")
    if reference.frame and target.text("FrameOfReferenceUID") not in ("", reference.frame):
        yield instance.error(
            reference.name, f"stated to be in another frame of reference than {where}"
        )
    frames = reference.item.get("ReferencedFrameNumber") or ()
    count = max(1, target.integer("NumberOfFrames", 1))
    for number in [frames] if isinstance(frames, int) else frames:
        if not 1 <= int(number) <= count:
            yield instance.error(reference.name, f"frame {number} of {count} frames {where}")
    if reference.item.get("SpatialLocationsPreserved") == "YES":
        frame = instance.text("FrameOfReferenceUID")
        if frame != target.text("FrameOfReferenceUID"):
            yield instance.error(
                reference.name, f"locations preserved, but another frame of reference {where}"
            )


def _numbers(items: Sequence[Dataset], keyword: str) -> list[str]:
    return [str(item.get(keyword, "")) for item in items]


def _structures(instance: Instance) -> Iterator[Problem]:
    """Inconsistent ROI numbers, contours without points, images that are not listed."""
    dataset = instance.dataset
    contours = dataset.get("ROIContourSequence") or ()
    defined = _numbers(dataset.get("StructureSetROISequence") or (), "ROINumber")
    for number in sorted({number for number in defined if defined.count(number) > 1}):
        yield instance.error("StructureSetROISequence", f"two structures have ROINumber {number}")
    for keyword in ("ROIContourSequence", "RTROIObservationsSequence"):
        used = _numbers(dataset.get(keyword) or (), "ReferencedROINumber")
        for number in sorted(set(used) - set(defined)):
            yield instance.error(keyword, f"ROINumber {number} is not defined")
    frames = _numbers(dataset.get("ReferencedFrameOfReferenceSequence") or (),
                      "FrameOfReferenceUID")  # fmt: skip
    for item in dataset.get("StructureSetROISequence") or ():
        frame = item.get("ReferencedFrameOfReferenceUID")
        if frame and frames and frame not in frames:
            yield instance.error(
                "StructureSetROISequence",
                f"ROINumber {item.get('ROINumber')} is in a frame of reference that is not "
                "referenced",
            )
    listed = {
        image.uid for image in _references(dataset)
        if image.name.startswith("ReferencedFrameOfReferenceSequence")
    }  # fmt: skip
    for index, structure in enumerate(contours, 1):
        yield from _contours(instance, structure, f"ROIContourSequence[{index}]", listed)


def _contours(
    instance: Instance, structure: Dataset, name: str, listed: set[str]
) -> Iterator[Problem]:
    for number, contour in enumerate(structure.get("ContourSequence") or (), 1):
        where = f"{name}.ContourSequence[{number}]."
        count = int(contour.get("NumberOfContourPoints") or 0)
        if numbers_of(contour, "ContourData", 3 * count) is None or not count:
            yield instance.error(
                f"{where}ContourData", f"not three finite numbers for each of {count} points"
            )
        for image in contour.get("ContourImageSequence") or ():
            if listed and image.get("ReferencedSOPInstanceUID") not in listed:
                yield instance.error(
                    f"{where}ContourImageSequence",
                    "image is not listed in ReferencedFrameOfReferenceSequence",
                )


def _registration(instance: Instance) -> Iterator[Problem]:
    """Invalid matrices, and matrices of type RIGID that are not rigid."""
    for index, item in enumerate(instance.dataset.get("RegistrationSequence") or (), 1):
        for step in item.get("MatrixRegistrationSequence") or ():
            for entry in step.get("MatrixSequence") or ():
                name = f"RegistrationSequence[{index}].FrameOfReferenceTransformationMatrix"
                yield from _matrix(instance, entry, name)


def _matrix(instance: Instance, entry: Dataset, name: str) -> Iterator[Problem]:
    numbers = numbers_of(entry, "FrameOfReferenceTransformationMatrix", 16)
    if numbers is None:
        yield instance.error(name, "not 16 finite numbers")
        return
    matrix = numbers.reshape(4, 4)
    if not np.array_equal(matrix[3], (0, 0, 0, 1)):
        yield instance.error(name, "the last row is not 0, 0, 0, 1")
    axes = matrix[:3, :3]
    deviation = float(np.abs(axes @ axes.T - np.eye(3)).max())
    rigid = entry.get("FrameOfReferenceTransformationMatrixType") == "RIGID"
    if rigid and (deviation > RIGID_TOLERANCE or np.linalg.det(axes) < 0):
        yield instance.error(name, f"type RIGID, but {deviation:.2g} from orthonormal")
