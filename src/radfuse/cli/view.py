"""`radfuse view`."""

import webbrowser
from pathlib import Path

import click

from radfuse.cli.options import PATH
from radfuse.errors import InputError
from radfuse.record import NOTICE

UNENCRYPTED = (
    "images and token are sent over the network without encryption; use a proxy with TLS, or "
    "an SSH tunnel to the default --host"
)
"""Warning of a server that other machines can reach."""


@click.command("view")
@click.argument("study", type=PATH, required=False)
@click.option("--ct", type=PATH, help="CT: DICOM folder, archive, volume.")
@click.option("--mr", type=PATH, help="MR: DICOM folder, archive, volume.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Bind address; non-local addresses require --token.",
)
@click.option("--port", type=int, default=0, help="Port to listen on; by default a free port.")
@click.option(
    "--token",
    help="Access requires the token in the URL. Random unless given; asked for if not local.",
)
@click.option("--no-browser", is_flag=True, help="Print the URL without opening it.")
@click.option(
    "--folder", type=PATH, help="Folder of studies; by default in the user's data folder."
)
def view_command(
    *,
    study: Path | None,
    ct: Path | None,
    mr: Path | None,
    host: str,
    port: int,
    token: str | None,
    no_browser: bool,
    folder: Path | None,
) -> None:
    """Open the viewer in a browser: fuse CT and MR, review, register manually, sign off, contour.

    STUDY is a folder or archive with both CT and MR. Only this machine can connect, unless
    --host is given. Ctrl-C ends the viewer; studies are kept.

    Research use only. Not a medical device.
    """
    try:
        from radfuse.service import server  # noqa: PLC0415  # an extra
        from radfuse.service.routes.studies import StudyRequest  # noqa: PLC0415
        from radfuse.service.security import LOOPBACK_NAMES  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise InputError(f"{error.name} is missing; pip install radfuse[view]") from error
    if (ct is None) != (mr is None) or (study and ct):
        raise InputError("give --ct and --mr, or a STUDY with both inside, or neither")
    if token is None and host not in LOOPBACK_NAMES:
        token = click.prompt("Token for the viewer", hide_input=True)
    paths = {name: str(path) for name, path in (("study", study), ("ct", ct), ("mr", mr)) if path}
    request = StudyRequest.model_validate(paths) if paths else None

    def announce(url: str, ticket_url: str) -> None:
        click.echo(f"{url}\nCtrl-C ends the viewer.\n{NOTICE}")
        if host not in LOOPBACK_NAMES:
            click.echo(f"warning: {UNENCRYPTED}", err=True)
        if not no_browser:
            webbrowser.open(ticket_url)

    with server.bind(host, port) as sock:
        access = server.make_access(sock, host, token)
        server.serve(sock, access, folder or server.default_folder(), request, announce)
