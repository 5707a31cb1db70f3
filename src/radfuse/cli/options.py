"""Options that several commands share, and conversion of their values."""

import json
import math
import tomllib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from radfuse.errors import InputError
from radfuse.pipeline.display.bars import Stages as Stages  # noqa: PLC0414  # for commands
from radfuse.pipeline.pairing import choose_pair
from radfuse.recipe import Recipe

PATH = click.Path(path_type=Path)

Command = Callable[..., Any]


def options_in_order(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Add options to a command; its help lists them in this order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


ct_option = click.option("--ct", type=PATH, help="CT: DICOM folder, archive, volume, 2-D image.")

mr_option = click.option("--mr", type=PATH, help="MR: DICOM folder, archive, volume, 2-D image.")

mrs_option = click.option(
    "--mr", "mrs", type=PATH, multiple=True,
    help="MR: DICOM folder, archive, volume, 2-D image; repeatable: of several volumes one is "
    "fused, and all are brought onto the CT's grid.",
)  # fmt: skip


def _choice_options(mr_series: Callable[[Command], Command]) -> Callable[[Command], Command]:
    return options_in_order(
        click.option(
            "--study", type=PATH, help="A folder or archive with both, instead of --ct and --mr."
        ),
        click.option("--ct-series", metavar="UID", help="The CT, if the folder has several."),
        mr_series,
        click.option("--ct-scale", type=float, help="Factor that brings CT values to HU."),
        click.option(
            "--ct-offset", type=float, help="Added after --ct-scale to bring CT values to HU."
        ),
    )


choice_options = _choice_options(
    click.option("--mr-series", metavar="UID", help="The MR, if the folder has several.")
)
"""The choice among several series, and the units of the CT."""

choice_options_of_many = _choice_options(
    click.option(
        "--mr-series", metavar="UID", multiple=True,
        help="The MR, if the folder has several; repeatable, one for each such --mr.",
    )
)  # fmt: skip
"""The same with several MR."""

series_options = options_in_order(ct_option, mr_option, choice_options)
"""`--ct`, `--mr` and the choice among several series."""


def chosen_series(
    ct: Path | None, mr: Path | None, study: Path | None, recipe: Recipe
) -> tuple[Path, Path, Recipe]:
    """Paths of CT and MR, and the recipe with the selected series.

    The pair selected in a study is printed on stderr. Raises `InputError` unless both paths or a
    study are given.
    """
    if study is None and ct is not None and mr is not None:
        return ct, mr, recipe
    if study is None or ct is not None or mr is not None:
        raise InputError("give --ct and --mr, or --study with both")
    pair = choose_pair(study, recipe)
    click.echo(pair.sentence(), err=True)
    uids = {"ct_series": pair.ct.volume.uid, "mr_series": pair.mr.volume.uid}
    return study, study, recipe.model_copy(update=uids)


accept_patients_option = click.option(
    "--accept-patients", is_flag=True,
    help="Continue if the headers of CT and MR name different patients.",
)  # fmt: skip


def _mask_or_box(_context: object, _option: object, text: str | None) -> Path | list[float] | None:
    """Six numbers with commas, or the path of a mask."""
    if text is None:
        return None
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        return Path(text)
    if len(numbers) != 6 or not all(map(math.isfinite, numbers)):
        raise InputError(f"--roi {text}: a box is six numbers, x0,x1,y0,y1,z0,z1 (LPS, mm)")
    return numbers


registration_options = options_in_order(
    click.option(
        "--initial-transform", type=PATH, metavar="FILE",
        help="Start the search from this transform (CT to MR points, or DICOM REG).",
    ),
    click.option(
        "--roi", metavar="MASK|BOX", callback=_mask_or_box,
        help="Register and judge a region: a mask file on the CT, or x0,x1,y0,y1,z0,z1 (LPS, mm).",
    ),
    click.option(
        "--metric-mask", type=PATH, metavar="FILE",
        help="Mask on the CT: only voxels inside count in the search; the brain is judged.",
    ),
    click.option(
        "--deterministic", is_flag=True, help="Use one thread: slower, reproducible bit for bit.",
    ),
    accept_patients_option,
    click.option(
        "--accept-registration", is_flag=True, help="Continue if registration QA fails.",
    ),
    click.option(
        "--require-pass", is_flag=True,
        help="Refuse a registration that is to be inspected, too (status 3).",
    ),
)  # fmt: skip
"""Options of the registration."""


show_identifiers_option = click.option(
    "--show-identifiers",
    is_flag=True,
    help="Store paths, and the patient on the QA sheet; show IDs where two patients differ.",
)


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object on stdout."
)

output_options = options_in_order(
    click.option("--quiet", is_flag=True, help="Print no progress on stderr."), json_option
)


def listed(values: Iterable[str]) -> list[str]:
    """The names of a repeatable option, several of which may share a value: `a,b` or `a b`.

    An empty value is an empty name, which is none.
    """
    return [name for value in values for name in (value.replace(",", " ").split() or [value])]


def named_values(description: str) -> Callable[[Command], Command]:
    """`--option`, which `named_options` reads."""
    return click.option(
        "--option",
        "options",
        multiple=True,
        metavar="NAME=VALUE",
        help=f"{description}; repeatable.",
    )


network_options = named_values("Set an option of the network")


def named_options(options: tuple[str, ...]) -> dict[str, Any]:
    """Names and values of options; a value that is no TOML value is a word."""
    return dict(_named(option) for option in options)


def _named(option: str) -> tuple[str, Any]:
    name, equals, value = option.partition("=")
    if not equals:
        raise InputError(f"--option {option}: give NAME=VALUE")
    try:
        return name, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return name, value


@contextmanager
def resumable_stages(*, quiet: bool) -> Iterator[Stages]:
    """Progress of a command that a later one resumes, which an interruption states."""
    try:
        with Stages(quiet=quiet) as report:
            yield report
    except KeyboardInterrupt:
        click.echo("radfuse: stopped; the same command without --overwrite resumes", err=True)
        raise


def print_warnings(warnings: Iterable[str]) -> None:
    """Print a line for each warning on stderr."""
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)


def print_json(facts: dict[str, Any]) -> None:
    """Print one JSON object on stdout."""
    click.echo(json.dumps(facts, indent=2, default=str))
