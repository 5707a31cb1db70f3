"""A PACS by DIMSE: C-ECHO, C-STORE, C-FIND, C-GET."""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial

from pydicom import Dataset
from pydicom.config import disable_value_validation
from pydicom.uid import (
    JPEG2000,
    UID,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    MRImageStorage,
    RLELossless,
    RTStructureSetStorage,
    SecondaryCaptureImageStorage,
    SpatialRegistrationStorage,
)
from pynetdicom import build_context, build_role, evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.presentation import PresentationContext
from pynetdicom.status import code_to_category

from radfuse.dicom.network.address import ANSWER_TIMEOUT_S, Node
from radfuse.dicom.network.association import MOST_CONTEXTS, Handlers, NoContextError, associated
from radfuse.dicom.network.outgoing import Failure, Outgoing
from radfuse.dicom.network.pacs import (
    COLUMNS,
    MOST_OBJECTS,
    Allowance,
    Pacs,
    Progress,
    Query,
    Receive,
    Wanted,
)
from radfuse.dicom.network.status import refusal
from radfuse.errors import PeerError, RadfuseError

SYNTAXES = (
    ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian, RLELossless, JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLossless,
    JPEGLosslessSV1, JPEGLSLossless, JPEGLSNearLossless, JPEG2000Lossless, JPEG2000, HTJ2KLossless,
    HTJ2KLosslessRPCL,
)  # fmt: skip
"""Transfer syntaxes in which objects may come, each as it is stored."""

USUAL_CLASSES = (
    CTImageStorage, MRImageStorage, EnhancedCTImageStorage, EnhancedMRImageStorage,
    SecondaryCaptureImageStorage, SpatialRegistrationStorage, RTStructureSetStorage,
)  # fmt: skip
"""What is expected of a PACS that does not tell of what classes its objects are."""

CLASSES_AT_ONCE = (MOST_CONTEXTS - 1) // len(SYNTAXES)
"""Classes that one association can fetch; one context is the request's own."""

UNTOLD = ""
"""The class of an object that a node does not tell."""

SUCCESS = 0x0000
"""The status with which an object is acknowledged."""

VERIFICATION = UID("1.2.840.10008.1.1")
FIND = UID("1.2.840.10008.5.1.4.1.2.2.1")
FIND_PATIENTS = UID("1.2.840.10008.5.1.4.1.2.1.1")
GET = UID("1.2.840.10008.5.1.4.1.2.2.3")
"""SOP classes of PS3.4: verification; search by study root and by patient root; retrieval."""


def connect(node: Node) -> Pacs:
    """What can be asked of a node."""
    return Pacs(
        echo=partial(echo, node),
        send=partial(send, node),
        find=partial(find, node),
        get=partial(get, node),
    )


def echo(node: Node) -> None:
    """Return if a node answers C-ECHO. Raises `PeerError` otherwise."""
    with associated(node, [build_context(VERIFICATION)]) as association:
        _check(association.send_c_echo(), "C-ECHO")


def send(
    node: Node, files: Sequence[Outgoing], report: Progress | None = None
) -> tuple[Failure, ...]:
    """C-STORE files as they are stored; what the node did not take.

    Raises `PeerError` where no connection can be made at all.
    """
    failures: list[Failure] = []
    done = 0

    def store(association: Association, file: Outgoing) -> None:
        nonlocal done
        reason = _store(association, file)
        failures.extend([Failure(file.path, reason)] if reason else [])
        done += 1
        if report:
            report(done, len(files))

    for batch in _batches(files):
        waiting = deque(batch)
        while waiting:
            try:
                with associated(node, _contexts(waiting)) as association:
                    store(association, waiting.popleft())
                    while waiting and association.is_established:
                        store(association, waiting.popleft())
            except NoContextError:
                failures += [Failure(file.path, _not_taken(file)) for file in waiting]
                break
            except PeerError as error:
                if not done:
                    raise
                failures += [Failure(file.path, str(error)) for file in waiting]
                break
    return tuple(failures)


def find(node: Node, query: Query) -> list[Dataset]:
    """C-FIND. Raises `PeerError` where the node refuses or finds too much."""
    model = FIND_PATIENTS if query.level == "patient" else FIND
    wanted = dict.fromkeys(COLUMNS[query.level], "") | dict(query.keys)
    with associated(node, [build_context(model)]) as association:
        return list(_answers(association, model, query.level, wanted))


def get(node: Node, wanted: Wanted, receive: Receive) -> frozenset[str]:
    """C-GET a study or a series; the SOP instance UIDs that the node said it has.

    Each class of object is proposed in each transfer syntax by itself, so that a node need not
    recompress. Raises `PeerError` where the node refuses, and whatever `receive` raises.
    """
    contents = _contents(node, wanted)
    told = {kind for held in contents.values() for kind in held.values()}
    classes = sorted((told - {UNTOLD}) | set(USUAL_CLASSES if UNTOLD in told else ()))
    for start in range(0, len(classes), CLASSES_AT_ONCE):
        now = classes[start : start + CLASSES_AT_ONCE]
        requests = [
            request for uid, held in contents.items() for request in _requests(uid, held, {*now})
        ]
        _get_classes(node, wanted.study, requests, now, receive)
    return frozenset(instance for held in contents.values() for instance in held)


