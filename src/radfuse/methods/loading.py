"""Load fusion methods by name, with their options."""

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from radfuse.arrays import Float32Array
from radfuse.errors import InputError, install_command, unknown_name
from radfuse.intensity import Window
from radfuse.methods.catalogue import METHODS, PUBLISHED, MethodInfo, has_fast_graph
from radfuse.methods.installed import is_installed, read_weights, weights_folder
from radfuse.methods.options import Option, Value, checked_options, declared_options
from radfuse.settings import shipped_trainings

Method = Callable[[Float32Array, Float32Array], Float32Array]
"""Called with the first and the second source, CT and MR, (N, H, W) in [0, 1]; returns the fused
images, of the same shape and range."""

GRAPH = "graph"
"""The option of `TWO_GRAPHS` that chooses one of them."""

RUNNERS = {
    "cpu": "radfuse.methods.onnx:OnnxMethod",
    "cuda": "radfuse.networks.torch_method:TorchMethod",
}
"""The class that runs ONNX graphs, by device."""

TWO_GRAPHS = "radfuse.methods.onnx:TwoGraphMethod"
"""The class that runs those of networks with a fast graph on the processor."""


def method_info(name: str) -> MethodInfo:
    """The row of a method, or one for installed weights or a path that ends in `.onnx`.

    Raises `InputError` with the nearest names for an unknown one, and with the command that imports
    or trains a network whose weights are not packaged.
    """
    if name in METHODS:
        return METHODS[name]
    if name.endswith(".onnx"):
        if not Path(name).is_file():
            raise InputError(f"{name}: no such ONNX file")
        return MethodInfo("a graph from a file", name, "network", weights=Path(name))
    if is_installed(name):
        graph = weights_folder() / f"{name}.onnx"
        source = read_weights(graph).model_card.get("source", "")
        return MethodInfo("installed weights", source, "network", weights=graph)
    if how := _how_to_get(name):
        raise InputError(how)
    raise unknown_name("method", name, METHODS, "`radfuse methods`")


def _how_to_get(name: str) -> str:
    """How to get a network without packaged weights; empty for what is none."""
    network, _, suffix = name.partition("@")
    if network in PUBLISHED and suffix in ("", "authors"):
        lack = "is not installed" if suffix else "ships no weights"
        return (
            f"{name} {lack}; `radfuse weights import {network} FILE` "
            f"(docs/howto/authors-weights.md), then --method {network}@authors"
        )
    if name in shipped_trainings():
        return f"{name} ships no weights; train it: radfuse weights build {name} --data FOLDER"
    return ""


def missing_weights(name: str) -> str:
    """How to install the weights of a method of the catalogue; empty where they are installed."""
    weights = METHODS[name].weights if name in METHODS else None
    if not weights or weights.is_file():
        return ""
    return (
        f"the weights of '{name}' are in the package radfuse-weights; {install_command('weights')}"
    )


def load_method(
    name: str,
    options: Mapping[str, Any] = MappingProxyType({}),
    *,
    window: Window | None = None,
    device: str = "cpu",
) -> Method:
    """A method by name.

    Options that are the grey level of a CT value follow the CT window, where it is given. Raises
    `InputError` for an unknown method or option, a value that is not allowed, and for weights that
    are not installed.
    """
    if missing := missing_weights(name):
        raise InputError(missing)
    values = _checked(name, options, device, window)
    weights = method_info(name).weights
    method: Method = _class_of(name, device)(**({"path": weights} if weights else {}), **values)
    return method


def check_options(name: str, options: Mapping[str, Any], device: str = "cpu") -> None:
    """Raise `InputError` for an option that the method does not have or a value not allowed."""
    if options:
        _checked(name, options, device, None)


def options_of(name: str, device: str = "cpu") -> dict[str, Option]:
    """The options that a method declares, by name."""
    return declared_options(_class_of(name, device))


def applicable_options(name: str, options: Mapping[str, Value]) -> dict[str, Value]:
    """Those of the options that a method declares; others may belong to another method."""
    declared = options_of(name) if options else {}
    return {key: value for key, value in options.items() if key in declared}


def _checked(
    name: str, options: Mapping[str, Any], device: str, window: Window | None
) -> dict[str, Value]:
    try:
        declared = options_of(name, device)
        if GRAPH in options and GRAPH not in declared:
            raise InputError(_without_fast_graph())
        return checked_options(declared, options, window)
    except InputError as error:
        raise InputError(f"method '{name}' on {device}: {error}") from error


def _without_fast_graph() -> str:
    """Which methods have a fast graph, and on which device."""
    names = ", ".join(name for name, info in METHODS.items() if has_fast_graph(info))
    return f"no fast graph; methods with one, on --device cpu: {names}; leave out --fast"


def _class_of(name: str, device: str) -> type[Any]:
    """The class of a method; `InputError` where the device cannot run it."""
    info = method_info(name)
    if not info.weights and device != "cpu":
        raise InputError(f"method '{name}' has no network; use --device cpu")
    runner = TWO_GRAPHS if device == "cpu" and has_fast_graph(info) else RUNNERS[device]
    module, kind = (runner if info.weights else info.path).split(":")
    try:
        found: type[Any] = getattr(importlib.import_module(module), kind)
    except ModuleNotFoundError as error:
        raise InputError(
            f"--device {device} needs {error.name}; {install_command('train')}"
        ) from error
    return found
