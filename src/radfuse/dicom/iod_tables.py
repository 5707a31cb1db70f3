"""What the DICOM standard requires of an object: the tables that highdicom ships, by class."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from highdicom import _standard_utils as tables
from pydicom import Dataset
from pydicom.datadict import tag_for_keyword

Path = tuple[str, ...]
"""Keywords of sequences, from the outermost on; empty for the data set itself."""

FUNCTIONAL_GROUPS = (("SharedFunctionalGroupsSequence",), ("PerFrameFunctionalGroupsSequence",))
"""Paths whose attributes are required in one of the two, which the tables do not tell."""

REQUIRED = ("1", "2")
"""Types of attributes that are there whatever else is; a type 1 has a value, too."""

MANDATORY = "M"
"""Usage of a module that each object of a class has."""


@dataclass(frozen=True)
class Module:
    """A module of an object's definition, and the attributes that it must have."""

    name: str
    mandatory: bool
    keywords: frozenset[str]
    """Of all its attributes right in the data set."""

    required: Mapping[Path, tuple[tuple[str, str], ...]]
    """For each path of sequences, keywords and types, `1` or `2`."""

    types: Mapping[Path, Mapping[str, str]]
    """For each path of sequences, the type of each keyword: 1, 1C, 2, 2C or 3."""


@cache
def modules_of(sop_class: str) -> tuple[Module, ...]:
    """The modules of a SOP class; none for a class that the tables do not know."""
    definition = tables.get_sop_class_iod_map().get(sop_class)
    if definition is None:
        return ()
    return tuple(
        _module(entry["key"], entry["usage"] == MANDATORY)
        for entry in tables.get_iod_module_map()[definition]
    )


def modules_present(dataset: Dataset, sop_class: str) -> tuple[Module, ...]:
    """The modules that a data set of a class has by its attributes.

    A module that is not mandatory is there if the data set has an attribute of it that no
    mandatory module has.
    """
    modules = modules_of(sop_class)
    common = frozenset[str]().union(*(one.keywords for one in modules if one.mandatory))
    return tuple(
        module
        for module in modules
        if module.mandatory or any(word in dataset for word in module.keywords - common)
    )


def is_required(modules: tuple[Module, ...], path: Path, keyword: str, kinds: str) -> bool:
    """Whether an attribute has one of some types, such as `1` or `12`, in one of the modules.

    Conditional types count as their unconditional ones.
    """
    found = (module.types.get(path, {}).get(keyword, "3") for module in modules)
    return any(kind[0] in kinds for kind in found)


@cache
def _module(name: str, mandatory: bool) -> Module:
    attributes: list[dict[str, Any]] = tables.get_module_attribute_map()[name]
    required: dict[Path, list[tuple[str, str]]] = {}
    types: dict[Path, dict[str, str]] = {}
    for attribute in attributes:
        path, keyword, kind = tuple(attribute["path"]), attribute["keyword"], attribute["type"]
        if tag_for_keyword(keyword) is None:  # of a repeating group, such as overlays
            continue
        if kind in REQUIRED and path not in FUNCTIONAL_GROUPS:
            required.setdefault(path, []).append((keyword, kind))
        types.setdefault(path, {})[keyword] = kind or "3"
    return Module(
        name,
        mandatory,
        frozenset(types.get((), {})),
        {path: tuple(found) for path, found in required.items()},
        types,
    )
