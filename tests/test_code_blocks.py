"""Every block of commands in documents for users is run, or listed."""

import re
import shlex
import shutil
import time
from dataclasses import replace
from pathlib import Path

import click
import pytest
from PIL import Image

from docs_authors import write_authors_files
from docs_images import Images
from docs_kit import ROOT, TIMEOUT_S, Block, blocks, documents, files, run
from docs_servers import Surroundings, surroundings
from radfuse.cli import main

DOCUMENTS = {path.relative_to(ROOT).as_posix(): path for path in documents()}

RUN_BY = {"docs/howto/train-your-own.md": "tests/training/test_howto.py"}
"""Documents with a test of their own."""

INSTALLS = {
    ("README.md", "make demo"): "tests/test_readme_installs.py, but for `make test`",
    ("README.md", "python -m venv .venv"): "tests/test_readme_installs.py",
}
"""Blocks with a test of their own."""

AUTHORS = "docs/howto/authors-weights.md"
DEPLOY, INSTALL = "docs/deploy.md", "docs/install.md"

CONTAINER = "needs root and a builder of images; tests/deploy/test_container.py has its own"
SERVICES = "changes the services of this machine; tests/deploy/test_configuration.py checks them"
UNITS = "deploy/systemd/radfuse-node.service deploy/systemd/radfuse-view.service"
WHEELS = '--wheel-dir wheels --constraint constraints.txt ".[view,pacs]"'

NOT_RUN = {
    (INSTALL, "python -m venv .venv"): "the name is not published in an index yet",
    (INSTALL, f"pip wheel {WHEELS}"): "downloads all packages, for a machine without a network",
    (DEPLOY, "make image"): CONTAINER,
    (DEPLOY, "chown 10001:10001 deploy/secrets/*"): CONTAINER,
    (DEPLOY, "podman-compose --file deploy/compose.yaml up --detach"): CONTAINER,
    (DEPLOY, "podman-compose --file deploy/compose.yaml down"): CONTAINER,
    (DEPLOY, "apt-get install orthanc python3-venv"): SERVICES,
    (DEPLOY, "install -m 0644 deploy/orthanc.json /etc/orthanc/orthanc.json"): SERVICES,
    (DEPLOY, f"cp {UNITS} /etc/systemd/system"): SERVICES,
    (DEPLOY, "systemctl stop radfuse-node"): SERVICES,
    (DEPLOY, "systemctl disable --now radfuse-node radfuse-view"): SERVICES,
    (DEPLOY, "make sbom"): "installs; tests/deploy/test_packages.py tests both",
}
"""Blocks that are not run, by document and first command, and why."""


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Images:
    return Images(tmp_path_factory.mktemp("images"))


def all_blocks() -> list[Block]:
    return [block for path in DOCUMENTS.values() for block in blocks(path)]


def key(block: Block) -> tuple[str, str]:
    """Document and first command of a block."""
    return block.document, block.code.splitlines()[0].partition("#")[0].strip()


def test_blocks_that_are_not_run_are_listed() -> None:
    found = all_blocks()
    left = [key(block) for block in found if key(block) in NOT_RUN]
    print(f"{len(found) - len(left)} of {len(found)} blocks are run, not: {left}")  # noqa: T201
    assert sorted(left) == sorted(NOT_RUN)
    assert {key(block) for block in found} >= INSTALLS.keys()
    assert not [one for one in found if one.reason]


def write_deployment(folder: Path, around: Surroundings) -> None:
    """The folder `deploy` of a checkout, without secrets, for the Orthanc of this machine."""
    (folder / "secrets").mkdir(parents=True)
    (folder / "config").mkdir()
    for path in (ROOT / "deploy/config").iterdir():
        text = path.read_text(encoding="utf-8")
        (folder / "config" / path.name).write_text(around.here(text), encoding="utf-8")


def prepared(name: str, images: Images, folder: Path, around: Surroundings) -> list[Block]:
    """The blocks of a document to run, in a folder that has what they name."""
    chosen = [block for block in blocks(DOCUMENTS[name]) if key(block) not in NOT_RUN | INSTALLS]
    for file, text in files(DOCUMENTS[name]).items():
        (folder / file).write_text(around.here(text), encoding="utf-8")
    if name == AUTHORS:
        write_authors_files(folder)
    if name == DEPLOY:
        write_deployment(folder / "deploy", around)
    if "/tutorials/" not in name:  # which make what they need
        images.provide("\n".join(around.here(block.code) for block in chosen), folder)
    return chosen


def no_check(folder: Path, around: Surroundings) -> None:
    """What most documents need: their commands ended as expected."""
    del folder, around


def node_delivers(folder: Path, around: Surroundings) -> None:
    """The destination of the rule has the four series that the how-to names."""
    assert around.pacs is not None
    end = time.monotonic() + TIMEOUT_S
    while len(found := around.pacs.ask("/series?expand")) < 2 + 4:
        assert time.monotonic() < end, (folder / "node-data").glob("logs/*")
        time.sleep(1.0)
    described = sorted(one["MainDicomTags"]["Modality"] for one in found)
    assert described == ["CT", "MR", "MR", "MR", "OT", "REG"]


AFTERWARDS = {"docs/howto/node.md": node_delivers}
"""What is to be true after the commands of a document."""


@pytest.mark.slow
@pytest.mark.parametrize("name", [one for one in DOCUMENTS if one not in RUN_BY])
def test_blocks_of_a_document_run(name: str, images: Images, tmp_path: Path) -> None:
    given, programs = tmp_path / "given", tmp_path / "programs"
    given.mkdir()
    programs.mkdir()
    text = DOCUMENTS[name].read_text(encoding="utf-8")
    with surroundings(text, programs, images) as around:
        chosen = prepared(name, images, given, around)
        folder = shutil.copytree(given, tmp_path / "work")
        for block in chosen:
            run(block, folder, given, around)
        AFTERWARDS.get(name, no_check)(folder, around)


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
