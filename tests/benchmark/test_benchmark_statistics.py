import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from pandas.testing import assert_frame_equal
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import DescrStatsW

from radfuse.benchmark.statistics.bootstrap import SUMMARY_COLUMNS, cluster_interval, summarise
from radfuse.benchmark.statistics.multiple_comparisons import (
    CASES_NOT_INDEPENDENT,
    COMPARISON_COLUMNS,
    compare,
    holm,
)
from radfuse.errors import InputError

Example = tuple[pd.DataFrame, pd.Series]


def rng(seed: int = 5) -> np.random.Generator:
    return np.random.default_rng(seed)


def draw(patients: int, slices: int, *, alike: float, seed: int, methods: int = 4) -> Example:
    """Values around 0; the spread of patients is `alike` times that of slices within one."""
    chance = np.random.default_rng(seed)
    owner = np.repeat(np.arange(patients), slices)
    effect = alike * chance.normal(size=(patients, methods))[owner]
    index = pd.Index([f"case{number:03}" for number in range(len(owner))])
    table = effect + chance.normal(size=(len(owner), methods))
    clusters = pd.Series([f"patient{number}" for number in owner], index=index)
    return pd.DataFrame(table, index=index, columns=list("abcdefgh"[:methods])), clusters


@pytest.fixture
def example() -> Example:
    values, patients = draw(8, 5, alike=1.0, seed=3)
    return values.add([0, 0.5, 1, 3], axis="columns"), patients


def only(values: pd.DataFrame, patients: pd.Series, **options: str) -> pd.Series:
    """The one comparison of two methods."""
    return compare(values, patients, rng=rng(), **options).iloc[0]


def pair(*differences: float, patients: str | None = None) -> Example:
    """Methods a and b with these differences a - b, a case a patient unless letters say."""
    index = pd.RangeIndex(len(differences))
    values = pd.DataFrame({"a": differences, "b": 0.0}, index=index, dtype=float)
    return values, pd.Series(list(patients or "stuvwxyz"[: len(differences)]), index=index)


def test_an_interval_holds_the_mean_and_repeats(example: Example) -> None:
    values, patients = example
    low, high = cluster_interval(values["a"], patients, rng=rng())
    assert low < values["a"].mean() < high
    assert (low, high) == cluster_interval(values["a"], patients, rng=rng())
    assert (low, high) != cluster_interval(values["a"], patients, rng=rng(6))


def test_interval_of_independent_cases_is_near_student_t() -> None:
    values, patients = draw(60, 1, alike=0.0, seed=1)
    ours = cluster_interval(values["a"], patients, rng=rng())
    assert_allclose(ours, DescrStatsW(values["a"]).tconfint_mean(), atol=0.03)


def test_slices_of_a_patient_that_agree_widen_the_interval() -> None:
    values, patients = draw(10, 20, alike=3.0, seed=2)
    naive = pd.Series(values.index, index=values.index)
    clustered_low, clustered_high = cluster_interval(values["a"], patients, rng=rng())
    naive_low, naive_high = cluster_interval(values["a"], naive, rng=rng())
    assert clustered_high - clustered_low > 2 * (naive_high - naive_low)


def test_repeating_every_slice_changes_nothing(example: Example) -> None:
    values, patients = example
    once = cluster_interval(values["a"], patients, rng=rng())
    twice = pd.concat([values["a"]] * 4, ignore_index=True)
    owners = pd.concat([patients] * 4, ignore_index=True)
    assert_allclose(cluster_interval(twice, owners, rng=rng()), once)


@pytest.mark.parametrize(
    ("patients", "coverage"),
    [
        (3, 0.75),
        pytest.param(5, 0.91, marks=pytest.mark.slow),
        pytest.param(8, 0.94, marks=pytest.mark.slow),
        (25, 0.95),
    ],
)
def test_intervals_hold_the_truth_as_often_as_documented(patients: int, coverage: float) -> None:
    held = 0
    for seed in range(400):
        values, owners = draw(patients, 3, alike=1.0, seed=seed, methods=1)
        low, high = cluster_interval(values["a"], owners, rng=rng(seed), draws=1000)
        held += low <= 0 <= high
    three_standard_errors = 3 * np.sqrt(coverage * (1 - coverage) / 400)
    assert_allclose(held / 400, coverage, atol=three_standard_errors, rtol=0)


def test_naive_intervals_miss_the_truth_far_more_often() -> None:
    held = 0
    for seed in range(200):
        values, _ = draw(8, 5, alike=2.0, seed=seed, methods=1)
        low, high = DescrStatsW(values["a"]).tconfint_mean()
        held += low <= 0 <= high
    assert held / 200 < 0.75


