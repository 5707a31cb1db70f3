"""Every block of commands in the README, the tutorials and the how-tos is run, or says why not."""

import re
import shutil
from pathlib import Path

import pytest

from docs_images import Images
from docs_kit import ROOT, Block, blocks, documents, run

DOCUMENTS = {path.relative_to(ROOT).as_posix(): path for path in documents()}

RUN_BY = {"docs/howto/train-your-own.md": "tests/training/test_howto.py"}
"""Documents with a test of their own."""

REASONS = r"needs (an?|the) |opens a |installs|runs until "
"""How a reason not to run a block begins."""

MIN_SHARE = 0.6
"""Of all blocks that are run."""


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Images:
    return Images(tmp_path_factory.mktemp("images"))


def all_blocks() -> list[Block]:
    return [block for path in DOCUMENTS.values() for block in blocks(path)]


def test_a_block_that_is_not_run_states_why() -> None:
    for block in all_blocks():
        if block.reason is not None:
            assert re.match(REASONS, block.reason), f"{block.document}:{block.line}"


def test_most_blocks_are_run() -> None:
    found = all_blocks()
    assert sum(block.reason is None for block in found) >= MIN_SHARE * len(found)


def prepared(name: str, images: Images, folder: Path) -> list[Block]:
    """The blocks of a document to run, in a folder that has what they name."""
    chosen = [block for block in blocks(DOCUMENTS[name]) if block.reason is None]
    if "/tutorials/" not in name:  # which make what they need
        images.provide("\n".join(block.code for block in chosen), folder)
    return chosen


@pytest.mark.slow
@pytest.mark.parametrize("name", [one for one in DOCUMENTS if one not in RUN_BY])
def test_blocks_of_a_document_run(name: str, images: Images, tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.mkdir()
    chosen = prepared(name, images, given)
    folder = shutil.copytree(given, tmp_path / "work")
    for block in chosen:
        run(block, folder, given)
