"""A PACS at an address, whichever way it speaks."""

from radfuse.errors import InputError
from radfuse.io.dicom.address import Address, Node
from radfuse.io.dicom.pacs import Pacs


def connect(address: Address) -> Pacs:
    """What can be asked of the PACS at an address; nothing is asked yet.

    Raises `InputError` where the extra `pacs` is not installed.
    """
    try:
        from radfuse.io.dicom import node, web  # noqa: PLC0415  # an extra
    except ModuleNotFoundError as error:
        raise InputError(f"{error.name} is missing; pip install radfuse[pacs]") from error
    return node.connect(address) if isinstance(address, Node) else web.connect(address)