def test_two_patients_show_the_range_between_them() -> None:
    values, patients = pair(1.0, 2.0, 9.0, patients="xxy")
    assert cluster_interval(values["a"], patients, rng=rng()) == (1.5, 9.0)


@pytest.mark.parametrize("count", [0, 1])
def test_less_than_two_patients_have_no_interval(count: int) -> None:
    values, patients = pair(1.0, 2.0, 3.0, patients="xxx")
    interval = cluster_interval(values["a"].iloc[: 3 * count], patients, rng=rng())
    assert np.isnan(interval).all()


def test_a_patient_with_no_value_is_not_resampled(example: Example) -> None:
    values, patients = example
    missing = values["a"].where(patients != "patient0")
    there = values["a"][patients != "patient0"]
    expected = cluster_interval(there, patients, rng=rng())
    assert cluster_interval(missing, patients, rng=rng()) == expected


def test_summary_has_documented_columns_and_plain_moments(example: Example) -> None:
    values, patients = example
    table = summarise(values, patients, rng=rng())
    assert list(table) == list(SUMMARY_COLUMNS)
    assert list(table["method"]) == list("abcd")
    assert_allclose(table["mean"], values.mean())
    assert_allclose(table["sd"], values.to_numpy().std(axis=0, ddof=1))
    assert_allclose(table["median"], values.median())
    assert (table["cases"] == 40).all()
    assert (table["patients"] == 8).all()
    assert not table["few_patients"].any()


def test_a_summary_shows_the_clustered_interval(example: Example) -> None:
    values, patients = example
    line = summarise(values[["a"]], patients, rng=rng()).iloc[0]
    naive = pd.Series(values.index, index=values.index)
    naive_line = summarise(values[["a"]], naive, rng=rng()).iloc[0]
    assert line["high"] - line["low"] > naive_line["high"] - naive_line["low"]


def test_neither_order_of_cases_nor_of_methods_changes_a_summary(example: Example) -> None:
    values, patients = example
    plain = summarise(values, patients, rng=rng()).set_index("method")
    shuffled = values.sample(frac=1, random_state=1)[list("dbca")]
    other = summarise(shuffled, patients, rng=rng()).set_index("method")
    assert_frame_equal(other.loc[list("abcd")], plain)


def test_summaries_follow_the_scale(example: Example) -> None:
    values, patients = example
    plain, scaled = (summarise(values * by, patients, rng=rng()) for by in (1, 100))
    columns = ["mean", "sd", "median", "low", "high"]
    assert_allclose(scaled[columns], plain[columns] * 100)


def test_a_failed_case_lowers_only_the_counts_of_its_method(example: Example) -> None:
    values, patients = example
    values.loc[patients == "patient0", "b"] = np.nan
    table = summarise(values, patients, rng=rng()).set_index("method")
    assert table["cases"].to_dict() == {"a": 40, "b": 35, "c": 40, "d": 40}
    assert table["patients"].to_dict() == {"a": 8, "b": 7, "c": 8, "d": 8}
    assert_allclose(table.loc["b", "mean"], values["b"].dropna().mean())


@pytest.mark.parametrize(("patients", "few"), [("vwxyz", False), ("wwxyz", True)])
def test_fewer_than_five_patients_are_flagged(patients: str, few: bool) -> None:
    values, owners = pair(1, 2, 3, 4, 5, patients=patients)
    assert bool(summarise(values, owners, rng=rng())["few_patients"].iloc[0]) is few
    assert bool(only(values, owners)["few_patients"]) is few


def test_one_patient_has_a_mean_but_no_interval() -> None:
    values, patients = pair(1, 2, 6, patients="xxx")
    line = summarise(values, patients, rng=rng()).iloc[0]
    assert (line["mean"], line["median"], line["patients"]) == (3, 2, 1)
    assert np.isnan([line["low"], line["high"]]).all()
    assert line["few_patients"]


def test_a_single_case_has_no_spread() -> None:
    line = summarise(*pair(4), rng=rng()).iloc[0]
    assert line["mean"] == line["median"] == 4
    assert np.isnan([line["sd"], line["low"], line["high"]]).all()


def test_a_method_without_values_has_a_line_of_nothing(example: Example) -> None:
    values, patients = example
    line = summarise(values[["a"]] * np.nan, patients, rng=rng()).iloc[0]
    assert (line["cases"], line["patients"], bool(line["few_patients"])) == (0, 0, True)
    assert np.isnan([line[name] for name in ("mean", "sd", "median", "low", "high")]).all()


