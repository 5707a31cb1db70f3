"""`radfuse info`."""

from pathlib import Path
from typing import Any

import click

from radfuse.cli.options import PATH, print_json
from radfuse.io.inspect import Finding, inspect


@click.command("info")
@click.argument("path", type=PATH)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
def info_command(*, path: Path, as_json: bool) -> None:
    """Say what a file or folder holds: series, sizes, spacing, problems."""
    findings, others = inspect(path)
    if as_json:
        print_json(
            {"path": str(path), "other_files": others, "images": [_facts(f) for f in findings]}
        )
        return
    for finding in findings:
        click.echo(finding.line())
        for problem in finding.problems:
            click.echo(f"    problem: {problem}")
    click.echo(f"{len(findings)} images or series, {others} other files")


def _facts(finding: Finding) -> dict[str, Any]:
    return {**vars(finding), "problems": list(finding.problems)}
