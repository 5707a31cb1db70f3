"""The document on the Python interface, from the docstrings of the public names."""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from itertools import pairwise

import radfuse

HEAD = """# Python

Written by `make docs` from the docstrings. `import radfuse` imports none of the modules below; each
name is imported on first use. `radfuse.__version__` is the version.

"""


def python_document() -> str:
    """Functions, types and errors that `radfuse` exports, as Markdown."""
    names = sorted(radfuse.__all__, key=_rank)
    return HEAD + "\n".join(line for name in names for line in _section(name))


def _rank(name: str) -> tuple[bool, bool]:
    """Functions first, then types, then errors."""
    value = getattr(radfuse, name)
    return inspect.isclass(value), inspect.isclass(value) and issubclass(value, Exception)


def _section(name: str) -> Iterator[str]:
    value = getattr(radfuse, name)
    yield f"## {name}\n"
    if inspect.isclass(value):
        bases = ", ".join(base.__name__ for base in value.__bases__ if base is not object)
        yield from ("```python", f"class {name}({bases})" if bases else f"class {name}", "```\n")
    else:
        yield from ("```python", _signature(name, inspect.signature(value)), "```\n")
    yield from ("```text", inspect.getdoc(value) or "", "```\n")
    if inspect.isclass(value):
        yield from _fields(value)


def _signature(name: str, signature: inspect.Signature) -> str:
    """A call with a parameter per line; a callable default is shown by its name."""
    parameters: list[str] = []
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in parameters:
            parameters.append("*")
        parameters.append(re.sub(r"<function (\w+) at \w+>", r"\1", str(parameter)))
    lines = "".join(f"    {parameter},\n" for parameter in parameters)
    returned = inspect.formatannotation(signature.return_annotation)
    return re.sub(
        r"\b(radfuse|pathlib|collections)\.(\w+\.)*", "", f"{name}(\n{lines}) -> {returned}"
    )


def _fields(kind: type) -> Iterator[str]:
    """The fields of a class that its source documents, as a list."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    statements = body.body if isinstance(body, ast.ClassDef) else []
    for field, after in pairwise(statements):
        if isinstance(field, ast.AnnAssign) and isinstance(after, ast.Expr):
            text = " ".join(ast.literal_eval(after.value).split())
            yield f"* `{ast.unparse(field.target)}`: {text}"
    yield ""
