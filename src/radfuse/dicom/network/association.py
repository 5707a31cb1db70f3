"""A connection to a DICOM node, with limits on time and size that the library lacks."""

import logging
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from ssl import SSLContext

from pynetdicom import AE, _config
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_primitives import DimseServiceType
from pynetdicom.events import EventHandlerType
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext
from pynetdicom.transport import AddressInformation, AssociationSocket

from radfuse.dicom.network.address import ANSWER_TIMEOUT_S, Node, tls_context, why_unreachable
from radfuse.dicom.network.pacs import Allowance, keep_quiet
from radfuse.errors import PeerError

LOG = logging.getLogger(__name__)

MOST_CONTEXTS = 128
"""Presentation contexts of one association: their identifiers are the odd bytes."""

LARGEST_PDU_BYTES = 2**20
"""The largest packet that this program asks for; none larger is taken."""

THREAD_END_S = 1.0
"""How long the thread of a connection that failed may take to end."""

READ_BYTES = 2**16
"""Read from the connection in one go."""


class NoContextError(PeerError):
    """The node takes none of the kinds of object that were proposed."""


@dataclass(frozen=True)
class Handlers:
    """What takes part in an association besides the requests."""

    roles: Sequence[SCP_SCU_RoleSelectionNegotiation] = ()
    events: Sequence[EventHandlerType] = ()
    allowance: Allowance = field(default_factory=Allowance)
    """Bounds what comes in."""


class _Socket(AssociationSocket):
    """Reads packets of bounded size in bounded time."""

    allowance: Allowance | None = None

    def recv(self, nr_bytes: int) -> bytearray:
        """Read as many bytes; fewer where the connection ends, an OSError where it may not go on.

        The library then takes the connection for closed.
        """
        if nr_bytes > LARGEST_PDU_BYTES or self.socket is None:
            raise OSError(f"a packet of {nr_bytes} bytes")
        end, data = time.monotonic() + ANSWER_TIMEOUT_S, bytearray()
        while len(data) < nr_bytes:
            self.socket.settimeout(max(end - time.monotonic(), 1e-3))
            if hasattr(socket, "TCP_QUICKACK"):  # else some peers hold each packet for 40 ms
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            part = self.socket.recv(min(nr_bytes - len(data), READ_BYTES))
            if not part:
                break
            data += part
        if self.allowance:
            try:
                self.allowance.spend(len(data))
            except PeerError as error:
                raise OSError(str(error)) from error
        return data

    def _shutdown_socket(self) -> None:
        """Close the socket, even one that was never connected."""
        connection = self.socket
        super()._shutdown_socket()
        if connection:
            connection.close()


class _Answers(DIMSEServiceProvider):
    """Leaves every message to the request that waits for it.

    The library's own thread looks for messages, too, and may take the answer to a request that
    was made just after another one; the request then waits until its time is up.
    """

    def get_msg(self, block: bool = False) -> tuple[int, DimseServiceType] | tuple[None, None]:
        """The next message, for a request; nothing for the thread, which does not wait."""
        return super().get_msg(block) if block else (None, None)


class _Entity(AE):
    allowance: Allowance | None = None
    latest: Association | None = None
    """What was made last, before it is known whether it holds."""

    def _create_socket(
        self,
        assoc: Association,
        address: AddressInformation,
        tls_args: tuple[SSLContext, str] | None,
    ) -> AssociationSocket:
        self.latest = assoc
        assoc.dimse = _Answers(assoc)
        connection = _Socket(assoc, address=address)
        connection.allowance = self.allowance
        connection.tls_args = tls_args
        if connection.socket:  # small packets go at once, else some 40 ms later
            connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


@contextmanager
def associated(
    node: Node, contexts: Sequence[PresentationContext], handlers: Handlers | None = None
) -> Iterator[Association]:
    """An association in which at least one of the contexts was accepted; it is closed at the end.

    Raises `PeerError` where it does not come about, `NoContextError` where no context is taken.
    """
    keep_quiet()
    _config.LOG_HANDLER_LEVEL = "none"
    _config.STORE_SEND_CHUNKED_DATASET = True  # files go as they are stored
    handlers = handlers or Handlers()
    entity = _Entity(node.own_title)
    entity.allowance = handlers.allowance
    entity.acse_timeout = entity.connection_timeout = node.timeout_s
    entity.dimse_timeout = entity.network_timeout = ANSWER_TIMEOUT_S
    tls = (tls_context(node.tls), node.host) if node.tls else None
    try:
        association = entity.associate(
            node.host,
            node.port,
            contexts=list(contexts),
            ae_title=node.title,
            max_pdu=LARGEST_PDU_BYTES,
            ext_neg=list(handlers.roles),
            tls_args=tls,
            evt_handlers=list(handlers.events),
        )
    except OSError as error:  # an unknown host
        raise PeerError(f"{node}: {_why(node, tls)}") from error
    except KeyboardInterrupt:
        if entity.latest:
            _end(entity.latest)
        raise
    if not association.is_established:
        _end(association)
        LOG.warning("association refused", extra={"host": node.host, "port": node.port})
        raise _refusal(node, association, tls)
    LOG.info("association opened", extra={"host": node.host, "port": node.port})
    try:
        yield association
    except BaseException as error:  # an interrupt, too, ends the connection and its threads
        association.abort()
        LOG.warning("association aborted", extra={"host": node.host, "port": node.port})
        if isinstance(error, PeerError):
            handlers.allowance.spend(0)  # tells of an answer that was too large
        raise
    if association.is_established:
        association.release()
    LOG.info("association closed", extra={"host": node.host, "port": node.port})


def _end(association: Association) -> None:
    """End the thread of an association that did not come about, and close its connection.

    The library leaves both where the node has closed the connection, and after an interrupt.
    """
    association.dul.kill_dul()
    association.dul.join(THREAD_END_S)
    if association.dul.socket:
        association.dul.socket.close()


def _why(node: Node, tls: tuple[SSLContext, str] | None) -> str:
    reason = why_unreachable(node.host, node.port, node.timeout_s, tls[0] if tls else None)
    return reason or (
        "what listens there does not answer as a DICOM node does; check the port, "
        "and whether it wants TLS or a certificate (--tls, --tls-cert)"
    )


def _refusal(node: Node, association: Association, tls: tuple[SSLContext, str] | None) -> PeerError:
    """Why an association did not come about."""
    if association.rejected_contexts:
        return NoContextError(f"{node}: it does none of what was proposed to it")
    answer = association.acceptor.primitive
    if association.is_rejected and answer:
        return PeerError(
            f"{node}: it refused the association: {answer.reason_str}; check its title, and "
            f"whether it knows this program as {node.own_title} (--ae-title)"
        )
    return PeerError(f"{node}: {_why(node, tls)}")
