"""The document on the Python interface, from the docstrings of the public names."""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise

from numpy.typing import ArrayLike

import radfuse

HEAD = """# Python

Written by `make docs` from the docstrings; each example is run and type-checked by the tests.
`import radfuse` imports none of the modules below; each name is imported on first use.
`radfuse.__version__` is the version. Research use only. Not a medical device.

"""

SECTIONS = ("Parameters", "Returns", "Raises", "Examples")
"""Headings of numpydoc."""


def python_document() -> str:
    """Functions, types and errors that `radfuse` exports, as Markdown."""
    names = sorted(radfuse.__all__, key=_rank)
    text = "\n".join(line for name in names for line in _section(name, getattr(radfuse, name)))
    return HEAD + re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _rank(name: str) -> tuple[bool, bool]:
    """Functions first, then types, then errors."""
    value = getattr(radfuse, name)
    return inspect.isclass(value), inspect.isclass(value) and issubclass(value, Exception)


def _section(name: str, value: object, level: str = "##") -> Iterator[str]:
    yield f"{level} {name}\n"
    if inspect.ismodule(value):
        yield f"{inspect.getdoc(value)}\n"
        for inner in value.__all__:
            yield from _section(f"{name}.{inner}", getattr(value, inner), level + "#")
        return
    if inspect.isclass(value):
        bases = ", ".join(base.__name__ for base in value.__bases__ if base is not object)
        yield from ("```python", f"class {name}({bases})" if bases else f"class {name}", "```\n")
    elif callable(value):
        yield from ("```python", _signature(name, inspect.signature(value)), "```\n")
    yield from _documentation(inspect.getdoc(value) or "")
    if inspect.isclass(value) and (items := [*_fields(value), *_members(value)]):
        yield from ("**Attributes and methods**\n", *items, "")


def _documentation(text: str) -> Iterator[str]:
    """A numpydoc docstring as Markdown: lists of parameters and errors, examples as code."""
    parts = re.split(rf"^({'|'.join(SECTIONS)})\n-+\n", text, flags=re.MULTILINE)
    yield f"{parts[0].strip()}\n"
    for heading, body in zip(parts[1::2], parts[2::2], strict=True):
        yield f"**{heading}**\n"
        if heading == "Examples":
            yield from ("```pycon", body.strip(), "```\n")
        elif re.search(r"^ ", body, re.MULTILINE):
            yield from _items(body)
        else:
            yield f"{body.strip()}\n"


def _items(body: str) -> Iterator[str]:
    """Names, each with an indented text, as a list."""
    for names, text in re.findall(r"^(\S.*)\n((?:(?: .*)?\n?)+)", body, re.MULTILINE):
        yield f"* `{names.replace(', ', '`, `')}`: {' '.join(text.split())}"
    yield ""


def _signature(name: str, signature: inspect.Signature) -> str:
    """A call with a parameter per line; a callable default is shown by its name."""
    parameters: list[str] = []
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in parameters:
            parameters.append("*")
        parameters.append(re.sub(r"<function (\w+) at \w+>", r"\1", str(parameter)))
    lines = "".join(f"    {parameter},\n" for parameter in parameters)
    returned = inspect.formatannotation(signature.return_annotation)
    return _plain(f"{name}(\n{lines}) -> {returned}" if lines else f"{name}() -> {returned}")


def _plain(signature: str) -> str:
    """Types by their names, without modules; arrays and what becomes one by those of NumPy."""
    members = inspect.formatannotation(ArrayLike).partition("Union[")[2][:-1]
    text = re.sub(
        rf"(typing\.)?Union\[{re.escape(members)}, ([^][]*)\]", r"ArrayLike | \2", signature
    ).replace("NoneType", "None")
    array = (
        r"numpy\.ndarray\[tuple\[typing\.Any, \.\.\.\], numpy\.dtype\[((?:[^][]|\[[^]]*\])*)\]\]"
    )
    text = re.sub(array, r"NDArray[\1]", text)
    return re.sub(r"\b(radfuse|pathlib|collections|SimpleITK|numpy|typing)\.(\w+\.)*", "", text)


def _fields(kind: type) -> Iterator[str]:
    """The fields of a class that its source documents, as a list."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    statements = body.body if isinstance(body, ast.ClassDef) else []
    for field, after in pairwise(statements):
        if isinstance(field, ast.AnnAssign) and isinstance(after, ast.Expr):
            text = " ".join(ast.literal_eval(after.value).split())
            yield f"* `{ast.unparse(field.target)}`: {text}"


def _members(kind: type) -> Iterator[str]:
    """Properties and methods of our own, also those of base classes, as a list."""
    for name, member in inspect.getmembers(kind):
        is_own = any(
            name in vars(base) for base in kind.__mro__ if base.__module__.startswith("radfuse.")
        )
        if name.startswith("_") or not is_own:
            continue
        text = " ".join((inspect.getdoc(member) or "").split())
        if isinstance(member, property | cached_property):
            yield f"* `{name}` (property): {text}"
        elif inspect.isfunction(member) or inspect.ismethod(member):
            signature = inspect.signature(member)
            taken = [one for key, one in signature.parameters.items() if key != "self"]
            shown = str(
                signature.replace(parameters=taken, return_annotation=inspect.Signature.empty)
            )
            shown = re.sub(r"\b(radfuse|pathlib|collections)\.(\w+\.)*", "", shown)
            yield f"* `{name}{shown}`: {text}"
