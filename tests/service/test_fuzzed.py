"""No request that follows the OpenAPI document, or nearly does, makes the server fail."""

from typing import Any

import schemathesis
from hypothesis import given
from service_kit import TOKEN, Site, fuzzing

from radfuse.service.security import TOKEN_HEADER

EXAMPLES = 12
"""Requests to each operation."""

SLOW = {"/api/v1/phantom"}
"""Paths that compute for seconds."""


def test_the_server_never_fails(site: Site) -> None:
    token = {TOKEN_HEADER: TOKEN}
    schema = schemathesis.openapi.from_url(f"{site.base}/api/v1/openapi.json", headers=token)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) >= 28
    operations = [one for one in operations if one.path not in SLOW]
    for operation in operations:

        @fuzzing(EXAMPLES)
        @given(case=operation.as_strategy())
        def check(case: Any) -> None:
            answer = case.call(headers=token)
            assert answer.status_code < 500, (case, answer.text)

        check()
