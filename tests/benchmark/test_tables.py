"""Tables of a report: values, marks and notes."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from report_kit import (
    BROKEN_CASES,
    METHODS,
    METRICS,
    PATIENTS,
    REFERENCE,
    SyntheticResults,
    columns_of,
    methods,
    rows_of,
)

from radfuse.benchmark.report.csv_tables import csv_tables
from radfuse.benchmark.report.description_tables import (
    failures_table,
    methods_table,
    metrics_table,
    record_tables,
    speed_table,
)
from radfuse.benchmark.report.document import Line, Paragraph, Table
from radfuse.benchmark.report.latex import latex_tables
from radfuse.benchmark.report.number_format import (
    MINUS,
    decimals_of,
    fixed,
    marks_of,
    p_text,
    stars,
)
from radfuse.benchmark.report.result_tables import (
    NO_INTERVALS,
    OWN_CASES,
    TRIVIAL,
    comparison_table,
    ranks_table,
    summary_table,
    unseen_patients_table,
)
from radfuse.benchmark.report.sections import UNSEEN_BY_ALL, UNSEEN_BY_NONE, report_sections
from radfuse.benchmark.results import SPEED_COLUMNS
from radfuse.benchmark.statistics.analysis import MetricStatistics, analyse, find_unseen_cases
from radfuse.errors import InputError
from radfuse.methods.catalogue import METHODS as CATALOGUE

DASH = "\N{EN DASH}"
NBSP = "\N{NO-BREAK SPACE}"


@pytest.fixture(scope="module")
def errors(results: SyntheticResults) -> list[MetricStatistics]:
    """The columns of profile two, whose second is better when smaller."""
    return columns_of(results, "two")


def line(table: Table, name: str) -> Line:
    (found,) = [line for line in table.lines if line.name == name]
    return found


def developed_on(results: SyntheticResults, patients: dict[str, set[str]]) -> SyntheticResults:
    changed = [
        replace(c, development_patients=frozenset(patients.get(c.name, ()))) for c in methods()
    ]
    return replace(results, methods=tuple(changed))


@pytest.mark.parametrize(
    ("values", "decimals"),
    [
        ([29.54, 1.0], 2), ([4.6], 3), ([-0.544], 3), ([0.05], 4), ([1710.2], 0), ([1e6], 0),
        ([0.0], 3), ([], 3), ([float("nan"), 15.99], 2),
    ],
)  # fmt: skip
def test_the_largest_number_of_a_column_has_three_or_four_digits(
    values: list[float], decimals: int
) -> None:
    assert decimals_of(values) == decimals


@pytest.mark.parametrize(
    ("value", "text", "signed"),
    [
        (1.005, "1.00", "+1.00"), (-2.0, f"{MINUS}2.00", f"{MINUS}2.00"), (-0.001, "0.00", "0.00"),
        (0.0, "0.00", "0.00"), (float("nan"), DASH, DASH),
    ],
)  # fmt: skip
def test_a_number_has_a_true_minus_and_no_sign_at_zero(
    value: float, text: str, signed: str
) -> None:
    assert fixed(value, 2) == text
    assert fixed(value, 2, signed=True) == signed


@pytest.mark.parametrize(
    ("p", "text", "signs"),
    [
        (0.0004, "<.001", "***"), (0.001, ".001", "**"), (0.0123, ".012", "*"), (0.05, ".050", ""),
        (1.0, "1.000", ""), (float("nan"), DASH, ""),
    ],
)  # fmt: skip
def test_p_values_are_short_and_starred(p: float, text: str, signs: str) -> None:
    assert (p_text(p), stars(p)) == (text, signs)


def test_means_that_print_alike_share_a_mark() -> None:
    means = pd.Series({"a": 1.00011, "b": 1.00012, "c": 0.5, "d": 0.2, "e": np.nan})
    assert marks_of(means, 3, larger_is_better=True) == {"a": "best", "b": "best", "c": "second"}
    assert marks_of(means, 3, larger_is_better=False) == {"d": "best", "c": "second"}


def test_a_reference_that_took_no_part_is_refused(results: SyntheticResults) -> None:
    with pytest.raises(InputError) as caught:
        analyse(results, "nobody", rng=np.random.default_rng(0))
    assert str(caught.value) == (
        "the reference 'nobody' is no method here; choose one of average, flat, network, twin, "
        "broken"
    )


def test_the_main_table_has_means_spreads_and_intervals(
    results: SyntheticResults, columns: list[MetricStatistics]
) -> None:
    table = summary_table(results, columns)
    assert [one.name for one in table.lines] == list(METHODS)
    assert [head.title for head in table.heads] == ["Method", f"MI{NBSP}↑", f"SF{NBSP}↑"]
    assert table.heads[1].unit == "bit"
    rows = results.rows
    values = rows[(rows["method"] == "network") & (rows["metric"] == "MI")]["value"]
    mean, sd, interval = line(table, "network").cells[0].lines
    assert mean == f"{values.mean():.3f}"
    assert sd == f"± {values.std():.3f}"
    low, high = map(float, re.findall(r"[\d.]+", interval))
    assert low < values.mean() < high
    assert line(table, "flat").cells[0].lines == ("0.250", "± 0.000", "[0.250, 0.250]")


def test_equal_methods_are_marked_alike_incomplete_never(
    results: SyntheticResults, errors: list[MetricStatistics]
) -> None:
    table = summary_table(results, errors)
    means = {one.name: float(one.cells[0].lines[0]) for one in table.lines}
    assert max(means, key=lambda name: means[name]) == "broken"
    marks = {one.name: one.cells[0].mark for one in table.lines}
    shared = dict.fromkeys(("network", "twin"), "second")
    assert marks == {"average": "best", "flat": "", **shared, "broken": ""}


def test_the_main_table_says_whose_numbers_flatter_and_lack(
    results: SyntheticResults, columns: list[MetricStatistics]
) -> None:
    table = summary_table(results, columns)
    signs = {one.name: one.signs for one in table.lines}
    assert signs == {"average": "†", "flat": "", "network": "‡", "twin": "", "broken": "‡§"}
    assert table.notes[-3:] == (
        "† trivial baseline: every other method should be better.",
        "‡ developed on patients of this benchmark, so that its values are optimistic: network "
        "1 of 4 (trained on p4); broken 2 of 4 (trained on p4).",
        "§ has no value for some cases, its means are over the others: broken 3.",
    )
    assert any("the intervals are unreliable" in note for note in table.notes)


def test_few_patients_are_said_to_be_too_few_for_the_tests(
    results: SyntheticResults, columns: list[MetricStatistics]
) -> None:
    few = "Fewer than 5 patients: too few for Friedman's and Nemenyi's tests."
    least = "Wilcoxon's p of 4 patients is at least 0.12: nothing can be marked here."
    assert few in ranks_table(results, columns).notes
    table = comparison_table(results, columns, REFERENCE, "patient")
    assert least in table.notes
    assert {cell.mark for one in table.lines for cell in one.cells} == {""}
    assert least not in comparison_table(results, columns, REFERENCE, "case").notes
    six = tuple(f"q{number}" for number in range(6))
    many = replace(results, rows=rows_of(METRICS, METHODS, six, 1))
    assert few not in ranks_table(many, columns_of(many)).notes
    notes = comparison_table(many, columns_of(many), REFERENCE, "patient").notes
    assert not any("at least" in note for note in notes)


def test_unseen_cases_of_one_patient_have_no_interval(results: SyntheticResults) -> None:
    changed = developed_on(results, {"network": {"p2", "p3", "p4"}, "broken": {"p3"}})
    found = columns_of(changed)
    table = unseen_patients_table(changed, found, find_unseen_cases(changed))
    assert table.caption.endswith(
        "unseen patients: mean ± standard deviation over the 6 cases of 1 patient that no method "
        "here was developed on."
    )
    assert NO_INTERVALS in table.notes
    assert not [cell for one in table.lines for cell in one.cells if "[" in "".join(cell.lines)]


def test_a_metric_that_some_cases_do_not_have_is_said_to(results: SyntheticResults) -> None:
    rows = results.rows[(results.rows["metric"] != "SF") | (results.rows["patient"] == "p1")]
    few = replace(results, rows=rows)
    table = summary_table(few, columns_of(few))
    assert "over 24 cases of 4 patients" in table.caption
    assert table.notes[-1] == "Some metrics are defined on fewer cases: SF 6."
    assert [one.cells[1].mark for one in table.lines][:1] == ["best"]


def test_a_method_without_any_value_has_dashes(results: SyntheticResults) -> None:
    failed = replace(results, rows=results.rows[results.rows["method"] != "twin"])
    columns = columns_of(failed)
    for table in (
        summary_table(failed, columns),
        comparison_table(failed, columns, REFERENCE, "case"),
        ranks_table(failed, columns),
    ):
        assert [cell.lines for cell in line(table, "twin").cells][:2] == [(DASH,), (DASH,)]
    assert r"twin\textsuperscript{\S{}} & -- & --" in latex_tables(failed, columns, REFERENCE)


def test_patients_that_anybody_saw_are_left_out_for_all(
    results: SyntheticResults, columns: list[MetricStatistics]
) -> None:
    unseen_cases = find_unseen_cases(results)
    assert {case.split("-")[0] for case in unseen_cases.cases} == {"p1", "p2"}
    table = unseen_patients_table(results, columns, unseen_cases)
    assert "the 12 cases of 2 patients that no method here was developed on" in table.caption
    rows = results.rows
    values = rows[
        (rows["method"] == "twin") & (rows["metric"] == "MI") & rows["patient"].isin(["p1", "p2"])
    ]["value"]
    assert line(table, "twin").cells[0].lines[:2] == (
        f"{values.mean():.3f}", f"± {values.std():.3f}",
    )  # fmt: skip
    assert line(table, "twin").cells[0].mark == "best"


def test_method_trained_on_all_patients_keeps_others_cases(results: SyntheticResults) -> None:
    changed = developed_on(results, {"network": set(PATIENTS), "flat": {"p1"}})
    unseen_cases = find_unseen_cases(changed)
    assert "network" not in unseen_cases.methods
    assert len(unseen_cases.cases) == 18
    table = unseen_patients_table(changed, columns_of(changed), unseen_cases)
    assert "network" not in [one.name for one in table.lines]
    assert "Left out, developed on every patient: network." in table.notes


def test_without_a_common_unseen_patient_methods_have_own_cases(results: SyntheticResults) -> None:
    changed = developed_on(results, {"flat": {"p1", "p2"}, "twin": {"p3", "p4"}})
    unseen_cases = find_unseen_cases(changed)
    assert unseen_cases.differ
    columns = columns_of(changed)
    table = unseen_patients_table(changed, columns, unseen_cases)
    assert table.notes[0] == OWN_CASES
    assert {cell.mark for one in table.lines for cell in one.cells} == {""}
    assert columns[0].unseen_summary["cases"].to_dict() == {
        "average": 24, "flat": 12, "network": 24, "twin": 12, "broken": 21,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("patients", "words"),
    [({}, UNSEEN_BY_ALL), ({name: set(PATIENTS) for name in METHODS}, UNSEEN_BY_NONE)],
)
def test_there_is_no_such_table_when_nobody_or_everybody_saw_all(
    results: SyntheticResults, patients: dict[str, set[str]], words: str
) -> None:
    changed = replace(developed_on(results, patients), metrics=METRICS[:1])
    sections = report_sections(changed, columns_of(changed)[:1], REFERENCE, [])
    blocks = [block for section in sections for block in section.blocks]
    assert Paragraph(words) in blocks
    assert not any(
        "unseen patients:" in block.caption for block in blocks if isinstance(block, Table)
    )


def test_better_and_worse_follow_the_metrics_direction(
    results: SyntheticResults, errors: list[MetricStatistics]
) -> None:
    table = comparison_table(results, errors, REFERENCE, "case")
    assert [one.name for one in table.lines] == ["average", "flat", "twin", "broken"]
    vif, error = line(table, "flat").cells
    assert (vif.mark, error.mark) == ("worse", "better")
    assert vif.lines[0].startswith(f"▼ {MINUS}")
    assert error.lines[0].startswith(f"▲ {MINUS}")


def test_equal_methods_do_not_differ_at_all(
    results: SyntheticResults, columns: list[MetricStatistics]
) -> None:
    for unit in ("case", "patient"):
        cell = line(comparison_table(results, columns, REFERENCE, unit), "twin").cells[0]
        assert cell.lines == ("0.000", "1.000 / 1.000", "0.00 / 0.00")
        assert cell.mark == ""


def test_both_tests_must_agree_before_a_method_counts_as_better(
    results: SyntheticResults, columns: list[MetricStatistics]
) -> None:
    table = comparison_table(results, columns, REFERENCE, "patient")
    t_test, wilcoxon = line(table, "average").cells[0].lines[1].split(" / ")
    assert float(t_test) < 0.05 < float(wilcoxon)
    assert {cell.mark for one in table.lines for cell in one.cells} == {""}


def test_comparisons_by_case_carry_their_warning(
    results: SyntheticResults, columns: list[MetricStatistics]
) -> None:
    notes = [
        " ".join(comparison_table(results, columns, REFERENCE, unit).notes)
        for unit in ("case", "patient")
    ]
    assert ["not independent" in note for note in notes] == [True, False]


def test_ranks_of_a_metric_sum_up_and_have_no_total(
    results: SyntheticResults, columns: list[MetricStatistics]
) -> None:
    table = ranks_table(results, columns)
    ranks = [float(one.cells[0].lines[0]) for one in table.lines[: len(METHODS)]]
    assert sum(ranks) == pytest.approx(15)
    assert [head.title for head in table.heads[-2:]] == ["best", "worst"]
    assert [one.name for one in table.lines[-3:]] == [
        "Friedman p", "critical difference", "patients ranked",
    ]  # fmt: skip
    assert line(table, "patients ranked").cells[0].lines == ("4",)


def test_every_table_of_a_profile_names_it(
    results: SyntheticResults, columns: list[MetricStatistics]
) -> None:
    sections = report_sections(results, columns, REFERENCE, [])
    (profile,) = [section for section in sections if section.title == "Profile one"]
    captions = [block.caption for block in profile.blocks if not isinstance(block, Paragraph)]
    assert len(captions) >= 9
    assert all("Profile one" in caption for caption in captions)


def test_a_metric_without_values_is_named_and_no_column(results: SyntheticResults) -> None:
    rows = results.rows[results.rows["metric"] != "SF"]
    lacking = replace(results, rows=rows)
    sections = report_sections(lacking, columns_of(lacking), REFERENCE, [])
    profile = sections[2]
    assert Paragraph("Profile one has no value of SF.") in profile.blocks
    none = replace(results, rows=rows[rows["profile"] == "two"])
    blocks = report_sections(none, columns_of(none), REFERENCE, [])[2].blocks
    assert [block.kind for block in blocks] == ["table", "paragraph"]


def test_trivial_baselines_are_methods_of_the_catalogue() -> None:
    assert set(CATALOGUE) >= TRIVIAL


def test_methods_are_listed_with_the_patients_they_saw(results: SyntheticResults) -> None:
    cells = line(methods_table(results), "broken").cells
    assert [cell.lines[0] for cell in cells] == [
        "what broken does", "a paper", "2 of 4: p3, p4", "trained on p4",
    ]  # fmt: skip


def test_metrics_are_listed_with_direction_unit_and_source() -> None:
    table = metrics_table(METRICS[2:])
    assert table.caption == "Profile two: its metrics."
    heads = ["Metric", "Better", "Unit", "What it measures", "Source and convention"]
    assert [head.title for head in table.heads] == heads
    assert [cell.lines[0] for cell in line(table, "CV").cells] == [
        "smaller ↓", "1", "Chen and Varshney's error", "Chen 2007",
    ]  # fmt: skip


def test_speed_is_a_median_a_slice(results: SyntheticResults) -> None:
    runs = enumerate((0.2, 0.4, 0.6))
    times = [("flat", "a", 2, 100, 50, turn, seconds) for turn, seconds in runs]
    timed = replace(results, speed=pd.DataFrame(times, columns=list(SPEED_COLUMNS)))
    table = speed_table(timed)
    assert "slices of 100 x 50 pixels" in table.caption
    cells = [cell.lines[0] for cell in line(table, "flat").cells]
    assert cells == ["200.0", "150.0 to 250.0", "0.0250", "3"]
    assert [cell.lines[0] for cell in line(table, "twin").cells] == [DASH] * 4


def test_equal_failures_share_a_line(results: SyntheticResults) -> None:
    (only,) = failures_table(results.failures).lines
    assert only.name == "broken"
    assert [cell.lines[0] for cell in only.cells] == [
        "ran out of <memory> & gave up", "3", ", ".join(BROKEN_CASES),
    ]  # fmt: skip


def test_a_record_becomes_tables_of_words(results: SyntheticResults) -> None:
    plain, settings, inputs = record_tables(results.record)
    assert [(one.name, one.cells[0].lines[0]) for one in plain.lines] == [
        ("made", "2024-05-06 07:08 UTC"), ("cores", "2"),
    ]  # fmt: skip
    assert line(settings, "profiles").cells[0].lines == ("one, two",)
    assert line(settings, "window").cells[0].lines == ('{"low": -100}',)
    assert [head.title for head in inputs.heads] == ["case", "sha256", "patient"]
    assert [cell.lines[0] for cell in line(inputs, "p1-1").cells] == ["", "p1"]


@pytest.mark.parametrize("value", [[], [{}], [[1, 2]], None, True])
def test_odd_values_of_a_record_are_written_as_they_are(value: object) -> None:
    (table,) = record_tables({"odd": value})
    assert len(table.lines) == 1


def test_csv_tables_have_the_numbers_in_full(
    results: SyntheticResults, columns: list[MetricStatistics]
) -> None:
    tables = csv_tables(results, columns)
    assert set(tables) == {
        "methods", "metrics", "summary", "unseen_patients", "comparisons_by_case",
        "comparisons_by_patient", "ranks", "failures", "speed",
    }  # fmt: skip
    summary = tables["summary"].set_index(["profile", "metric", "method"])
    assert summary.loc[("one", "SF", "twin"), "mean"] == columns[1].summary.loc["twin", "mean"]
    assert len(tables["comparisons_by_case"]) == 2 * 4
    assert len(tables["ranks"]) == 2 * 5
