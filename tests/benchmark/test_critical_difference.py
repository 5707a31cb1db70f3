import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from pandas.testing import assert_frame_equal
from scipy import stats

from radfuse.benchmark.statistics.critical_difference import (
    Ranking,
    nemenyi_distance,
    rank_methods,
    ranks_over_metrics,
)

DEMSAR = (1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164)
"""q_0.05 of two to ten methods: Demsar 2006, Table 5(a)."""


def example(methods: int = 4, cases: int = 24, seed: int = 1) -> tuple[pd.DataFrame, pd.Series]:
    """Methods a, b, c, ... each a little better than the one before; three cases a patient."""
    rng = np.random.default_rng(seed)
    names = list("abcdefghijklm"[:methods])
    index = pd.Index([f"case{number}" for number in range(cases)])
    table = rng.normal(size=(cases, methods)) + np.arange(methods)
    patients = pd.Series([f"patient{number // 3}" for number in range(cases)], index=index)
    return pd.DataFrame(table, index=index, columns=names), patients


def of(*lines: list[float]) -> Ranking:
    values = pd.DataFrame(lines, columns=list("abcdefgh"[: len(lines[0])]))
    return rank_methods(values, pd.Series(range(len(lines))).map(str), larger_is_better=True)


def as_sets(ranking: Ranking) -> set[frozenset[str]]:
    return {frozenset(group) for group in ranking.groups}


@pytest.mark.parametrize("methods", range(2, 11))
def test_the_critical_difference_is_the_published_one(methods: int) -> None:
    q = nemenyi_distance(methods, 30) / np.sqrt(methods * (methods + 1) / (6 * 30))
    assert_allclose(q, DEMSAR[methods - 2], rtol=0, atol=1e-3)  # three decimals, some cut off


def test_the_worked_example_of_the_paper_comes_out() -> None:
    """Four classifiers, 14 data sets: critical difference 1.25 (Demsar 2006, section 3.2.4)."""
    assert_allclose(nemenyi_distance(4, 14), 1.25, atol=0.005)


def test_critical_difference_falls_with_cases_grows_with_methods() -> None:
    assert_allclose(nemenyi_distance(5, 40), nemenyi_distance(5, 10) / 2)
    by_methods = [nemenyi_distance(methods, 10) for methods in range(2, 15)]
    assert np.all(np.diff(by_methods) > 0)


@pytest.mark.parametrize(("methods", "units"), [(1, 10), (0, 10), (4, 0)])
def test_no_methods_or_units_have_no_critical_difference(methods: int, units: int) -> None:
    assert np.isnan(nemenyi_distance(methods, units))


def test_largest_value_ranks_first_only_if_larger_is_better() -> None:
    values = pd.DataFrame({"a": [1.0, 1.0], "b": [2.0, 2.0], "c": [3.0, 3.0]})
    patients = pd.Series(["x", "y"])
    upwards = rank_methods(values, patients, larger_is_better=True)
    downwards = rank_methods(values, patients, larger_is_better=False)
    assert upwards.mean_ranks == {"c": 1, "b": 2, "a": 3}
    assert downwards.mean_ranks == {"a": 1, "b": 2, "c": 3}
    assert list(upwards.mean_ranks) == ["c", "b", "a"]


def test_ties_share_the_mean_of_their_ranks() -> None:
    assert of([5, 5, 1], [5, 5, 1]).mean_ranks == {"a": 1.5, "b": 1.5, "c": 3}


def test_mean_ranks_add_up() -> None:
    values, patients = example(6)
    for unit in ("case", "patient"):
        ranking = rank_methods(values, patients, larger_is_better=True, unit=unit)
        assert_allclose(sum(ranking.mean_ranks.values()), 6 * 7 / 2)


def test_friedman_is_that_of_scipy() -> None:
    values, patients = example()
    ranking = rank_methods(values, patients, larger_is_better=True)
    expected = stats.friedmanchisquare(*values.to_numpy().T)
    assert_allclose([ranking.statistic, ranking.p], [expected.statistic, expected.pvalue])


def test_patients_means_are_ranked_as_such() -> None:
    values, patients = example()
    ranking = rank_methods(values, patients, larger_is_better=True, unit="patient")
    means = values.groupby(patients).mean()
    expected = stats.friedmanchisquare(*means.to_numpy().T)
    assert (ranking.unit, ranking.units) == ("patient", 8)
    assert_allclose([ranking.statistic, ranking.p], [expected.statistic, expected.pvalue])
    assert ranking.mean_ranks == means.rank(axis=1, ascending=False).mean().to_dict()
    assert ranking.critical_difference == nemenyi_distance(4, 8)


@pytest.mark.parametrize("unit", ["case", "patient"])
def test_neither_order_nor_scale_matters(unit: str) -> None:
    values, patients = example(5)
    plain = rank_methods(values, patients, larger_is_better=True, unit=unit)
    shuffled = values.sample(frac=1, random_state=1)[list("ecabd")] * 1000 + 7
    other = rank_methods(shuffled, patients, larger_is_better=True, unit=unit)
    turned = rank_methods(-values, patients, larger_is_better=False, unit=unit)
    for same in (other, turned):
        assert same.mean_ranks == pytest.approx(plain.mean_ranks)
        assert_allclose([same.statistic, same.p], [plain.statistic, plain.p])
        assert as_sets(same) == as_sets(plain)


