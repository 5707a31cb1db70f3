"""`radfuse dicom check`."""

import sys
from pathlib import Path

import click

from radfuse.cli.options import PATH, Stages, print_json, show_identifiers_option
from radfuse.dicom.validate.check import CheckReport, check
from radfuse.dicom.validate.problem import Finding

FAULTY = 2
"""Exit status with errors."""


@click.command("check")
@click.argument("path", type=PATH)
@click.option("--no-dciodvfy", is_flag=True, help="Do not run dciodvfy.")
@show_identifiers_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def check_command(
    *, path: Path, no_dciodvfy: bool, show_identifiers: bool, as_json: bool, quiet: bool
) -> None:
    """Validate DICOM files: attributes, UIDs, geometry, references, pixel data.

    Exit status 2 with errors, otherwise 0. The program dciodvfy is run as well if it is
    installed.
    """
    with Stages(quiet=quiet) as report:
        found = check(path, with_dciodvfy=not no_dciodvfy, report=report)
    if not show_identifiers:
        found = found.anonymous()
    if as_json:
        print_json(_facts(found))
    else:
        click.echo("\n".join(_lines(found)))
    if found.errors:
        sys.exit(FAULTY)


def _facts(report: CheckReport) -> dict[str, object]:
    return {
        "path": str(report.path),
        "files": report.files,
        "other_files": report.others,
        "judges": report.judges,
        "errors": report.errors,
        "warnings": len(report.findings) - report.errors,
        "findings": [{**vars(finding), "file": str(finding.file)} for finding in report.findings],
    }


def _lines(report: CheckReport) -> list[str]:
    """Findings by file; files with the same findings are grouped."""
    by_file: dict[Path, list[Finding]] = {}
    for finding in report.findings:
        by_file.setdefault(finding.file, []).append(finding)
    alike: dict[tuple[str, ...], list[Path]] = {}
    for file, findings in by_file.items():
        alike.setdefault(tuple(_line(finding) for finding in findings), []).append(file)
    lines = []
    for texts, files in alike.items():
        more = f" and {len(files) - 1} more files" if len(files) > 1 else ""
        lines += [f"{_short(files[0], report.path)}{more}", *texts]
    warnings = len(report.findings) - report.errors
    counted = f"{report.files} DICOM files, {report.others} other files"
    return [*lines, f"{counted}; by {' and '.join(report.judges)}: "
                    f"{report.errors} errors, {warnings} warnings"]  # fmt: skip


def _line(finding: Finding) -> str:
    where = f"{finding.attribute}: " if finding.attribute else ""
    return f"    {finding.severity}: {where}{finding.message}"


def _short(file: Path, folder: Path) -> str:
    return str(file.relative_to(folder)) if folder in file.parents else str(file)
