"""`radfuse dicom check`."""

import sys
from pathlib import Path

import click

from radfuse.cli.options import PATH, Stages, print_json
from radfuse.dicom.validate.check import CheckReport, check
from radfuse.dicom.validate.problem import Problem

ERRORS_STATUS = 2
"""Exit status with errors."""


@click.command("check")
@click.argument("path", type=PATH)
@click.option("--no-dciodvfy", is_flag=True, help="Do not run dciodvfy.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def check_command(*, path: Path, no_dciodvfy: bool, as_json: bool, quiet: bool) -> None:
    """Validate DICOM files: attributes, UIDs, geometry, references, pixel data.

    Exit status 2 with errors, otherwise 0. The program dciodvfy is run as well if it is
    installed.
    """
    with Stages(quiet=quiet) as report:
        result = check(path, with_dciodvfy=not no_dciodvfy, report=report)
    if as_json:
        print_json(_json(result))
    else:
        click.echo("\n".join(_lines(result)))
    if result.errors:
        sys.exit(ERRORS_STATUS)


def _json(report: CheckReport) -> dict[str, object]:
    return {
        "path": str(report.path),
        "files": report.files,
        "other_files": report.skipped,
        "validators": report.validators,
        "errors": report.errors,
        "warnings": len(report.problems) - report.errors,
        "problems": [{**vars(problem), "file": str(problem.file)} for problem in report.problems],
    }


def _lines(report: CheckReport) -> list[str]:
    """Problems by file; files with the same problems are grouped."""
    by_file: dict[Path, list[Problem]] = {}
    for problem in report.problems:
        by_file.setdefault(problem.file, []).append(problem)
    alike: dict[tuple[str, ...], list[Path]] = {}
    for file, problems in by_file.items():
        alike.setdefault(tuple(_line(problem) for problem in problems), []).append(file)
    lines = []
    for texts, files in alike.items():
        more = f" and {len(files) - 1} more files" if len(files) > 1 else ""
        lines += [f"{_short(files[0], report.path)}{more}", *texts]
    warnings = len(report.problems) - report.errors
    counted = f"{report.files} DICOM files, {report.skipped} other files"
    return [*lines, f"{counted}; by {' and '.join(report.validators)}: "
                    f"{report.errors} errors, {warnings} warnings"]  # fmt: skip


def _line(problem: Problem) -> str:
    where = f"{problem.attribute}: " if problem.attribute else ""
    return f"    {problem.severity}: {where}{problem.message}"


def _short(file: Path, folder: Path) -> str:
    return str(file.relative_to(folder)) if folder in file.parents else str(file)