def test_every_pair_is_compared_once(example: Example) -> None:
    table = compare(*example, rng=rng())
    assert list(table) == list(COMPARISON_COLUMNS)
    pairs = list(zip(table["method"], table["against"], strict=True))
    assert pairs == [("a", "b"), ("a", "c"), ("a", "d"), ("b", "c"), ("b", "d"), ("c", "d")]


def test_every_other_method_is_compared_with_the_reference(example: Example) -> None:
    table = compare(*example, rng=rng(), reference="b")
    assert list(table["method"]) == ["a", "c", "d"]
    assert set(table["against"]) == {"b"}


def test_an_unknown_reference_is_refused(example: Example) -> None:
    with pytest.raises(InputError, match="No method 'z' to compare against; there are a, b, c, d"):
        compare(*example, rng=rng(), reference="z")


@pytest.mark.parametrize("columns", [[], ["a"]])
def test_a_single_method_has_no_comparison(example: Example, columns: list[str]) -> None:
    table = compare(example[0][columns], example[1], rng=rng())
    assert list(table) == list(COMPARISON_COLUMNS)
    assert len(table) == 0


@pytest.mark.parametrize("unit", ["case", "patient"])
def test_tests_are_those_of_scipy_and_statsmodels(example: Example, unit: str) -> None:
    values, patients = example
    table = compare(values, patients, rng=rng(), unit=unit)
    units = values if unit == "case" else values.groupby(patients).mean()
    sides = [(units[a], units[b]) for a, b in zip(table["method"], table["against"], strict=True)]
    assert_allclose(table["t_p"], [stats.ttest_rel(a, b).pvalue for a, b in sides])
    assert_allclose(table["wilcoxon_p"], [stats.wilcoxon(a, b).pvalue for a, b in sides])
    for name in ("t_p", "wilcoxon_p"):
        assert_allclose(table[f"{name}_holm"], multipletests(table[name], method="holm")[1])
    assert_allclose(table["difference"], [(a - b).mean() for a, b in sides])
    assert set(table["unit"]) == {unit}
    assert set(table["units"]) == {len(units)}
    assert set(table["patients"]) == {8}


def test_effect_sizes_are_those_defined() -> None:
    line = only(*pair(3, -1, 2, 4, 0))
    assert_allclose(line["d_z"], 1.6 / np.std([3, -1, 2, 4, 0], ddof=1))
    assert_allclose(line["rank_biserial"], (3 + 2 + 4 - 1) / 10)


def test_a_difference_of_one_sign_has_full_rank_biserial() -> None:
    assert only(*pair(1, 2, 4))["rank_biserial"] == 1
    assert only(*pair(-1, -2, -4))["rank_biserial"] == -1


@pytest.mark.parametrize("unit", ["case", "patient"])
def test_changing_sides_turns_the_signs_alone(example: Example, unit: str) -> None:
    values, patients = example
    there = only(values[["a", "b"]], patients, unit=unit)
    back = only(values[["b", "a"]], patients, unit=unit)
    for name in ("difference", "d_z", "rank_biserial"):
        assert_allclose(back[name], -there[name])
    for name in ("t_p", "wilcoxon_p", "t_p_holm", "wilcoxon_p_holm"):
        assert_allclose(back[name], there[name])
    assert_allclose([back["low"], back["high"]], [-there["high"], -there["low"]])


@pytest.mark.parametrize("unit", ["case", "patient"])
def test_neither_order_of_cases_nor_scale_matters(example: Example, unit: str) -> None:
    values, patients = example
    plain = compare(values, patients, rng=rng(), unit=unit)
    shuffled = values.sample(frac=1, random_state=1) * 1000 + 7
    other = compare(shuffled, patients, rng=rng(), unit=unit)
    assert_frame_equal(other.assign(**other[["difference", "low", "high"]] / 1000), plain)


def test_patients_rather_than_slices_decide_where_slices_agree() -> None:
    """No method is better: the test on cases finds too many differences, not that on patients."""
    on_cases, on_patients = [], []
    for seed in range(200):
        values, patients = draw(8, 10, alike=2.0, seed=seed, methods=2)
        difference = values["a"] - values["b"]
        on_cases.append(stats.ttest_1samp(difference, 0).pvalue < 0.05)
        means = difference.groupby(patients).mean()
        on_patients.append(stats.ttest_1samp(means, 0).pvalue < 0.05)
    assert np.mean(on_cases) > 0.4
    assert np.mean(on_patients) < 0.09
    assert "not independent" in CASES_NOT_INDEPENDENT


