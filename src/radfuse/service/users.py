"""Users of dashboard and viewer: a file with a line for each, their roles, tokens and sessions.

A line of the file has a name, a role and the SHA-256 of a token; `radfuse node token NAME ROLE`
prints one with a new token. Empty lines and those that begin with # are skipped.
"""

import hashlib
import hmac
import logging
import re
import secrets
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from radfuse.errors import InputError

LOG = logging.getLogger(__name__)

SESSION_S = 12 * 3600.0
"""After this a browser signs in again."""

TOKEN_BYTES = 32
"""Random bytes of a token: no search finds it, and its SHA-256 needs no salt."""

NAME = re.compile(r"[\w.@-]{1,64}")
"""What a user's name may be."""


class Role(StrEnum):
    """What a user may do; each includes the ones before."""

    VIEWER = "viewer"
    """Sees the queue and states, and the viewer's images, without patients."""
    OPERATOR = "operator"
    """Sees patients and reasons, forces, cancels, runs again, suspends; fuses, draws and signs."""
    ADMIN = "admin"
    """Also sees the audit log and the settings."""

    def includes(self, role: "Role") -> bool:
        """Whether a user of this role may do what another role permits."""
        order = list(Role)
        return order.index(self) >= order.index(role)


@dataclass(frozen=True)
class User:
    """A user of dashboard and viewer."""

    name: str
    role: Role
    digest: str
    """SHA-256 of the token, hexadecimal."""


def digest_of(token: str) -> str:
    """SHA-256 of a token, hexadecimal."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def new_token() -> str:
    """A random token."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def line_of(name: str, role: Role, token: str) -> str:
    """A user's line in the file; `InputError` for a name with spaces or other odd characters."""
    if not NAME.fullmatch(name):
        raise InputError(f"{name!r}: a name has letters, digits, and . @ - _ (1 to 64)")
    return f"{name} {role} {digest_of(token)}"


def read_users(path: Path) -> tuple[User, ...]:
    """The users of a file; `InputError` names the line that is wrong."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: users cannot be read") from error
    found: dict[str, User] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        words = line.split()
        roles = {role.value: role for role in Role}
        if (
            len(words) != 3
            or not NAME.fullmatch(words[0])
            or words[1] not in roles
            or not re.fullmatch("[0-9a-f]{64}", words[2])
        ):
            raise InputError(
                f"{path}: line {number}: give NAME viewer|operator|admin SHA256, as "
                "`radfuse node token NAME ROLE` prints it"
            )
        if words[0] in found:
            raise InputError(f"{path}: line {number}: two users have the name {words[0]}")
        found[words[0]] = User(words[0], roles[words[1]], words[2])
    return tuple(found.values())


class Users:
    """The users in force, read again when their file changes, and their sessions.

    Without a file there is one admin with a random token, `local_token`.
    """

    def __init__(self, path: Path | None) -> None:
        self._path, self.problem, self.local_token = path, "", ""
        self._sessions: dict[str, tuple[str, float]] = {}
        self._read_at = self._changed_at()
        if path is None:
            self.local_token = new_token()
            self._users: tuple[User, ...] = (
                User("admin", Role.ADMIN, digest_of(self.local_token)),
            )
        else:
            self._users = read_users(path)

    def find(self, token: str) -> User | None:
        """The user of a token; the time that it takes does not depend on the token."""
        self._refresh()
        return self._of_digest(digest_of(token))

    def named(self, name: str) -> User | None:
        """The user of a name that somebody else has authenticated."""
        self._refresh()
        return next((user for user in self._users if user.name == name), None)

    def sign_in(self, token: str) -> str | None:
        """A new session of the user of a token, or None."""
        user = self.find(token)
        if user is None:
            return None
        now = time.monotonic()
        self._sessions = {key: one for key, one in self._sessions.items() if one[1] > now}
        session = new_token()
        self._sessions[digest_of(session)] = user.digest, now + SESSION_S
        return session

    def sign_out(self, session: str) -> None:
        """End a session."""
        self._sessions.pop(digest_of(session), None)

    def of_session(self, session: str) -> User | None:
        """The user of a session, unless it has ended or the user was removed."""
        self._refresh()
        digest, until = self._sessions.get(digest_of(session), ("", 0.0))
        return self._of_digest(digest) if time.monotonic() < until else None

    def _of_digest(self, digest: str) -> User | None:
        found = None
        for user in self._users:
            if hmac.compare_digest(user.digest, digest):
                found = user
        return found

    def _refresh(self) -> None:
        changed_at = self._changed_at()
        if self._path is None or changed_at == self._read_at:
            return
        self._read_at = changed_at
        try:
            self._users, self.problem = read_users(self._path), ""
        except InputError as error:
            self.problem = f"{error}; the earlier users remain in force"
            LOG.warning("users are wrong; the earlier ones remain in force")

    def _changed_at(self) -> tuple[int, int]:
        try:
            status = self._path.stat() if self._path else None
        except OSError:
            return 0, 0
        return (status.st_mtime_ns, status.st_size) if status else (0, 0)
