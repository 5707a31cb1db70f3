"""Sentences of the server in other languages: each is one that the server may send."""

import json
import re
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

import radfuse
from radfuse.service.app import STATIC

SOURCE = Path(radfuse.__file__).parent
CATALOGUES = sorted((STATIC / "sentences").iterdir())
PLACEHOLDER = re.compile(r"\{\w+\}")
ENDS = " .:;,()"
NEXT_LITERAL = re.compile(r'"\s+f?"')


def catalogue(path: Path) -> dict[str, str]:
    return dict(json.loads(path.read_text()))


@cache
def source() -> str:
    """The package's code, with literals of several lines joined."""
    texts = (path.read_text() for path in SOURCE.rglob("*.py"))
    return "\n".join(NEXT_LITERAL.sub("", text) for text in texts)


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.stem)
def test_each_part_of_a_sentence_is_in_the_source(path: Path) -> None:
    parts = {
        part.strip(ENDS): sentence
        for sentence in catalogue(path)
        for whole in PLACEHOLDER.split(sentence)
        for part in whole.split("; ")
    }
    unknown = {part: one for part, one in parts.items() if part not in source()}
    assert unknown == {}


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.stem)
def test_a_translation_has_the_values_of_its_sentence(path: Path) -> None:
    for sentence, translation in catalogue(path).items():
        names = PLACEHOLDER.findall(sentence)
        assert sorted(names) == sorted(PLACEHOLDER.findall(translation)), sentence
        assert len(set(names)) == len(names), sentence
        assert PLACEHOLDER.sub("", sentence).strip(ENDS), sentence


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.stem)
def test_a_catalogue_of_sentences_is_sorted(path: Path) -> None:
    sentences = catalogue(path)
    assert all(one < other for one, other in pairwise(sentences))
    written = json.dumps(sentences, indent=2, ensure_ascii=False) + "\n"
    assert path.read_text() == written
    assert not [one for one in (*sentences, *sentences.values()) if one[-1:] in {":", ";", ","}]


def test_each_language_but_english_has_its_sentences() -> None:
    languages = {path.stem for path in (STATIC / "locale").iterdir()}
    assert {path.stem for path in CATALOGUES} == languages - {"en"}
