"""Who may do what: roles and routes, tokens, sessions; nothing leaks."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from dashboard_kit import TOKENS, Dashboard, running_dashboard, settings_in

from radfuse.cli import main
from radfuse.errors import InputError
from radfuse.node.state import FusionState, PatientState
from radfuse.service.users import Role, Users, line_of, read_users

PATIENT = "0123abcd-0123abcd-0123abcd-0123abcd-0123abcd"
"""An identifier as of an Orthanc, of nobody."""

SECRET = "no CT matches: description is 'SMITH^JOHN'"  # noqa: S105
"""A reason with a value of DICOM."""

ROUTES = [
    ("GET", "/api/v1/session", "viewer", 200),
    ("GET", "/api/v1/status", "viewer", 200),
    ("GET", "/api/v1/fusions", "viewer", 200),
    ("GET", "/api/v1/fusions/1", "viewer", 200),
    ("GET", "/api/v1/fusions/9", "viewer", 404),
    ("GET", "/api/v1/openapi.json", "viewer", 200),
    ("GET", "/api/v1/patients", "operator", 200),
    ("GET", f"/api/v1/identities?patient={PATIENT}", "operator", 200),
    ("GET", "/api/v1/fusions/1/log", "operator", 200),
    ("GET", "/api/v1/fusions/1/qa.html", "operator", 200),
    ("GET", f"/api/v1/patients/{PATIENT}/viewer", "operator", 404),
    ("GET", "/api/v1/deliveries", "operator", 200),
    ("POST", f"/api/v1/patients/{PATIENT}/fuse", "operator", 400),
    ("POST", "/api/v1/patients/search", "operator", 200),
    ("POST", "/api/v1/fusions/1/run-again", "operator", 204),
    ("POST", "/api/v1/fusions/1/cancel", "operator", 204),
    ("PUT", "/api/v1/suspended", "operator", 204),
    ("GET", "/api/v1/audit", "admin", 200),
    ("GET", "/api/v1/settings", "admin", 200),
    ("DELETE", "/api/v1/session", "viewer", 204),
]
"""Method, path, the least role and the status with it; in an order in which each succeeds."""

BODIES = {"/api/v1/patients/search": {"patient": "4711"}, "/api/v1/suspended": {"suspended": True}}


@pytest.fixture(scope="module")
def filled(orthanc_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A dashboard with a refused fusion, a patient without a rule, a log and a QA sheet."""
    folder = tmp_path_factory.mktemp("filled")
    with running_dashboard(settings_in(folder, orthanc_url)) as dashboard:
        store, data = dashboard.node.store, folder / "node"
        store.plan(PATIENT, "head", "", forced=False)
        store.change(1, state=FusionState.REFUSED, reason=SECRET)
        store.advance(1, [PATIENT])
        store.settle(PATIENT, PatientState.UNMATCHED, SECRET, "")
        for path, text in (
            ("logs/fusion-1.log", "a log"), ("results/1/qa.html", "<p>sheet"),
            ("results/1/record.json", "secret record"), ("secret.txt", "secret"),
        ):  # fmt: skip
            (data / path).parent.mkdir(parents=True, exist_ok=True)
            (data / path).write_text(text)
        yield dashboard


def ask(client: httpx.Client, method: str, path: str) -> httpx.Response:
    return client.request(method, path, json=BODIES.get(path))


@pytest.mark.parametrize(("method", "path", "role", "status"), ROUTES)
def test_a_route_needs_its_role(
    filled: Dashboard, method: str, path: str, role: str, status: int
) -> None:
    for one in Role:
        with filled.client(one) as client:
            if one.includes(Role(role)):
                continue
            answer = ask(client, method, path)
            assert answer.status_code == 403
            assert answer.json() == {"error": f"this needs the role {role}; you have {one}"}
    with filled.client(role) as client:
        answer = ask(client, method, path)
        assert answer.status_code == status, answer.text
        if status >= 400:
            assert list(answer.json()) == ["error"]


