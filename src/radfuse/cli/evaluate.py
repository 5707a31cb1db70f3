"""`radfuse evaluate`."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from radfuse.cli.options import PATH, Stages, accept_patients_option, print_json
from radfuse.errors import InputError, OutputError
from radfuse.intensity import WINDOWS
from radfuse.io.staging import refuse_existing, staging
from radfuse.metrics.catalogue import METRICS
from radfuse.metrics.profiles import DEFAULT_PROFILE, PROFILES, columns_of
from radfuse.pipeline.evaluate import ImageValues, evaluate, mean_and_deviation, unmatched_images
from radfuse.pipeline.evaluate_volume import VolumeOptions

COLUMN_WIDTH = 9
"""Characters per number in the table."""

MAX_NAMES = 5
"""Names of unmatched images that a note lists."""


@click.command("evaluate")
@click.option("--fused", type=PATH, required=True, help="Fused 2-D image, folder, or volume.")
@click.option("--ct", type=PATH, required=True, help="Its CT; folders are matched by file name.")
@click.option("--mr", type=PATH, required=True, help="Its MR; folders are matched by file name.")
@click.option(
    "--profile",
    type=click.Choice(list(PROFILES)),
    default=DEFAULT_PROFILE,
    show_default=True,
    help="Conventions of the metrics, see docs/metrics.md.",
)
@click.option(
    "--metric", "metrics", multiple=True, metavar="NAME",
    help="Only this column of the profile, or this metric of docs/metrics.md; repeatable.",
)  # fmt: skip
@click.option(
    "--window-preset",
    "preset",
    type=click.Choice(list(WINDOWS)),
    help="Volumes: CT window of the fusion, if there is no record.",
)
@click.option(
    "--window",
    type=(float, float),
    metavar="W L",
    help="Volumes: CT window as width and level, HU.",
)
@click.option(
    "--transform",
    type=PATH,
    metavar="FILE",
    help="Volumes: maps CT to MR points; by default the file next to the fused volume.",
)
@click.option(
    "--white",
    type=click.FloatRange(min=0, min_open=True),
    help="Volumes: stored value of white, if there is no record.",
)
@click.option(
    "--every",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Volumes: measure every n-th slice.",
)
@click.option(
    "--skip-unmatched", is_flag=True, help="Folders: leave out CT and MR without a fused image."
)
@accept_patients_option
@click.option(
    "--csv", "csv_path", type=PATH, metavar="OUT", help="Write the values of each image as CSV."
)
@click.option("--overwrite", is_flag=True, help="Replace an earlier CSV.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def evaluate_command(
    *,
    fused: Path,
    ct: Path,
    mr: Path,
    profile: str,
    metrics: tuple[str, ...],
    preset: str | None,
    window: tuple[float, float] | None,
    transform: Path | None,
    white: float | None,
    every: int,
    skip_unmatched: bool,
    accept_patients: bool,
    csv_path: Path | None,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Measure fused images and their sources with the metrics of a profile.

    Give three 2-D images, three folders of images matched by file name, or three volumes. 2-D
    images are read as 8 bits. A volume that `radfuse fuse` wrote needs no further options.
    """  # fmt: skip
    if csv_path:
        _check_csv(csv_path, (fused, ct, mr), overwrite=overwrite)
    if window and preset:
        raise InputError("give --window or --window-preset, not both")
    unmatched = unmatched_images(fused, ct, mr)
    if unmatched and not skip_unmatched:
        raise InputError(f"{'; '.join(_lines(unmatched))}; fuse them, or pass --skip-unmatched")
    options = VolumeOptions(window or preset, transform, white, every, accept_patients)
    with Stages(quiet=quiet) as report:
        rows = evaluate(
            fused, ct, mr, profile=profile, metrics=metrics, volume=options, report=report
        )
    if csv_path:
        _write_csv(csv_path, profile, rows)
    if as_json:
        print_json({**_facts(profile, rows), "unmatched": unmatched})
        return
    click.echo("\n".join(_table(profile, rows)))
    for line in _lines(unmatched):
        click.echo(f"note: {line}")


def _lines(unmatched: dict[str, list[str]]) -> list[str]:
    """For CT and MR how many images have no fused image, and which."""
    lines = []
    for role, names in unmatched.items():
        some = ", ".join(names[:MAX_NAMES]) + (", ..." if len(names) > MAX_NAMES else "")
        count = f"{len(names)} {role.upper()} image" + (" has" if len(names) == 1 else "s have")
        lines.append(f"{count} no fused image: {some}")
    return lines


def _check_csv(path: Path, inputs: Sequence[Path], *, overwrite: bool) -> None:
    """Raise `OutputError` if the CSV would replace a folder or one of the images."""
    if path.is_dir():
        raise OutputError(f"--csv {path} is a folder; give a file name")
    occupied = {one.resolve() for given in inputs for one in (given, given / path.name)}
    if path.resolve() in occupied:
        raise OutputError(f"--csv {path} would replace an image; give another file")
    refuse_existing([path], overwrite=overwrite)


def _facts(profile: str, rows: Sequence[ImageValues]) -> dict[str, Any]:
    return {
        "profile": profile,
        "images": {row.name: row.values for row in rows},
        "mean": {name: mean for name, (mean, _) in mean_and_deviation(rows).items()},
        "standard_deviation": {name: sd for name, (_, sd) in mean_and_deviation(rows).items()},
    }


def _write_csv(path: Path, profile: str, rows: Sequence[ImageValues]) -> None:
    """Write a row per image, with the profile in each."""
    names = list(dict.fromkeys(name for row in rows for name in row.values))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["profile", "image", *names])
    for row in rows:
        writer.writerow([profile, row.name, *(row.values.get(name, "") for name in names)])
    with staging(path.parent) as stage:
        stage.path_of(path).write_text(text.getvalue(), encoding="utf-8")


def _table(profile: str, rows: Sequence[ImageValues]) -> list[str]:
    """Aligned lines: one per image, then mean and standard deviation."""
    summary = mean_and_deviation(rows)
    lines = [(row.name, row.values) for row in rows]
    if len(rows) > 1:
        lines.append(("mean", {name: mean for name, (mean, _) in summary.items()}))
        lines.append(("SD", {name: deviation for name, (_, deviation) in summary.items()}))
    first = max(len(name) for name, _ in lines)
    heads = {name: f"{name} {_arrow(profile, name)}" for name in summary}
    widths = {name: max(COLUMN_WIDTH, len(head)) for name, head in heads.items()}
    head = "  ".join(f"{heads[name]:>{width}}" for name, width in widths.items())
    table = [f"profile {profile}", f"{'':{first}}  {head}"]
    for name, values in lines:
        cells = (
            f"{values[column]:{width}.4f}" if column in values else " " * width
            for column, width in widths.items()
        )
        table.append(f"{name:{first}}  {'  '.join(cells)}")
    return table


def _arrow(profile: str, name: str) -> str:
    metric = METRICS[columns_of(profile, [name])[name].metric]
    return "↑" if metric.larger_is_better else "↓"
