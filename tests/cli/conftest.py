"""The quick phantom for all tests of the command line."""

from pathlib import Path

import pytest

from radfuse.phantom.head import Phantom


@pytest.fixture(scope="session")
def phantom(quick_phantom: Phantom) -> Phantom:
    return quick_phantom


@pytest.fixture(scope="session")
def phantom_folders(quick_folders: tuple[Path, Path]) -> tuple[Path, Path]:
    return quick_folders
