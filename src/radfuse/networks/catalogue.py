"""The networks by name: what trains and exports looks here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray
from torch import Tensor, nn

from radfuse.errors import InputError
from radfuse.networks.mfinet import Choices, MFINet
from radfuse.networks.res2fusion import Res2Fusion
from radfuse.settings import checked_settings


@dataclass(frozen=True)
class Entry:
    """What the catalogue knows of a network."""

    make: Callable[..., nn.Module]
    """Called with the network's options; what it makes is called with CT and MR."""

    source: str
    """Paper, for the card."""

    rebuilds: bool = False
    """Whether it is an autoencoder: has `reconstruct` for images (N, 1, H, W)."""

    authors: Callable[[Mapping[str, NDArray[Any]]], dict[str, Tensor]] | None = None
    """The network's parameters from the arrays that its authors published, by their names; raises
    `KeyError` for one that is missing."""

    authors_options: Mapping[str, Any] = field(default_factory=dict)
    """With these and the authors' parameters it gives the images that their program saves."""


def _mfinet(**options: Any) -> MFINet:
    return MFINet(checked_settings(options, Choices, "options of mfinet"))


NETWORKS = {
    "res2fusion": Entry(
        Res2Fusion,
        "Chen et al. 2024, doi:10.1186/s12880-024-01329-x, Table 1 and Eq. 1-6",
        rebuilds=True,
    ),
    "mfinet": Entry(_mfinet, "Song et al. 2024, doi:10.1007/s13721-024-00449-2"),
}
"""Every network; its file says what its options are."""


def make_network(name: str, options: dict[str, Any]) -> nn.Module:
    """A new network with random parameters; `InputError` for an unknown name or option."""
    if name not in NETWORKS:
        raise InputError(f"no network '{name}'; there are {sorted(NETWORKS)}")
    try:
        return NETWORKS[name].make(**options)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"options {options} do not fit network '{name}': {error}") from error
