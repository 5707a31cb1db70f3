"""Content of the QA sheet of a fusion: planes and tables."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from radfuse.dicom.write.fused import FULL_SCALE
from radfuse.intensity import head_range, window_named
from radfuse.pipeline.align import Alignment
from radfuse.pipeline.qa.colour_plane import ColourPlane, colour_plane
from radfuse.pipeline.qa.identity import image_facts, patient_facts
from radfuse.pipeline.qa.sheet import Plane, WorstPoint, anatomical_plane, write_qa_sheet
from radfuse.pipeline.result import FurtherImage, Result
from radfuse.pipeline.study.colours import FusedColours
from radfuse.pipeline.volume import Region, scale_on
from radfuse.record import PET_CT, FurtherInput, Input
from radfuse.registration.qa.brain_points import SCALP_AND_SKULL_MM
from radfuse.verdict import at_most

SIDES = (("left", "right"), ("back", "front"), ("up", "down"))
"""Directions along and against each axis of LPS."""

LPS_LETTERS = ("LR", "PA", "SI")
"""Letters of the directions along and against each axis of LPS, as in the viewer."""

OUTSIDE = (
    "The point is outside what CT and MR show in common; the planes are the nearest ones to it."
)
"""Of a worst point that no plane of the fused image passes."""

SHOWN_DIGITS = 16
"""Digits of a SHA-256, enough to distinguish files; the record has all."""

AXIAL_DEPTHS_MM = (25.0, 40.0, 55.0, 70.0, 85.0, 100.0)
"""Depths of the axial planes through the brain, below the top of what both scanners show."""

LIMITS = (
    "one rigid transform for the whole head: jaw, neck, eyes and a deformed scalp may be "
    "misaligned; the error is estimated from the skull in both fields of view and from mutual "
    "information"
)
"""Limits of a registration, whatever its estimated error."""


def write_result_sheet(path: Path, result: Result) -> None:
    """Write the QA sheet of a fusion."""
    warning = " ".join(result.record.warnings)
    write_qa_sheet(
        path,
        _planes(result),
        _sections(result),
        warning=warning,
        verdict=result.alignment.quality.sentence() if result.alignment else "",
        registered=result.alignment is not None,
        worst=worst_point(result),
        residuals=result.alignment.quality.residuals if result.alignment else None,
        prefixes=("", "functional_") if any(one.colours for one in result.further) else ("",),
    )


def _planes(result: Result) -> Sequence[Plane | ColourPlane]:
    """The central planes, then axial slices through the brain from the top down."""
    region, alignment = result.region, result.alignment
    if region is not None and alignment is not None:
        cuts = list(enumerate(mask_centre(region.fov_mask)))
        central = [_plane(result, alignment.mr_from_ct, region, *cut) for cut in cuts]
        axial = [
            replace(_plane(result, alignment.mr_from_ct, region, *cut), name=name)
            for name, cut in axial_cuts(result.ct.image, region).items()
        ]
        further = [
            plane
            for one in result.further
            for plane in sorted(_further_planes(result, one, cuts), key=lambda plane: plane.name)
        ]
        return sorted(central, key=lambda plane: plane.name) + axial + further
    ct, mr, fused = (
        sitk.GetArrayFromImage(image) for image in (result.ct.image, result.mr.image, result.image)
    )
    return [Plane("", ("", "", "", ""), ct, mr, fused, np.ones(ct.shape, np.bool_))]


def _further_planes(
    result: Result, one: FurtherImage, cuts: Sequence[tuple[int, int]]
) -> Sequence[Plane | ColourPlane]:
    """The central planes with another MR instead of the fused one, or a PET in colour."""
    if result.region is None:
        return []
    if one.colours:
        return [
            replace(plane, name=f"{plane.name}, {one.label} in colour")
            for plane in (_in_colour(one, one.colours, result.region, cut) for cut in cuts)
        ]
    levels = head_range(one.series.image, one.series.modality)
    shown, region = replace(result, mr=one.series), replace(result.region, mr_range=levels)
    planes = [_plane(shown, one.alignment.moving_from_fixed, region, *cut) for cut in cuts]
    return [replace(plane, name=f"{plane.name}, {one.label} as MR") for plane in planes]


def _in_colour(
    one: FurtherImage, colours: FusedColours, region: Region, cut: tuple[int, int]
) -> ColourPlane:
    transform = one.alignment.moving_from_fixed
    return colour_plane(one.series, transform, colours.scale, colours.image, region.box, *cut)


def worst_point(result: Result) -> WorstPoint | None:
    """The worst point of the brain; None where the error is not estimated."""
    if result.region is None or result.alignment is None:
        return None
    quality = result.alignment.quality
    position_mm = quality.worst_point_mm
    if position_mm is None:
        return None
    mr_from_ct = result.alignment.mr_from_ct
    planes, is_inside = _planes_through(result, mr_from_ct, result.region, position_mm)
    where = ", ".join(
        f"{abs(mm):.1f} mm {letters[int(mm < 0)]}"
        for mm, letters in zip(position_mm, LPS_LETTERS, strict=True)
    )
    part = "the part of the brain in the region" if quality.region else "the brain"
    caption = (
        f"The error of the registration is estimated to be largest in {part} at {where} "
        f"(coordinates of the CT): {quality.error_mm:.1f} mm, with a 90 % interval from "
        f"{quality.low_mm:.1f} to {at_most(quality.high_mm)} mm. What is deeper than "
        f"{SCALP_AND_SKULL_MM:.0f} mm below the surface of the head counts as brain. "
    )
    if is_inside:
        return WorstPoint(f"{caption}The crosshair marks this point in the three planes.", planes)
    return WorstPoint(f"{caption}{OUTSIDE}", planes)


def _planes_through(
    result: Result, mr_from_ct: sitk.Transform, region: Region, position_mm: Sequence[float]
) -> tuple[list[Plane], bool]:
    """The planes through a point, or nearest to it, and whether it is in the fused box."""
    voxel = result.ct.image.TransformPhysicalPointToContinuousIndex(position_mm)[::-1]
    wanted = [round(value) - part.start for value, part in zip(voxel, region.box, strict=True)]
    shown = [int(np.clip(n, 0, s - 1)) for n, s in zip(wanted, region.fov_mask.shape, strict=True)]
    planes = [
        _plane(result, mr_from_ct, region, axis, index, position_mm)
        for axis, index in enumerate(shown)
    ]
    named = [replace(plane, name=f"{plane.name}, worst point") for plane in planes]
    return sorted(named, key=lambda plane: plane.name), wanted == shown


def _plane(
    result: Result,
    mr_from_ct: sitk.Transform,
    region: Region,
    axis: int,
    index: int,
    position_mm: Sequence[float] | None = None,
) -> Plane:
    """The plane of the fused box at an index along an axis: slices, rows, columns."""
    box = list(region.box)
    box[axis] = slice(region.box[axis].start + index, region.box[axis].start + index + 1)
    grid, stored = (image[tuple(box[::-1])] for image in (result.ct.image, result.image))
    window = window_named(result.record.recipe.window)
    ct, mr, in_fov = scale_on(grid, result.mr.image, mr_from_ct, window, region.mr_range)
    fused = sitk.GetArrayViewFromImage(stored) / np.float32(FULL_SCALE)
    return anatomical_plane(grid, ct, mr, fused, in_fov, position_mm)


def axial_cuts(ct: sitk.Image, region: Region) -> dict[str, tuple[int, int]]:
    """Axis and index in the box of axial planes through the brain, by name."""
    superior = np.reshape(ct.GetDirection(), (3, 3))[2]
    column = int(np.abs(superior).argmax())
    axis, step_mm = 2 - column, ct.GetSpacing()[column]
    others = tuple(other for other in range(3) if other != axis)
    covered = np.flatnonzero(region.fov_mask.any(axis=others))
    downwards = covered[::-1] if superior[column] > 0 else covered
    return {
        f"axial, {depth:.0f} mm below the top": (axis, int(downwards[round(depth / step_mm)]))
        for depth in AXIAL_DEPTHS_MM
        if round(depth / step_mm) < len(downwards)
    }


def mask_centre(mask: NDArray[np.bool_]) -> tuple[int, ...]:
    """The centroid of a mask, as the nearest index along each axis."""
    counts = (mask.sum(axis=others) for others in ((1, 2), (0, 2), (0, 1)))
    return tuple(round(float(np.average(np.arange(len(n)), weights=n))) for n in counts)


def _sections(result: Result) -> dict[str, dict[str, str]]:
    """Headings, with the table of each."""
    record = result.record
    created = f"{record.created:%Y-%m-%d %H:%M} UTC by radfuse {record.versions['radfuse']}"
    method = {"Method": record.method_sentence}
    scaling = {key: str(value) for key, value in record.scaling.items()}
    sections = {"Datasets": _datasets(result)}
    if result.alignment is not None and result.region is not None:
        sections["Registration"] = _registration(result, result.alignment, result.region)
        if residuals := result.alignment.quality.residuals:
            sections["Skull in the MR, outside (+) or inside (-) that of the CT"] = {
                region: f"{mm:+.1f} mm ({count} patches)"
                for region, (mm, count) in residuals.items()
            }
    for image, further in zip(result.further, record.further, strict=True):
        section = _further_section(image, further, shown=record.recipe.show_identifiers)
        sections[f"{image.label} on the grid of the CT"] = section
    findings = {"Findings": result.findings}
    return {**sections, "Fusion": {**method, **findings, **scaling, "Created": created}}


def _further_section(one: FurtherImage, recorded: FurtherInput, *, shown: bool) -> dict[str, str]:
    return {
        **_further_dataset("Dataset", recorded.image),
        **image_facts("Dataset", one.series, shown=shown),
        **(_further_dataset(PET_CT, recorded.registered_by) if recorded.registered_by else {}),
        "Registration": f"{one.alignment.quality.sentence()}; {one.note}",
        "Registration ID": one.alignment.identifier,
    }


def _further_dataset(name: str, source: Input) -> dict[str, str]:
    facts = {name: f"{source.source}: {_by(source.size)}, {_by(source.spacing_mm)} mm"}
    return facts | ({f"{name}, notes": "; ".join(source.notes)} if source.notes else {})


def _datasets(result: Result) -> dict[str, str]:
    record, shown = result.record, result.record.recipe.show_identifiers
    pair = {one.modality.code: one for one in (result.ct, result.mr)}
    facts = patient_facts(pair | {one.label: one.series for one in result.further}, shown=shown)
    if record.recipe.accept_patients_reason:
        facts["Different patients accepted"] = record.recipe.accept_patients_reason
    for source in record.inputs:
        size, spacing = _by(source.size), _by(source.spacing_mm)
        facts[source.role] = f"{source.source}: {size}" + (f", {spacing} mm" if spacing else "")
        facts |= image_facts(source.role, pair[source.role], shown=shown)
        facts[f"{source.role}, SHA-256"] = source.sha256[:SHOWN_DIGITS]
        if source.notes:
            facts[f"Notes on the {source.role}"] = "; ".join(source.notes)
    return facts


def _by(values: Sequence[float]) -> str:
    return " x ".join(f"{value:.4g}" for value in values)


def _registration(result: Result, alignment: Alignment, region: Region) -> dict[str, str]:
    quality = alignment.quality
    facts = {
        "Registration": quality.sentence(),
        "Registration ID": alignment.identifier,
        "Alignment source": alignment.origin,
        **_motion(result.ct.image, alignment.mr_from_ct, region),
        "Limits": LIMITS,
    }
    if quality.region:
        facts["Region that was registered"] = f"{quality.region}; LPS of the CT"
    if alignment.metric_region:
        facts["Region that counted in the metric"] = f"{alignment.metric_region}; LPS of the CT"
    if quality.distortion_note:
        facts["Distortion"] = quality.distortion_note
    if alignment.header_note:
        facts["Header alignment"] = alignment.header_note
    return facts


def _motion(ct: sitk.Image, mr_from_ct: sitk.Transform, region: Region) -> dict[str, str]:
    """Translation of the centre of the fused box, and rotation; CT point to MR point."""
    centre = [(part.start + part.stop - 1) / 2 for part in region.box[::-1]]
    point = np.array(ct.TransformContinuousIndexToPhysicalPoint(centre))
    shift = np.array(mr_from_ct.TransformPoint(point.tolist())) - point
    angles = np.degrees(sitk.Euler3DTransform(mr_from_ct).GetParameters()[:3])
    shifts = ", ".join(
        f"{abs(mm):.1f} mm {sides[int(mm < 0)]}" for mm, sides in zip(shift, SIDES, strict=True)
    )
    return {
        "Translation of the centre, CT to MR": shifts,
        "Rotation about L, P, S": ", ".join(f"{angle:+.1f}\N{DEGREE SIGN}" for angle in angles),
    }