def test_every_route_is_in_the_table(filled: Dashboard) -> None:
    with filled.client("viewer") as client:
        paths = client.get("/api/v1/openapi.json").json()["paths"]
    patterns = [re.sub(r"\{\w+\}", "[^/]+", path) for path in paths if path.startswith("/api")]
    shown = [path.partition("?")[0] for _, path, *_ in ROUTES]
    assert all(any(re.fullmatch(one, path) for path in shown) for one in patterns)


@pytest.mark.parametrize(
    "headers",
    [
        {}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {TOKENS['admin']}"},
        {"authorization": "Bearer"}, {"cookie": "radfuse-node-0=wrong"},
        {"authorization": f"Bearer {TOKENS['admin'][:-1]}"},
    ],
)  # fmt: skip
def test_without_a_token_nothing_is_said(filled: Dashboard, headers: dict[str, str]) -> None:
    with filled.client(**headers) as client:
        for method, path, _, _ in ROUTES:
            answer = ask(client, method, path)
            assert answer.status_code == 401
            assert answer.json() == {"error": "access requires a token: sign in"}


def test_a_viewer_sees_no_patient_and_no_reason(filled: Dashboard) -> None:
    with filled.client("viewer") as client:
        for method, path, role, _ in ROUTES:
            text = ask(client, method, path).text if role == "viewer" and method == "GET" else ""
            assert PATIENT not in text
            assert "SMITH" not in text
    with filled.client("operator") as client:
        assert "SMITH" in client.get("/api/v1/patients").text
        assert client.get("/api/v1/fusions/1").json()["patient"] == PATIENT


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/fusions/../../secret.txt/log", "/api/v1/fusions/..%2f..%2fsecret/log",
        "/api/v1/fusions/1%2frecord.json/qa.html", "/api/v1/fusions/%2e%2e/qa.html",
        "/api/v1/fusions/-1/log", "/api/v1/fusions/99999999999999999999/log",
        "/api/v1/fusions/1/record.json", "/..%2fapp.py", "/../app.py", "/shared/app.js",
        "/shared/..%2f..%2fsecurity.py", "/api/v1/fusions/1%00/log",
        "/api/v1/identities?patient=..%2f..%2fsystem",
        "/api/v1/identities?patient=../../../../../../../../../../../system",
    ],
)  # fmt: skip
def test_no_path_leads_to_other_files(filled: Dashboard, path: str) -> None:
    headers = {"authorization": f"Bearer {TOKENS['admin']}"}
    with httpx.Client(trust_env=False, headers=headers) as client:
        answer = client.get(httpx.URL(filled.base, raw_path=path.encode()))
    assert answer.status_code in {404, 422}
    assert list(answer.json()) == ["error"]
    assert "secret" not in answer.text


def test_a_path_in_a_patient_reaches_no_orthanc(filled: Dashboard) -> None:
    with filled.client("operator") as client:
        raw = b"/api/v1/patients/..%2fsystem/fuse"
        answer = client.post(httpx.URL(filled.base, raw_path=raw))
    assert answer.status_code in {404, 405, 422}


def test_the_qa_sheet_runs_no_scripts(filled: Dashboard) -> None:
    with filled.client("operator") as client:
        answer = client.get("/api/v1/fusions/1/qa.html")
    assert answer.text == "<p>sheet"
    assert "sandbox" in answer.headers["content-security-policy"]


def test_a_browser_signs_in_and_out(filled: Dashboard) -> None:
    with filled.client() as browser:
        wrong = browser.post("/api/v1/session", json={"token": "x"})
        assert wrong.status_code == 401
        assert browser.post("/api/v1/session", json={"token": TOKENS["viewer"]}).status_code == 204
        (cookie,) = browser.cookies.jar
        assert TOKENS["viewer"] not in (cookie.value or "")
        assert browser.get("/api/v1/session").json()["name"] == "viewer"
        assert browser.get("/api/v1/audit").status_code == 403
        session = {"cookie": f"{cookie.name}={cookie.value}"}
        assert browser.delete("/api/v1/session").status_code == 204
        assert browser.get("/api/v1/session").status_code == 401
    with filled.client(**session) as other:
        assert other.get("/api/v1/session").status_code == 401


