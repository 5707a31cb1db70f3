"""A PACS by DIMSE: C-ECHO, C-STORE, C-FIND, C-GET."""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pydicom import Dataset
from pydicom import uid as uids
from pydicom.config import disable_value_validation
from pydicom.uid import UID
from pynetdicom import build_context, build_role, evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.presentation import PresentationContext
from pynetdicom.status import code_to_category

from radfuse.dicom.network.address import ANSWER_TIMEOUT_S, DimseNode
from radfuse.dicom.network.association import MAX_CONTEXTS, NoContextError, associated
from radfuse.dicom.network.outgoing import OutgoingFile, SendFailure
from radfuse.dicom.network.pacs import COLUMNS, MAX_OBJECTS, Query, Receive, RetrieveRequest
from radfuse.dicom.network.status import store_failure
from radfuse.errors import PeerError, RadfuseError
from radfuse.progress import ProgressCallback, no_progress

SYNTAXES = (
    uids.ExplicitVRLittleEndian, uids.ImplicitVRLittleEndian, uids.ExplicitVRBigEndian,
    uids.DeflatedExplicitVRLittleEndian, uids.RLELossless, uids.JPEGBaseline8Bit,
    uids.JPEGExtended12Bit, uids.JPEGLossless, uids.JPEGLosslessSV1, uids.JPEGLSLossless,
    uids.JPEGLSNearLossless, uids.JPEG2000Lossless, uids.JPEG2000, uids.HTJ2KLossless,
    uids.HTJ2KLosslessRPCL,
)  # fmt: skip
"""Accepted transfer syntaxes; objects are received as stored."""

USUAL_CLASSES = (
    uids.CTImageStorage, uids.MRImageStorage, uids.EnhancedCTImageStorage,
    uids.EnhancedMRImageStorage, uids.SecondaryCaptureImageStorage,
    uids.SpatialRegistrationStorage, uids.RTStructureSetStorage,
)  # fmt: skip
"""SOP classes requested from a PACS that does not list those of its objects."""

CLASSES_PER_ASSOCIATION = (MAX_CONTEXTS - 1) // len(SYNTAXES)
"""SOP classes that one association can retrieve; one context is for the request itself."""

UNKNOWN_CLASS = ""
"""The SOP class of an object that a node does not state."""

SUCCESS = 0x0000
"""The status value of a successful C-STORE."""

VERIFICATION = UID("1.2.840.10008.1.1")
FIND = UID("1.2.840.10008.5.1.4.1.2.2.1")
FIND_PATIENTS = UID("1.2.840.10008.5.1.4.1.2.1.1")
GET = UID("1.2.840.10008.5.1.4.1.2.2.3")
"""SOP classes of PS3.4: verification; query by study root and by patient root; retrieval."""


def echo(node: DimseNode) -> None:
    """Verify that a node responds to C-ECHO. Raises `PeerError` otherwise."""
    with associated(node, [build_context(VERIFICATION)]) as association:
        _check(association.send_c_echo(), "C-ECHO")


def send(
    node: DimseNode, files: Sequence[OutgoingFile], report: ProgressCallback = no_progress
) -> tuple[SendFailure, ...]:
    """C-STORE files unchanged; return those that were not stored.

    Raises `PeerError` if no connection can be made.
    """
    failures: list[SendFailure] = []
    done = 0

    def store(association: Association, file: OutgoingFile) -> None:
        nonlocal done
        reason = _store(association, file)
        failures.extend([SendFailure(file.path, reason)] if reason else [])
        done += 1
        report("sending", done / len(files))

    for batch in _batches(files):
        waiting = deque(batch)
        while waiting:
            try:
                with associated(node, _contexts(waiting)) as association:
                    store(association, waiting.popleft())
                    while waiting and association.is_established:
                        store(association, waiting.popleft())
            except NoContextError:
                failures += [SendFailure(file.path, _not_accepted(file)) for file in waiting]
                break
            except PeerError as error:
                if not done:
                    raise
                failures += [SendFailure(file.path, str(error)) for file in waiting]
                break
    return tuple(failures)


def find(node: DimseNode, query: Query) -> list[Dataset]:
    """C-FIND. Raises `PeerError` if the node refuses or has too many matches."""
    model = FIND_PATIENTS if query.level == "patient" else FIND
    keys = dict.fromkeys(COLUMNS[query.level], "") | dict(query.keys)
    with associated(node, [build_context(model)]) as association:
        return list(_matches(association, model, query.level, keys))


def get(node: DimseNode, request: RetrieveRequest, receive: Receive) -> frozenset[str]:
    """C-GET a study or a series; return the SOP instance UIDs that the node lists.

    Each SOP class is proposed separately in each transfer syntax, so that a node need not
    transcode. Raises `PeerError` if the node refuses, and the errors of `receive`.
    """
    classes_by_series = _list_instances(node, request)
    listed = {kind for instances in classes_by_series.values() for kind in instances.values()}
    usual = USUAL_CLASSES if UNKNOWN_CLASS in listed else ()
    classes = sorted((listed - {UNKNOWN_CLASS}) | set(usual))
    for start in range(0, len(classes), CLASSES_PER_ASSOCIATION):
        batch = classes[start : start + CLASSES_PER_ASSOCIATION]
        keys = [
            key
            for uid, instances in classes_by_series.items()
            for key in _retrieve_keys(uid, instances, {*batch})
        ]
        _get_classes(node, request.study_uid, keys, batch, receive)
    return frozenset(uid for instances in classes_by_series.values() for uid in instances)


