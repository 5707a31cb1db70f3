"""What `radfuse` exports: each name imports, has a docstring and is documented."""

import inspect
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import radfuse
from radfuse import errors

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", radfuse.__all__)
def test_public_name_imports_and_is_documented(name: str) -> None:
    value = getattr(radfuse, name)
    assert inspect.getdoc(value)
    assert value.__name__ == name
    assert f"\n## {name}\n" in (ROOT / "docs/python.md").read_text()
    assert name in dir(radfuse)


def test_every_error_of_the_tree_is_public() -> None:
    tree = {name for name in vars(errors) if name.endswith("Error")}
    assert tree <= set(radfuse.__all__)
    assert all(name in str(errors.__doc__) for name in tree)


def test_version_is_that_of_the_distribution() -> None:
    assert radfuse.__version__ == version("radfuse")
    assert "__version__" in dir(radfuse)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonesuch"):
        radfuse.nonesuch  # noqa: B018


def test_importing_radfuse_imports_none_of_its_modules() -> None:
    code = "import sys, radfuse; print([m for m in sys.modules if m.startswith('radfuse.')])"
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == "[]"
