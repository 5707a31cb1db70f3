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

from radfuse.cli.options import (
    PATH,
    Command,
    Stages,
    json_option,
    options_in_order,
    output_options,
    print_json,
)
from radfuse.dicom.network.address import OWN_TITLE, TIMEOUT_S, Tls, parse_address
from radfuse.dicom.network.connect import connect
from radfuse.dicom.network.outgoing import SendFailure, collect_files
from radfuse.dicom.network.pacs import COLUMNS, Level, Pacs, Query, RetrieveRequest, table_rows
from radfuse.dicom.network.retrieve import retrieve
from radfuse.errors import InputError, PeerError

MAX_LISTED = 20
"""Files listed in an error message; --json lists all."""

TABLE_WIDTH = 1000
"""Characters per line of a table, so that UIDs are not truncated."""

DATES = r"\d{8}|\d{8}-(\d{8})?|-\d{8}"
"""A date or a range of dates, PS3.4 section C.2.2.2.5."""


def pacs_options(command: Command) -> Command:
    """The address of the PACS; the command receives its requests as `pacs`."""

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
            raise InputError("--tls-key is the key of a certificate; give --tls-cert as well")
        peer = parse_address(address, own_title=ae_title, tls=encrypted, timeout_s=timeout)
        command(pacs=connect(peer), **others)

    return options_in_order(
        click.option(
            "--to", "--from", "address", required=True, metavar="PACS",
            help="TITLE@HOST:PORT (DIMSE), or https://HOST/PATH (DICOMweb).",
        ),
        click.option(
            "--ae-title", default=OWN_TITLE, show_default=True, metavar="TITLE",
            help="Calling application entity title of this program.",
        ),
        click.option("--tls", is_flag=True, help="Use TLS for DIMSE."),
        click.option(
            "--tls-ca", type=PATH, metavar="FILE",
            help="CA certificates to verify the peer (PEM).  [default: the system's]",
        ),
        click.option(
            "--tls-cert", type=PATH, metavar="FILE", help="Client certificate (PEM).",
        ),
        click.option(
            "--tls-key", type=PATH, metavar="FILE", help="Key of the client certificate (PEM).",
        ),
        click.option(
            "--timeout", type=click.FloatRange(min=0, min_open=True), default=TIMEOUT_S,
            show_default=True, metavar="S", help="Timeout of the connection in seconds.",
        ),
    )(connected)  # fmt: skip


@click.command("echo")
@pacs_options
@json_option
def echo_command(*, pacs: Pacs, as_json: bool) -> None:
    """Verify that a PACS responds (C-ECHO)."""
    pacs.echo()
    if as_json:
        print_json({"answers": True})
    else:
        click.echo("the PACS responds")


@click.command("send")
@click.argument("paths", type=PATH, nargs=-1, required=True, metavar="PATH...")
@pacs_options
@output_options
def send_command(*, pacs: Pacs, paths: tuple[Path, ...], as_json: bool, quiet: bool) -> None:
    """Send the DICOM files among files and in folders to a PACS, unchanged.

    Other files and DICOMDIRs are skipped and counted. Files that the PACS does not accept are
    listed, the others are sent; the exit status is then 2.
    """
    outgoing = collect_files(paths)
    with Stages(quiet=quiet) as report:
        refused = pacs.send(outgoing.files, report)
    failures = [*outgoing.damaged, *refused]
    sent = len(outgoing.files) - len(refused)
    if as_json:
        print_json(
            {
                "sent": sent,
                "skipped": outgoing.skipped,
                "failed": [asdict(failure) for failure in failures],
            }
        )
    else:
        click.echo(f"{sent} sent, {outgoing.skipped} other files skipped")
    if failures:
        raise PeerError(_failed(failures))


def _failed(failures: list[SendFailure]) -> str:
    lines = [f"{failure.path}: {failure.reason}" for failure in failures[:MAX_LISTED]]
    more = (
        [f"and {len(failures) - MAX_LISTED} more; --json lists all"]
        if failures[MAX_LISTED:]
        else []
    )
    return "\n  ".join([f"{len(failures)} files were not sent:", *lines, *more])


@click.command("find")
@pacs_options
@click.option(
    "--level",
    type=click.Choice(list(COLUMNS)),
    help="Query level.  [default: study; series with --study-uid]",
)
@click.option("--patient-id", metavar="ID")
@click.option("--patient-name", metavar="NAME", help="FAMILY^GIVEN; * and ? are wildcards.")
@click.option("--study-uid", metavar="UID", help="StudyInstanceUID.")
@click.option("--study-date", metavar="DATES", help="YYYYMMDD, or a range YYYYMMDD-YYYYMMDD.")
@click.option("--accession", metavar="NUMBER", help="AccessionNumber.")
@click.option("--modality", metavar="CT|MR|...", help="Of the series, or of a series in the study.")
@json_option
def find_command(
    *, pacs: Pacs, level: Level | None, modality: str | None, as_json: bool, **keys: str | None
) -> None:
    """List patients, studies or series of a PACS, with patient names and IDs."""
    level = level or ("series" if keys["study_uid"] else "study")
    if keys["study_date"] and not re.fullmatch(DATES, keys["study_date"]):
        raise InputError(f"--study-date {keys['study_date']}: give YYYYMMDD or YYYYMMDD-YYYYMMDD")
    values = {
        "PatientID": keys["patient_id"],
        "PatientName": keys["patient_name"],
        "StudyInstanceUID": keys["study_uid"],
        "StudyDate": keys["study_date"],
        "AccessionNumber": keys["accession"],
        "Modality" if level == "series" else "ModalitiesInStudy": modality,
    }
    query = Query(level, {keyword: value for keyword, value in values.items() if value})
    matches = table_rows(pacs.find(query), level)
    if as_json:
        print_json({"level": level, "matches": matches})
        return
    table = Table(*COLUMNS[level].values(), box=None, pad_edge=False)
    for row in matches:
        table.add_row(*(Text(value, no_wrap=True) for value in row.values()))
    if matches:
        Console(width=TABLE_WIDTH).print(table)
    click.echo(f"{len(matches)} found")


@click.command("get")
@pacs_options
@click.option("--study-uid", required=True, metavar="UID", help="StudyInstanceUID.")
@click.option("--series-uid", metavar="UID", help="SeriesInstanceUID of one series of the study.")
@click.option("-o", "--output", type=PATH, required=True, help="A new folder.")
@output_options
def get_command(
    *, pacs: Pacs, study_uid: str, series_uid: str | None, output: Path, as_json: bool, quiet: bool
) -> None:
    """Retrieve a study or a series from a PACS into a folder with one folder per series.

    Either all objects are received, unchanged, or nothing is kept.
    """
    with Stages(quiet=quiet) as report:
        report("retrieving")
        received = retrieve(pacs, RetrieveRequest(study_uid, series_uid), output)
    if as_json:
        print_json({"written": str(output), "series": [asdict(series) for series in received]})
        return
    for series in received:
        click.echo(f"{series.folder}  {series.modality}  {series.files} files")
