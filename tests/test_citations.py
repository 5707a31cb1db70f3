"""BibTeX of what was used: every entry is complete, and its DOI comes from the catalogues."""

import re
from importlib.metadata import version
from pathlib import Path

import pytest

from radfuse.citations import DOI, PAPERS, REFERENCES, cite, papers_of, papers_of_metric, references
from radfuse.methods.catalogue import METHODS, PUBLISHED
from radfuse.metrics.catalogue import METRICS
from radfuse.metrics.profiles import PROFILES
from radfuse.networks.catalogue import NETWORKS

ROOT = Path(__file__).parents[1]
OWN_RULES = {
    "average", "maximum", "copy_ct", "copy_mr", "bone_over_mr", "bone_blend", "signed_detail",
    "learned_detail", "uptake_over_mr",
}  # fmt: skip

UNTITLED = {"ganasala2018", "maqsood2020"}
"""Papers whose titles no source at hand confirms: their notes say so instead."""

each_entry = pytest.mark.parametrize("key", references())


def test_the_file_has_nothing_but_entries() -> None:
    assert "\n".join(references().values()) == REFERENCES.read_text()
    assert len(set(re.findall(r"@\w+\{([\w-]+),", REFERENCES.read_text()))) == len(references())


@each_entry
def test_an_entry_is_complete_or_says_what_is_missing(key: str) -> None:
    entry = references()[key]
    fields = dict(re.findall(r"^  (\w+) = \{(.*)\},$", entry, re.MULTILINE))
    assert {"author", "year", "note" if key in UNTITLED else "title"} <= set(fields)
    assert ("title" in fields) != (key in UNTITLED)
    assert ("not verified" in fields.get("note", "")) == (key in UNTITLED)
    assert entry.count("{") == entry.count("}")
    assert "journal" in fields or not entry.startswith("@article")
    assert "booktitle" in fields or not entry.startswith("@inproceedings")


def test_every_doi_is_one_that_the_source_code_names() -> None:
    named: set[str] = set()
    for file in (ROOT / "src").rglob("*.py"):
        named |= {doi.rstrip(".:)") for doi in DOI.findall(file.read_text())}
    assert set(DOI.findall(REFERENCES.read_text())) <= named


def test_every_entry_is_cited_by_something() -> None:
    cited = {one for name in (*METHODS, *PUBLISHED) for one in papers_of(name)}
    cited |= {one for name in METRICS for one in papers_of_metric(name)}
    assert set(references()) == cited | {"mattes2003", "dfenet"}  # dfenet ships no weights


@pytest.mark.parametrize("name", METHODS)
def test_every_method_of_the_literature_has_its_paper(name: str) -> None:
    entries = references()
    assert set(papers_of(name)) <= set(entries)
    assert bool(papers_of(name)) == (name not in OWN_RULES)


@pytest.mark.parametrize("name", [one for one in METHODS if METHODS[one].weights])
def test_a_network_is_cited_by_its_own_doi(name: str) -> None:
    network = name.partition("-")[0]
    dois = DOI.findall(NETWORKS[network].source)
    assert DOI.findall(references()[papers_of(name)[0]]) == dois


@pytest.mark.parametrize("name", [one for one in METHODS if one not in OWN_RULES])
def test_a_year_of_the_catalogue_is_that_of_an_entry(name: str) -> None:
    years = re.findall(r"year = \{(\d+)", "".join(references()[key] for key in papers_of(name)))
    assert set(re.findall(r"\b(?:19|20)\d\d\b", METHODS[name].source)) <= set(years)


@pytest.mark.parametrize("name", METRICS)
def test_every_doi_of_a_metric_has_an_entry(name: str) -> None:
    dois = set(DOI.findall(METRICS[name].source))
    entries = references()
    assert dois == {doi for key in papers_of_metric(name) for doi in DOI.findall(entries[key])}


def test_each_paper_is_printed_once() -> None:
    text = cite(["lp", "dtcwt", "mfinet", "mfinet"], ["mfinet2024", "mi"], registered=True)
    keys = re.findall(r"^@\w+\{([\w-]+),", text, re.MULTILINE)
    assert len(keys) == len(set(keys))
    assert keys[0] == "radfuse"
    assert {"burt1983", "liu2015", "lewis2007", "mfinet2024", "qu2002", "mattes2003"} <= set(keys)


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_can_be_cited(name: str) -> None:
    text = cite([], [name])
    for column in PROFILES[name].columns.values():
        assert f"% {column.metric} (" in text


def test_radfuse_is_cited_with_its_version() -> None:
    assert f"version {version('radfuse')}" in cite([])


def test_weights_of_the_authors_are_cited_by_the_paper() -> None:
    assert papers_of("csf@authors") == papers_of("csf") == ("csf",)
    assert papers_of("gifnet@authors") == ("gifnet",)
    assert set(PAPERS) <= set(METHODS)
