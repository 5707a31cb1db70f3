import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from pandas.testing import assert_frame_equal, assert_series_equal

from radfuse.benchmark.results import ROW_COLUMNS, ComparedMethod, ProfileMetric
from radfuse.benchmark.statistics.observations import (
    by_case,
    per_observation_unit,
    unseen,
    unseen_by_all,
)

SSIM = ProfileMetric("ours", "SSIM", True, "", "", "")


def method(name: str, *development_patients: str) -> ComparedMethod:
    return ComparedMethod(name, "", "", frozenset(development_patients))


def rows_of(*lines: tuple[str, str, str, int, float], metric: str = "SSIM") -> pd.DataFrame:
    """Rows from (method, case, patient, slice, value)."""
    full = [("ours", *line[:4], metric, line[4]) for line in lines]
    return pd.DataFrame(full, columns=list(ROW_COLUMNS))


@pytest.fixture
def rows() -> pd.DataFrame:
    """Two methods, three patients, of the first two cases."""
    cases = (("c1", "ann"), ("c2", "ann"), ("c3", "bob"), ("c4", "cy"))
    return rows_of(
        *(("zeta", case, patient, 0, 1.0) for case, patient in cases),
        *(("alpha", case, patient, 0, 2.0) for case, patient in cases),
    )


def test_a_case_is_the_mean_of_its_slices() -> None:
    values, patients = by_case(
        rows_of(("a", "c1", "ann", 0, 1.0), ("a", "c1", "ann", 1, 4.0), ("a", "c2", "bob", 0, 7.0)),
        SSIM,
    )
    assert values["a"].to_dict() == {"c1": 2.5, "c2": 7.0}
    assert patients.to_dict() == {"c1": "ann", "c2": "bob"}


def test_methods_keep_the_order_of_the_rows(rows: pd.DataFrame) -> None:
    assert list(by_case(rows, SSIM)[0]) == ["zeta", "alpha"]


def test_other_metrics_and_profiles_stay_out(rows: pd.DataFrame) -> None:
    others = pd.concat(
        [rows, rows.assign(metric="MI", value=9.0), rows.assign(profile="p", value=9.0)]
    )
    assert_frame_equal(by_case(others, SSIM)[0], by_case(rows, SSIM)[0])


def test_a_method_that_failed_a_case_has_no_value_there(rows: pd.DataFrame) -> None:
    failed = rows[(rows["method"] != "alpha") | (rows["case"] != "c3")]
    values, patients = by_case(failed, SSIM)
    assert values["alpha"].isna().to_dict() == {"c1": False, "c2": False, "c3": True, "c4": False}
    assert values["zeta"].notna().all()
    assert patients["c3"] == "bob"


@pytest.mark.parametrize("missing", [np.nan, None])
def test_mean_over_fewer_slices_than_others_is_missing(missing: float | None) -> None:
    lines = [(method, "c1", "ann", piece, 1.0) for method in "ab" for piece in (0, 1)]
    rows = rows_of(*lines)
    if missing is None:
        rows = rows.drop(index=3)
    else:
        rows.loc[3, "value"] = missing
    values, _ = by_case(rows, SSIM)
    assert values.loc["c1", "a"] == 1.0
    assert np.isnan(values.loc["c1", "b"])


def test_the_order_of_the_rows_changes_no_value(rows: pd.DataFrame) -> None:
    values, patients = by_case(rows, SSIM)
    shuffled, shuffled_patients = by_case(rows.sample(frac=1, random_state=1), SSIM)
    assert_frame_equal(shuffled[values.columns], values)
    assert_series_equal(shuffled_patients, patients)


def test_a_patient_is_the_mean_of_the_cases_that_have_a_value() -> None:
    values = pd.DataFrame({"a": [1.0, 3.0, 8.0], "b": [5.0, np.nan, np.nan]}, index=["x", "y", "z"])
    patients = pd.Series({"z": "bob", "y": "ann", "x": "ann"})
    means, clusters = per_observation_unit(values, patients, "patient")
    assert_allclose(means.loc[["ann", "bob"]], [[2, 5], [8, np.nan]])
    assert clusters.to_dict() == {"ann": "ann", "bob": "bob"}


def test_cases_stay_as_they_are_and_find_their_patient_by_name() -> None:
    values = pd.DataFrame({"a": [1.0, 3.0]}, index=["x", "y"])
    table, clusters = per_observation_unit(values, pd.Series({"y": "bob", "x": "ann"}), "case")
    assert_frame_equal(table, values)
    assert list(clusters) == ["ann", "bob"]


def test_unseen_keeps_patients_each_method_was_not_trained_on(rows: pd.DataFrame) -> None:
    left = unseen(rows, [method("zeta", "ann"), method("alpha", "bob", "stranger")])
    cases = left.groupby("method")["case"].agg(list).to_dict()
    assert cases == {"zeta": ["c3", "c4"], "alpha": ["c1", "c2", "c4"]}


def test_a_method_that_has_seen_no_one_keeps_all_rows(rows: pd.DataFrame) -> None:
    assert_frame_equal(unseen(rows, [method("zeta"), method("alpha")]), rows)


def test_a_method_that_has_seen_everyone_keeps_none(rows: pd.DataFrame) -> None:
    left = unseen(rows, [method("zeta", "ann", "bob", "cy"), method("alpha")])
    assert set(left["method"]) == {"alpha"}


def test_rows_of_nothing_keep_their_columns(rows: pd.DataFrame) -> None:
    assert list(unseen(rows.iloc[:0], [])) == list(ROW_COLUMNS)


def test_seen_cases_have_no_value_in_the_table(rows: pd.DataFrame) -> None:
    left = unseen(rows, [method("zeta", "ann"), method("alpha", "bob")])
    values, _ = by_case(left, SSIM)
    assert list(values.dropna().index) == ["c4"]


def test_a_group_shares_the_cases_that_none_of_it_has_seen(rows: pd.DataFrame) -> None:
    zeta, alpha = method("zeta", "ann"), method("alpha", "bob")
    assert unseen_by_all(rows, [zeta, alpha]) == ["c4"]
    assert unseen_by_all(rows, [zeta]) == ["c3", "c4"]
    assert unseen_by_all(rows, [method("zeta")]) == ["c1", "c2", "c3", "c4"]
    assert unseen_by_all(rows, [method("zeta", "ann", "bob", "cy")]) == []
