"""Extras of radfuse: what each installs, and how a message says that one is missing."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from radfuse.citations import cite
from radfuse.errors import InputError, command_of, install_command, needs_extra

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WEIGHTS = tomllib.loads((ROOT / "weights/pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
FOR_USERS = {"benchmark", "bids", "cluster", "node", "pacs", "train", "view", "weights"}

WHEEL = {"url": "file:///srv/dist/radfuse-1.0.0-py3-none-any.whl", "archive_info": {}}
CHECKOUT = {"url": "file:///home/anna/radfuse", "dir_info": {}}
EDITABLE = {"url": "file:///home/anna/radfuse", "dir_info": {"editable": True}}


@pytest.mark.parametrize("extra", sorted(FOR_USERS))
@pytest.mark.parametrize("origin", [{}, WHEEL, CHECKOUT, EDITABLE])
def test_a_command_names_the_extra_and_no_folder(extra: str, origin: dict[str, Any]) -> None:
    command = command_of(extra, origin)
    assert f"[{extra}]" in command
    assert "anna" not in command
    assert "srv" not in command


def test_a_command_fits_how_radfuse_was_installed() -> None:
    assert command_of("view", {}) == 'pip install "radfuse[view]"'
    assert command_of("view", CHECKOUT) == 'pip install ".[view]" in the checkout of radfuse'
    assert command_of("view", EDITABLE).startswith('pip install --editable ".[view]"')
    assert command_of("view", WHEEL).startswith(
        'pip install "./radfuse-1.0.0-py3-none-any.whl[view]"'
    )


def test_weights_come_from_where_radfuse_came_from() -> None:
    assert command_of("weights", CHECKOUT).startswith('pip install ./weights ".[weights]"')
    assert command_of("weights", WHEEL).startswith("pip install --find-links . ")


def test_a_missing_package_is_named_with_the_command() -> None:
    with pytest.raises(InputError) as caught, needs_extra("view"):
        raise ModuleNotFoundError(name="fastapi.routing")
    assert str(caught.value) == f"fastapi is missing; {install_command('view')}"


def test_every_message_about_an_extra_is_made_in_one_place() -> None:
    spelled = re.compile(r"""radfuse\[|pip install|is missing; pip""")
    for file in (ROOT / "src").rglob("*.py"):
        code = re.sub(r'"""[\s\S]*?"""', "", file.read_text())
        assert file.name == "errors.py" or not spelled.search(code), file


def test_every_extra_that_the_code_names_exists() -> None:
    named = {
        extra
        for file in (ROOT / "src").rglob("*.py")
        for extra in re.findall(r"(?:needs_extra|install_command)\(['\"](\w+)", file.read_text())
    }
    assert named == FOR_USERS


def test_all_has_every_extra_for_users() -> None:
    [everything] = map(Requirement, EXTRAS["all"])
    assert everything.name == "radfuse"
    assert everything.extras == FOR_USERS
    assert set(EXTRAS) == FOR_USERS | {"all", "dev", "dist", "docs"}


def test_both_packages_have_one_version() -> None:
    assert WEIGHTS["version"] == PROJECT["version"]
    assert EXTRAS["weights"] == [f"radfuse-weights=={PROJECT['version']}"]


@pytest.mark.parametrize("extra", [None, *sorted(FOR_USERS - {"weights"})])
def test_no_requirement_is_of_a_single_version(extra: str | None) -> None:
    for requirement in map(Requirement, EXTRAS[extra] if extra else PROJECT["dependencies"]):
        operators = {one.operator for one in requirement.specifier}
        assert operators, requirement
        assert "==" not in operators, requirement


def constraints() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = (line.split("==") for line in lines if not line.startswith("#"))
    return {normalized(name): version for name, version in pairs}


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_constraints_satisfy_every_requirement() -> None:
    pinned = constraints()
    for requirement in map(Requirement, [*PROJECT["dependencies"], *chain(*EXTRAS.values())]):
        name = normalized(requirement.name)
        if requirement.marker and not requirement.marker.evaluate():
            continue
        assert name.startswith("radfuse") or requirement.specifier.contains(pinned[name]), name


def test_classifiers_name_the_pythons_that_are_tested() -> None:
    minor = re.compile(r"Programming Language :: Python :: (3\.\d+)$")
    named = [found[1] for one in PROJECT["classifiers"] if (found := minor.match(one))]
    workflow = (ROOT / ".github/workflows/test.yml").read_text()
    for version in named:
        assert f'"{version}"' in workflow
    assert named[0] == PROJECT["requires-python"].removeprefix(">=")


def test_no_base_requirement_is_unused() -> None:
    imported = {
        name
        for file in (ROOT / "src").rglob("*.py")
        for name in re.findall(r"^\s*(?:from|import) (\w+)", file.read_text(), re.MULTILINE)
    }
    plugins = {"pylibjpeg", "pylibjpeg-openjpeg", "python-gdcm"}  # pydicom loads them
    modules = {
        normalized(distribution): module
        for module, distributions in packages_distributions().items()
        for distribution in distributions
        if module in imported
    }
    wanted = {normalized(Requirement(one).name) for one in PROJECT["dependencies"]}
    assert wanted - plugins <= set(modules)


def test_the_citation_has_the_version_and_the_papers() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert citation["title"] in cite([])
    dois = {one["doi"] for one in citation["references"]}
    assert dois == {url.removeprefix("https://doi.org/") for url in PROJECT["urls"].values()}


def test_the_changelog_has_the_form_of_keep_a_changelog() -> None:
    lines = (ROOT / "CHANGELOG.md").read_text().splitlines()
    versions = [line for line in lines if line.startswith("## ")]
    assert versions[0] == "## [Unreleased]"
    assert all(re.fullmatch(r"## \[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", one) for one in versions[1:])
    kinds = {line.removeprefix("### ") for line in lines if line.startswith("### ")}
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


@pytest.mark.parametrize("path", sorted((ROOT / ".github/workflows").iterdir()))
def test_a_workflow_is_yaml_and_has_few_permissions(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    assert "untested where this was written" in path.read_text()
    for job in workflow["jobs"].values():
        for step in job.get("steps", []):
            if "actions/checkout" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False


@pytest.mark.slow
def test_distributions_are_built_checked_and_tried(tmp_path: Path) -> None:
    pytest.importorskip("build", reason='pip install ".[dist]"')
    command = [sys.executable, ROOT / "deploy/dist.py", tmp_path / "dist"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "equal bytes in two builds" in done.stdout
    assert re.search(r"Python 3\.11: installed in", done.stdout)
    assert len(list((tmp_path / "dist").glob("*.whl"))) == 2
