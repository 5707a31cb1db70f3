"""Folders of real files, hostile and odd ones among them."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def heads(shared: Path) -> Path:
    folder = shared / "data/real/dicom_head"
    if not folder.is_dir():
        pytest.skip(f"real data is missing: {folder.name}")
    return folder


@pytest.fixture(scope="session")
def odd(shared: Path) -> Path:
    folder = shared / "data/real/io"
    if not folder.is_dir():
        pytest.skip(f"real data is missing: {folder.name}")
    return folder
