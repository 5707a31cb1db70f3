"""Generated documents are up to date; links, paths and commands in the docs exist."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from radfuse.cli import COMMANDS
from radfuse.methods.catalogue import METHODS
from radfuse.methods.installed import is_installed
from radfuse.record import NOTICE

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATED = (
    "methods.md", "metrics.md", "modalities.md", "conformance.md", "commands.md", "python.md",
    "findings.md", "images/rooms.svg",
)  # fmt: skip
FUSED = pytest.param("altered-inputs.md", marks=pytest.mark.slow)


@pytest.mark.parametrize("name", [*GENERATED, FUSED])
def test_generated_document_is_up_to_date(generate: ModuleType, name: str) -> None:
    assert (ROOT / "docs" / name).read_text() == generate.DOCUMENTS[name](), "run `make docs`"


@pytest.mark.slow
def test_document_of_real_files_is_up_to_date(generate: ModuleType, shared: Path) -> None:
    real = shared / "data/real"
    if not real.is_dir():
        pytest.skip(f"real data is missing: {real}")
    document = generate.cases_document(real)
    assert (ROOT / "docs" / "dicom-cases.md").read_text() == document, "run `make docs`"


@pytest.mark.slow
@pytest.mark.skipif(not is_installed("dfenet"), reason="`radfuse weights build dfenet` first")
def test_document_of_reproductions_is_up_to_date(shared: Path) -> None:
    command = [sys.executable, ROOT / "benchmarks" / "reproduction.py"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert (ROOT / "docs" / "reproduction.md").read_text() == printed


def test_every_link_in_the_docs_leads_somewhere() -> None:
    for document in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


@pytest.mark.parametrize(
    "name", ["CONTRIBUTING.md", "SECURITY.md", "docs/architecture.md", "docs/testing.md"]
)
def test_paths_named_in_the_guides_exist(name: str) -> None:
    paths = re.findall(
        r"`((?:src|tests|docs|configs|benchmarks)/[^`]*)`", (ROOT / name).read_text()
    )
    for path in paths:
        known = (ROOT / path.split("NAME")[0]).parent if "NAME" in path else ROOT / path
        assert known.exists(), path


def test_documents_that_the_code_names_exist() -> None:
    for path in (ROOT / "src").rglob("*.py"):
        for name in re.findall(
            r"\b(?:docs|examples)/[\w/-]+\.md", path.read_text(encoding="utf-8")
        ):
            assert (ROOT / name).is_file(), f"{path.name}: {name}"


def test_architecture_lists_every_sub_folder() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    for folder in (ROOT / "src/radfuse").glob("*/*/"):
        if folder.name not in {"__pycache__", "vendor"} and folder.parent.name != "weights":
            (row,) = re.findall(rf"^\| `{folder.parent.name}` \|.*", text, re.MULTILINE)
            assert f"`{folder.name}`" in row, folder


def test_pre_commit_runs_the_commands_of_make_check() -> None:
    hooks = re.findall(r"entry: ([^}]*)}", (ROOT / ".pre-commit-config.yaml").read_text())
    target = (ROOT / "Makefile").read_text().split("\ncheck: .venv/dev\n")[1].split("\n\n")[0]
    assert hooks == [line.strip().replace("$(BIN)", ".venv/bin") for line in target.splitlines()]


def test_documents_for_users_have_the_research_use_line() -> None:
    for name in (
        "README.md",
        "docs/methods.md",
        *sorted(p.relative_to(ROOT).as_posix() for p in ROOT.glob("docs/howto/*.md")),
    ):
        text = " ".join((ROOT / name).read_text().replace("*", "").split())
        assert NOTICE in text, name


def test_every_radfuse_command_in_the_docs_exists() -> None:
    for document in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]:
        for block in re.findall(r"```sh\n(.*?)```", document.read_text(), re.DOTALL):
            for command in re.findall(r"^radfuse (\w+)", block, re.MULTILINE):
                assert command in COMMANDS, f"{document.name}: radfuse {command}"


def test_viewer_images_are_those_of_the_browser_tests() -> None:
    document = (ROOT / "docs/howto/view.md").read_text()
    shown = re.findall(r"\(\.\./images/viewer/([\w-]+)\.png\)", document)
    tests = ("test_browser.py", "test_browser_states.py")
    taken = "".join((ROOT / "tests/service" / name).read_text() for name in tests)
    assert len(shown) > 8
    assert {path.stem for path in (ROOT / "docs/images/viewer").iterdir()} == set(shown)
    assert all(f'"{name}"' in taken for name in shown)


def test_related_work_names_methods_of_the_catalogue() -> None:
    rows = (ROOT / "docs/related-work.md").read_text(encoding="utf-8").split("## Networks")[0]
    named = {name for row in rows.splitlines() for name in re.findall(r"`(\w+)`", row)}
    assert named <= set(METHODS)
    families = {"multiscale", "filter", "sparse"}
    assert {name for name, entry in METHODS.items() if entry.family in families} <= named
