"""The QA sheet of a fusion in colour."""

from dataclasses import replace
from pathlib import Path

from radfuse.pipeline.functional.result import FunctionalResult
from radfuse.pipeline.qa.colour_plane import ColourPlane, colour_plane
from radfuse.pipeline.qa.content import axial_cuts, mask_centre
from radfuse.pipeline.qa.sheet import write_qa_sheet

LIMITS = (
    "one rigid transform for the whole head, at the resolution of the functional image; what its "
    "verdict does not judge is stated above"
)
"""Limits of a registration, whatever its verdict."""


def write_functional_sheet(path: Path, result: FunctionalResult) -> None:
    """Write the QA sheet: the central planes, then axial slices, and the tables."""
    region, anatomical = result.region, result.anatomical.image
    planes = [_plane(result, *cut) for cut in enumerate(mask_centre(region.fov_mask))]
    axial = [
        replace(_plane(result, *cut), name=name)
        for name, cut in axial_cuts(anatomical, region).items()
    ]
    write_qa_sheet(
        path,
        sorted(planes, key=lambda plane: plane.name) + axial,
        _sections(result),
        warning=" ".join(result.record.warnings),
        verdict=result.alignment.quality.sentence(),
        pair=(str(result.anatomical.modality), str(result.functional.modality)),
        prefixes=("functional_",),
    )


def _plane(result: FunctionalResult, axis: int, index: int) -> ColourPlane:
    return colour_plane(
        result.functional, result.alignment.moving_from_fixed, result.scale, result.image,
        result.region.box, axis, index,
    )  # fmt: skip


def _sections(result: FunctionalResult) -> dict[str, dict[str, str]]:
    """Headings, with the table of each."""
    record = result.record
    created = f"{record.created:%Y-%m-%d %H:%M} UTC by radfuse {record.versions['radfuse']}"
    datasets = {}
    for source in record.inputs:
        size, spacing = (
            " x ".join(f"{value:.4g}" for value in values)
            for values in (source.size, source.spacing_mm)
        )
        datasets[source.role] = f"{source.source}: {size}, {spacing} mm"
        if source.notes:
            datasets[f"Notes on the {source.role}"] = "; ".join(source.notes)
    alignment = result.alignment
    registration = {
        "Registration": alignment.quality.sentence(),
        "Registration ID": alignment.identifier,
        "Alignment source": alignment.origin,
        "Limits": LIMITS,
    }
    fusion = {"Method": record.method_sentence}
    fusion |= {key: str(value) for key, value in record.scaling.items()}
    return {
        "Datasets": datasets,
        "Registration": registration,
        "Fusion": {**fusion, "Created": created},
    }
