"""Tables and the image of findings: shares, means over kinds, intervals, telling cases."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from findings_kit import results_of
from hypothesis import given
from hypothesis import strategies as st

from radfuse.benchmark.findings.cases_image import LABEL_PX, cases_image, telling_cases
from radfuse.benchmark.findings.results import FindingsResults
from radfuse.benchmark.findings.tables import findings_blocks, shares, targets
from radfuse.benchmark.report.document import Paragraph, Table
from radfuse.benchmark.report.number_format import NO_NUMBER
from radfuse.benchmark.statistics.bootstrap import cluster_interval, mean_of_means_interval
from radfuse.phantom.findings import TUNING_SEEDS

KEPT, WEAK, LOST, INVERTED = ("kept", 1.0), ("weakened", 0.6), ("lost", 0.1), ("inverted", -0.7)


@pytest.fixture
def found() -> FindingsResults:
    """Two methods on two patients: `good` keeps clips and half of the rest."""
    return results_of({
        ("good", "p1", "clip"): [KEPT, KEPT],
        ("good", "p2", "clip"): [KEPT, KEPT],
        ("good", "p1", "air"): [KEPT, WEAK],
        ("good", "p2", "air"): [LOST, INVERTED],
        ("good", "p1", "metastasis"): [KEPT, LOST],
        ("bad", "p1", "clip"): [INVERTED, INVERTED],
        ("bad", "p2", "clip"): [LOST, LOST],
        ("bad", "p1", "air"): [LOST, LOST],
        ("bad", "p2", "air"): [LOST, LOST],
    })  # fmt: skip


def tables_of(found: FindingsResults) -> list[Table]:
    return [block for block in findings_blocks(found, 1) if isinstance(block, Table)]


def test_shares_are_those_of_the_verdicts(found: FindingsResults) -> None:
    table = shares(found.rows)
    expected = [0.25, 0.25, 0.25, 0.25, 0.35, 4]
    np.testing.assert_allclose(table.loc[("good", "air")].to_numpy(float), expected)
    np.testing.assert_allclose(table.iloc[:, :4].sum(axis=1), 1)
    assert table.loc[("bad", "clip"), "inverted"] == 0.5


def test_targets_are_means_over_kinds(found: FindingsResults) -> None:
    table = targets(found, 1)
    assert table.loc[("good", "CT only"), "kept"] == pytest.approx((1 + 0.25) / 2)
    assert table.loc[("good", "MR only"), "kept"] == 0.5
    assert table.loc[("bad", "CT only"), "kept"] == 0
    assert ("bad", "MR only") not in table.index
    low, high = table.loc[("good", "CT only"), ["low", "high"]]
    assert low == pytest.approx(0.5)
    assert high == pytest.approx(0.75)
    assert np.isnan(table.loc[("good", "MR only"), "low"])


def test_tables_print_shares_medians_and_guards(found: FindingsResults) -> None:
    overview, of_ct, of_mr = tables_of(found)
    assert [line.name for line in overview.lines] == ["good", "bad"]
    good, bad = (tuple(cell.lines for cell in line.cells) for line in overview.lines)
    assert good == (
        ("62", "[50, 75]"),
        ("50",),
        ("10.0",),
        ("0.50",),
        ("10.00",),
        ("2.00",),
        (NO_NUMBER,),
    )
    assert bad[:3] == (("0", "[0, 0]"), (NO_NUMBER,), ("25.0",))
    assert [head.title for head in of_ct.heads] == ["Method", "clip", "air"]
    assert of_ct.heads[1].unit == "n = 4"
    assert of_ct.lines[0].cells[1].lines == ("25", "25 / 25 / 25", "0.35")
    assert of_mr.lines[1].cells[0].lines == (NO_NUMBER,)
    assert "Fewer than 5 patients" in " ".join(overview.notes)


@pytest.mark.parametrize(("first", "words"), [(201, "are for reports"), (101, "are no result")])
def test_the_seeds_of_positions_are_stated(found: FindingsResults, first: int, words: str) -> None:
    seeded = replace(found, seeds=(first, first + 1))
    text = " ".join(b.text for b in findings_blocks(seeded, 1) if isinstance(b, Paragraph))
    assert f"the seeds {first}, {first + 1}" in text
    assert words in text
    assert (first in TUNING_SEEDS) == ("no result" in text)


def test_no_finding_is_stated(found: FindingsResults) -> None:
    empty = replace(found, rows=found.rows.iloc[:0])
    assert tables_of(empty) == []
    assert "No finding could be measured" in list(findings_blocks(empty, 1))[-1].text


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), *[st.floats(0, 1)] * 3), min_size=2, max_size=12)
)
def test_interval_of_one_column_is_that_of_the_mean(
    lines: list[tuple[str, float, float, float]],
) -> None:
    table = pd.DataFrame(lines, columns=["patient", "x", "y", "z"])
    patients, values = table["patient"], table[["x", "y", "z"]]
    intervals = [
        mean_of_means_interval(one, patients, rng=np.random.default_rng(1), draws=200)
        for one in (values[["x"]], values.assign(y=values["x"], z=values["x"]))
    ]
    expected = cluster_interval(values["x"], patients, rng=np.random.default_rng(1), draws=200)
    np.testing.assert_allclose(intervals, [expected, expected])
    row_means = cluster_interval(
        values.mean(axis=1), patients, rng=np.random.default_rng(1), draws=200
    )
    low, high = mean_of_means_interval(values, patients, rng=np.random.default_rng(1), draws=200)
    np.testing.assert_allclose((low, high), row_means, atol=1e-12)


def test_a_kind_without_values_in_a_resample_is_left_out() -> None:
    table = pd.DataFrame({"x": [1.0, 0.0, 1.0], "y": [np.nan, np.nan, 1.0]})
    patients = pd.Series(["a", "b", "c"])
    low, high = mean_of_means_interval(table, patients, rng=np.random.default_rng(1))
    assert 0 <= low < high <= 1


def test_telling_cases_are_those_on_which_methods_differ(found: FindingsResults) -> None:
    cases = telling_cases(found)
    assert list(cases["kind"]) == ["clip", "air", "metastasis"]
    assert list(cases["case"])[:2] == ["p1", "p1"]
    assert list(cases["seed"]) == [201, 201, 201]


def test_the_image_of_cases_has_a_row_per_kind(found: FindingsResults) -> None:
    image = cases_image(found)
    assert image.size[0] > LABEL_PX + 4 * 100
    rows = np.asarray(image.convert("L"))
    labels = (rows[:, :LABEL_PX] < 128).any(axis=1)
    assert labels.sum() > 3 * 3 * 8
