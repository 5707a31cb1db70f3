"""How a structure was generated: the steps of its drawing, and what DICOM says of them."""

from collections.abc import Iterable
from typing import Literal, get_args

GenerationAlgorithm = Literal["MANUAL", "SEMIAUTOMATIC", "AUTOMATIC"]
"""Defined terms of ROIGenerationAlgorithm, PS3.3 C.8.8.5."""

ManualStep = Literal["brush", "polygon", "freehand", "copied-slices"]
"""Steps in which a person decides on every voxel."""

ComputedStep = Literal[
    "threshold-brush", "region-growing", "interpolation", "margin", "boolean", "smoothing",
    "hole-filling", "largest-part", "cropping", "transfer",
]  # fmt: skip
"""Steps that a person starts and a program computes."""

ImportedStep = Literal[
    "imported", "imported-as-manual", "imported-as-semiautomatic", "imported-as-automatic"
]
"""Structures from a file, with the algorithm that it states."""

Step = ManualStep | ComputedStep | ImportedStep
"""A step of the drawing of a structure."""

MANUAL = frozenset(("imported-as-manual", *get_args(ManualStep)))
"""Steps of structures that are MANUAL."""


def generation_algorithm(steps: Iterable[Step]) -> GenerationAlgorithm | None:
    """ROIGenerationAlgorithm of a structure: SEMIAUTOMATIC if a program computed a part of it.

    None where nothing is known: for no steps, or a file that states no algorithm.
    """
    known = set(steps)
    if known <= {"imported"}:
        return None
    if known <= MANUAL:
        return "MANUAL"
    return "AUTOMATIC" if known == {"imported-as-automatic"} else "SEMIAUTOMATIC"


def imported_step(algorithm: str) -> Step:
    """The step of a structure from a file that states an ROIGenerationAlgorithm, or ''."""
    steps: dict[str, Step] = {
        "MANUAL": "imported-as-manual",
        "SEMIAUTOMATIC": "imported-as-semiautomatic",
        "AUTOMATIC": "imported-as-automatic",
    }
    return steps.get(algorithm, "imported")


def described(steps: Iterable[Step]) -> str:
    """Steps in words, such as `brush, threshold brush`."""
    return ", ".join(steps).replace("-", " ")


def merged_steps(before: tuple[Step, ...], new: Iterable[Step]) -> tuple[Step, ...]:
    """Steps in the order in which each was used first."""
    return tuple(dict.fromkeys((*before, *new)))
