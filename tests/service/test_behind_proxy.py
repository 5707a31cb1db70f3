"""The viewer behind a proxy that provides TLS for other machines."""

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from service_kit import TOKEN, Site, refused, running

from orthanc_kit import self_signed
from radfuse.errors import InputError
from radfuse.service.security import TOKEN_HEADER
from radfuse.service.server import make_access
from radfuse.service.sockets import bind
from scp_kit import encrypted

QUERY = [("token", TOKEN), ("study", "1.2"), ("study", "1.3"), ("next", "//evil")]
NAME = "viewer.hospital.example"


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running(tmp_path_factory.mktemp("proxied"), behind_proxy=True) as started:
        yield started


def test_https_origin_of_the_sites_name_is_allowed(proxied: Site) -> None:
    headers = {"Host": NAME, "Origin": f"https://{NAME}"}
    assert proxied.client.get("/api/v1/info", headers=headers).status_code == 200
    for origin in ("https://evil.example", f"https://{NAME}.evil.example", "null"):
        foreign = {**headers, "Origin": origin}
        refused(proxied.client.get("/api/v1/info", headers=foreign), 403, "another origin")


def test_https_origin_is_refused_without_the_option(site: Site) -> None:
    headers = {"Origin": f"https://127.0.0.1:{site.access.port}"}
    refused(site.client.get("/api/v1/info", headers=headers), 403, "another origin")


def test_cookie_is_for_encrypted_connections_only(proxied: Site) -> None:
    with proxied.bare(Host=NAME) as browser:
        answer = browser.get("/", params=QUERY)
    assert answer.status_code == 303
    assert "; secure" in answer.headers["set-cookie"].lower()
    assert answer.headers["location"] == "/?study=1.2&study=1.3"


def test_paths_of_the_server_cannot_be_named(proxied: Site, phantom_folders: Any) -> None:
    ct, mr = map(str, phantom_folders)
    answer = proxied.client.post("/api/v1/studies", json={"ct": ct, "mr": mr})
    refused(answer, 400, "only be opened from the server's machine")


@pytest.mark.parametrize("token", [None, "short"])
def test_token_of_ones_own_is_required(token: str | None) -> None:
    with bind("127.0.0.1", 0) as sock:
        with pytest.raises(InputError, match=r"--behind-proxy is reachable|at least 16"):
            make_access(sock, "127.0.0.1", token, behind_proxy=True)
        access = make_access(sock, "127.0.0.1", "x" * 16, behind_proxy=True)
    assert not access.is_local


def test_browser_works_through_a_real_tls_proxy(proxied: Site, tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)
    known = ssl.create_default_context(cafile=str(certificate.ca))
    with encrypted(proxied.access.port, certificate) as port:
        base = f"https://localhost:{port}"
        with httpx.Client(base_url=base, verify=known, trust_env=False) as browser:
            assert browser.get("/", params={"token": TOKEN}).status_code == 303
            headers = {"Origin": base}
            assert browser.get("/api/v1/info", headers=headers).status_code == 200
            files = {"files": ("a.bin", b"1234")}
            answer = browser.post("/api/v1/uploads", files=files, headers=headers)
            assert answer.status_code == 201, answer.text
            assert TOKEN_HEADER not in answer.request.headers
