"""Every block of commands in the README, the tutorials and the how-tos is run, or says why not."""

import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import click
import pytest
from PIL import Image

from docs_images import Images
from docs_kit import ROOT, Block, blocks, documents, run
from radfuse.cli import main

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


def radfuse_commands() -> list[tuple[str, list[str]]]:
    """Every `radfuse` command of every block, run or not: where it is, and its words."""
    return [
        (f"{block.document}:{block.line}", shlex.split(line, comments=True)[1:])
        for block in all_blocks()
        if block.language == "sh"
        for line in re.sub(r"\\\n\s*", " ", block.code).splitlines()
        if line.startswith("radfuse ")
    ]


def test_options_of_every_command_exist() -> None:
    commands = radfuse_commands()
    assert len(commands) > 80
    for where, words in commands:
        command: click.Command = main
        context = click.Context(main)
        while isinstance(command, click.Group):
            found = command.get_command(context, words.pop(0))
            assert found is not None, where
            command, context = found, click.Context(found, parent=context)
        known = {"-h", "--help"} | {name for one in command.params for name in one.opts}
        assert {word for word in words if re.match(r"--?[a-z]", word)} <= known, (where, words)


def test_quick_commands_of_the_readme_run(
    coarse_folders: tuple[Path, Path], tmp_path: Path
) -> None:
    (block,) = (one for one in blocks(ROOT / "README.md") if "\nradfuse fuse" in one.code)
    quick = [one for one in block.commands if ".png" in one or one.startswith("radfuse info")]
    assert len(quick) == 2
    for source in coarse_folders:
        shutil.copytree(source, tmp_path / "given" / "STUDY" / source.name)
    gradients = {"ct": Image.linear_gradient("L"), "mr": Image.radial_gradient("L")}
    for name, image in gradients.items():
        image.resize((48, 48)).save(tmp_path / "given" / f"{name}.png")
    work = shutil.copytree(tmp_path / "given", tmp_path / "work")
    run(replace(block, code="\n".join(quick)), work, tmp_path / "given")
    assert (work / "fused.png").is_file()
