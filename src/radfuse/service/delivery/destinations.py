"""The PACS that the viewer knows: a TOML file with a table for each, as `radfuse dicom` takes them.

```toml
[archive]
address = "ARCHIVE@10.0.0.5:104"

[planning]
address = "https://pacs.example/dicom-web"
tls_ca = "ca.pem"
```
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from radfuse.dicom.network.address import (
    OWN_TITLE,
    TIMEOUT_S,
    Address,
    DimseNode,
    Tls,
    parse_address,
)
from radfuse.errors import InputError
from radfuse.settings import checked_settings

VARIABLE = "RADFUSE_VIEW_PACS"
"""Names the file where no option does."""


@dataclass(frozen=True)
class Destination:
    """A PACS: the options of `radfuse dicom send` as settings."""

    address: str
    """TITLE@HOST:PORT (DIMSE), or https://HOST/PATH (DICOMweb)."""

    ae_title: str = OWN_TITLE
    """Calling application entity title of this program."""

    tls: bool = False
    """Whether DIMSE uses TLS."""

    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    """PEM files, relative to the file of settings."""

    timeout_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = TIMEOUT_S
    """Of the connection."""

    def parsed(self, folder: Path) -> Address:
        """The address; raises `InputError` for an invalid one."""
        if self.tls_key and not self.tls_cert:
            raise InputError("tls_key is the key of a certificate; give tls_cert as well")
        ca, cert, key = (one and folder / one for one in (self.tls_ca, self.tls_cert, self.tls_key))
        encrypted = Tls(ca, cert, key) if self.tls or ca or cert else None
        return parse_address(
            self.address, own_title=self.ae_title, tls=encrypted, timeout_s=self.timeout_s
        )


def read_destinations(path: Path) -> dict[str, Address]:
    """The addresses of a file by name, in its order; the first one is where studies are retrieved.

    Raises `InputError` for a file that cannot be read, and for unknown or wrong settings.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: cannot be read as TOML settings: {error}") from error
    addresses = {}
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise InputError(f"{path}: {name}: give a table [NAME] with an address for each PACS")
        destination = checked_settings(table, Destination, f"{path}: [{name}]")
        try:
            addresses[name] = destination.parsed(path.parent)
        except InputError as error:
            raise InputError(f"{path}: [{name}]: {error}") from error
    return addresses


def protocol_of(address: Address) -> str:
    """Name of the protocol, for the user."""
    return "DIMSE" if isinstance(address, DimseNode) else "DICOMweb"


def destination_named(destinations: Mapping[str, Address], name: str | None) -> tuple[str, Address]:
    """A PACS by its name, by default the first; raises `InputError` for an unknown one."""
    if not destinations:
        raise InputError(
            "no PACS is configured: start the viewer with --pacs FILE, which has a table with an "
            "address for each"
        )
    chosen = next(iter(destinations)) if name is None else name
    if chosen not in destinations:
        raise InputError(f"no PACS {chosen[:100]!r}; configured are {', '.join(destinations)}")
    return chosen, destinations[chosen]
