"""`radfuse dicom echo|send|find|get`."""

import re
from dataclasses import asdict
from functools import wraps
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from radfuse.cli.options import PATH, Command, Stages, output_options, print_json
from radfuse.dicom.network.address import OWN_TITLE, TIMEOUT_S, Tls, parse_address
from radfuse.dicom.network.connect import connect
from radfuse.dicom.network.outgoing import Failure, pack
from radfuse.dicom.network.pacs import COLUMNS, Level, Pacs, Query, Wanted, rows
from radfuse.dicom.network.retrieve import fetch
from radfuse.errors import InputError, PeerError

NAMED = 20
"""Files that an error names one by one; --json names all."""

LINE = 1000
"""Characters of a line of a table: a UID that is cut short cannot be copied."""

DATES = r"\d{8}|\d{8}-(\d{8})?|-\d{8}"
"""A day or a range of days, PS3.4 section C.2.2.2.5."""


def pacs_options(command: Command) -> Command:
    """Address of the PACS; the command gets `pacs`, a connection."""

    @wraps(command)
    def connected(
        *,
        address: str,
        ae_title: str,
        tls: bool,
        tls_ca: Path | None,
        tls_cert: Path | None,
        tls_key: Path | None,
        timeout: float,
        **others: Any,
    ) -> None:
        encrypted = Tls(tls_ca, tls_cert, tls_key) if tls or tls_ca or tls_cert else None
        if tls_key and not tls_cert:
            raise InputError("--tls-key is the key of a certificate; give --tls-cert, too")
        node = parse_address(address, own_title=ae_title, tls=encrypted, timeout_s=timeout)
        command(pacs=connect(node), **others)

    for option in reversed(
        (
            click.option(
                "--to", "--from", "address", required=True, metavar="PACS",
                help="TITLE@HOST:PORT (DIMSE), or https://HOST/PATH (DICOMweb).",
            ),
            click.option(
                "--ae-title", default=OWN_TITLE, show_default=True, metavar="TITLE",
                help="The application entity title of this program.",
            ),
            click.option("--tls", is_flag=True, help="Encrypt DIMSE."),
            click.option(
                "--tls-ca", type=PATH, metavar="FILE",
                help="CA certificates (PEM), instead of the default ones.",
            ),
            click.option(
                "--tls-cert", type=PATH, metavar="FILE", help="Client certificate (PEM).",
            ),
            click.option(
                "--tls-key", type=PATH, metavar="FILE", help="Key of the certificate (PEM).",
            ),
            click.option(
                "--timeout", type=click.FloatRange(min=0, min_open=True), default=TIMEOUT_S,
                show_default=True, metavar="S", help="Seconds to wait for a connection.",
            ),
        )
    ):  # fmt: skip
        connected = option(connected)
    return connected


JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")


@click.command("echo")
@pacs_options
@JSON
def echo_command(*, pacs: Pacs, as_json: bool) -> None:
    """Test the connection to a PACS."""
    pacs.echo()
    if as_json:
        print_json({"answers": True})
    else:
        click.echo("it answers")


@click.command("send")
@click.argument("paths", type=PATH, nargs=-1, required=True, metavar="PATH...")
@pacs_options
@output_options
def send_command(*, pacs: Pacs, paths: tuple[Path, ...], as_json: bool, quiet: bool) -> None:
    """Send the DICOM files of files and folders to a PACS, as they are stored.

    Files that are not DICOM, and DICOMDIRs, are skipped and counted. Files that the PACS rejects
    are listed, the others are sent; the exit status is then 2.
    """
    parcel = pack(paths)
    with Stages(quiet=quiet) as report:
        refused = pacs.send(
            parcel.files, lambda done, count: report("sending", done / max(count, 1))
        )
    failures = [*parcel.damaged, *refused]
    sent = len(parcel.files) - len(refused)
    if as_json:
        print_json(
            {
                "sent": sent,
                "passed_over": parcel.others,
                "failed": [asdict(failure) for failure in failures],
            }
        )
    else:
        click.echo(f"{sent} sent, {parcel.others} other files passed over")
    if failures:
        raise PeerError(_failed(failures))


def _failed(failures: list[Failure]) -> str:
    lines = [f"{failure.path}: {failure.reason}" for failure in failures[:NAMED]]
    more = [f"and {len(failures) - NAMED} more; --json names all"] if failures[NAMED:] else []
    return "\n  ".join([f"{len(failures)} files were not sent:", *lines, *more])


@click.command("find")
@pacs_options
@click.option(
    "--level",
    type=click.Choice(list(COLUMNS)),
    help="What to list  [default: study; series with --study-uid]",
)
@click.option("--patient-id", metavar="ID")
@click.option("--patient-name", metavar="NAME", help="FAMILY^GIVEN; * and ? are wildcards.")
@click.option("--study-uid", metavar="UID", help="The study.")
@click.option("--study-date", metavar="DATES", help="YYYYMMDD, or a range YYYYMMDD-YYYYMMDD.")
@click.option("--accession", metavar="NUMBER", help="The accession number.")
@click.option("--modality", metavar="CT|MR|...", help="Of the series, or of one in the study.")
@JSON
def find_command(
    *, pacs: Pacs, level: Level | None, modality: str | None, as_json: bool, **keys: str | None
) -> None:
    """List patients, studies or series of a PACS, including names and IDs."""
    level = level or ("series" if keys["study_uid"] else "study")
    if keys["study_date"] and not re.fullmatch(DATES, keys["study_date"]):
        raise InputError(f"--study-date {keys['study_date']}: give YYYYMMDD or YYYYMMDD-YYYYMMDD")
    named = {
        "PatientID": keys["patient_id"],
        "PatientName": keys["patient_name"],
        "StudyInstanceUID": keys["study_uid"],
        "StudyDate": keys["study_date"],
        "AccessionNumber": keys["accession"],
        "Modality" if level == "series" else "ModalitiesInStudy": modality,
    }
    query = Query(level, {keyword: value for keyword, value in named.items() if value})
    found = rows(pacs.find(query), level)
    if as_json:
        print_json({"level": level, "found": found})
        return
    table = Table(*COLUMNS[level].values(), box=None, pad_edge=False)
    for row in found:
        table.add_row(*(Text(value, no_wrap=True) for value in row.values()))
    if found:
        Console(width=LINE).print(table)
    click.echo(f"{len(found)} found")


@click.command("get")
@pacs_options
@click.option("--study-uid", required=True, metavar="UID", help="The study.")
@click.option("--series-uid", metavar="UID", help="One series of the study.")
@click.option("-o", "--output", type=PATH, required=True, help="A new folder.")
@output_options
def get_command(
    *,
    pacs: Pacs,
    study_uid: str,
    series_uid: str | None,
    output: Path,
    as_json: bool,
    quiet: bool,
) -> None:
    """Retrieve a study or a series from a PACS into a folder with a subfolder per series.

    Either all files are retrieved, unchanged, or nothing is kept.
    """
    with Stages(quiet=quiet) as report:
        report("fetching")
        received = fetch(pacs, Wanted(study_uid, series_uid), output)
    if as_json:
        print_json({"written": str(output), "series": [asdict(series) for series in received]})
        return
    for series in received:
        click.echo(f"{series.folder}  {series.modality}  {series.files} files")
