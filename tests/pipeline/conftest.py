"""A fusion of the phantom with every object, for all that look at what was written."""

from pathlib import Path

import pytest

import radfuse
from radfuse.phantom.head import Phantom
from radfuse.pipeline.result import Result
from radfuse.recipe import Recipe
from radfuse.registration.transforms import write_transform
from radfuse.series import Series


@pytest.fixture(scope="session")
def phantom(quick_phantom: Phantom) -> Phantom:
    return quick_phantom


@pytest.fixture(scope="session")
def phantom_folders(quick_folders: tuple[Path, Path]) -> tuple[Path, Path]:
    return quick_folders


@pytest.fixture(scope="session")
def truth(phantom: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("truth") / "truth.tfm"
    write_transform(path, phantom.mr_from_ct)
    return path


@pytest.fixture(scope="session")
def given(truth: Path) -> Recipe:
    return Recipe(transform=truth, accept_registration=True, method="bone_blend")


@pytest.fixture(scope="session")
def pair(phantom_folders: tuple[Path, Path]) -> tuple[Series, Series]:
    return radfuse.read(phantom_folders[0], "CT"), radfuse.read(phantom_folders[1], "MR")


@pytest.fixture(scope="session")
def ladder(
    pair: tuple[Series, Series], given: Recipe, tmp_path_factory: pytest.TempPathFactory
) -> Result:
    return radfuse.fuse(*pair, tmp_path_factory.mktemp("ladder") / "out", recipe=given)
