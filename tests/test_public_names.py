"""What `radfuse` exports: each name imports, is documented whole, and its example runs."""

import ast
import doctest
import inspect
import re
import subprocess
import sys
import textwrap
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

import pytest

import radfuse
from radfuse import errors

ROOT = Path(__file__).parents[1]

OBJECTS = {name: getattr(radfuse, name) for name in radfuse.__all__ if name != "datasets"} | {
    f"datasets.{name}": getattr(radfuse.datasets, name) for name in radfuse.datasets.__all__
}
"""Public functions and classes by name."""

FUNCTIONS = [name for name, value in OBJECTS.items() if not inspect.isclass(value)]
ERRORS = [name for name in OBJECTS if name.endswith("Error")]
CLASSES = [name for name in OBJECTS if name not in {*FUNCTIONS, *ERRORS}]

REGISTERS = {
    "Alignment", "Benchmark", "FunctionalResult", "Quality", "Registration", "Result", "benchmark",
    "datasets.phantom_pet", "datasets.phantom_spect", "evaluate", "fuse_study", "register",
}  # fmt: skip
"""Names whose examples take more than a second or two."""


@pytest.mark.parametrize("name", radfuse.__all__)
def test_public_name_imports_and_is_documented(name: str) -> None:
    value = getattr(radfuse, name)
    assert inspect.getdoc(value)
    assert value.__name__.removeprefix("radfuse.") == name
    assert f"\n## {name}\n" in (ROOT / "docs/python.md").read_text()
    assert name in dir(radfuse)


def test_type_checkers_know_the_public_names() -> None:
    (block, *_) = [
        node
        for node in ast.parse(inspect.getsource(radfuse)).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    imported = [
        alias.name
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    assert sorted(imported) == sorted(radfuse.__all__)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_public_function_documents_all_it_takes(name: str) -> None:
    text = inspect.getdoc(OBJECTS[name]) or ""
    for parameter in inspect.signature(OBJECTS[name]).parameters:
        assert re.search(rf"\b{parameter}\b", text), parameter
    assert re.search(r"\n(Raises|.*\braises `|.*errors are those of `)", text)
    assert "\nExamples\n" in text


@pytest.mark.parametrize("name", CLASSES)
def test_a_public_class_documents_all_it_has(name: str) -> None:
    kind = OBJECTS[name]
    assert "\nExamples\n" in (inspect.getdoc(kind) or "")
    assert undocumented_fields(kind) == []
    members = {key: value for key, value in vars(kind).items() if not key.startswith("_")}
    for key, value in members.items():
        if isinstance(value, property | classmethod) or inspect.isfunction(value):
            assert inspect.getdoc(value), key


def undocumented_fields(kind: type) -> list[str]:
    """Annotated fields of a class without a docstring under them."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(body, ast.ClassDef)
    statements = [*body.body, ast.Pass()]
    return [
        ast.unparse(field.target)
        for field, after in pairwise(statements)
        if isinstance(field, ast.AnnAssign)
        and "ClassVar" not in ast.unparse(field.annotation)
        and not (isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant))
    ]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in REGISTERS else [])
        for name in [*FUNCTIONS, *CLASSES]
    ],
)
def test_the_example_of_a_public_name_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    runner = doctest.DocTestRunner()
    for example in doctest.DocTestFinder(recurse=False).find(OBJECTS[name], name, globs={}):
        runner.run(example)
    assert runner.summarize(verbose=False).failed == 0
    assert runner.tries > 0


@pytest.mark.slow
def test_the_examples_are_type_checked(tmp_path: Path) -> None:
    parser = doctest.DocTestParser()
    for name in [*FUNCTIONS, *CLASSES]:
        lines = parser.get_examples(inspect.getdoc(OBJECTS[name]) or "")
        body = "".join(one.source for one in lines)
        (tmp_path / f"{name.replace('.', '_')}.py").write_text(body)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", ROOT / "pyproject.toml",
         *sorted(tmp_path.glob("*.py"))],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


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


def test_importing_radfuse_imports_nothing_large() -> None:
    printed = run("import sys, radfuse; print(*sys.modules)").split()
    own = {name for name in printed if name.startswith("radfuse.")}
    assert own == {"radfuse.benchmark", "radfuse.methods"}  # empty packages
    assert not {"numpy", "pydantic", "SimpleITK", "rich"} & set(printed)


@pytest.mark.parametrize("name", ["benchmark", "methods"])
def test_the_functions_hide_the_packages_of_their_names(name: str) -> None:
    imports = "import radfuse.pipeline.fuse, radfuse.benchmark.settings, radfuse.methods.loading"
    assert run(f"{imports}; print(radfuse.{name}.__code__.co_name)").strip() == name


def run(code: str) -> str:
    """What Python prints for some code."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.slow
def test_import_takes_less_than_a_third_of_a_second() -> None:
    code = "import time; t = time.perf_counter(); import radfuse; print(time.perf_counter() - t)"
    assert min(float(run(code)) for _ in range(5)) < 0.3
