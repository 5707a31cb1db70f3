"""Fixtures: one server for all tests of the viewer, and studies on it."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser_kit import opened_browser
from selenium.webdriver import Chrome
from service_kit import Site, running

from radfuse.phantom.head import Phantom
from radfuse.registration.transforms import write_transform
from radfuse.service.stores.studies import Studies, Study


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running(tmp_path_factory.mktemp("viewer")) as started:
        yield started


@pytest.fixture(scope="session")
def quick_recipe(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Average with the true transform; only the fused series is written."""
    transform = tmp_path_factory.mktemp("given") / "true.tfm"
    write_transform(transform, phantom.mr_from_ct)
    return {"method": "average", "transform": str(transform), "outputs": ["fused"]}


@pytest.fixture(scope="session")
def asked(phantom_folders: tuple[Path, Path], quick_recipe: dict[str, Any]) -> dict[str, Any]:
    """Request for a study of the quick phantom."""
    ct, mr = map(str, phantom_folders)
    return {"ct": ct, "mr": mr, "name": "Quick phantom", "recipe": quick_recipe}


@pytest.fixture(scope="session")
def done(site: Site, asked: dict[str, Any]) -> str:
    """A fused study; tests may sign it and fuse it again, but must leave it fused."""
    identifier = site.make(**asked)
    events = site.fuse(identifier)
    assert events[-1][0] == "done", events
    return identifier


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with opened_browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture(scope="session")
def prepared(site: Site, asked: dict[str, Any]) -> str:
    """A prepared study without result; tests must leave it so."""
    identifier = site.make(**asked)
    events = site.prepare(identifier)
    assert events[-1] == ("done", {"outcome": None}), events
    return identifier


@pytest.fixture
def copied(site: Site, done: str, tmp_path: Path) -> tuple[Studies, Study]:
    """A copy of the fused study in its own folder."""
    shutil.copytree(site.folder / "studies" / done, tmp_path / "studies" / done)
    studies = Studies(tmp_path)
    return studies, studies.get(done)
