"""Who sends a request to the viewer: a user who signed in, or whom a proxy names."""

from dataclasses import dataclass
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.responses import JSONResponse

from radfuse.service.permissions import least_role
from radfuse.service.responses import refused
from radfuse.service.sessions import SESSION, user_of
from radfuse.service.users import NAME, Role, User, Users

SIGN_IN = "/sign_in.html"
"""The form by which a user signs in."""

OPEN_FILES = frozenset(
    {SIGN_IN, "/sign_in.js", "/style.css", "/dom.js", "/text.js", "/locale/en.json",
     "/locale/de.json"}
)  # fmt: skip
"""What a browser needs to sign in; it has no data of any study."""


@dataclass(frozen=True)
class Identification:
    """How the viewer knows its users."""

    users: Users | None = None
    """Of the file of users: their tokens, sessions and roles."""

    header: str = ""
    """Header in which a proxy names the user; empty where users sign in."""

    def is_open(self, method: str, path: str) -> bool:
        """Whether a request needs no user: it is a part of signing in."""
        if self.header:
            return False
        is_file = method in {"GET", "HEAD"} and path in OPEN_FILES
        return is_file or (method == "POST" and path == SESSION)

    def user(self, headers: Headers, cookie: str) -> User | JSONResponse:
        """The user of a request, or why there is none."""
        if self.header:
            return self._named(headers)
        user = user_of(self.users, headers, cookie) if self.users else None
        reason = "access requires a user: sign in, in another tab where this one has unsaved work"
        return user or refused(HTTPStatus.UNAUTHORIZED, reason, {"www-authenticate": "Bearer"})

    def _named(self, headers: Headers) -> User | JSONResponse:
        """The user whom the proxy names, in one header."""
        try:
            (name,) = (one.encode("latin-1").decode() for one in headers.getlist(self.header))
        except ValueError:
            name = ""
        if not NAME.fullmatch(name):
            reason = f"the proxy must name the user in the header {self.header}: letters, digits "
            return refused(HTTPStatus.UNAUTHORIZED, f"{reason}and . @ - _ (1 to 64), once")
        if self.users is None:
            return User(name, Role.OPERATOR, "")
        reason = f"{name} is not in the file of users"
        return self.users.named(name) or refused(HTTPStatus.FORBIDDEN, reason)


def refusal_of(user: User, method: str, path: str) -> JSONResponse | None:
    """Why a user may not send a request; None if the role permits it."""
    role = least_role(method, path)
    if user.role.includes(role):
        return None
    return refused(HTTPStatus.FORBIDDEN, f"this needs the role {role}; you have {user.role}")
