"""The SBOM and the licences are those of what a container image has."""

import importlib.util
import json
import re
import sys
import tomllib
from importlib import resources
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema_rs
import pytest

ROOT = Path(__file__).parents[2]

SCHEMA = "http://cyclonedx.org/schema/bom-1.6.SNAPSHOT.schema.json"
"""The name of a file of cyclonedx-python-lib, as its other files refer to it."""

GPL_ONLY = (
    "GPL-3.0-only", "GNU General Public License v3 (GPLv3)", "AGPL-3.0-or-later", "GPLv2",
    "MIT AND GPL-3.0-only", "GPL-2.0-only OR GPL-3.0-only",
)  # fmt: skip
OTHERS = (
    "MIT", "LGPL-2.1-or-later", "GNU Lesser General Public License v3 (LGPLv3)", "MPL-2.0",
    "GPL-3.0-only OR Apache-2.0", "MIT AND GPL-3.0-with-GCC-exception", "",
)  # fmt: skip


@pytest.fixture(scope="module")
def packages() -> ModuleType:
    path = ROOT / "deploy" / "packages.py"
    spec = importlib.util.spec_from_file_location("packages", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses ask for it
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def deployed(packages: ModuleType) -> list[Any]:
    return [*packages.deployed_packages(), *packages.vendored_packages()]


@pytest.mark.parametrize("licence", GPL_ONLY)
def test_licence_without_another_choice_is_gpl_only(packages: ModuleType, licence: str) -> None:
    assert packages.is_gpl_only(licence)


@pytest.mark.parametrize("licence", OTHERS)
def test_licence_with_another_choice_is_not_gpl_only(packages: ModuleType, licence: str) -> None:
    assert not packages.is_gpl_only(licence)


def test_no_deployed_package_is_gpl_only(packages: ModuleType, deployed: list[Any]) -> None:
    assert [one.name for one in deployed if packages.is_gpl_only(one.licence)] == []
    assert "pylibjpeg-libjpeg" not in {one.name for one in deployed}  # GPL-3


def test_every_deployed_package_has_a_licence(deployed: list[Any]) -> None:
    assert [one.name for one in deployed if not one.licence] == []


def test_base_with_the_node_has_no_torch_and_no_test_tools(deployed: list[Any]) -> None:
    names = {one.name for one in deployed}
    assert names.isdisjoint({"torch", "pandas", "matplotlib", "pytest", "onnx"})
    assert {"radfuse", "openvino", "simpleitk", "uvicorn", "prometheus-client", "niivue"} <= names


def test_versions_are_those_of_the_constraints(packages: ModuleType) -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if "==" in line)
    exact = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in pinned.items()}
    for one in packages.deployed_packages():
        assert one.name == "radfuse" or one.version == exact[one.name]


def test_image_and_sbom_have_the_same_extras(packages: ModuleType) -> None:
    (extras,) = re.findall(r"^ARG EXTRAS=(.*)$", (ROOT / "Containerfile").read_text(), re.MULTILINE)
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert tuple(extras.split(",")) == packages.EXTRAS
    assert set(packages.EXTRAS) <= set(known)


def test_sbom_is_valid_cyclonedx(packages: ModuleType, deployed: list[Any]) -> None:
    folder = resources.files("cyclonedx.schema") / "_res"
    texts = {one.name: one.read_text("utf-8") for one in folder.iterdir() if "json" in one.name}
    schemas = {SCHEMA.rpartition("/")[0] + f"/{name}": json.loads(texts[name]) for name in texts}
    registry = jsonschema_rs.Registry(list(schemas.items()))
    validator = jsonschema_rs.validator_for(schemas[SCHEMA], registry=registry)
    document = packages.sbom(deployed)
    assert [str(error) for error in validator.iter_errors(document)] == []
    assert [*validator.iter_errors(document | {"version": 0})] != []


def test_sbom_names_each_package_once(packages: ModuleType, deployed: list[Any]) -> None:
    document = packages.sbom(deployed)
    references = [one["bom-ref"] for one in document["components"]]
    references.append(document["metadata"]["component"]["bom-ref"])
    assert len(set(references)) == len(references) == len(deployed)
    for one in document["dependencies"]:
        assert {one["ref"], *one["dependsOn"]} <= set(references)
    assert packages.sbom(deployed) == document
