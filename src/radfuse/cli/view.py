"""`radfuse view`."""

import webbrowser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from radfuse.cli.options import PATH
from radfuse.errors import InputError, needs_extra
from radfuse.record import NOTICE

VISIBLE = (
    "other users of this machine can read the command line; write the token into a file that only "
    "you can read and give --token-file FILE, or leave it out"
)
"""Why no token is given as an argument."""

UNENCRYPTED = (
    "images and token are sent over the network without encryption; use a proxy with TLS, or "
    "an SSH tunnel to the default --host"
)
"""Warning of a server that other machines can reach."""


@click.command("view")
@click.argument("study", type=PATH, required=False)
@click.option("--ct", type=PATH, help="CT: DICOM folder, archive, volume.")
@click.option(
    "--mr",
    "mrs",
    type=PATH,
    multiple=True,
    help="MR: DICOM folder, archive, volume; repeatable: of several one is fused.",
)
@click.option(
    "--fused-mr",
    type=PATH,
    metavar="PATH",
    help="Which --mr is fused with the CT  [default: T1-weighted with contrast agent]",
)
@click.option("--pet", type=PATH, help="PET that is brought onto the CT's grid.")
@click.option("--pet-ct", type=PATH, help="CT of the PET's scanner: the PET is registered by it.")
@click.option("--spect", type=PATH, help="SPECT that is brought onto the CT's grid.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Bind address; non-local addresses require a token.",
)
@click.option("--port", type=int, default=0, help="Port to listen on; by default a free port.")
@click.option("--token", hidden=True, help="Refused: other users see the command line.")
@click.option(
    "--token-file",
    type=PATH,
    help="File with the token that access requires; it is then not printed. Without it the token "
    "is random, or asked for if other machines can connect.",
)
@click.option(
    "--behind-proxy",
    is_flag=True,
    help="A proxy provides TLS: https and its host names are accepted; requires a token or users.",
)
@click.option(
    "--users",
    type=PATH,
    help="File of users as of `radfuse node`: they sign in with tokens of their own, have roles, "
    "and sign with their names.",
)
@click.option(
    "--user-header",
    default="",
    metavar="NAME",
    help="Header in which the proxy names the user whom it authenticated, with --behind-proxy; "
    "the proxy must remove it from requests of clients.",
)
@click.option(
    "--pacs",
    type=PATH,
    envvar="RADFUSE_VIEW_PACS",
    help="TOML file with a table for each PACS to send to and to open studies from.",
)
@click.option("--no-browser", is_flag=True, help="Print the URL without opening it.")
@click.option(
    "--folder", type=PATH, help="Folder of studies; by default in the user's data folder."
)
@click.option(
    "--root",
    "roots",
    type=PATH,
    multiple=True,
    metavar="FOLDER",
    help="Open only files in this folder, also for other machines; repeatable.",
)
def view_command(
    *,
    study: Path | None,
    ct: Path | None,
    mrs: tuple[Path, ...],
    fused_mr: Path | None,
    pet: Path | None,
    pet_ct: Path | None,
    spect: Path | None,
    host: str,
    port: int,
    token: str | None,
    token_file: Path | None,
    behind_proxy: bool,
    users: Path | None,
    user_header: str,
    pacs: Path | None,
    no_browser: bool,
    folder: Path | None,
    roots: tuple[Path, ...],
) -> None:
    """Open the viewer in a browser: fuse CT and MR, review, register manually, sign off, contour.

    STUDY is a folder or archive with both CT and MR. Further --mr, --pet and --spect are registered
    to the CT by the fusion and can be shown on it. Only this machine can connect, unless --host is
    given. Ctrl-C ends the viewer; studies are kept.

    Research use only. Not a medical device.
    """
    with needs_extra("view"):
        from radfuse.service import server, sockets  # noqa: PLC0415  # an extra
        from radfuse.service.delivery.destinations import read_destinations  # noqa: PLC0415
        from radfuse.service.responses import LOOPBACK_NAMES  # noqa: PLC0415
        from radfuse.service.routes.studies import StudyRequest  # noqa: PLC0415
    if bool(ct) != bool(mrs) or (study and ct):
        raise InputError("give --ct and --mr, or a STUDY with both inside, or neither")
    functional = {"pet": pet, "pet_ct": pet_ct, "spect": spect}
    body = study_request(study, ct, mrs, functional, fused_mr)
    if token is not None:
        raise InputError(f"--token: {VISIBLE}")
    if token_file is not None:
        token = _token_of(token_file)
    is_reachable = behind_proxy or host not in LOOPBACK_NAMES
    known = server.identification_of(host, users, user_header, behind_proxy=behind_proxy)
    if token is not None and not server.needs_token(known):
        raise InputError("--users: users sign in with tokens of their own; omit --token-file")
    if token is None and is_reachable and server.needs_token(known):
        token = click.prompt("Token for the viewer", hide_input=True)
    request = StudyRequest.model_validate(body) if body else None
    addresses = read_destinations(pacs) if pacs else {}

    def announce(url: str, ticket_url: str) -> None:
        shown = url.partition("?")[0] if token_file else url
        click.echo(f"{shown}\nCtrl-C ends the viewer.\n{NOTICE}")
        if is_reachable and not behind_proxy:
            click.echo(f"warning: {UNENCRYPTED}", err=True)
        if not (no_browser or user_header):  # only through the proxy
            webbrowser.open(ticket_url)

    with sockets.bind(host, port) as sock:
        access = server.make_access(
            sock, host, token, roots, behind_proxy=behind_proxy, known=known
        )
        where = folder or server.default_folder()
        server.serve(sock, access, where, request, announce, addresses)


def _token_of(path: Path) -> str:
    """The token in a file; it is neither an argument nor in a log."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--token-file {path}: cannot be read") from error


def study_request(
    study: Path | None,
    ct: Path | None,
    mrs: tuple[Path, ...],
    functional: Mapping[str, Path | None],
    fused_mr: Path | None = None,
) -> dict[str, Any]:
    """The study to create, as in REST; empty without images.

    Which MR is fused is chosen as by `radfuse fuse`, unless it is given.
    """
    further: dict[str, Any] = {name: str(path) for name, path in functional.items() if path}
    if further and not (ct or study):
        raise InputError("--pet and --spect are shown on a CT; give --ct and --mr, or a STUDY")
    if functional["pet_ct"] and not functional["pet"]:
        raise InputError("--pet-ct needs --pet")
    if fused_mr and fused_mr not in mrs:
        raise InputError(f"--fused-mr {fused_mr}: not one of --mr")
    ordered = sorted(mrs, key=lambda path: path != fused_mr)
    if others := [str(path) for path in ordered[1:]]:
        further["mrs"] = others
        if fused_mr is None:
            further["choose_mr"] = True
    sources = {"study": study, "ct": ct, "mr": ordered[0] if ordered else None}
    body: dict[str, Any] = {name: str(path) for name, path in sources.items() if path}
    return {**body, "further": further} if further else body
