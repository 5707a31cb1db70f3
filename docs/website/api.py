"""The reference of the Python interface: a document for each public name of `radfuse`."""

import inspect

import radfuse

HEAD = """Python interface
================

``import radfuse`` imports none of the modules below; each name is imported on first use.
``radfuse.__version__`` is the version. Arrays: :doc:`/howto/arrays`.

"""

NOT_OURS = "BaseModel, VersionedModel, dict, list"
"""Base classes whose members are not listed."""

INTERNAL = "model_config, migrations"
"""Members of settings and records that are not listed."""


def api_documents() -> dict[str, str]:
    """The documents by path, in reStructuredText, which Sphinx fills from the docstrings."""
    names = sorted(radfuse.__all__)
    groups = {
        "Functions": [name for name in names if not inspect.isclass(getattr(radfuse, name))],
        "Types": [name for name in names if _is_type(name)],
        "Errors": [name for name in names if _is_error(name)],
    }
    documents = {f"api/{name}.rst": _document(name) for name in names}
    documents["api/index.rst"] = HEAD + "\n".join(
        _group(title, members) for title, members in groups.items()
    )
    return documents


def _is_error(name: str) -> bool:
    value = getattr(radfuse, name)
    return inspect.isclass(value) and issubclass(value, Exception)


def _is_type(name: str) -> bool:
    return inspect.isclass(getattr(radfuse, name)) and not _is_error(name)


def _group(title: str, names: list[str]) -> str:
    lines = [title, "-" * len(title), "", ".. list-table::", "   :widths: 25 75", ""]
    for name in names:
        summary = (inspect.getdoc(getattr(radfuse, name)) or "").splitlines()[0]
        lines += [f"   * - :doc:`{name} </api/{name}>`", f"     - {summary}"]
    lines += ["", ".. toctree::", "   :hidden:", "", *(f"   /api/{name}" for name in names), ""]
    return "\n".join([*lines, ""])


def _document(name: str) -> str:
    title = f"radfuse.{name}"
    value = getattr(radfuse, name)
    kind = "function"
    options = ""
    if _is_error(name):
        kind = "exception"
    elif inspect.isclass(value):
        kind, options = "class", f"   :members:\n   :inherited-members: {NOT_OURS}\n"
        options += f"   :exclude-members: {INTERNAL}\n"
    elif inspect.ismodule(value):
        kind, options = "module", "   :members:\n"
    return f"{title}\n{'=' * len(title)}\n\n.. auto{kind}:: {title}\n{options}"