@pytest.mark.parametrize("secure", [False, True])
def test_the_cookie_is_for_this_site_alone(
    *, secure: bool, orthanc_url: str, tmp_path: Path
) -> None:
    settings = settings_in(tmp_path, orthanc_url, behind_proxy=secure)
    with running_dashboard(settings) as dashboard, dashboard.client() as browser:
        answer = browser.post("/api/v1/session", json={"token": TOKENS["viewer"]})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert ("secure" in cookie) is secure


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "http://evil.example"}, 403), ({"origin": "null"}, 403),
        ({"host": "evil.example"}, 421), ({"host": "[::"}, 421), ({"host": "localhost"}, 200),
    ],
)  # fmt: skip
def test_other_sites_are_refused_even_with_a_token(
    filled: Dashboard, headers: dict[str, str], status: int
) -> None:
    with filled.client("admin") as client:
        answer = client.get("/api/v1/session", headers=headers)
    assert answer.status_code in {status, 400 if status == 421 else status}


def test_without_a_file_the_printed_url_signs_in(orthanc_url: str, tmp_path: Path) -> None:
    settings = settings_in(tmp_path, orthanc_url, users=None)
    with running_dashboard(settings) as dashboard, dashboard.client() as browser:
        assert browser.get("/", params={"token": "wrong"}).status_code == 200
        assert browser.get("/api/v1/session").status_code == 401
        answer = browser.get("/", params={"token": dashboard.users.local_token})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert browser.get("/api/v1/session").json()["role"] == "admin"


def test_a_token_in_the_url_is_not_for_users(filled: Dashboard) -> None:
    with filled.client() as browser:
        assert browser.get("/", params={"token": TOKENS["admin"]}).status_code == 200
        assert browser.get("/api/v1/session").status_code == 401


def test_a_removed_user_is_out_at_once(tmp_path: Path) -> None:
    path = tmp_path / "users"
    path.write_text(line_of("a", Role.VIEWER, "one") + "\n" + line_of("b", Role.ADMIN, "two"))
    users = Users(path)
    session = users.sign_in("one")
    assert session
    assert users.of_session(session) == users.find("one")
    path.write_text(line_of("b", Role.ADMIN, "two"))
    assert users.find("one") is None
    assert users.of_session(session) is None
    path.write_text("nonsense")
    assert users.find("two") is not None
    assert "the earlier users remain" in users.problem
    assert "nonsense" not in users.problem


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a viewer", "line 1: give NAME"), ("# x\na chief " + 64 * "0", "line 2"),
        ("a viewer TOKEN", "line 1"), ("a b viewer " + 64 * "0", "line 1"),
        (2 * ("a viewer " + 64 * "0" + "\n"), "line 2: two users have the name a"),
    ],
)  # fmt: skip
def test_a_wrong_line_is_named(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "users").write_text(text)
    with pytest.raises(InputError, match=words) as caught:
        read_users(tmp_path / "users")
    assert "TOKEN" not in str(caught.value)


def test_missing_users_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="users cannot be read"):
        Users(tmp_path / "none")


def test_a_printed_line_is_of_the_printed_token(tmp_path: Path) -> None:
    run = CliRunner().invoke(main, ["node", "token", "anna@clinic", "operator"])
    token, line = (one.rsplit(":", 1)[1].strip() for one in run.output.splitlines())
    (tmp_path / "users").write_text(line)
    user = Users(tmp_path / "users").find(token)
    assert user is not None
    assert (user.name, user.role) == ("anna@clinic", Role.OPERATOR)
    again = CliRunner().invoke(main, ["node", "token", "anna@clinic", "operator"])
    assert again.output != run.output
    wrong = CliRunner().invoke(main, ["node", "token", "a b", "operator"])
    assert "a name has letters" in str(wrong.output) + str(wrong.exception)
