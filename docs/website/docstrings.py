"""What the site changes in signatures and docstrings before Sphinx renders them."""

import inspect
import re
from typing import Any, get_type_hints

from numpy.typing import ArrayLike
from sphinx.application import Sphinx
from sphinx.util.typing import stringify_annotation

import radfuse

FIELDS = "attribute", "property"
"""Kinds of members whose docstring is a sentence, not `type: text`."""

LIMITED = re.compile(r"~typing\.Annotated\[(\w+), FieldInfo\((?:[^()]|\([^()]*\))*\)\]")
"""A type with the limits that pydantic checks."""

ARRAY_LIKE = stringify_annotation(ArrayLike, "smart")
"""`ArrayLike` as Sphinx expands it."""

DOCUMENT = re.compile(r"(?<![`\w/])(?:docs/|(?=examples/))([\w/-]+)\.md")
"""A document that a docstring names."""

_sentences: dict[str, list[str]] = {}
"""Docstrings of fields as they were before napoleon, by name."""


def setup(app: Sphinx) -> None:
    """Register all of it; napoleon has priority 500."""
    _state_plain_types()
    app.connect("autodoc-process-signature", _plain_signature)
    app.connect("autodoc-process-docstring", _link_documents, priority=300)
    app.connect("autodoc-process-docstring", _join_returns, priority=400)
    app.connect("autodoc-process-docstring", _keep_sentence, priority=400)
    app.connect("autodoc-process-docstring", _restore_sentence, priority=600)


def _state_plain_types() -> None:
    """The types of settings without the limits that pydantic checks."""
    for name in radfuse.__all__:
        value = getattr(radfuse, name)
        if _is_settings(value):
            hints = get_type_hints(value)
            for one in value.__mro__:
                own = vars(one).get("__annotations__", {})
                own.update({key: hints[key] for key in own if key in hints})


def _is_settings(value: object) -> bool:
    return inspect.isclass(value) and hasattr(value, "__pydantic_fields__")


def _plain_signature(
    _app: Sphinx, _what: str, _name: str, value: object, _options: Any, given: str, returned: str
) -> tuple[str, str | None] | None:
    """Short names of types; no signature of settings: their keywords are the attributes below."""
    if _is_settings(value):
        return "", None
    return (plain_types(given), returned) if given else None


def plain_types(signature: str) -> str:
    """A signature with the short names of its types."""
    signature = re.sub(r"<class '(\w+)'>", r"\1", signature)  # Sphinx would not parse it
    return LIMITED.sub(r"\1", signature).replace(ARRAY_LIKE, "~numpy.typing.ArrayLike")


def _link_documents(
    _app: Sphinx, _what: str, _name: str, _object: object, _options: object, lines: list[str]
) -> None:
    """Links to the documents that a docstring names."""
    lines[:] = [DOCUMENT.sub(r":doc:`\g<0> </\1>`", line) for line in lines]


def _join_returns(
    _app: Sphinx, _what: str, _name: str, _object: object, _options: object, lines: list[str]
) -> None:
    """A section Returns of free text becomes a field; napoleon would list its lines."""
    if "Returns" in lines and lines[lines.index("Returns") + 1].startswith("---"):
        start = lines.index("Returns")
        end = start + 2
        while end < len(lines) and lines[end] and not lines[end].startswith(" "):
            end += 1
        if end == len(lines) or not lines[end]:
            lines[start:end] = ["", ":returns: " + " ".join(lines[start + 2 : end]), ""]


def _keep_sentence(
    _app: Sphinx, what: str, name: str, _object: Any, _options: Any, lines: list[str]
) -> None:
    if what in FIELDS:
        _sentences[name] = list(lines)


def _restore_sentence(
    _app: Sphinx, what: str, name: str, _object: Any, _options: Any, lines: list[str]
) -> None:
    """Undo what napoleon makes of a sentence with a colon: a type and a text."""
    if what in FIELDS:
        lines[:] = _sentences.pop(name)
