"""A viewer with users: no route without sign-in, roles, sessions."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest
from service_kit import TOKEN, Site, refused, running
from starlette.routing import BaseRoute, Mount, Route
from users_kit import TOKENS, USERS, browser_of, client_of, write_users

from radfuse.service import users as users_module
from radfuse.service.app import STATIC, make_app
from radfuse.service.identification import OPEN_FILES, Identification
from radfuse.service.security import TOKEN_HEADER
from radfuse.service.users import Role, Users

STUDY = "/api/v1/studies/{identifier}"

FOR_VIEWERS = {
    "GET /api/v1/openapi.json", "HEAD /api/v1/openapi.json",
    "GET /api/v1/session", "DELETE /api/v1/session", "GET /api/v1/info", "GET /api/v1/studies",
    "GET /api/v1/signoff-form", f"GET {STUDY}", f"GET {STUDY}/identities", f"GET {STUDY}/events",
    f"GET {STUDY}/view", f"GET {STUDY}/volumes/{{name}}.nii", f"GET {STUDY}/further/{{number}}.nii",
    f"GET {STUDY}/landmarks", f"GET {STUDY}/alignments", f"GET {STUDY}/results",
    f"GET {STUDY}/structures", f"GET {STUDY}/deleted-structures",
    f"GET {STUDY}/structures/{{structure}}",
    f"GET {STUDY}/structures/{{structure}}/statistics", f"POST {STUDY}/slice-preview",
    f"POST {STUDY}/landmarks/fit", f"POST {STUDY}/alignments/compare",
    f"POST {STUDY}/structures/compare",
}  # fmt: skip
"""Routes that the role viewer may use; all others need an operator."""

SIGN_IN = "POST /api/v1/session"


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A viewer with users and without studies."""
    folder = tmp_path_factory.mktemp("known")
    with running(folder, identification=Identification(Users(write_users(folder)))) as started:
        yield started