def test_a_monotone_scale_keeps_the_ranks_within_cases() -> None:
    values, patients = example()
    plain = rank_methods(values, patients, larger_is_better=True)
    assert rank_methods(np.exp(values), patients, larger_is_better=True) == plain


def test_identical_methods_do_not_differ() -> None:
    ranking = of([1, 1, 1], [2, 2, 2], [7, 7, 7])
    assert (ranking.statistic, ranking.p) == (0, 1)
    assert ranking.groups == (("a", "b", "c"),)


def test_two_methods_have_no_friedman_test_but_a_cd() -> None:
    ranking = of(*([1, 2] for _ in range(20)))
    assert np.isnan(ranking.statistic)
    assert np.isnan(ranking.p)
    assert_allclose(ranking.critical_difference, 1.96 / np.sqrt(20), rtol=1e-4)
    assert ranking.groups == ()


def test_one_patient_separates_no_methods() -> None:
    values, patients = example(8)
    patients[:] = "only"
    ranking = rank_methods(values, patients, larger_is_better=True, unit="patient")
    assert ranking.units == 1
    assert np.isnan(ranking.p)
    assert ranking.groups == (tuple(ranking.mean_ranks),)


def test_one_method_ranks_first_and_differs_from_no_one() -> None:
    ranking = of([3], [4])
    assert ranking.mean_ranks == {"a": 1}
    assert np.isnan(ranking.critical_difference)
    assert ranking.groups == ()


def test_a_case_that_a_method_lacks_is_left_out_for_all() -> None:
    values, patients = example()
    values.loc["case0", "b"] = np.nan
    ranking = rank_methods(values, patients, larger_is_better=True)
    assert ranking == rank_methods(values.drop("case0"), patients, larger_is_better=True)
    assert ranking.units == 23


def test_a_method_that_failed_everywhere_is_not_ranked() -> None:
    values, patients = example()
    ranking = rank_methods(values.assign(b=np.nan), patients, larger_is_better=True)
    assert ranking == rank_methods(values.drop(columns="b"), patients, larger_is_better=True)


@pytest.mark.parametrize("rows", [slice(0), slice(24)])
def test_without_any_value_nothing_is_ranked(rows: slice) -> None:
    values, patients = example()
    nothing = (values * np.nan).iloc[rows]
    ranking = rank_methods(nothing, patients, larger_is_better=True)
    assert (ranking.mean_ranks, ranking.groups) == ({}, ())
    assert np.isnan([ranking.statistic, ranking.p, ranking.critical_difference]).all()


def test_methods_without_a_common_case_have_no_ranks() -> None:
    values = pd.DataFrame({"a": [1.0, np.nan], "b": [np.nan, 1.0], "c": [1.0, 2.0]})
    ranking = rank_methods(values, pd.Series(["x", "y"]), larger_is_better=True)
    assert ranking.units == 0
    assert np.isnan(list(ranking.mean_ranks.values())).all()
    assert ranking.groups == ()


def test_bars_overlap_where_likeness_is_not_transitive() -> None:
    """Mean ranks 1, 2, 3, 4 and a critical difference between 1 and 2: neighbours are alike."""
    ranking = of(*([4.0, 3.0, 2.0, 1.0] for _ in range(14)))
    assert 1 < ranking.critical_difference < 2
    assert ranking.groups == (("a", "b"), ("b", "c"), ("c", "d"))


@pytest.mark.parametrize("seed", range(8))
def test_bars_join_exactly_the_methods_that_are_near(seed: int) -> None:
    values, patients = example(9, seed=seed)
    ranking = rank_methods(values, patients, larger_is_better=True)
    ranks = ranking.mean_ranks
    together = {(a, b) for group in ranking.groups for a in group for b in group}
    near = {
        (a, b)
        for a in ranks
        for b in ranks
        if abs(ranks[a] - ranks[b]) < ranking.critical_difference
    }
    assert {(a, b) for a, b in together if a != b} == {(a, b) for a, b in near if a != b}
    bars = as_sets(ranking)
    assert not any(bar < other for bar in bars for other in bars)


def test_far_methods_have_no_bar() -> None:
    assert of(*([9.0, 5.0, 1.0] for _ in range(60))).groups == ()


def test_ranks_over_metrics_keep_the_given_order() -> None:
    first, second = of([3, 2, 1], [3, 2, 1]), of([1, 2, 3], [2, 1, 3])
    table = ranks_over_metrics({"SSIM": first, "MI": second}, ["b", "a", "c"])
    expected = pd.DataFrame(
        {
            "SSIM": [2.0, 1.0, 3.0],
            "MI": [2.5, 2.5, 1.0],
            "mean rank": [2.25, 1.75, 2.0],
            "best rank": [2.0, 1.0, 1.0],
            "worst rank": [2.5, 2.5, 3.0],
        },
        index=["b", "a", "c"],
    )
    assert_frame_equal(table, expected)


def test_method_unranked_on_one_metric_has_no_mean_rank() -> None:
    table = ranks_over_metrics({"SSIM": of([3, 2, 1]), "MI": of([1, 2])}, ["a", "c"])
    assert table.loc["a", "mean rank"] == 1.5
    assert table.loc["c", ["MI", "mean rank", "best rank", "worst rank"]].isna().all()
