"""Whether the attributes of an object are present and have values that the standard allows."""

import warnings
from collections.abc import Iterator

from pydicom import Dataset
from pydicom.config import RAISE
from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.tag import BaseTag
from pydicom.uid import CTImageStorage, MRImageStorage
from pydicom.valuerep import validate_value

from radfuse.dicom.iod_tables import SequencePath, modules_of, modules_present
from radfuse.dicom.validate.pixels import PIXEL_KEYWORDS
from radfuse.dicom.validate.problem import Instance, Problem

UNVALIDATED_VRS = ("AE", "AS", "CS", "DA", "DS", "DT", "TM", "UR")
"""Value representations that pydicom validates only on writing."""

MAX_REASON_LENGTH = 160
"""Quoted characters of a message of pydicom."""

META_REQUIRED = (
    "FileMetaInformationVersion",
    "MediaStorageSOPClassUID",
    "MediaStorageSOPInstanceUID",
    "TransferSyntaxUID",
    "ImplementationClassUID",
)
"""Type 1 attributes of the file meta information, except its length."""

DISTINCT_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID")
"""UIDs that must differ from each other."""

EQUAL_IN_META = {
    "MediaStorageSOPClassUID": "SOPClassUID",
    "MediaStorageSOPInstanceUID": "SOPInstanceUID",
}
"""Attributes of the file meta information that repeat an attribute of the data set."""

POSITIONED = (CTImageStorage, MRImageStorage)
"""Classes whose series state the position of the patient."""


def check_values(instance: Instance) -> Iterator[Problem]:
    """Values that violate their value representation, by the validation of pydicom.

    An unreadable value is emptied, so that later checks continue without it.
    """
    for dataset in (getattr(instance.dataset, "file_meta", Dataset()), instance.dataset):
        yield from _values(instance, dataset, "")


def _values(instance: Instance, dataset: Dataset, prefix: str) -> Iterator[Problem]:
    for tag in sorted(dataset.keys()):
        if _is_left_in_file(dataset, tag):
            continue
        name = prefix + (keyword_for_tag(tag) or f"({tag.group:04X},{tag.element:04X})")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                element = dataset[tag]
            except Exception as error:  # pydicom raises any type for a damaged value
                yield instance.error(name, f"unreadable value: {_reason(str(error))}")
                dataset[tag] = DataElement(tag, "UN", None)
                continue
        messages = [str(warning.message) for warning in caught] + _invalid(element)
        for message in dict.fromkeys(_reason(message) for message in messages):
            yield instance.error(name, message)
        if element.VR == "SQ":
            for number, item in enumerate(element.value or (), 1):
                yield from _values(instance, item, f"{name}[{number}].")


def _invalid(element: DataElement) -> list[str]:
    """Invalid values of representations that pydicom does not validate on reading."""
    values = [element.value] if element.VM == 1 else list(element.value or ())
    messages = []
    for value in values if element.VR in UNVALIDATED_VRS else ():
        try:
            validate_value(element.VR, str(value).strip(), RAISE)
        except ValueError as error:
            messages.append(str(error))
    return messages


def _is_left_in_file(dataset: Dataset, tag: BaseTag) -> bool:
    """Whether the value, of pixels or the like, was too long to be read from the file."""
    raw = dataset.get_item(tag, keep_deferred=True)
    if not isinstance(raw, RawDataElement) or raw.value is not None or not raw.length:
        return False
    return (raw.VR or "").startswith("O") or keyword_for_tag(tag) in PIXEL_KEYWORDS


def _reason(message: str) -> str:
    """The message of pydicom, shortened; without the value, which may identify the patient."""
    reason = message.partition(":")[0].partition(" Please see ")[0]
    return " ".join(reason.split())[:MAX_REASON_LENGTH]


