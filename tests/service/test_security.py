"""Requests without token, of another origin or for a rebound host name are refused."""

import socket
import time
from pathlib import Path

import httpx
import pytest
from service_kit import MAX_UPLOAD_BYTES, TOKEN, Site

from radfuse.errors import InputError
from radfuse.service.security import TOKEN_HEADER, TOKEN_QUERY, Access
from radfuse.service.server import make_access
from radfuse.service.sockets import bind


@pytest.mark.parametrize(
    "path", ["/", "/viewer/viewer.js", "/api/v1/info", "/api/v1/openapi.json", "/x"]
)
@pytest.mark.parametrize("headers", [{}, {TOKEN_HEADER: "wrong"}, {"Cookie": "radfuse-1=x"}])
def test_requests_without_token_are_refused(site: Site, path: str, headers: dict[str, str]) -> None:
    with site.bare(**headers) as client:
        answer = client.get(path, params={"token": "wrong"})
    assert answer.status_code == 401
    assert list(answer.json()) == ["error"]


def test_printed_url_sets_an_http_only_cookie(site: Site) -> None:
    with site.bare() as browser:
        response = browser.get(site.access.url)
        assert response.status_code == 303
        assert response.headers["location"] == "/"
        cookie = response.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert browser.get("/api/v1/info").status_code == 200


def test_ticket_of_a_browser_opens_the_viewer_once(site: Site) -> None:
    assert TOKEN not in site.access.ticket_url
    with site.bare() as browser:
        assert browser.get(site.access.ticket_url).status_code == 303
        assert browser.get("/api/v1/info").status_code == 200
    with site.bare() as other:
        assert other.get(site.access.ticket_url).status_code == 401


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1:1", "", "[::"])
def test_foreign_host_name_is_refused_even_with_token(site: Site, host: str) -> None:
    headers = {"Host": host.format(port=site.access.port)}
    assert site.client.get("/api/v1/info", headers=headers).status_code in {400, 421}


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
def test_another_origin_is_refused_even_with_token(site: Site, origin: str) -> None:
    answer = site.client.get("/api/v1/info", headers={"Origin": origin})
    assert answer.status_code == 403
    assert "origin" in answer.json()["error"]


def test_own_origin_is_allowed(site: Site) -> None:
    assert site.client.get("/api/v1/info", headers={"Origin": site.base}).status_code == 200


@pytest.mark.parametrize("path", ["/", "/api/v1/info", "/nothing"])
def test_responses_forbid_caching_and_foreign_scripts(site: Site, path: str) -> None:
    headers = site.client.get(path).headers
    assert headers["cache-control"] == "no-store"
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


@pytest.mark.parametrize(
    ("host", "name", "allowed"),
    [
        ("192.168.1.9", "192.168.1.7:8000", True),
        ("192.168.1.9", "evil.example:8000", False),
        ("192.168.1.9", f"{socket.gethostname()}:8000", True),
        ("fusion.hospital.example", "fusion.hospital.example:8000", True),
        ("127.0.0.1", "192.168.1.7:8000", False),
        ("127.0.0.1", "localhost:8000", True),
        ("127.0.0.1", "localhost:notaport", False),
    ],
)
def test_hosts_are_ip_addresses_and_own_names(host: str, name: str, allowed: bool) -> None:
    assert Access(host, 8000, TOKEN, MAX_UPLOAD_BYTES).allows_host(name) is allowed


@pytest.mark.parametrize(
    ("host", "token", "words"),
    [("192.168.1.7", None, "pass a --token-file"), ("127.0.0.1", "short", "at least 16")],
)
def test_missing_or_short_token_is_refused(host: str, token: str | None, words: str) -> None:
    with bind("127.0.0.1", 0) as sock, pytest.raises(InputError, match=words):
        make_access(sock, host, token)


def test_printed_url_contains_any_token() -> None:
    access = Access("127.0.0.1", 8000, "a&b=c#d+e %f?/12", MAX_UPLOAD_BYTES)
    parts = httpx.URL(access.url)
    assert dict(parts.params) == {TOKEN_QUERY: access.token}
    assert parts.fragment == ""


def test_random_token_is_long_and_new_each_time() -> None:
    with bind("127.0.0.1", 0) as sock:
        tokens = {make_access(sock, "127.0.0.1", None).token for _ in range(2)}
    assert len(tokens) == 2
    assert min(map(len, tokens)) >= 32


@pytest.mark.parametrize("host", ["no.such.host.invalid", "203.0.113.9"])
def test_address_that_cannot_be_bound_is_named(host: str) -> None:
    with pytest.raises(InputError, match=f"cannot listen on {host}"):
        bind(host, 0)


@pytest.mark.parametrize(
    "path",
    [
        "/../studies.py", "/..%2fstudies.py", "/%2e%2e/%2e%2e/app.py", "//etc/passwd",
        "/api/v1/studies/..%2f..%2fstudy/volumes/ct.nii.gz",
        "/api/v1/studies/%2e%2e/volumes/ct.nii.gz", "/api/v1/studies/x/volumes/..%2fstudy.nii.gz",
        "/api/v1/studies/000000000000/volumes/study.nii.gz", "/api/v1/studies/a%00b",
    ],
)  # fmt: skip
def test_no_path_leads_out_of_the_studies(site: Site, path: str) -> None:
    with httpx.Client(trust_env=False, headers={TOKEN_HEADER: TOKEN}) as client:
        answer = client.get(httpx.URL(site.base, raw_path=path.encode()))
    assert answer.status_code in {404, 422}
    assert list(answer.json()) == ["error"]


def test_path_out_of_the_static_files_is_not_found(site: Site, tmp_path: Path) -> None:
    answer = site.client.get("/vendor/../../../pyproject.toml")
    assert answer.status_code == 404


def test_small_response_is_sent_at_once(site: Site) -> None:
    times_s = []
    for _ in range(20):
        start = time.perf_counter()
        site.client.get("/api/v1/info")
        times_s.append(time.perf_counter() - start)
    assert min(times_s) < 0.03
