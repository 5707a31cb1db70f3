"""Who sends a request: what signatures and the audit log name."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from radfuse.node.audit import Audit
from radfuse.service.users import Role, User

AUDIT = "audit.jsonl"
"""File of the audit log in the folder of studies."""


@dataclass(frozen=True)
class Actor:
    """The user of a request; nobody known where the token gives access."""

    user: User | None = None
    audit: Audit | None = None
    session: str = ""
    """Of the browser, or empty."""

    @property
    def sees_patients(self) -> bool:
        """Whether the role permits to see who the patient is."""
        return self.user is None or self.user.role.includes(Role.OPERATOR)

    def did(self, what: str, **facts: object) -> None:
        """Add an entry to the audit log, if the user is known; `DiskFullError` on failure."""
        if self.user and self.audit:
            self.audit.write(what, who=self.user.name, facts=facts)


def _actor(request: Request) -> Actor:
    deps = request.app.state.deps
    user: User | None = getattr(request.state, "user", None)
    return Actor(user, deps.audit, request.cookies.get(deps.access.cookie, ""))


ActorOf = Annotated[Actor, Depends(_actor)]