def check_required(instance: Instance) -> Iterator[Problem]:
    """Missing type 1 and 2 attributes, empty type 1 attributes.

    For a module that is not mandatory but seems to be present, they are warnings.
    """
    sop_class = instance.sop_class
    if not modules_of(sop_class):
        yield instance.warning(
            "SOPClassUID", f"class '{sop_class}' is unknown; its attributes were not checked"
        )
    reported = set[str]()
    for module in modules_present(instance.dataset, sop_class):
        for path, required in module.required.items():
            for prefix, item in _items(instance.dataset, path):
                for keyword, attribute_type in required:
                    problem = _missing(item, keyword, attribute_type)
                    name = prefix + keyword
                    if problem and name not in reported:
                        reported.add(name)
                        report = instance.error if module.mandatory else instance.warning
                        yield report(
                            name, f"{problem} (type {attribute_type} of module {module.name})"
                        )


def _items(dataset: Dataset, path: SequencePath, prefix: str = "") -> Iterator[tuple[str, Dataset]]:
    """The data sets at the end of a path of sequences, with the prefix of their keywords."""
    if not path:
        yield prefix, dataset
        return
    if path[0] not in dataset or dataset[path[0]].VR != "SQ":
        return
    for number, item in enumerate(dataset[path[0]].value or (), 1):
        yield from _items(item, path[1:], f"{prefix}{path[0]}[{number}].")


def _missing(dataset: Dataset, keyword: str, attribute_type: str) -> str:
    """Whether a required attribute is `missing` or `empty`; empty text if neither."""
    if keyword not in dataset:
        return "missing"
    element = dataset[keyword]
    if attribute_type == "1" and element.is_empty:
        return "empty"
    return ""


def check_conditions(instance: Instance) -> Iterator[Problem]:
    """Conditional attributes whose condition is in the same data set."""
    dataset = instance.dataset
    for keyword, partner in (
        ("RescaleSlope", "RescaleIntercept"),
        ("RescaleIntercept", "RescaleSlope"),
        ("WindowWidth", "WindowCenter"),
        ("WindowCenter", "WindowWidth"),
    ):
        if keyword in dataset and partner not in dataset:
            yield instance.error(partner, f"missing, but {keyword} is present")
    if instance.integer("SamplesPerPixel", 1) > 1 and "PlanarConfiguration" not in dataset:
        yield instance.error("PlanarConfiguration", "missing, but SamplesPerPixel is above 1")
    if instance.sop_class in POSITIONED and not (
        "PatientPosition" in dataset or "PatientOrientationCodeSequence" in dataset
    ):
        yield instance.error("PatientPosition", "missing (type 2C, for CT and MR)")
    if instance.text("PatientIdentityRemoved") == "YES" and not any(
        dataset.get(f"DeidentificationMethod{form}") for form in ("", "CodeSequence")
    ):
        yield instance.error("DeidentificationMethod", "missing, but PatientIdentityRemoved is YES")
    lossy = instance.text("LossyImageCompression") == "01"
    if lossy and "LossyImageCompressionRatio" not in dataset:
        yield instance.warning(
            "LossyImageCompressionRatio", "missing, but LossyImageCompression is 01"
        )


def check_identity(instance: Instance) -> Iterator[Problem]:
    """Equal UIDs, and file meta information that is incomplete or of another object."""
    meta = getattr(instance.dataset, "file_meta", Dataset())
    for keyword in META_REQUIRED:
        problem = _missing(meta, keyword, "1")
        if problem:
            yield instance.error(keyword, f"{problem} in the file meta information")
    uids = [uid for uid in (instance.text(keyword) for keyword in DISTINCT_UIDS) if uid]
    if len(set(uids)) < len(uids):
        yield instance.error("SOPInstanceUID", f"two of {', '.join(DISTINCT_UIDS)} are equal")
    for of_meta, of_dataset in EQUAL_IN_META.items():
        values = str(meta.get(of_meta) or ""), instance.text(of_dataset)
        if all(values) and values[0] != values[1]:
            yield instance.error(of_meta, f"{values[0]}, but {of_dataset} is {values[1]}")
