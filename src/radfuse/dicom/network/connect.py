"""Connect to a PACS by DIMSE or DICOMweb."""

from functools import partial

from radfuse.dicom.network.address import Address, DimseNode
from radfuse.dicom.network.pacs import Pacs
from radfuse.errors import needs_extra


def connect(address: Address) -> Pacs:
    """The requests to the PACS at an address; no connection is made yet.

    Raises `InputError` where the extra `pacs` is not installed.
    """
    with needs_extra("pacs"):
        from radfuse.dicom.network import dicomweb, dimse  # noqa: PLC0415  # optional extra
    protocol = dimse if isinstance(address, DimseNode) else dicomweb
    return Pacs(
        echo=partial(protocol.echo, address),
        send=partial(protocol.send, address),
        find=partial(protocol.find, address),
        get=partial(protocol.get, address),
    )
