"""A phantom, and two Orthancs that the tests of a module share."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from node_kit import RULES, Site, running_site
from radfuse.phantom.dicom import write_phantom
from radfuse.phantom.head import make_phantom


@pytest.fixture(scope="session")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantom")
    write_phantom(make_phantom(1, spacing_mm=6.0), folder)
    return folder


@pytest.fixture(scope="module")
def orthancs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture
def site(orthancs: Site, tmp_path: Path) -> Site:
    """Two empty Orthancs and a new data folder."""
    orthancs.first.empty()
    orthancs.second.empty()
    (tmp_path / "rules.toml").write_text(RULES)
    shutil.rmtree(tmp_path / "node", ignore_errors=True)
    update = {"data": tmp_path / "node", "rules": tmp_path / "rules.toml"}
    return replace(orthancs, folder=tmp_path, settings=orthancs.settings.model_copy(update=update))
