"""`radfuse view`."""

import webbrowser
from pathlib import Path

import click

from radfuse.cli.options import PATH
from radfuse.errors import InputError
from radfuse.record import NOTICE


@click.command("view")
@click.argument("study", type=PATH, required=False)
@click.option("--ct", type=PATH, help="CT: DICOM folder, zip archive, volume.")
@click.option("--mr", type=PATH, help="MR: DICOM folder, zip archive, volume.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Where to listen; any other than this machine needs a token of your own.",
)
@click.option("--port", type=int, default=0, help="Port to listen on; a free one without it.")
@click.option(
    "--token",
    help="What a browser must say to be let in; random without it. Asked for with another --host.",
)
@click.option("--no-browser", is_flag=True, help="Print the address only.")
@click.option("--folder", type=PATH, help="Where studies are kept; the user's data without it.")
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
    """Open a local page: fuse a CT and an MR, judge, align by hand, sign off, draw structures.

    STUDY is a folder or zip archive with both CT and MR. The page is for this machine alone and
    ends with Ctrl-C; studies stay.

    Research use only. Not a medical device.
    """
    try:
        from radfuse.service import server  # noqa: PLC0415  # an extra
        from radfuse.service.routes.studies import NewStudy  # noqa: PLC0415
        from radfuse.service.security import LOOPBACK_NAMES  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise InputError(f"{error.name} is missing; pip install radfuse[view]") from error
    if (ct is None) != (mr is None) or (study and ct):
        raise InputError("give --ct and --mr, or a STUDY with both inside, or neither")
    if token is None and host not in LOOPBACK_NAMES:
        token = click.prompt("Token for this page", hide_input=True)
    given = {name: str(path) for name, path in (("study", study), ("ct", ct), ("mr", mr)) if path}
    asked = NewStudy.model_validate(given) if given else None

    def tell(url: str) -> None:
        click.echo(f"{url}\nCtrl-C ends the page.\n{NOTICE}")
        if not no_browser:
            webbrowser.open(url)

    with server.bound(host, port) as sock:
        access = server.access_of(sock, host, token)
        place = folder or server.default_folder()
        server.serve(sock, access, place, asked, tell)
