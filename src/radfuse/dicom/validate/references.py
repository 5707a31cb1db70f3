"""Whether referenced objects exist and have the stated class, series and frame of reference."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pydicom import Dataset
from pydicom.uid import RTStructureSetStorage, SpatialRegistrationStorage

from radfuse.dicom.validate.problem import Finding, Instance, numbers_of

MANAGEMENT = "1.2.840.10008.3.1.2."
"""Begins the classes of studies, visits and performed steps, of which there are no files."""

RIGID_TOLERANCE = 1e-4
"""Deviation of a rigid matrix from orthonormal that rounding explains."""

Known = Mapping[str, Instance]
"""All objects that were checked, by SOPInstanceUID."""


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


def check_references(instance: Instance, known: Known) -> Iterator[Finding]:
    """References to objects: in the folder with the same class, series and frames, or outside."""
    outside = []
    for reference in _references(instance.dataset):
        if str(reference.item.get("ReferencedSOPClassUID", "")).startswith(MANAGEMENT):
            continue
        target = known.get(reference.uid)
        if target is None:
            outside.append(reference.name)
        else:
            yield from _agreement(instance, reference, target)
    if outside:
        yield instance.warning(outside[0], "refers to objects outside of what was checked")
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
            within = str(item.get("SeriesInstanceUID") or series)
            around = str(item.get("FrameOfReferenceUID") or frame)
            if item.get("ReferencedSOPInstanceUID"):
                yield _Reference(f"{name}ReferencedSOPInstanceUID", item, within, around)
            yield from _references(item, name, within, around)


def _agreement(instance: Instance, reference: _Reference, target: Instance) -> Iterator[Finding]:
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
    count = max(1, target.whole("NumberOfFrames", 1))
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


def _structures(instance: Instance) -> Iterator[Finding]:
    """ROI numbers that do not match, contours that are no points, images that are not listed."""
    dataset = instance.dataset
    contours = dataset.get("ROIContourSequence") or ()
    defined = _numbers(dataset.get("StructureSetROISequence") or (), "ROINumber")
    for number in sorted({number for number in defined if defined.count(number) > 1}):
        yield instance.error("StructureSetROISequence", f"two structures have number {number}")
    for keyword in ("ROIContourSequence", "RTROIObservationsSequence"):
        used = _numbers(dataset.get(keyword) or (), "ReferencedROINumber")
        for number in sorted(set(used) - set(defined)):
            yield instance.error(keyword, f"structure {number} is not defined")
    frames = _numbers(dataset.get("ReferencedFrameOfReferenceSequence") or (),
                      "FrameOfReferenceUID")  # fmt: skip
    for item in dataset.get("StructureSetROISequence") or ():
        frame = item.get("ReferencedFrameOfReferenceUID")
        if frame and frames and frame not in frames:
            yield instance.error(
                "StructureSetROISequence",
                f"structure {item.get('ROINumber')} is in a frame of reference that is not "
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
) -> Iterator[Finding]:
    for number, contour in enumerate(structure.get("ContourSequence") or (), 1):
        where = f"{name}.ContourSequence[{number}]."
        count = int(contour.get("NumberOfContourPoints") or 0)
        if numbers_of(contour, "ContourData", 3 * count) is None or not count:
            yield instance.error(f"{where}ContourData", f"not the three numbers of {count} points")
        for image in contour.get("ContourImageSequence") or ():
            if listed and image.get("ReferencedSOPInstanceUID") not in listed:
                yield instance.error(
                    f"{where}ContourImageSequence",
                    "an image that ReferencedFrameOfReferenceSequence does not list",
                )


def _registration(instance: Instance) -> Iterator[Finding]:
    """Matrices that are none, or are called rigid and are not."""
    for index, item in enumerate(instance.dataset.get("RegistrationSequence") or (), 1):
        for step in item.get("MatrixRegistrationSequence") or ():
            for entry in step.get("MatrixSequence") or ():
                name = f"RegistrationSequence[{index}].FrameOfReferenceTransformationMatrix"
                yield from _matrix(instance, entry, name)


def _matrix(instance: Instance, entry: Dataset, name: str) -> Iterator[Finding]:
    numbers = numbers_of(entry, "FrameOfReferenceTransformationMatrix", 16)
    if numbers is None:
        yield instance.error(name, "not 16 numbers")
        return
    matrix = numbers.reshape(4, 4)
    if not np.array_equal(matrix[3], (0, 0, 0, 1)):
        yield instance.error(name, "the last row is not 0, 0, 0, 1")
    axes = matrix[:3, :3]
    off = float(np.abs(axes @ axes.T - np.eye(3)).max())
    rigid = entry.get("FrameOfReferenceTransformationMatrixType") == "RIGID"
    if rigid and (off > RIGID_TOLERANCE or np.linalg.det(axes) < 0):
        yield instance.error(name, f"called RIGID, but {off:.2g} from orthonormal")
