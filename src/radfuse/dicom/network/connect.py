"""A PACS at an address, whichever way it speaks."""

from radfuse.dicom.network.address import Address, Node
from radfuse.dicom.network.pacs import Pacs
from radfuse.errors import InputError


def connect(address: Address) -> Pacs:
    """What can be asked of the PACS at an address; nothing is asked yet.

    Raises `InputError` where the extra `pacs` is not installed.
    """
    try:
        from radfuse.dicom.network import dicomweb, dimse  # noqa: PLC0415  # an extra
    except ModuleNotFoundError as error:
        raise InputError(f"{error.name} is missing; pip install radfuse[pacs]") from error
    return dimse.connect(address) if isinstance(address, Node) else dicomweb.connect(address)
