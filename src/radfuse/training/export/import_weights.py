"""From the files that a network's authors published to a graph and its card: no training at all."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from torch import Tensor, nn

from radfuse.errors import InputError
from radfuse.networks.catalogue import NETWORKS, make_network
from radfuse.networks.published_files.read import Published, read_published
from radfuse.record import digest
from radfuse.training.export.model_card import write_weights

ParameterMapping = Callable[[Mapping[str, NDArray[Any]]], dict[str, Tensor]]
"""The mapping of a network's file: from their arrays by their names to its parameters."""

DATA = "parameters as their files have them; trained on images of those who published them"
"""Stands on the card, as does the next."""

LICENCE = "not stated by the authors: check before use; not distributed with radfuse"


def import_weights(
    name: str, files: Sequence[Path], path: Path, *, options: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Write a network with its authors' parameters as an ONNX file with a card beside it; the card.

    `options` replaces some of those with which the network gives the images that the authors'
    program saved. Raises `InputError` for files that are damaged or another network's,
    `RadfuseError` where the graph differs from the network, and writes nothing then.
    """
    info = NETWORKS.get(name)
    if info is None or info.published_parameters is None:
        known = sorted(name for name, info in NETWORKS.items() if info.published_parameters)
        raise InputError(f"no network '{name}' whose authors' files can be read; there are {known}")
    used = dict(info.published_options) | (options or {})
    network = make_network(name, used).eval()
    published = read_published(files)
    fill_from(network, published, info.published_parameters)
    facts = {
        "data": DATA,
        "patients_trained": [],
        "files": [{"name": file.name, "sha256": digest([file])} for file in published.files],
        "licence": LICENCE,
    }
    return write_weights(network, path, name=name, options=used, facts=facts)


def fill_from(network: nn.Module, published: Published, mapping: ParameterMapping) -> None:
    """Give a network its authors' parameters; `InputError` for any that is missing or misshapen."""
    found = _mapped(published, mapping)
    needed = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    shapes = {name: tuple(value.shape) for name, value in found.items()}
    for name in needed | shapes:
        if shapes.get(name) != needed.get(name):
            raise InputError(
                f"{published}: parameter '{name}' has shape {shapes.get(name)}; "
                f"the network needs {needed.get(name)}"
            )
        if not found[name].isfinite().all():
            raise InputError(f"{published}: parameter '{name}' has values that are not finite")
    network.load_state_dict(found)


def _mapped(published: Published, mapping: ParameterMapping) -> dict[str, Tensor]:
    arrays = _Watched(published.arrays)
    try:
        return mapping(arrays)
    except KeyError as error:
        name = str(error.args[0])
        if name in published.differing:
            raise InputError(f"{published}: array '{name}' differs between the files") from error
        other = min(arrays, default="")
        raise InputError(
            f"{published}: no array '{name}', but {len(arrays)} others such as '{other}'"
        ) from error
    except (ValueError, RuntimeError, IndexError) as error:
        raise InputError(
            f"{published}: array '{arrays.last}' has shape {arrays.shape_of_last}; "
            f"the network needs another number of axes: {error}"
        ) from error


class _Watched(dict[str, NDArray[Any]]):
    """Arrays that remember which was taken last: the one that a mapping stumbles over."""

    last, shape_of_last = "", ()

    def __getitem__(self, name: str) -> NDArray[Any]:
        array = super().__getitem__(name)
        self.last, self.shape_of_last = name, array.shape
        return array