@pytest.fixture(scope="module")
def routes(known: Site, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """All routes: method and path."""
    app = make_app(known.access, tmp_path_factory.mktemp("routes"))
    found = [*_routes_in(app.routes)]
    assert {one.path for one in found} - set(app.openapi()["paths"]) == {"/api/v1/openapi.json"}
    return [f"{method} {one.path}" for one in found for method in sorted(one.methods or ())]


def _routes_in(routes: Sequence[BaseRoute]) -> Iterator[Route]:
    """Routes, also of included routers; the mounted files are another matter."""
    for one in routes:
        if isinstance(one, Route):
            yield one
        elif not isinstance(one, Mount):
            yield from _routes_in(one.original_router.routes)  # type: ignore[attr-defined]


def ask(client: httpx.Client, route: str) -> httpx.Response:
    """Send a request to a route, of a study that does not exist."""
    method, path = route.split()
    return client.request(method, re.sub(r"\{\w+\}", "0" * 12, path))


def test_no_route_and_no_file_without_sign_in(known: Site, routes: list[str]) -> None:
    assert len(routes) > 50
    files = {f"GET /{one.relative_to(STATIC).as_posix()}" for one in STATIC.rglob("*.*")}
    files -= {f"GET {path}" for path in OPEN_FILES}
    rest = ["GET /api/v1/openapi.json", "GET /x", "POST /", "GET /api/v1/session/", "HEAD /app.js"]
    with known.bare() as client:
        for route in (*routes, *files, *rest):
            if route != SIGN_IN:
                assert ask(client, route).status_code == 401, route
        assert ask(client, SIGN_IN).status_code == 422
        answer = client.get("/", params={"study": "1.2", "token": TOKEN, "next": "//evil"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign_in.html?study=1.2")
        assert {client.get(path).status_code for path in OPEN_FILES} == {200}


def test_the_form_finds_all_its_files() -> None:
    needed, modules = set(), {"sign_in.js"}
    while modules - needed:
        needed |= (new := modules - needed)
        for name in new:
            modules |= set(re.findall(r'from "\./([\w/]+\.js)"', (STATIC / name).read_text()))
    needed |= {f"locale/{one.name}" for one in (STATIC / "locale").iterdir()}
    assert {f"/{one}" for one in (*needed, "sign_in.html", "style.css")} == OPEN_FILES


@pytest.mark.parametrize(
    "headers",
    [
        {TOKEN_HEADER: TOKEN}, {"Authorization": f"Bearer {TOKEN}"}, {"Authorization": "Bearer x"},
        {"Authorization": f"Basic {TOKENS['ada']}"}, {TOKEN_HEADER: TOKENS["ada"]},
        {"Cookie": "radfuse-{port}=" + TOKEN}, {"Cookie": "radfuse-{port}=x"}, {"X-User": "ada"},
    ],
)  # fmt: skip
def test_the_token_of_the_server_opens_nothing(known: Site, headers: dict[str, str]) -> None:
    given = {key: value.format(port=known.access.port) for key, value in headers.items()}
    with known.bare(**given) as client:
        refused(client.get("/api/v1/studies"), 401, "access requires a user: sign in")
        assert client.get("/", params={"token": TOKEN}).status_code == 303
        assert client.get("/", params={"token": known.access.ticket}).status_code == 303
        assert not client.cookies
    assert "token" not in known.access.url + known.access.ticket_url


def test_a_viewer_may_only_look(known: Site, routes: list[str]) -> None:
    words = "this needs the role operator; you have viewer"
    assert set(routes) >= FOR_VIEWERS
    with client_of(known, "vera") as client:
        for route in routes:
            if route in FOR_VIEWERS:
                assert ask(client, route).status_code != 403, route
            elif route != SIGN_IN:
                refused(ask(client, route), 403, words)
        assert client.get("/").status_code == 200
        assert client.get("/api/v1/openapi.json").status_code == 200


@pytest.mark.parametrize("name", [name for name, role in USERS.items() if role != Role.VIEWER])
def test_an_operator_may_change_what_is_there(known: Site, name: str) -> None:
    with client_of(known, name) as client:
        for route in (f"DELETE {STUDY}", f"POST {STUDY}/prepare", f"GET {STUDY}/qa.html"):
            assert ask(client, route).status_code == 404, route


@pytest.mark.parametrize("secure", [False, True])
def test_a_session_is_a_cookie_for_this_site(*, secure: bool, tmp_path: Path) -> None:
    known = Identification(Users(write_users(tmp_path)))
    with (
        running(tmp_path / "view", identification=known, behind_proxy=secure) as site,
        site.bare() as browser,
    ):
        answer = browser.post("/api/v1/session", json={"token": TOKENS["anna"]})
        assert answer.status_code == 204
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert ("; secure" in cookie) is secure
    assert TOKENS["anna"] not in cookie


def test_a_browser_signs_in_and_out(known: Site) -> None:
    with browser_of(known, "anna") as browser:
        session = {"name": "anna", "role": "operator", "signs_out": True}
        assert browser.get("/api/v1/session").json() == session
        assert browser.get("/").status_code == 200
        cookie = dict(browser.cookies)
        assert browser.delete("/api/v1/session").status_code == 204
        assert browser.get("/api/v1/session").status_code == 401
    with known.bare(Cookie="; ".join(f"{key}={value}" for key, value in cookie.items())) as other:
        assert other.get("/api/v1/session").status_code == 401


def test_wrong_tokens_make_no_session(known: Site) -> None:
    with known.bare() as browser:
        for token in ("x", TOKENS["anna"][:-1], "anna", TOKEN, "x" * 1000):
            answer = browser.post("/api/v1/session", json={"token": token})
            refused(answer, 401, "no user has this token")
        assert not browser.cookies
        refused(browser.post("/api/v1/session", json={"token": "x" * 1001}), 422, "token")


def test_a_session_expires(known: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users_module, "SESSION_S", 0.0)
    with browser_of(known, "anna") as browser:
        refused(browser.get("/api/v1/studies"), 401, "sign in")
        assert browser.get("/").headers["location"] == "/sign_in.html"


def test_a_session_ends_with_the_server_and_the_user(tmp_path: Path) -> None:
    path = write_users(tmp_path)
    with running(tmp_path / "view", identification=Identification(Users(path))) as site:
        port = site.access.port
        with browser_of(site, "anna") as browser:
            path.write_text("\n".join(path.read_text().splitlines()[:1]))
            assert browser.get("/api/v1/studies").status_code == 401
        path = write_users(tmp_path)
        with browser_of(site, "anna") as browser:
            cookies = browser.cookies
    with (
        running(tmp_path / "view", port=port, identification=Identification(Users(path))) as again,
        again.bare() as browser,
    ):
        browser.cookies = cookies
        assert browser.get("/api/v1/studies").status_code == 401


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
def test_another_origin_is_refused_with_a_session(known: Site, origin: str) -> None:
    with browser_of(known, "anna") as browser:
        for route in ("POST /api/v1/studies", "GET /api/v1/studies", f"DELETE {STUDY}", SIGN_IN):
            browser.headers["origin"] = origin
            refused(ask(browser, route), 403, "another origin")
        browser.headers["origin"] = known.base
        assert browser.get("/api/v1/studies").status_code == 200
        foreign = {"Host": "evil.example"}
        assert browser.get("/api/v1/studies", headers=foreign).status_code == 421


def test_without_users_nobody_signs_in(site: Site) -> None:
    body = {"token": TOKEN}
    refused(site.client.post("/api/v1/session", json=body), 404, "nobody signs in here")
    refused(site.client.delete("/api/v1/session"), 404, "nobody signs in here")
    nobody = {"name": "", "role": "", "signs_out": False}
    assert site.client.get("/api/v1/session").json() == nobody
    with site.bare() as browser:
        assert browser.post("/api/v1/session", json=body).status_code == 401
        assert {browser.get(path).status_code for path in OPEN_FILES} == {401}
