"""No request about structures of a study makes the server fail."""

from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import given
from service_kit import TOKEN, Site, fuzzing
from study_kit import StudyClient, ball, prepare

from radfuse.phantom.head import Phantom
from radfuse.service.security import TOKEN_HEADER

EXAMPLES, SLOW_EXAMPLES = 15, 4
"""Requests to each operation, and to one that reads the whole CT."""

OPERATIONS = (
    ("GET", "/structures"),
    ("POST", "/structures"),
    ("GET", "/structures/{structure}"),
    ("PATCH", "/structures/{structure}"),
    ("DELETE", "/structures/{structure}"),
    ("POST", "/structures/{structure}/restore"),
    ("GET", "/deleted-structures"),
    ("POST", "/structures/import"),
    ("POST", "/structures/export"),
    ("POST", "/structures/compare"),
    ("POST", "/structures/operate"),
    ("GET", "/structures/{structure}/statistics"),
    ("GET", "/exports/{name}"),
    ("POST", "/grow-region"),
    ("POST", "/interpolate"),
)


@pytest.fixture(scope="module")
def client(site: Site, phantom: Phantom, phantom_folders: tuple[Path, Path]) -> StudyClient:
    return prepare(site, phantom_folders, phantom.ct.image)


@pytest.fixture(scope="module")
def schema(site: Site) -> Any:
    token = {TOKEN_HEADER: TOKEN}
    return schemathesis.openapi.from_url(f"{site.base}/api/v1/openapi.json", headers=token)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_no_request_about_structures_makes_the_server_fail(
    client: StudyClient, schema: Any, method: str, path: str
) -> None:
    operation = schema["/api/v1/studies/{identifier}" + path][method]
    mine = client.add(f"Fuzzed {method} {path}"[:60], ball(client.shape, 3))["id"]

    @fuzzing(SLOW_EXAMPLES if path.endswith("/export") else EXAMPLES)
    @given(case=operation.as_strategy())
    def check(case: Any) -> None:
        case.path_parameters["identifier"] = client.study
        if "structure" in case.path_parameters:
            case.path_parameters["structure"] = mine
        answer = case.call(headers={TOKEN_HEADER: TOKEN})
        assert answer.status_code < 500, (case, answer.text)

    check()
