"""Fixtures: an Orthanc, and dashboards of nodes beside it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from dashboard_kit import Dashboard, running_dashboard, settings_in

from orthanc_kit import HOST, running_orthanc


@pytest.fixture(scope="session")
def orthanc_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_orthanc(tmp_path_factory.mktemp("orthanc")) as orthanc:
        yield f"http://{HOST}:{orthanc.http_port}"


@pytest.fixture
def dashboard(orthanc_url: str, tmp_path: Path) -> Iterator[Dashboard]:
    with running_dashboard(settings_in(tmp_path, orthanc_url)) as running:
        yield running
