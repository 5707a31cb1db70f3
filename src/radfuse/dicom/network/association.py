"""An association with a DICOM node, with the limits on time that pynetdicom lacks.

The overridden methods are private in pynetdicom, whose minor version is therefore pinned.
"""

import logging
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ssl import SSLContext

from pynetdicom import AE, _config
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_primitives import DimseServiceType
from pynetdicom.events import EventHandlerType
from pynetdicom.pdu_primitives import A_ASSOCIATE, SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext
from pynetdicom.transport import AddressInformation, AssociationSocket

from radfuse.dicom.network.address import (
    ANSWER_TIMEOUT_S,
    DimseNode,
    connection_problem,
    tls_context,
)
from radfuse.dicom.network.pacs import silence_libraries
from radfuse.errors import PeerError

LOG = logging.getLogger(__name__)

MAX_CONTEXTS = 128
"""Presentation contexts of one association: their IDs are the odd bytes."""

MAX_PDU_BYTES = 2**20
"""The maximum PDU length that this program proposes."""

THREAD_END_S = 1.0
"""Longest wait for the end of the thread of a failed connection."""


class NoContextError(PeerError):
    """The node accepted no presentation context."""


class _TimedSocket(AssociationSocket):
    """Waits a limited time for data, and closes the connection."""

    def recv(self, nr_bytes: int) -> bytearray:
        """Read `nr_bytes`, or fewer if the connection ends; raise OSError after a long pause.

        pynetdicom then treats the connection as closed.
        """
        if self.socket:
            self.socket.settimeout(ANSWER_TIMEOUT_S)
            if hasattr(socket, "TCP_QUICKACK"):  # otherwise some peers delay each packet by 40 ms
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        return super().recv(nr_bytes)

    def _shutdown_socket(self) -> None:
        """Close the socket, even if it was never connected."""
        connection = self.socket
        super()._shutdown_socket()
        if connection:
            connection.close()


class _RequestMessages(DIMSEServiceProvider):
    """Delivers every message to the request that waits for it.

    The reactor thread of pynetdicom also polls for messages, and may consume the response to a
    request that directly follows another one; the request would then wait until its timeout.
    """

    def get_msg(self, block: bool = False) -> tuple[int, DimseServiceType] | tuple[None, None]:
        """The next message for a request; nothing for the reactor thread, which does not block."""
        return super().get_msg(block) if block else (None, None)


class _ApplicationEntity(AE):
    latest: Association | None = None
    """The association created last, possibly not established."""

    def _create_socket(
        self,
        assoc: Association,
        address: AddressInformation,
        tls_args: tuple[SSLContext, str] | None,
    ) -> AssociationSocket:
        self.latest = assoc
        assoc.dimse = _RequestMessages(assoc)
        connection = _TimedSocket(assoc, address=address)
        connection.tls_args = tls_args
        if connection.socket:  # sends small packets at once, not after 40 ms
            connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


@contextmanager
def associated(
    node: DimseNode,
    contexts: Sequence[PresentationContext],
    *,
    roles: Sequence[SCP_SCU_RoleSelectionNegotiation] = (),
    events: Sequence[EventHandlerType] = (),
) -> Iterator[Association]:
    """An association with at least one accepted context, released at the end.

    Raises `PeerError` if it cannot be established, `NoContextError` if no context is accepted.
    """
    silence_libraries()
    _config.LOG_HANDLER_LEVEL = "none"
    _config.STORE_SEND_CHUNKED_DATASET = True  # files are sent unchanged
    entity = _ApplicationEntity(node.own_title)
    entity.acse_timeout = entity.connection_timeout = node.timeout_s
    entity.dimse_timeout = entity.network_timeout = ANSWER_TIMEOUT_S
    tls = (tls_context(node.tls), node.host) if node.tls else None
    try:
        association = entity.associate(
            node.host,
            node.port,
            contexts=list(contexts),
            ae_title=node.title,
            max_pdu=MAX_PDU_BYTES,
            ext_neg=list(roles),
            tls_args=tls,
            evt_handlers=list(events),
        )
    except OSError as error:  # an unknown host
        raise PeerError(f"{node}: {_reason(node, tls)}") from error
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
    except BaseException:  # an interrupt also ends the connection and its threads
        association.abort()
        LOG.warning("association aborted", extra={"host": node.host, "port": node.port})
        raise
    if association.is_established:
        association.release()
    LOG.info("association closed", extra={"host": node.host, "port": node.port})


def _end(association: Association) -> None:
    """End the thread of an association that was not established, and close its connection.

    pynetdicom leaves both open if the node closed the connection, and after an interrupt.
    """
    association.dul.kill_dul()
    association.dul.join(THREAD_END_S)
    if association.dul.socket:
        association.dul.socket.close()


def _reason(node: DimseNode, tls: tuple[SSLContext, str] | None) -> str:
    reason = connection_problem(node.host, node.port, node.timeout_s, tls[0] if tls else None)
    return reason or (
        "the port does not respond as a DICOM node; check the port, and whether it requires TLS "
        "or a client certificate (--tls, --tls-cert)"
    )


def _refusal(
    node: DimseNode, association: Association, tls: tuple[SSLContext, str] | None
) -> PeerError:
    """The error for an association that was not established."""
    if association.rejected_contexts:
        return NoContextError(f"{node}: the peer accepted no presentation context")
    response = _rejection(association)
    if response:
        return PeerError(
            f"{node}: the association was rejected: {response.reason_str}; check the called title, "
            f"and whether the PACS accepts the calling title {node.own_title} (--ae-title)"
        )
    return PeerError(f"{node}: {_reason(node, tls)}")


def _rejection(association: Association) -> A_ASSOCIATE | None:
    """The response that rejected the association; None if there was none.

    A response may still be in the queue: pynetdicom does not read it if the node closed the
    connection before the requesting thread checked it.
    """
    if association.is_rejected:
        return association.acceptor.primitive
    response = association.dul.receive_pdu()
    return response if isinstance(response, A_ASSOCIATE) and response.result else None
