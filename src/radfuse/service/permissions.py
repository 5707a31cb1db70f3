"""What the roles may do in the viewer: the least role of each request.

A viewer sees images and results without the patient, and changes nothing. What is not listed here
needs an operator: also a route that is new.
"""

import re

from radfuse.service.sessions import SESSION
from radfuse.service.users import Role

STUDY = "/api/v1/studies/[0-9a-z]+"

VIEWED = re.compile(
    rf"/api/v1/(info|signoff-form|openapi\.json|studies)|{SESSION}|{STUDY}"
    rf"|{STUDY}/(identities|events|view|volumes/[^/]+|further/[^/]+|landmarks|alignments|results"
    r"|deleted-structures)"
    rf"|{STUDY}/structures(/[0-9a-z]+(/statistics)?)?"
)
"""Paths that a viewer may get. Identities come without the patient."""

COMPUTED = re.compile(
    rf"{STUDY}/(slice-preview|landmarks/fit|alignments/compare|structures/compare)"
)
"""Paths to which a viewer may post: nothing is stored."""


def least_role(method: str, path: str) -> Role:
    """The least role that a request to the REST interface or for a file of the viewer needs."""
    is_file = not path.startswith("/api/")
    may_get = method in {"GET", "HEAD"} and (is_file or VIEWED.fullmatch(path))
    may_post = method == "POST" and COMPUTED.fullmatch(path)
    is_own = method == "DELETE" and path == SESSION
    return Role.VIEWER if may_get or may_post or is_own else Role.OPERATOR
