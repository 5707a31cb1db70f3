"""Texts of the viewer: one catalogue for each language, each key used, none missing."""

import json
import re
from collections.abc import Iterator

import pytest

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
PREFIX = re.compile(r"\btext(?:Nodes)?\(\s*`([\w.-]*)\$\{[^`]*`")
"""A key with a variable end, such as text(`state.${state}`)."""


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
    keys = {key: name for pattern in (ATTRIBUTE, CALL) for key, name in used(pattern)}
    prefixes = {prefix for prefix, _ in used(PREFIX)}
    assert {key: name for key, name in keys.items() if key not in english} == {}
    assert all("." in prefix for prefix in prefixes)
    assert all(any(key.startswith(prefix) for key in english) for prefix in prefixes)
    assert [key for key in english if not is_used(key, set(keys), prefixes)] == []


def test_languages_offered_are_those_of_the_catalogues() -> None:
    offered = re.findall(r'<option value="(\w+)" lang="\1">', (STATIC / "index.html").read_text())
    assert sorted(offered) == sorted(path.stem for path in (STATIC / "locale").iterdir())
    assert sorted(LANGUAGES) == sorted(offered)
