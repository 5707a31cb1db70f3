"""The DICOM conformance statement, in the form of PS3.2, from what the code declares."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import pydicom.uid
from pydicom.uid import (
    UID,
    MediaStorageDirectoryStorage,
    RTStructureSetStorage,
    SpatialRegistrationStorage,
    UncompressedTransferSyntaxes,
)

import radfuse.dicom
from radfuse.dicom.network import address, association, dimse, pacs
from radfuse.dicom.read.nuclear.pet import ACTIVITY_FACTOR, SCAN_TIME, SUV_FACTOR
from radfuse.dicom.read.safe_read import COMPRESSED
from radfuse.dicom.read.series import CLASSES
from radfuse.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION
from radfuse.record import NOTICE

SOURCES = Path(radfuse.dicom.__path__[0])
"""Folder of the modules that read and write DICOM."""

WRITTEN_BY = {
    "write/fused.py": "the fused image in grey, on the grid of the fixed image",
    "write/resampled.py": "the MR on the grid of the CT",
    "write/functional_headers.py": "a PET or SPECT on the grid of the anatomical image",
    "write/derived_headers.py": "images in colour; a CT on the grid of another CT, in HU",
    "write/spatial_registration.py": "the registration, moving to fixed",
    "rtstruct/write.py": "structures on the fixed or the moving image",
}
"""Modules that write objects, relative to `SOURCES`, and what each writes."""

READ_ELSEWHERE = {
    RTStructureSetStorage: "structures",
    SpatialRegistrationStorage: "a registration, rigid",
    MediaStorageDirectoryStorage: "the list of files of a medium; the files are read",
}
"""Objects that are read and are no images."""

TEXT = Path(__file__).parent / "website/conformance.txt"
"""The sections, with names of what the code declares in braces."""


def conformance_document() -> str:
    """The conformance statement as Markdown."""
    read = [
        (code, uid, "multi-frame" if "Enhanced" in uid.name or code == "NM" else "single-frame")
        for code, uids in CLASSES.items()
        for uid in sorted(uids)
    ]
    return TEXT.read_text(encoding="utf-8").format(
        version=radfuse.__version__,
        notice=NOTICE,
        own_title=address.OWN_TITLE,
        implementation=IMPLEMENTATION_CLASS_UID,
        implementation_version=IMPLEMENTATION_VERSION,
        pdu=association.MAX_PDU_BYTES,
        contexts=association.MAX_CONTEXTS,
        timeout=address.TIMEOUT_S,
        answer=address.ANSWER_TIMEOUT_S,
        objects=pacs.MAX_OBJECTS,
        services=_uids((dimse.VERIFICATION, dimse.FIND_PATIENTS, dimse.FIND, dimse.GET)),
        usual=_uids(dimse.USUAL_CLASSES),
        retrieved=_uids(dimse.SYNTAXES),
        keys=_keys(),
        read=_table(("modality", "SOP class", "UID", "form"), _named(read)),
        details=_table(
            ("other object", "UID", "what is read"),
            ((uid.name, f"`{uid}`", what) for uid, what in READ_ELSEWHERE.items()),
        ),
        syntaxes=_uids(sorted({*UncompressedTransferSyntaxes, *COMPRESSED})),
        written=_table(("SOP class", "UID", "what"), _written()),
        written_syntax=pydicom.uid.ExplicitVRLittleEndian.name,
        structure_syntax=pydicom.uid.ImplicitVRLittleEndian.name,
        private=_table(
            ("attribute", "what"),
            (
                (f"`{SCAN_TIME}`", "start of the scan"),
                (f"`{SUV_FACTOR}`", "factor to SUV by body weight"),
                (f"`{ACTIVITY_FACTOR}`", "factor to Bq/ml"),
            ),
        ),
    )


def _named(rows: Iterable[tuple[str, UID, str]]) -> Iterator[tuple[str, ...]]:
    for code, uid, form in rows:
        yield code, uid.name, f"`{uid}`", form


def _uids(uids: Iterable[UID]) -> str:
    return _table(("name", "UID"), ((UID(uid).name, f"`{uid}`") for uid in uids))


def _keys() -> str:
    """The keys that a query returns at each level."""
    return _table(
        ("level", "keys"),
        ((level, ", ".join(f"`{key}`" for key in keys)) for level, keys in pacs.COLUMNS.items()),
    )


def written_classes() -> dict[str, set[str]]:
    """Keywords of the SOP classes that each module assigns to a header, read from its source."""
    found: dict[str, set[str]] = {}
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Name)):
                continue
            target = node.targets[0]
            if isinstance(target, ast.Attribute) and target.attr == "SOPClassUID":
                module = path.relative_to(SOURCES).as_posix()
                found.setdefault(module, set()).add(node.value.id)
    return found


def _written() -> Iterator[tuple[str, ...]]:
    for module, keywords in sorted(written_classes().items()):
        for keyword in sorted(keywords):
            uid: UID = getattr(pydicom.uid, keyword)
            yield uid.name, f"`{uid}`", WRITTEN_BY[module]


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
