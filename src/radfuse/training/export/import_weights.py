"""Import parameters that a network's authors published: an ONNX file and its model card."""

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
"""Maps the published arrays, by their names, to the parameters of our network."""

DATA = "parameters as published by the authors; trained on the authors' images"
"""For the model card, as is the next."""

LICENCE = "not stated by the authors: check before use; not distributed with radfuse"


def import_weights(
    name: str, files: Sequence[Path], path: Path, *, options: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Write a network with published parameters as an ONNX file; returns its model card.

    By default the network's options reproduce the images of the authors' program; `options`
    overrides some. Raises `InputError` for files that are damaged or of another network,
    `RadfuseError` where the graph differs from the network; nothing is written then.
    """
    info = NETWORKS.get(name)
    if info is None or info.published_parameters is None:
        known = sorted(name for name, info in NETWORKS.items() if info.published_parameters)
        raise InputError(f"no network '{name}' whose authors' files can be read; there are {known}")
    used = dict(info.published_options) | (options or {})
    network = make_network(name, used).eval()
    published = read_published(files)
    load_published(network, published, info.published_parameters)
    facts = {
        "data": DATA,
        "patients_trained": None,  # the authors do not say
        "files": [{"name": file.name, "sha256": digest([file])} for file in published.files],
        "licence": LICENCE,
    }
    return write_weights(network, path, name=name, options=used, facts=facts)


def load_published(network: nn.Module, published: Published, mapping: ParameterMapping) -> None:
    """Load published parameters; `InputError` for missing parameters and wrong shapes."""
    parameters = _mapped(published, mapping)
    needed = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    shapes = {name: tuple(value.shape) for name, value in parameters.items()}
    for name in needed | shapes:
        if shapes.get(name) != needed.get(name):
            raise InputError(
                f"{published}: parameter '{name}' has shape {shapes.get(name)}; "
                f"the network needs {needed.get(name)}"
            )
        if not parameters[name].isfinite().all():
            raise InputError(f"{published}: parameter '{name}' has values that are not finite")
    network.load_state_dict(parameters)


def _mapped(published: Published, mapping: ParameterMapping) -> dict[str, Tensor]:
    arrays = _RecordingDict(published.arrays)
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


class _RecordingDict(dict[str, NDArray[Any]]):
    """Arrays that record the last access: the one at which a mapping fails."""

    last, shape_of_last = "", ()

    def __getitem__(self, name: str) -> NDArray[Any]:
        array = super().__getitem__(name)
        self.last, self.shape_of_last = name, array.shape
        return array
