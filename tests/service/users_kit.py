"""Users of the viewer for tests, each with a token."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from service_kit import END_S, Site

from radfuse.service.users import Role, line_of

USERS = {"vera": Role.VIEWER, "anna": Role.OPERATOR, "otto": Role.OPERATOR, "ada": Role.ADMIN}

TOKENS = {name: f"the token of {name} for the tests" for name in USERS}


def write_users(folder: Path) -> Path:
    """A file of users in a folder."""
    path = folder / "users"
    path.write_text("\n".join(line_of(name, role, TOKENS[name]) for name, role in USERS.items()))
    return path


def client_of(site: Site, name: str, **headers: str) -> httpx.Client:
    """A program of a user."""
    client = site.bare(Authorization=f"Bearer {TOKENS[name]}", **headers)
    client.timeout = httpx.Timeout(END_S)
    return client


@contextmanager
def browser_of(site: Site, name: str) -> Iterator[httpx.Client]:
    """A browser in which a user has signed in."""
    with site.bare() as browser:
        browser.timeout = httpx.Timeout(END_S)
        answer = browser.post("/api/v1/session", json={"token": TOKENS[name]})
        assert answer.status_code == 204, answer.text
        yield browser
