"""Users whom a proxy authenticates, and options that exclude each other."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from service_kit import TOKEN, Site, refused, running
from users_kit import TOKENS, write_users

from radfuse.cli import main
from radfuse.errors import InputError
from radfuse.service.identification import OPEN_FILES, Identification
from radfuse.service.security import TOKEN_HEADER
from radfuse.service.server import identification_of, make_access
from radfuse.service.sockets import bind
from radfuse.service.users import Users

HEADER = "X-Remote-User"

PROXY = {TOKEN_HEADER: TOKEN, "Host": "viewer.hospital.example"}
"""What the proxy of the tests sends with each request."""


@pytest.fixture(scope="module", params=["with a file of users", "without"])
def named(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Site]:
    """A viewer behind a proxy that names the users."""
    folder = tmp_path_factory.mktemp("named")
    users = None if request.param == "without" else Users(write_users(folder))
    known = Identification(users, HEADER)
    with running(folder / "view", behind_proxy=True, identification=known) as started:
        yield started


def has_users(site: Site) -> bool:
    known = site.access.identification
    return known is not None and known.users is not None


@pytest.mark.parametrize(
    "headers",
    [
        {}, {HEADER: ""}, {HEADER: "a b"}, {HEADER: "a,b"}, {HEADER: "CLINIC\\anna"},
        {HEADER: "x" * 65}, {HEADER: "anna\u00fc".encode("latin-1")}, {"X-Remote_User": "anna"},
        {"Authorization": f"Bearer {TOKENS['anna']}"},
    ],
)  # fmt: skip
def test_a_request_without_a_user_is_refused(named: Site, headers: dict[str, Any]) -> None:
    with httpx.Client(base_url=named.base, headers={**PROXY, **headers}, trust_env=False) as client:
        for path in ("/", "/api/v1/session", "/app.js", *OPEN_FILES):
            refused(client.get(path), 401, f"must name the user in the header {HEADER}")


def test_two_users_in_one_request_are_refused(named: Site) -> None:
    given = [*PROXY.items(), (HEADER, "anna"), (HEADER, "otto")]
    with httpx.Client(base_url=named.base, headers=given, trust_env=False) as client:
        refused(client.get("/api/v1/session"), 401, "once")


@pytest.mark.parametrize("token", [{}, {TOKEN_HEADER: "wrong"}, {"Cookie": f"radfuse-0={TOKEN}"}])
def test_a_header_that_is_not_of_the_proxy_is_refused(named: Site, token: dict[str, str]) -> None:
    with named.bare(**{HEADER: "anna"}, **token) as client:
        for path in ("/", f"/?token={TOKEN}", "/api/v1/session", "/sign_in.html"):
            refused(client.get(path), 401, "access is through the proxy")


def test_the_user_of_the_header_is_known(named: Site) -> None:
    with named.bare(**PROXY, **{HEADER: "anna"}) as client:
        session = {"name": "anna", "role": "operator", "signs_out": False}
        assert client.get("/api/v1/session").json() == session
        assert client.get("/").status_code == 200
        origin = {"Origin": "https://evil.example"}
        refused(client.get("/api/v1/session", headers=origin), 403, "another origin")
        sign_in = client.post("/api/v1/session", json={"token": TOKENS["anna"]})
        refused(sign_in, 404, "nobody signs in here")


def test_a_file_of_users_gives_roles_to_the_names(named: Site) -> None:
    with named.bare(**PROXY) as client:
        others = client.get("/api/v1/session", headers={HEADER: "eve"})
        vera = client.delete("/api/v1/studies/x", headers={HEADER: "vera"})
    if has_users(named):
        refused(others, 403, "eve is not in the file of users")
        refused(vera, 403, "this needs the role operator; you have viewer")
    else:
        assert others.json()["role"] == "operator"
        assert vera.status_code == 404


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--user-header", "X-User"], "give --behind-proxy"),
        (["--user-header", "X_User", "--behind-proxy"], "not the name of a header"),
        (["--users", "{users}", "--host", "192.0.2.1"], "without encryption"),
        (["--users", "{users}", "--token-file", "{users}"], "omit --token-file"),
        (["--users", "{users}.missing"], "users cannot be read"),
    ],
)
def test_options_that_do_not_agree_are_named(
    options: list[str], words: str, tmp_path: Path
) -> None:
    users = write_users(tmp_path)
    given = [one.format(users=users) for one in options]
    run = CliRunner().invoke(main, ["view", "--no-browser", "--folder", str(tmp_path), *given])
    assert run.exit_code != 0
    assert words in str(run.output) + str(run.exception)


def test_users_replace_the_token_of_a_proxied_viewer(tmp_path: Path) -> None:
    users = write_users(tmp_path)
    known = identification_of("127.0.0.1", users, behind_proxy=True)
    proxied = identification_of("127.0.0.1", None, HEADER, behind_proxy=True)
    assert identification_of("127.0.0.1", None) is None
    with bind("127.0.0.1", 0) as sock:
        access = make_access(sock, "127.0.0.1", None, behind_proxy=True, known=known)
        assert access.url == f"http://127.0.0.1:{access.port}/"
        with pytest.raises(InputError, match="--token-file"):
            make_access(sock, "127.0.0.1", None, behind_proxy=True, known=proxied)


def test_the_users_of_the_dashboard_are_those_of_the_viewer(tmp_path: Path) -> None:
    line = CliRunner().invoke(main, ["node", "token", "anna", "operator"]).output
    token, text = (one.rsplit(":", 1)[1].strip() for one in line.splitlines())
    (tmp_path / "users").write_text(text)
    known = Identification(Users(tmp_path / "users"))
    with running(tmp_path / "view", identification=known) as site, site.bare() as browser:
        assert browser.post("/api/v1/session", json={"token": token}).status_code == 204
        assert browser.get("/api/v1/session").json()["name"] == "anna"
