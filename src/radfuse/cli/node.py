"""`radfuse node`: the service beside an Orthanc."""

import signal
from pathlib import Path
from threading import Event
from types import FrameType
from typing import TYPE_CHECKING

import click

from radfuse.cli.options import PATH, print_json
from radfuse.errors import InputError, needs_extra
from radfuse.node.settings import NodeSettings, read_node_settings
from radfuse.record import NOTICE

if TYPE_CHECKING:
    from radfuse.node.orthanc import ArchivedSeries
    from radfuse.node.rules import Answer

CONFIG = click.option(
    "--config",
    type=PATH,
    envvar="RADFUSE_NODE_CONFIG",
    help="TOML file of the settings; each can also be given as RADFUSE_NODE_NAME.",
)


@click.group("node")
def node_command() -> None:
    """Fuse the CT and the MR of patients that arrive in an Orthanc, by rules.

    The results go into the Orthanc, which sends them to the destinations of the rule. Settings are
    in a TOML file and in the environment (RADFUSE_NODE_ORTHANC=http://...), which has precedence.

    Research use only. Not a medical device.
    """


@node_command.command("run")
@CONFIG
@click.option("--host", help="Bind address of the dashboard, instead of `host` of the settings.")
@click.option("--port", type=click.IntRange(0, 65535), help="Its port, instead of `port`.")
def run_command(config: Path | None, host: str | None, port: int | None) -> None:
    """Run the node until it is stopped by SIGTERM or Ctrl-C; what runs then runs again later.

    Its dashboard is on `host` and `port` of the settings, with /healthz, /readyz and /metrics.

    Research use only. Not a medical device.
    """
    with needs_extra("node"):
        from radfuse.service.dashboard.server import serve_node  # noqa: PLC0415  # an extra

    given = {name: one for name, one in (("host", host), ("port", port)) if one is not None}
    settings = read_node_settings(config).model_copy(update=given)
    stop = Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)

    def announce(url: str) -> None:
        click.echo(f"{url}\nfollowing {settings.orthanc}; data in {settings.data}\n{NOTICE}")

    serve_node(settings, stop, announce)


@node_command.command("token")
@click.argument("name")
@click.argument("role", type=click.Choice(["viewer", "operator", "admin"]))
def token_command(name: str, role: str) -> None:
    """Print a new token for a user of dashboard and viewer, and the line for the file of the users.

    A viewer sees the queue and images without patients, an operator sees patients, acts and signs,
    an admin sees also the audit log and the settings. The token is printed once and stored nowhere.
    """
    from radfuse.service.users import Role, line_of, new_token  # noqa: PLC0415

    token = new_token()
    line = line_of(name, Role(role), token)
    click.echo(f"token, for {name}:        {token}")
    click.echo(f"line, for the file of users: {line}")


@node_command.command("settings")
@CONFIG
def settings_command(config: Path | None) -> None:
    """Print the settings in force as JSON; the password is not among them."""
    print_json(read_node_settings(config).model_dump(mode="json"))


@node_command.command("test")
@click.argument("rules", type=PATH)
@click.option("--patient", "patient_id", required=True, metavar="ID", help="PatientID.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
@CONFIG
def test_command(rules: Path, patient_id: str, config: Path | None, *, as_json: bool) -> None:
    """Print which rule of RULES matches a patient of the Orthanc, and why others do not.

    Nothing is fused or changed. The pair is chosen among the series that match as by `radfuse
    fuse --study`.
    """
    with needs_extra("node"):
        from radfuse.node.rules import apply, read_rules  # noqa: PLC0415  # an extra

    checked = read_rules(rules)
    series = _series_of(read_node_settings(config), patient_id)
    answers = [apply(one, series, with_values=True) for one in checked]
    if as_json:
        print_json({"rules": [_as_json(one) for one in answers]})
        return
    chosen = next((one.rule for one in answers if one.match), None)
    for answer in answers:
        if answer.match is None:
            click.echo(f"{answer.rule}: does not match: {'; '.join(answer.reasons)}")
            continue
        applies = "and applies" if answer.rule == chosen else "but an earlier one applies"
        click.echo(f"{answer.rule}: matches, {applies}")
        for one in answer.match.series:
            description = one.facts.get("SeriesDescription", "")
            click.echo(f"  {one.facts['Modality']} {description!r}, {one.instances} images")


def _series_of(settings: NodeSettings, patient_id: str) -> "list[ArchivedSeries]":
    """The series of a patient; `InputError` where the Orthanc has not exactly one."""
    from radfuse.node.orthanc import Orthanc  # noqa: PLC0415  # an extra

    orthanc = Orthanc(settings.orthanc, settings.orthanc_user, settings.password())
    try:
        found = orthanc.find_patients(patient_id)
        if len(found) != 1:
            raise InputError(f"--patient {patient_id}: the Orthanc has {len(found)} such patients")
        return orthanc.series_of(found[0])
    finally:
        orthanc.close()


def _as_json(answer: "Answer") -> dict[str, object]:
    series = answer.match.series if answer.match else ()
    return {
        "rule": answer.rule,
        "matches": answer.match is not None,
        "reasons": answer.reasons,
        "series": [one.uid for one in series],
    }