def test_only_cases_that_both_have_are_compared(example: Example) -> None:
    values, patients = example
    values.loc["case000", "a"] = np.nan
    values.loc[patients == "patient7", "b"] = np.nan
    line = only(values[["a", "b"]], patients)
    both = values[["a", "b"]].dropna()
    assert (line["units"], line["patients"]) == (34, 7)
    assert_allclose(line["t_p"], stats.ttest_rel(both["a"], both["b"]).pvalue)
    means = both.groupby(patients).mean()
    on_patients = only(values[["a", "b"]], patients, unit="patient")
    assert on_patients["units"] == 7
    assert_allclose(on_patients["t_p"], stats.ttest_rel(means["a"], means["b"]).pvalue)


def test_a_failure_of_one_method_leaves_other_pairs_alone(example: Example) -> None:
    values, patients = example
    before = compare(values, patients, rng=rng())
    values["d"] = np.nan
    after = compare(values, patients, rng=rng())
    kept = before["against"] != "d"
    raw = ["units", "difference", "low", "high", "t_p", "wilcoxon_p", "d_z", "rank_biserial"]
    assert_frame_equal(after.loc[kept, raw], before.loc[kept, raw])
    assert after.loc[~kept, [name for name in raw if name != "units"]].isna().all(axis=None)
    assert (after.loc[~kept, "units"] == 0).all()


@pytest.mark.parametrize("unit", ["case", "patient"])
def test_identical_methods_do_not_differ(unit: str) -> None:
    line = only(*pair(0, 0, 0, 0, 0, 0), unit=unit)
    assert line[["t_p", "t_p_holm", "wilcoxon_p", "wilcoxon_p_holm"]].to_list() == [1, 1, 1, 1]
    assert line[["difference", "low", "high", "d_z", "rank_biserial"]].to_list() == [0] * 5


@pytest.mark.parametrize("shift", [1.0, 0.1])
def test_a_constant_difference_has_no_t_test(shift: float) -> None:
    values, patients = pair(1.0, 2.5, 3.3, 4.7, 5.2, 6.1)
    line = only(values.assign(b=values["a"] + shift), patients)
    assert np.isnan([line["t_p"], line["t_p_holm"], line["d_z"]]).all()
    assert line["rank_biserial"] == -1
    assert_allclose([line["difference"], line["low"], line["high"]], -shift)


def test_two_patients_are_tested_for_what_they_are_worth() -> None:
    line = only(*pair(1.0, 2.0, 3.0, 5.0, patients="xxyy"), unit="patient")
    assert (line["units"], bool(line["few_patients"])) == (2, True)
    assert_allclose(line["t_p"], stats.ttest_1samp([1.5, 4.0], 0).pvalue)
    assert line["wilcoxon_p"] == 0.5
    assert (line["low"], line["high"]) == (1.5, 4.0)


def test_one_patient_proves_nothing() -> None:
    line = only(*pair(1.0, 2.0, 4.0, patients="xxx"), unit="patient")
    assert np.isnan([line[name] for name in ("t_p", "d_z", "low", "high")]).all()
    assert (line["wilcoxon_p"], line["units"]) == (1, 1)


def test_one_case_proves_nothing_even_without_a_difference() -> None:
    line = only(*pair(0))
    assert np.isnan([line[name] for name in ("t_p", "d_z", "low", "high")]).all()
    assert (line["wilcoxon_p"], line["rank_biserial"]) == (1, 0)


def test_holm_is_monotone_and_never_below_the_plain_p() -> None:
    plain = pd.Series(rng().uniform(size=30) ** 3)
    adjusted = holm(plain)
    assert (adjusted >= plain).all()
    assert adjusted.max() <= 1
    assert adjusted[plain.sort_values().index].is_monotonic_increasing


def test_holm_grows_with_the_family() -> None:
    assert_allclose(holm(pd.Series([0.01, 0.04, 0.03])), [0.03, 0.06, 0.06])
    assert_allclose(holm(pd.Series([0.01])), [0.01])


def test_tests_that_could_not_be_made_do_not_count() -> None:
    assert_allclose(holm(pd.Series([0.01, np.nan, 0.04])), [0.02, np.nan, 0.04])
    assert holm(pd.Series([np.nan, np.nan])).isna().all()


def test_a_smaller_family_is_corrected_less(example: Example) -> None:
    values, patients = example
    all_pairs = compare(values, patients, rng=rng())
    against = compare(values, patients, rng=rng(), reference="d")
    same = all_pairs[all_pairs["against"] == "d"].reset_index(drop=True)
    assert_allclose(against["t_p"], same["t_p"])
    assert (against["t_p_holm"] <= same["t_p_holm"]).all()
