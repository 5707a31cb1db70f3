"""`radfuse info`."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from radfuse.cli.options import PATH, print_json
from radfuse.pipeline.inspect import Finding, Place, inspect

IDENTIFIERS = ("patient_id", "patient_name")
"""Fields that are shown only with `--show-identifiers`."""


@click.command("info")
@click.argument("path", type=PATH)
@click.option("--no-pixels", is_flag=True, help="Read headers and file sizes only: faster.")
@click.option("--show-identifiers", is_flag=True, help="Show names and IDs of patients.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def info_command(*, path: Path, no_pixels: bool, show_identifiers: bool, as_json: bool) -> None:
    """List the patients, studies, series and problems of a file, folder or zip archive.

    A series with a problem cannot be fused; a note describes a correction or an omission.
    """
    findings, others = inspect(path, pixels=not no_pixels)
    if as_json:
        images = [_facts(found, show_identifiers) for found in findings]
        print_json({"path": str(path), "other_files": others, "images": images})
        return
    for line in _tree(findings, show_identifiers):
        click.echo(line)
    click.echo(f"{len(findings)} images or series, {others} other files")


def _tree(findings: list[Finding], show_identifiers: bool) -> list[str]:
    """Patients, studies and series as a tree; then the other files."""
    lines = []
    with_place = [(found.place, found) for found in findings if found.place is not None]
    patients = list(
        dict.fromkeys((place.patient_id, place.patient_name) for place, _ in with_place)
    )
    for number, patient in enumerate(patients, 1):
        shown = f"  {patient[1]} ({patient[0]})" if show_identifiers else ""
        lines.append(f"patient {number}{shown}")
        theirs = [(place, found) for place, found in with_place
                  if (place.patient_id, place.patient_name) == patient]  # fmt: skip
        for uid in dict.fromkeys(place.study_uid for place, _ in theirs):
            of_study = [(place, found) for place, found in theirs if place.study_uid == uid]
            lines.append(f"  {_study_line(of_study[0][0])}")
            frames = list(dict.fromkeys(place.frame_of_reference_uid for place, _ in of_study))
            for place, found in of_study:
                frame = frames.index(place.frame_of_reference_uid) + 1
                lines += _lines(found, "    ", f"  frame {frame}" if len(frames) > 1 else "")
    for found in findings:
        lines += _lines(found, "", "") if found.place is None else []
    return lines


def _study_line(place: Place) -> str:
    parts = [f"study {place.study_date or 'without date'}", place.study, place.study_uid]
    return "  ".join(part for part in parts if part)


def _lines(found: Finding, indent: str, frame: str) -> list[str]:
    lines = [f"{indent}{found.line()}{frame}"]
    lines += [f"{indent}    problem: {problem}" for problem in found.problems]
    return lines + [f"{indent}    note: {note}" for note in found.notes]


def _facts(found: Finding, show_identifiers: bool) -> dict[str, Any]:
    facts = asdict(found)
    if found.place is not None and not show_identifiers:
        for name in IDENTIFIERS:
            del facts["place"][name]
    return facts
