"""Texts of the viewer: one catalogue for each language, each key used, none missing."""

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from radfuse.record import NOTICE
from radfuse.service.app import STATIC

LANGUAGES = ("en", "de")
SOURCES = sorted(
    path
    for path in STATIC.rglob("*")
    if path.suffix in {".js", ".html"} and "vendor" not in path.parts
)
COMMENT = re.compile(r"(?m)(^|\s)//.*$")
ATTRIBUTE = re.compile(r'data-(?:text|label|title|placeholder)="([^"]*)"')
CALL = re.compile(r'\btext(?:Nodes)?\(\s*"([^"]*)"')
LITERAL = re.compile(r'"([a-z][a-z-]*\.[\w-]+)"')
PREFIX = re.compile(r"\btext(?:Nodes)?\(\s*`([\w.-]*)\$\{[^`]*`")
"""A key with a variable end, such as text(`state.${state}`)."""

SENTENCE = re.compile(r"[A-Za-z]{2,},? [A-Za-z]{2,}")
CODE = re.compile(r"[=#>\[]|system-ui")
"""In selectors and fonts."""

SERVER_WORDS = {
    "skull base", "front left", "front right", "back left", "back right",
    "not checked", "check heads",
}  # fmt: skip
"""Keys and values in responses of the server."""

UNTRANSLATED = {"radfuse", "radfuse view", "English", "Deutsch", NOTICE}
KEYS = {"PgUp", "PgDn", "Ctrl", "Enter", "Esc"}
"""Names, and the notice where no script runs."""


def catalogue(language: str) -> dict[str, str]:
    return dict(json.loads((STATIC / f"locale/{language}.json").read_text()))


def placeholders(sentence: str) -> list[str]:
    return sorted(re.findall(r"\{(\w+)\}", sentence))


def used(pattern: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    for path in SOURCES:
        for key in pattern.findall(COMMENT.sub("", path.read_text())):
            yield key, path.name


def is_used(key: str, keys: set[str], prefixes: set[str]) -> bool:
    return key in keys or any(key.startswith(prefix) for prefix in prefixes)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalogue_is_sorted_text(language: str) -> None:
    written = (STATIC / f"locale/{language}.json").read_text()
    ordered = dict(sorted(catalogue(language).items()))
    assert written == json.dumps(ordered, indent=2, ensure_ascii=False) + "\n"
    assert all(re.fullmatch(r"[a-z][a-z-]*\.[\w-]+", key) for key in ordered)
    assert all(value.strip() == value != "" for value in ordered.values())


def test_languages_have_the_same_keys_and_placeholders() -> None:
    english, german = (catalogue(language) for language in LANGUAGES)
    assert english.keys() == german.keys()
    for key, sentence in english.items():
        assert placeholders(sentence) == placeholders(german[key]), key
        assert sentence.count("`") == german[key].count("`"), key


def test_each_used_text_exists_and_each_text_is_used() -> None:
    english = catalogue("en")
    areas = {key.split(".")[0] for key in english}
    literals = {key: name for key, name in used(LITERAL) if key.split(".")[0] in areas}
    keys = literals | {key: name for pattern in (ATTRIBUTE, CALL) for key, name in used(pattern)}
    prefixes = {prefix for prefix, _ in used(PREFIX)}
    assert {key: name for key, name in keys.items() if key not in english} == {}
    assert all("." in prefix for prefix in prefixes)
    assert all(any(key.startswith(prefix) for key in english) for prefix in prefixes)
    assert [key for key in english if not is_used(key, set(keys), prefixes)] == []


@pytest.mark.parametrize("path", [path for path in SOURCES if path.suffix == ".js"])
def test_scripts_have_no_sentences(path: Path) -> None:
    literals = re.findall(r'"[^"\n]*"|`[^`]*`', COMMENT.sub("", path.read_text()))
    words = [re.sub(r"\$\{[^}`]*", "$", literal)[1:-1] for literal in literals]
    sentences = [one for one in words if SENTENCE.search(one) and not CODE.search(one)]
    assert [one for one in sentences if one not in SERVER_WORDS] == []


class _Untranslated(HTMLParser):
    """Words of HTML outside of the catalogue."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.attributes: set[str] = set()

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes |= {name for name, _ in attrs} & {"aria-label", "title", "placeholder"}

    def handle_data(self, data: str) -> None:
        if (
            re.search("[a-z]{2}", data.replace("mm", ""))
            and data.strip() not in UNTRANSLATED | KEYS
        ):
            self.words.append(data)


def test_html_has_no_words_of_its_own() -> None:
    parser = _Untranslated()
    parser.feed((STATIC / "index.html").read_text())
    assert parser.words == []
    assert parser.attributes == set()


def test_languages_offered_are_those_of_the_catalogues() -> None:
    offered = re.findall(r'<option value="(\w+)" lang="\1">', (STATIC / "index.html").read_text())
    assert sorted(offered) == sorted(path.stem for path in (STATIC / "locale").iterdir())
    assert sorted(LANGUAGES) == sorted(offered)
