"""Whether the attributes of one object are there and have values that the standard allows."""

import warnings
from collections.abc import Iterator

from pydicom import Dataset
from pydicom.config import RAISE
from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.tag import BaseTag
from pydicom.uid import CTImageStorage, MRImageStorage
from pydicom.valuerep import validate_value

from radfuse.dicom.iod_tables import Path, modules_of, modules_present
from radfuse.dicom.validate.pixels import PIXEL_KEYWORDS
from radfuse.dicom.validate.problem import Finding, Instance

UNWATCHED = ("AE", "AS", "CS", "DA", "DS", "DT", "TM", "UR")
"""Value representations with rules that pydicom applies on writing alone."""

LONGEST_REASON = 160
"""Characters of a parser's reason that are quoted."""

META_REQUIRED = (
    "FileMetaInformationVersion",
    "MediaStorageSOPClassUID",
    "MediaStorageSOPInstanceUID",
    "TransferSyntaxUID",
    "ImplementationClassUID",
)
"""Type 1 attributes of the file meta information, beside its length."""

DIFFERENT = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")
"""UIDs of four different things."""

SAME_IN_META = {
    "MediaStorageSOPClassUID": "SOPClassUID",
    "MediaStorageSOPInstanceUID": "SOPInstanceUID",
}
"""Attributes of the file meta information that repeat one of the data set."""

POSITIONED = (CTImageStorage, MRImageStorage)
"""Classes whose series state the position of the patient."""

PERSONAL = 0x0010
"""The group of the patient, whose values are never quoted."""


def check_values(instance: Instance) -> Iterator[Finding]:
    """Values that break the rules of their representation, by pydicom's own validation.

    A value that cannot be read at all is emptied, so that later checks go on without it.
    """
    for dataset in (getattr(instance.dataset, "file_meta", Dataset()), instance.dataset):
        yield from _values(instance, dataset, "")


def _values(instance: Instance, dataset: Dataset, prefix: str) -> Iterator[Finding]:
    for tag in sorted(dataset.keys()):
        if _is_left_in_file(dataset, tag):
            continue
        name = prefix + (keyword_for_tag(tag) or f"({tag.group:04X},{tag.element:04X})")
        with warnings.catch_warnings(record=True) as complaints:
            warnings.simplefilter("always")
            try:
                element = dataset[tag]
            except Exception as error:  # a damaged value makes the parser raise whatever it likes
                yield instance.error(name, f"unreadable value: {_reason(tag, str(error))}")
                dataset[tag] = DataElement(tag, "UN", None)
                continue
        problems = [str(complaint.message) for complaint in complaints] + _invalid(element)
        for complaint in dict.fromkeys(_reason(tag, complaint) for complaint in problems):
            yield instance.error(name, complaint)
        if element.VR == "SQ":
            for number, item in enumerate(element.value or (), 1):
                yield from _values(instance, item, f"{name}[{number}].")


def _invalid(element: DataElement) -> list[str]:
    """What is wrong with values of representations that pydicom does not check on reading."""
    values = [element.value] if element.VM == 1 else list(element.value or ())
    problems = []
    for value in values if element.VR in UNWATCHED else ():
        try:
            validate_value(element.VR, str(value).strip(), RAISE)
        except ValueError as error:
            problems.append(str(error))
    return problems


def _is_left_in_file(dataset: Dataset, tag: BaseTag) -> bool:
    """Whether the value is so many bytes of pixels or the like that it was not read."""
    raw = dataset.get_item(tag, keep_deferred=True)
    if not isinstance(raw, RawDataElement) or raw.value is not None or not raw.length:
        return False
    return (raw.VR or "").startswith("O") or keyword_for_tag(tag) in PIXEL_KEYWORDS


def _reason(tag: BaseTag, message: str) -> str:
    """The parser's reason, shortened; without the value where that is personal."""
    words, _, _ = message.partition(":" if tag.group == PERSONAL else " Please see ")
    return " ".join(words.split())[:LONGEST_REASON]


