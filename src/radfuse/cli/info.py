"""`radfuse info`."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from radfuse.cli.options import PATH, json_option, print_json
from radfuse.pipeline.inspect import DicomContext, InspectedSeries, inspect, left_out_summary
from radfuse.pipeline.pairing import selection

IDENTIFIERS = ("patient_id", "patient_name")
"""Fields that are shown only with `--show-identifiers`."""


@click.command("info")
@click.argument("path", type=PATH)
@click.option("--no-pixels", is_flag=True, help="Read headers and file sizes only: faster.")
@click.option("--show-identifiers", is_flag=True, help="Show names and IDs of patients.")
@json_option
def info_command(*, path: Path, no_pixels: bool, show_identifiers: bool, as_json: bool) -> None:
    """List the patients, studies and series of a file, folder or archive, with problems.

    A series with a problem cannot be fused; a note states what reading would correct or leave out.
    With several modalities, the last lines state which series `fuse --study` selects, or why it
    would be refused.
    """
    inspected, others = inspect(path, pixels=not no_pixels)
    kinds = {one.kind for one in inspected if one.is_volume}
    study = selection(path) if len(kinds) > 1 else None
    if as_json:
        images = [_facts(one, show_identifiers) for one in inspected]
        facts = {"path": str(path), "other_files": others, "images": images, "study": study}
        print_json(facts)
        return
    for line in (*_tree(inspected, show_identifiers), *left_out_summary(inspected)):
        click.echo(line)
    click.echo(f"{len(inspected)} images or series, {others} other files")
    if study:
        click.echo(f"fuse --study: {study}")


def _tree(inspected: list[InspectedSeries], show_identifiers: bool) -> list[str]:
    """Patients, their studies and the series of each; then files other than DICOM."""
    lines = []
    series = [(one.dicom, one) for one in inspected if one.dicom is not None]
    patients = list(dict.fromkeys(_patient(dicom) for dicom, _ in series))
    for number, patient in enumerate(patients, 1):
        shown = f"  {patient[1]} ({patient[0]})" if show_identifiers else ""
        lines.append(f"patient {number}{shown}")
        of_patient = [(dicom, one) for dicom, one in series if _patient(dicom) == patient]
        for uid in dict.fromkeys(dicom.study_uid for dicom, _ in of_patient):
            of_study = [(dicom, one) for dicom, one in of_patient if dicom.study_uid == uid]
            lines.append(f"  {_study_line(of_study[0][0])}")
            frames = list(dict.fromkeys(dicom.frame_of_reference_uid for dicom, _ in of_study))
            for dicom, one in of_study:
                frame = frames.index(dicom.frame_of_reference_uid) + 1
                lines += _lines(one, "    ", f"  frame {frame}" if len(frames) > 1 else "")
    for one in inspected:
        lines += _lines(one, "", "") if one.dicom is None else []
    return lines


def _patient(dicom: DicomContext) -> tuple[str, str]:
    return dicom.patient_id, dicom.patient_name


def _study_line(dicom: DicomContext) -> str:
    parts = [f"study {dicom.study_date or 'without date'}", dicom.study, dicom.study_uid]
    return "  ".join(part for part in parts if part)


def _lines(one: InspectedSeries, indent: str, frame: str) -> list[str]:
    lines = [f"{indent}{one.line()}{frame}"]
    lines += [f"{indent}    problem: {problem}" for problem in one.problems]
    return lines + [f"{indent}    note: {note}" for note in one.notes]


def _facts(one: InspectedSeries, show_identifiers: bool) -> dict[str, Any]:
    facts = asdict(one)
    if one.dicom is not None and not show_identifiers:
        for name in IDENTIFIERS:
            del facts["dicom"][name]
    return facts
