"""Docs, help, messages and names use the field's words: one word, one meaning."""

import ast
import io
import json
import re
import tokenize
from collections.abc import Callable, Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path

import click
from click.testing import CliRunner

from radfuse.cli import main

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "radfuse"
STATIC = SOURCE / "service" / "static"

REPLACED = {
    r"pages?(?! \d)": "viewer, sheet, document",
    r"pictures?": "image",
    r"look(s|ed|ing)?(?!-?up)": "display, toolbar; inspect, check",
    r"(the|a|each|own|both) cross(es)?(?![- ])": "crosshair",
    r"(?<!decimal )places?|spots?": "position",
    r"turn(s|ed|ing)?": "rotation",
    r"made[- ]up|makes? up|imagined?": "synthetic phantom",
    r"(un)?trust(s|ed|worthy)?": "registration QA passed, failed",
    r"drift(s|ed)?": "re-registration distance",
    r"pieces?|fitting": "skull patches, patches within 2 mm",
    r"stack(s|ed)?": "volume; split, grouped",
    r"(?<!model )cards?": "model card",
    r"beyond|seen": "outside the MR field of view; in the field of view",
    r"told|said": "the domain noun; names, states, reports",
    r"radfuse study|(delineation|ablation) stud(y|ies)": "experiment",
    r"contest(s|ants?)?": "compared methods",
    r"anew|mend(s|ed)?|vie[sd]?|vying|parted": "again, corrected, are ambiguous, split",
    r"lie[sd]?|stands?(?!-?alone)|stood|whoever|none that|by hand": "a plain verb with a subject",
}
"""Words that the field does not use in this sense, as patterns, and what it says instead."""

EXCEPTIONS = {
    "`radfuse study delineation` is": "the changelog names the former command",
    "trust env": "an attribute of sessions of the library requests",
    "@page": "CSS of printed sheets",
    "break-after: page": "CSS of printed sheets",
    "Beyond the MR's field of view": "key of records of schema version 1, which are migrated",
}
"""Phrases in which a replaced word is the term of the field, each with the reason."""

WORDS = re.compile(rf"\b(?:{'|'.join(f'(?:{word})' for word in REPLACED)})\b", re.IGNORECASE)


def hits(text: str) -> list[str]:
    """The replaced words of a text, each with what surrounds it."""
    for phrase in EXCEPTIONS:
        text = text.replace(phrase, " " * len(phrase))
    text = " ".join(text.split())
    return [text[max(m.start() - 30, 0) : m.end() + 20] for m in WORDS.finditer(text)]


def strings_and_comments(path: Path) -> Iterator[str]:
    """What a module says to a reader: strings of two words or more, and comments."""
    text = path.read_text()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.value
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


def defined_names(path: Path) -> Iterator[str]:
    """Names that a module defines, and its own, each split into words."""
    names = {path.stem}
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.arg(arg=name):
                names.add(name)
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                names.add(name)
    for name in sorted(names):
        yield re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", name).strip()


class _Shown(HTMLParser):
    """Text and tool tips of an HTML file."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.parts.append(data)

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        shown = ("title", "placeholder", "aria-label", "alt")
        self.parts += [value or "" for name, value in attrs if name in shown]


def shown_by(path: Path) -> str:
    """Text of the viewer: of an HTML file, or the strings and comments of a script."""
    text = path.read_text()
    if path.suffix == ".js":
        return "\n".join(re.findall(r'"[^"\n]* [^"\n]*"|`[^`]*`|(?<!:)//.*|/\*.*?\*/', text))
    parser = _Shown()
    parser.feed(text)
    return " | ".join(parser.parts)


def commands(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of a command and of all below it."""
    yield words
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from commands(below, (*words, name))


def files(*patterns: str) -> list[Path]:
    """Files of the repository."""
    return sorted(path for pattern in patterns for path in ROOT.glob(pattern))


def found(paths: list[Path], texts: Callable[[Path], Iterable[str]]) -> dict[str, list[str]]:
    """The replaced words of each file that has any."""
    hits_by_file = {
        path.relative_to(ROOT).as_posix(): [hit for text in texts(path) for hit in hits(text)]
        for path in paths
    }
    return {name: words for name, words in hits_by_file.items() if words}


PYTHON = ("src/**/*.py", "benchmarks/*.py", "docs/*.py")


def test_documents_use_the_terms() -> None:
    paths = files("*.md", "docs/**/*.md", "benchmarks/**/*.md", "Makefile", ".ci/run")
    assert found(paths, lambda path: [path.read_text()]) == {}


def test_messages_and_docstrings_use_the_terms() -> None:
    assert found(files(*PYTHON), strings_and_comments) == {}


def test_names_use_the_terms() -> None:
    assert found(files(*PYTHON), defined_names) == {}


def test_the_viewer_uses_the_terms() -> None:
    folders = [STATIC, SOURCE / "service" / "dashboard" / "static", ROOT / "docs" / "try"]
    paths = [path for one in folders for path in one.rglob("*") if path.suffix in {".js", ".html"}]
    paths = [path for path in paths if "vendor" not in path.parts]
    assert found(paths, lambda path: [shown_by(path)]) == {}


def test_english_texts_of_the_viewer_use_the_terms() -> None:
    paths = [STATIC / "locale/en.json"]
    assert found(paths, lambda path: json.loads(path.read_text()).values()) == {}


def test_help_uses_the_terms() -> None:
    texts = {words: CliRunner().invoke(main, [*words, "--help"]).output for words in commands(main)}
    found = {words: hits(text) for words, text in texts.items() if hits(text)}
    assert found == {}


def test_a_replaced_word_is_found_with_its_surroundings() -> None:
    assert hits("The QA of a fitted curve.") == []
    assert hits("Look at this\n page.") == ["Look at this page.", "Look at this page."]
    assert hits("a model card") == []
    assert hits("its card") == ["its card"]
