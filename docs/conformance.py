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

TEXT = """# DICOM conformance statement

Written by `make docs` from the code, in the form of DICOM PS3.2. Version {version}.

*{notice}*

## 1. Overview

radfuse reads images of the head from files, registers and fuses them, and writes derived objects into files. On request it
exchanges objects with one peer, as a client (SCU, user agent). It accepts no associations and has no DICOM server of its own:
[the node](howto/node.md) works beside an Orthanc, whose conformance statement then applies to what is received and stored.

| service | role | by |
|---|---|---|
| Verification | SCU | `radfuse dicom echo` |
| Storage | SCU | `radfuse dicom send`, *Send* in the viewer |
| Storage | SCP, by role selection on its own C-GET association only | `radfuse dicom get` |
| Query, Study Root and Patient Root | SCU | `radfuse dicom find` |
| Retrieve, Study Root, C-GET | SCU | `radfuse dicom get`, *PACS* in the viewer |
| STOW-RS, QIDO-RS, WADO-RS | user agent | the same commands with an address that begins with `http` |

Not supported: C-MOVE, Storage Commitment, Modality Worklist, MPPS, Print, Instance Availability Notification.

## 2. Networking

### 2.1 Application entity

| | |
|---|---|
| default AE title | `{own_title}`, or `--ae-title` |
| application context | 1.2.840.10008.3.1.1.1 |
| implementation class UID | `{implementation}` |
| implementation version name | `{implementation_version}` |
| maximum PDU length proposed | {pdu} bytes |
| associations at a time | 1, as requestor; 0 as acceptor |
| asynchronous operations | not supported |
| presentation contexts of an association | at most {contexts} |
| time for a connection and its acceptance | {timeout:g} s |
| time for one response | {answer:g} s |
| objects of one retrieval, matches of a query | at most {objects} |

### 2.2 SOP classes, as SCU

{services}

Storage as SCU proposes the SOP class and the transfer syntax of each file as it is stored, and sends files without conversion.
Retrieval proposes the classes that the peer lists for the study; where it does not list them, these:

{usual}

### 2.3 Transfer syntaxes of a retrieval

Each SOP class is proposed once for each of these, so that the peer need not convert; objects are stored as they arrive.

{retrieved}

### 2.4 Keys of a query

{keys}

### 2.5 Association policy

An association is opened for a command and released at its end. A failure to connect, a refusal and a status other than success
are reported in one line with the way out ([list](howto/pacs.md#when-it-fails)). A warning status of C-STORE counts as stored. A
retrieval is complete or keeps nothing.

### 2.6 DICOMweb

| service | transaction | what |
|---|---|---|
| STOW-RS | Store | `application/dicom`, in the transfer syntax of the file |
| QIDO-RS | Search | studies and series, `application/dicom+json` |
| WADO-RS | Retrieve study, series or instance | `application/dicom; transfer-syntax=*` |

## 3. Files and media

radfuse reads folders, zip and tar archives, and the files that a DICOMDIR lists. It writes folders with one object a file and no
DICOMDIR.

### 3.1 Images that are read

{read}

{details}

### 3.2 Transfer syntaxes that are read

{syntaxes}

Frames that no installed decoder supports (some of JPEG 2000 Part 2, for example) are refused with the name of the file.

### 3.3 Objects that are written

{written}

Images are written in {written_syntax}, structure sets in {structure_syntax}; neither is compressed. No object is a CT image:
that would invite dose calculation. How each attribute is filled: [DICOM objects](howto/dicom-objects.md#provenance-in-the-headers).

## 4. Attributes

### 4.1 Private attributes

radfuse defines none. It reads these of a PET, for standardized uptake values, and copies them to the PET that it writes:

{private}

All others are ignored on reading and are not written.

### 4.2 Identification

Derived objects have the patient and the study of the fixed image, its frame of reference, new series and instance UIDs (2.25 and a
UUID), ImageType `DERIVED\\SECONDARY`, and a ContributingEquipmentSequence with the version of radfuse. `radfuse dicom check` tests
files against the tables of PS3.3.

### 4.3 Character sets

All character sets of PS3.3 C.12.1.1.2 are read, as pydicom decodes them. Queries and structure sets are written in ISO_IR 192
(UTF-8); images keep the character set of their source.

## 5. Security

| profile of PS3.15 | |
|---|---|
| secure transport (TLS) | `--tls` for DIMSE, always for `https`; TLS 1.2 or newer; the certificate of the peer is always verified, a client certificate is possible |
| user identity | DICOMweb: HTTP basic, from `~/.netrc`; DIMSE: none |
| Basic Application Level Confidentiality Profile (annex E) | `radfuse dicom deidentify`, `radfuse fuse --deidentify`: [what is kept](howto/check-and-deidentify.md) |
| audit trail | of [the node](howto/node.md): a JSON line for each event, not the format of PS3.15 A.5 |
| digital signatures | none |

## 6. What was tested

Orthanc (DIMSE and DICOMweb), peers of the tests that refuse or break an association, and as readers of files `dciodvfy`, GDCM,
dcm2niix, highdicom and plastimatch: [tests](testing.md), [systems](systems/README.md). No other PACS was tested.
"""


def conformance_document() -> str:
    """The conformance statement as Markdown."""
    read = [
        (code, uid, "multi-frame" if "Enhanced" in uid.name or code == "NM" else "single-frame")
        for code, uids in CLASSES.items()
        for uid in sorted(uids)
    ]
    return TEXT.format(
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
