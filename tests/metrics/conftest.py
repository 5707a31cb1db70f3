"""What the tests of metrics share: the golden values, read once."""

from pathlib import Path

import pytest
from golden_kit import GoldenRow, rows_of


@pytest.fixture(scope="session")
def golden(shared: Path) -> list[GoldenRow]:
    """Values of the field's own codes, more than 70 rows."""
    rows = rows_of(shared)
    assert len(rows) > 70
    return rows
