"""The QA sheet of a fusion: its planes, and what is told beside them."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from radfuse.pipeline.align import Alignment
from radfuse.pipeline.qa.sheet import Plane, planes_of, write_qa_sheet
from radfuse.pipeline.result import Result
from radfuse.pipeline.volume import Scaled

SIDES = (("left", "right"), ("back", "front"), ("up", "down"))
"""Of the patient, along and against each axis of LPS."""

DIGITS = 16
"""Of a SHA-256, enough to tell files apart; the record has all."""

NO_PATIENT = "kept off this sheet; write it on by hand where your rules ask for it"
"""Said of a patient whose name and ID are not to be shown."""

LIMITS = (
    "one rigid motion of the whole head: jaw, neck, eyes and a deformed scalp may be off; judged "
    "by the skull where CT and MR both look; no bound for a single place"
)
"""Where a registration is not to be trusted, whatever its score."""


def write_sheet(path: Path, result: Result) -> None:
    """Write the QA sheet of a fusion."""
    warning = "" if result.alignment is None else _warning(result.alignment)
    registered = result.alignment is not None
    write_qa_sheet(path, _planes(result), _sections(result), warning=warning, registered=registered)


def _planes(result: Result) -> list[Plane]:
    if result.scaled is not None and result.fused is not None:
        scaled = result.scaled
        columns, rows, slices = scaled.box[::-1]
        grid = result.ct.image[columns, rows, slices]
        return planes_of(grid, scaled.ct, scaled.mr, result.fused, scaled.field_of_view)
    ct, mr, fused = (
        sitk.GetArrayFromImage(image) for image in (result.ct.image, result.mr.image, result.image)
    )
    return [Plane("", ("", "", "", ""), ct, mr, fused, np.ones(ct.shape, np.bool_))]


def _sections(result: Result) -> dict[str, dict[str, str]]:
    """Headings, and what is told below each."""
    record = result.record
    made = f"{record.created:%Y-%m-%d %H:%M} UTC by radfuse {record.versions['radfuse']}"
    method = {"Method": f"{record.recipe.method}: {record.method['summary']}"}
    scaling = {key: str(value) for key, value in record.scaling.items()}
    sections = {"Datasets": _datasets(result)}
    if result.alignment is not None and result.scaled is not None:
        sections["Registration"] = _registration(result, result.alignment, result.scaled)
    return {**sections, "Fusion": {**method, **scaling, "Made": made}}


def _datasets(result: Result) -> dict[str, str]:
    record, facts = result.record, {"Patient": NO_PATIENT}
    shown = record.recipe.show_identifiers
    if result.ct.headers and shown:
        header = result.ct.headers[0]
        facts["Patient"] = f"{header.get('PatientName', '')} ({header.get('PatientID', '')})"
    if result.mr.patient and result.mr.patient != result.ct.patient:
        facts["ANOTHER PATIENT in the MR"] = result.mr.patient if shown else "by its patient ID"
    for source in record.inputs:
        size, spacing = (
            " x ".join(f"{value:.4g}" for value in values)
            for values in (source.size, source.spacing_mm)
        )
        facts[source.role] = f"{source.source}: {size}" + (f", {spacing} mm" if spacing else "")
        facts[f"{source.role}, SHA-256"] = source.sha256[:DIGITS]
        if source.notes:
            facts[f"Mended in reading the {source.role}"] = "; ".join(source.notes)
    return facts


def _registration(result: Result, alignment: Alignment, scaled: Scaled) -> dict[str, str]:
    quality = alignment.quality
    facts = {
        "Registration": quality.sentence(),
        "Registration id": alignment.identifier,
        "Alignment from": alignment.origin,
        **_motion(result.ct.image, alignment.mr_from_ct, scaled),
        "Limits": LIMITS,
    }
    if alignment.header_note:
        facts["One frame of reference"] = alignment.header_note
    return facts


def _motion(ct: sitk.Image, mr_from_ct: sitk.Transform, scaled: Scaled) -> dict[str, str]:
    """Three shifts, of the middle of what was fused, and three turns; CT point to MR point."""
    middle = [(part.start + part.stop - 1) / 2 for part in scaled.box[::-1]]
    place = np.array(ct.TransformContinuousIndexToPhysicalPoint(middle))
    shift = np.array(mr_from_ct.TransformPoint(place.tolist())) - place
    turns = np.degrees(sitk.Euler3DTransform(mr_from_ct).GetParameters()[:3])
    shifts = ", ".join(
        f"{abs(mm):.1f} mm {sides[int(mm < 0)]}" for mm, sides in zip(shift, SIDES, strict=True)
    )
    return {
        "Shift of the middle, CT to MR": shifts,
        "Turns about L, P, S": ", ".join(f"{turn:+.1f}\N{DEGREE SIGN}" for turn in turns),
    }


def _warning(alignment: Alignment) -> str:
    if alignment.quality.passed:
        return ""
    failed = "registration QA failed"
    return f"{failed.upper()}{alignment.quality.sentence().removeprefix(failed)}"