def _retrieve_keys(
    series: str, instances: Mapping[str, str], classes: set[str]
) -> Iterator[Mapping[str, str]]:
    """Keys of the instances of some classes in a series: of the whole series, or of each."""
    keys = {"SeriesInstanceUID": series}
    if {*instances.values()} <= {*classes, UNKNOWN_CLASS}:
        yield keys
        return
    for instance, sop_class in instances.items():
        if sop_class in classes:
            yield keys | {"SOPInstanceUID": instance}


class _Stop(BaseException):
    """Stops a retrieval: the library continues after every Exception of a handler."""


def _get_classes(
    node: DimseNode,
    study: str,
    keys: Sequence[Mapping[str, str]],
    classes: Sequence[str],
    receive: Receive,
) -> None:
    """C-GET series or instances of some classes."""

    def store(event: Event) -> int:
        try:
            receive(event.encoded_dataset())
        except (RadfuseError, OSError) as error:
            raise _Stop from error
        return SUCCESS

    contexts = [build_context(uid, [syntax]) for uid in classes for syntax in SYNTAXES]
    contexts.insert(0, build_context(GET))
    roles = [build_role(UID(uid), scp_role=True) for uid in classes]
    events = [(evt.EVT_C_STORE, store)]
    try:
        with (
            disable_value_validation(),
            associated(node, contexts, roles=roles, events=events) as association,
        ):
            for key in keys:
                level = "image" if "SOPInstanceUID" in key else "series"
                identifier = _identifier(level, {"StudyInstanceUID": study, **key})
                for status, _ in association.send_c_get(identifier, GET):
                    _check(status, "C-GET")
    except _Stop as stop:
        raise stop.__cause__ or stop from None


def _list_instances(node: DimseNode, request: RetrieveRequest) -> Mapping[str, Mapping[str, str]]:
    """By series UID, the SOP class by SOP instance UID, as the node lists them."""
    study = {"StudyInstanceUID": request.study_uid}
    instances = {"SOPInstanceUID": "", "SOPClassUID": ""}
    with associated(node, [build_context(FIND)]) as association:
        keys = study | {"SeriesInstanceUID": request.series_uid or ""}
        series = list(_matches(association, FIND, "series", keys))
        return {
            uid: {
                str(match.get("SOPInstanceUID", "")): str(match.get("SOPClassUID", UNKNOWN_CLASS))
                for match in _matches(
                    association, FIND, "image", study | {"SeriesInstanceUID": uid} | instances
                )
            }
            for uid in (str(match.get("SeriesInstanceUID", "")) for match in series)
        }


def _matches(
    association: Association, model: UID, level: str, keys: Mapping[str, str]
) -> Iterator[Dataset]:
    """The matches of a C-FIND."""
    with disable_value_validation():
        identifier = _identifier(level, keys)
        for count, (status, match) in enumerate(association.send_c_find(identifier, model)):
            if match is None:
                _check(status, "C-FIND")
                return
            if count == MAX_OBJECTS:
                raise PeerError(f"more than {count} matches; narrow the query")
            yield match


def _identifier(level: str, keys: Mapping[str, str]) -> Dataset:
    identifier = Dataset()
    identifier.QueryRetrieveLevel = level.upper()
    if not all(value.isascii() for value in keys.values()):
        identifier.SpecificCharacterSet = "ISO_IR 192"
    for keyword, value in keys.items():
        setattr(identifier, keyword, value)
    return identifier


def _check(status: Dataset, request: str) -> None:
    """Raise `PeerError` for the status of a failure, or for a missing status."""
    code = status.get("Status")
    if code is None:
        raise PeerError(
            f"{request}: no response within {ANSWER_TIMEOUT_S:g} s, or the connection was closed; "
            "check the log of the PACS"
        )
    if code_to_category(code) in {"Failure", "Cancel", "Unknown"}:
        raise PeerError(
            f"{request} was refused with status 0x{code:04X}; check the log of the PACS"
        )


def _batches(files: Sequence[OutgoingFile]) -> Iterator[list[OutgoingFile]]:
    """Files in batches that one association can negotiate, grouped by presentation context."""
    by_context: dict[tuple[str, str], list[OutgoingFile]] = defaultdict(list)
    for file in files:
        by_context[file.sop_class, file.transfer_syntax].append(file)
    groups = list(by_context.values())
    for start in range(0, len(groups), MAX_CONTEXTS):
        yield [file for group in groups[start : start + MAX_CONTEXTS] for file in group]


def _contexts(files: Iterable[OutgoingFile]) -> list[PresentationContext]:
    """One for each SOP class and transfer syntax."""
    pairs = dict.fromkeys((file.sop_class, file.transfer_syntax) for file in files)
    return [build_context(sop_class, [syntax]) for sop_class, syntax in pairs]


def _store(association: Association, file: OutgoingFile) -> str | None:
    """Send one file; return why it was not stored."""
    if not any(
        context.abstract_syntax == file.sop_class
        and file.transfer_syntax in context.transfer_syntax
        for context in association.accepted_contexts
    ):
        return _not_accepted(file)
    try:
        status = association.send_c_store(file.path)
        if "Status" not in status:
            association.abort()  # the library may consider it alive, and the next file would wait
        return store_failure(status)
    except OSError as error:
        association.abort()
        return f"cannot be read: {error.strerror}"
    except RuntimeError:  # raised by the library if the connection has just ended
        return store_failure(Dataset())


def _not_accepted(file: OutgoingFile) -> str:
    return (
        f"the PACS does not accept {UID(file.sop_class).name} in "
        f"{UID(file.transfer_syntax).name}; enable this on the PACS, or transcode the file"
    )