def check_required(instance: Instance) -> Iterator[Finding]:
    """Type 1 and 2 attributes that are missing, type 1 attributes that are empty.

    An attribute of a module that the class does not ask for, but that seems to be there, makes a
    warning.
    """
    sop_class = instance.sop_class
    if not modules_of(sop_class):
        yield instance.warning(
            "SOPClassUID", f"class '{sop_class}' is in no table; its attributes were not checked"
        )
    reported = set[str]()
    for module in modules_present(instance.dataset, sop_class):
        for path, required in module.required.items():
            for prefix, item in _items(instance.dataset, path):
                for keyword, kind in required:
                    problem = _lack(item, keyword, kind)
                    name = prefix + keyword
                    if problem and name not in reported:
                        reported.add(name)
                        tell = instance.error if module.mandatory else instance.warning
                        yield tell(name, f"{problem} (type {kind} of module {module.name})")


def _items(dataset: Dataset, path: Path, prefix: str = "") -> Iterator[tuple[str, Dataset]]:
    """The data sets at the end of a path of sequences, with the prefix of their keywords."""
    if not path:
        yield prefix, dataset
        return
    if path[0] not in dataset or dataset[path[0]].VR != "SQ":
        return
    for number, item in enumerate(dataset[path[0]].value or (), 1):
        yield from _items(item, path[1:], f"{prefix}{path[0]}[{number}].")


def _lack(dataset: Dataset, keyword: str, kind: str) -> str:
    """What is wrong with a required attribute; empty for nothing."""
    if keyword not in dataset:
        return "missing"
    element = dataset[keyword]
    if kind == "1" and element.is_empty:
        return "empty"
    return ""


def check_conditions(instance: Instance) -> Iterator[Finding]:
    """Conditional attributes whose condition is in the same data set."""
    dataset = instance.dataset
    for keyword, partner in (
        ("RescaleSlope", "RescaleIntercept"),
        ("RescaleIntercept", "RescaleSlope"),
        ("WindowWidth", "WindowCenter"),
        ("WindowCenter", "WindowWidth"),
    ):
        if keyword in dataset and partner not in dataset:
            yield instance.error(partner, f"missing, though there is {keyword}")
    if instance.whole("SamplesPerPixel", 1) > 1 and "PlanarConfiguration" not in dataset:
        yield instance.error("PlanarConfiguration", "missing, though a pixel has several samples")
    if instance.sop_class in POSITIONED and not (
        "PatientPosition" in dataset or "PatientOrientationCodeSequence" in dataset
    ):
        yield instance.error("PatientPosition", "missing (type 2C, for CT and MR)")
    if instance.text("PatientIdentityRemoved") == "YES" and not any(
        dataset.get(f"DeidentificationMethod{form}") for form in ("", "CodeSequence")
    ):
        yield instance.error("DeidentificationMethod", "missing, though the identity is removed")
    lossy = instance.text("LossyImageCompression") == "01"
    if lossy and "LossyImageCompressionRatio" not in dataset:
        yield instance.warning("LossyImageCompressionRatio", "missing after lossy compression")


def check_identity(instance: Instance) -> Iterator[Finding]:
    """UIDs of the object, and file meta information that is complete and of the same object."""
    meta = getattr(instance.dataset, "file_meta", Dataset())
    for keyword in META_REQUIRED:
        problem = _lack(meta, keyword, "1")
        if problem:
            yield instance.error(keyword, f"{problem} in the file meta information")
    uids = [uid for uid in (instance.text(keyword) for keyword in DIFFERENT) if uid]
    if len(set(uids)) < len(uids):
        yield instance.error("SOPInstanceUID", f"two of {', '.join(DIFFERENT)} are one UID")
    for of_meta, of_dataset in SAME_IN_META.items():
        values = str(meta.get(of_meta) or ""), instance.text(of_dataset)
        if all(values) and values[0] != values[1]:
            yield instance.error(of_meta, f"{values[0]}, but {of_dataset} is {values[1]}")
