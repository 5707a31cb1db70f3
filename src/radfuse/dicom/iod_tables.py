"""Modules and attributes of the IODs of DICOM PS3.3, by SOP class, from tables in highdicom.

The tables are private in highdicom, whose minor version is therefore pinned.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from highdicom import _standard_utils as tables
from pydicom import Dataset
from pydicom.datadict import tag_for_keyword

SequencePath = tuple[str, ...]
"""Keywords of nested sequences, outermost first; empty for the data set itself."""

FUNCTIONAL_GROUPS = (("SharedFunctionalGroupsSequence",), ("PerFrameFunctionalGroupsSequence",))
"""Paths whose attributes are required in one of the two, which the tables do not state."""

REQUIRED_TYPES = ("1", "2")
"""Types of attributes that are always present; type 1 also has a value."""

MANDATORY = "M"
"""Usage of a mandatory module."""


@dataclass(frozen=True)
class IodModule:
    """A module of an IOD with its attributes."""

    name: str
    mandatory: bool
    keywords: frozenset[str]
    """Of all its attributes at the top level of the data set."""

    required: Mapping[SequencePath, tuple[tuple[str, str], ...]]
    """By path, the keyword and type of each attribute of type `1` or `2`."""

    types: Mapping[SequencePath, Mapping[str, str]]
    """By path, the type of each keyword: 1, 1C, 2, 2C or 3."""


@cache
def modules_of(sop_class: str) -> tuple[IodModule, ...]:
    """The modules of a SOP class; empty for a class that is not in the tables."""
    iod = tables.get_sop_class_iod_map().get(sop_class)
    if iod is None:
        return ()
    return tuple(
        _module(entry["key"], entry["usage"] == MANDATORY)
        for entry in tables.get_iod_module_map()[iod]
    )


def modules_present(dataset: Dataset, sop_class: str) -> tuple[IodModule, ...]:
    """The modules of a SOP class that a data set contains.

    A module that is not mandatory is present if the data set has one of its attributes that is in
    no mandatory module.
    """
    modules = modules_of(sop_class)
    common = frozenset[str]().union(*(one.keywords for one in modules if one.mandatory))
    return tuple(
        module
        for module in modules
        if module.mandatory or any(keyword in dataset for keyword in module.keywords - common)
    )


def has_type(
    modules: tuple[IodModule, ...], path: SequencePath, keyword: str, attribute_types: str
) -> bool:
    """Whether an attribute has one of some types, such as `1` or `12`, in one of the modules.

    Conditional types count as unconditional.
    """
    types = (module.types.get(path, {}).get(keyword, "3") for module in modules)
    return any(one[0] in attribute_types for one in types)


@cache
def _module(name: str, mandatory: bool) -> IodModule:
    attributes: list[dict[str, Any]] = tables.get_module_attribute_map()[name]
    required: dict[SequencePath, list[tuple[str, str]]] = {}
    types: dict[SequencePath, dict[str, str]] = {}
    for attribute in attributes:
        path, keyword = tuple(attribute["path"]), attribute["keyword"]
        attribute_type = attribute["type"]
        if tag_for_keyword(keyword) is None:  # of a repeating group, such as overlays
            continue
        if attribute_type in REQUIRED_TYPES and path not in FUNCTIONAL_GROUPS:
            required.setdefault(path, []).append((keyword, attribute_type))
        types.setdefault(path, {})[keyword] = attribute_type or "3"
    return IodModule(
        name,
        mandatory,
        frozenset(types.get((), {})),
        {path: tuple(pairs) for path, pairs in required.items()},
        types,
    )
