"""Rules: what they match, and what no rule may say."""

from datetime import datetime
from pathlib import Path

import pytest

from radfuse.errors import InputError
from radfuse.node.orthanc import ArchivedSeries
from radfuse.node.rules import Rule, apply, first_match, read_rules


def series(modality: str, description: str = "", **facts: str) -> ArchivedSeries:
    shown = {"Modality": modality, "SeriesDescription": description, **facts}
    return ArchivedSeries(f"{modality}-{description}", "1.2.3", "1.2", shown, instances=30)


CT, MR = series("CT", "RT head"), series("MR", "T1 Gd")


def written(folder: Path, text: str) -> Path:
    path = folder / "rules.toml"
    path.write_text(text)
    return path


def test_the_first_rule_that_matches_applies() -> None:
    rules = [Rule(name="spine", ct={"description": "spine"}), Rule(name="any"), Rule(name="late")]
    answers = first_match(rules, [CT, MR])
    assert [(one.rule, one.match is not None) for one in answers] == [
        ("spine", False), ("any", True),
    ]  # fmt: skip


def test_patterns_are_found_anywhere_in_any_case() -> None:
    rule = Rule(name="head", ct={"description": "HEAD", "station": "^ct1$"})
    assert apply(rule, [series("CT", "rt head", StationName="CT1"), MR]).match
    assert not apply(rule, [series("CT", "rt head", StationName="CT12"), MR]).match


def test_own_results_never_match() -> None:
    own = series("MR", "FUSED CT+MR average - RESEARCH, NOT FOR DOSE CALC")
    assert apply(Rule(name="any"), [CT, own]).reasons == ("the patient has no MR of a scanner",)


def test_reasons_have_values_only_where_asked_for() -> None:
    rule, secret = Rule(name="any", ct={"description": "head"}), series("CT", "Montgomery")
    (reason,) = apply(rule, [secret, MR]).reasons
    assert "Montgomery" not in reason
    assert "Montgomery" in apply(rule, [secret, MR], with_values=True).reasons[0]


def test_hours_are_open_over_midnight() -> None:
    rule = Rule(name="night", hours="18:00-06:00")
    assert [rule.is_open(datetime(2026, 1, 1, hour)) for hour in (5, 6, 17, 18)] == [
        True, False, False, True,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("recipe = {method = 'nothing'}", "no method 'nothing'"),
        ("recipe = {method = 'average', options = {x = 1}}", "x"),
        ("recipe = {window = 'nothing'}", "nothing"),
        ("recipe = {transform = 'a.tfm'}", "transform is for one patient"),
        ("recipe = {ct_series = '1.2'}", "ct_series is for one patient"),
        ("recipe = {accept_patients = true}", "accept_patients is for one patient"),
        ("recipe = {deidentify = true}", "deidentify is for one patient"),
        ("hours = '08:00-08:00'", "give hours"),
        ("hours = '8-10'", "give hours"),
        ("ct = {description = '('}", "not a regular expression"),
        ("ct = {colour = 'x'}", "ct.colour"),
        ("priority = 1000", "priority"),
    ],
)
def test_what_no_rule_may_say_is_refused(tmp_path: Path, rule: str, words: str) -> None:
    with pytest.raises(InputError, match=r"rules\.toml: rule 1: ") as error:
        read_rules(written(tmp_path, f"[[rules]]\nname = 'one'\n{rule}\n"))
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text",
    ["", "rules = 3", "x = 1", "[[rules]]\nname = 'a'\n[[rules]]\nname = 'a'\n", "rules = []"],
)
def test_a_file_of_other_things_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match=r"rules\.toml: "):
        read_rules(written(tmp_path, text))


def test_registration_of_a_rule_is_deterministic(tmp_path: Path) -> None:
    text = "[[rules]]\nname = 'a'\n[[rules]]\nname = 'b'\nrecipe = {method = 'average'}\n"
    assert all(rule.recipe.deterministic for rule in read_rules(written(tmp_path, text)))


def test_a_changed_image_changes_the_fingerprint() -> None:
    rule = Rule(name="any")
    newer = ArchivedSeries(**{**vars(MR), "last_update": "20261130T120000"})
    prints = {match.fingerprint for one in (MR, newer) if (match := apply(rule, [CT, one]).match)}
    assert len(prints) == 2
