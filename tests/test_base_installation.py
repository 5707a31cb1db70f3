"""What `pip install radfuse` without extras can do."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"

EXTRAS = ("benchmark", "bids", "cluster", "node", "pacs", "view", "train")

OF_EXTRAS = ("benchmark", "node", "service", "training", "networks", "dicom.network")
"""Packages that only the extras need."""

IMPORT_ALL = """
import importlib, pkgutil, sys, radfuse
blocked, skipped = set(sys.argv[1].split(",")), tuple(sys.argv[2].split(","))

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Blocker())
for module in pkgutil.walk_packages(radfuse.__path__, "radfuse."):
    inside = module.name.partition(".")[2]
    if not (inside + ".").startswith(skipped) and inside != "__main__":
        importlib.import_module(module.name)
        print(inside)
"""


def names(requirements: list[str]) -> set[str]:
    return {normalized(re.split(r"[ ;<>=\[]", one)[0]) for one in requirements}


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_command_is_imported_without_the_extras() -> None:
    project = tomllib.loads(PROJECT.read_text())["project"]
    extras = set.union(*(names(project["optional-dependencies"][one]) for one in EXTRAS))
    only_extras = extras - names(project["dependencies"])
    blocked = [
        module
        for module, distributions in packages_distributions().items()
        if only_extras & {normalized(one) for one in distributions}
    ]
    assert {"torch", "pandas", "fastapi", "pynetdicom"} <= set(blocked)
    skipped = ",".join(f"{one}." for one in OF_EXTRAS)
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, ",".join(blocked), skipped],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {"cli.fuse", "cli.view", "cli.training.train", "cli.node", "pipeline.fuse"} <= set(
        done.stdout.split()
    )