def _requests(
    series: str, held: Mapping[str, str], classes: set[str]
) -> Iterator[Mapping[str, str]]:
    """Keys that name what a series has of some classes: the series, or each instance by itself."""
    keys = {"SeriesInstanceUID": series}
    if {*held.values()} <= {*classes, UNTOLD}:
        yield keys
        return
    for instance, kind in held.items():
        if kind in classes:
            yield keys | {"SOPInstanceUID": instance}


class _Stop(BaseException):
    """Ends a fetch at once: the library goes on after every mere Exception of a handler."""


def _get_classes(
    node: Node,
    study: str,
    requests: Sequence[Mapping[str, str]],
    classes: Sequence[str],
    receive: Receive,
) -> None:
    """C-GET series or instances of some classes."""
    allowance = Allowance()

    def take(event: Event) -> int:
        try:
            receive(event.encoded_dataset())
        except (RadfuseError, OSError) as error:
            raise _Stop from error
        allowance.refill()
        return SUCCESS

    contexts = [build_context(kind, [syntax]) for kind in classes for syntax in SYNTAXES]
    handlers = Handlers(
        roles=[build_role(UID(kind), scp_role=True) for kind in classes],
        events=[(evt.EVT_C_STORE, take)],
        allowance=allowance,
    )
    try:
        with (
            disable_value_validation(),
            associated(node, [build_context(GET), *contexts], handlers) as association,
        ):
            for keys in requests:
                level = "image" if "SOPInstanceUID" in keys else "series"
                identifier = _identifier(level, {"StudyInstanceUID": study, **keys})
                for status, _ in association.send_c_get(identifier, GET):
                    _check(status, "C-GET")
    except _Stop as stop:
        raise stop.__cause__ or stop from None


def _contents(node: Node, wanted: Wanted) -> Mapping[str, Mapping[str, str]]:
    """Which instances, of which classes, the wanted series have, as the node tells."""
    study = {"StudyInstanceUID": wanted.study}
    instances = {"SOPInstanceUID": "", "SOPClassUID": ""}
    with associated(node, [build_context(FIND)]) as association:
        keys = study | {"SeriesInstanceUID": wanted.series or ""}
        found = list(_answers(association, FIND, "series", keys))
        return {
            uid: {
                str(answer.get("SOPInstanceUID", "")): str(answer.get("SOPClassUID", UNTOLD))
                for answer in _answers(
                    association, FIND, "image", study | {"SeriesInstanceUID": uid} | instances
                )
            }
            for uid in (str(series.get("SeriesInstanceUID", "")) for series in found)
        }


def _answers(
    association: Association, model: UID, level: str, keys: Mapping[str, str]
) -> Iterator[Dataset]:
    """The answers to a C-FIND."""
    with disable_value_validation():
        identifier = _identifier(level, keys)
        for count, (status, answer) in enumerate(association.send_c_find(identifier, model)):
            if answer is None:
                _check(status, "C-FIND")
                return
            if count == MOST_OBJECTS:
                raise PeerError(f"more than {count} answers; search for less")
            yield answer


def _identifier(level: str, keys: Mapping[str, str]) -> Dataset:
    identifier = Dataset()
    identifier.QueryRetrieveLevel = level.upper()
    if not all(value.isascii() for value in keys.values()):
        identifier.SpecificCharacterSet = "ISO_IR 192"
    for keyword, value in keys.items():
        setattr(identifier, keyword, value)
    return identifier


def _check(status: Dataset, request: str) -> None:
    """Raise `PeerError` for a status that tells of a failure, or for none at all."""
    code = status.get("Status")
    if code is None:
        raise PeerError(
            f"{request}: no answer within {ANSWER_TIMEOUT_S:g} s, or the connection was closed; "
            "look at the log of the PACS"
        )
    if code_to_category(code) in {"Failure", "Cancel", "Unknown"}:
        raise PeerError(
            f"{request} was refused with status 0x{code:04X}; look at the log of the PACS"
        )


def _batches(files: Sequence[Outgoing]) -> Iterator[list[Outgoing]]:
    """Files in groups that one association can negotiate, those of one kind together."""
    kinds: dict[tuple[str, str], list[Outgoing]] = defaultdict(list)
    for file in files:
        kinds[file.sop_class, file.transfer_syntax].append(file)
    groups = list(kinds.values())
    for start in range(0, len(groups), MOST_CONTEXTS):
        yield [file for group in groups[start : start + MOST_CONTEXTS] for file in group]


def _contexts(files: Iterable[Outgoing]) -> list[PresentationContext]:
    """One for each kind of file."""
    kinds = dict.fromkeys((file.sop_class, file.transfer_syntax) for file in files)
    return [build_context(kind, [syntax]) for kind, syntax in kinds]


def _store(association: Association, file: Outgoing) -> str | None:
    """Send one file; why it was not stored."""
    if not any(
        context.abstract_syntax == file.sop_class
        and file.transfer_syntax in context.transfer_syntax
        for context in association.accepted_contexts
    ):
        return _not_taken(file)
    try:
        status = association.send_c_store(file.path)
        if "Status" not in status:
            association.abort()  # else the library may take it for alive and the next file waits
        return refusal(status)
    except OSError as error:
        association.abort()
        return f"cannot be read: {error.strerror}"
    except RuntimeError:  # what the library raises where the connection has just ended
        return refusal(Dataset())


def _not_taken(file: Outgoing) -> str:
    return (
        f"the PACS takes no {UID(file.sop_class).name} in {UID(file.transfer_syntax).name}; "
        "set it up for this, or rewrite the file"
    )
