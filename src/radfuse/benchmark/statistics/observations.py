"""From the long rows of a benchmark to a line a case, and the cases that a method has not seen.

The statistics work on two things: `values`, a table with a line a case and a column a method, NaN
where a method failed; and `patients`, the patient of each case.
"""

from collections.abc import Sequence
from typing import Literal

import pandas as pd

from radfuse.benchmark.results import Contestant, Measure
from radfuse.errors import InputError

Unit = Literal["case", "patient"]
"""What counts as one observation: a case, or a patient's mean over the cases."""


def by_case(rows: pd.DataFrame, measure: Measure) -> tuple[pd.DataFrame, pd.Series]:
    """The `values` and the `patients` of a measure, from rows with ROW_COLUMNS.

    A case's value is the mean over its slices. It is NaN where the method lacks the value of any
    slice that another method has, for means over different slices cannot be compared.
    """
    of_measure = rows[(rows["profile"] == measure.profile) & (rows["metric"] == measure.name)]
    slices = of_measure.pivot(index=["case", "slice"], columns="method", values="value")
    complete = slices.notna().groupby(level="case").all()
    values = slices.groupby(level="case").mean().where(complete)
    patients = of_measure.drop_duplicates("case").set_index("case")["patient"]
    return values[of_measure["method"].unique()], patients.reindex(values.index)


def per_unit(
    values: pd.DataFrame, patients: pd.Series, unit: Unit
) -> tuple[pd.DataFrame, pd.Series]:
    """The table with a line a unit, and the patient of each line.

    A patient's value is the mean over those of the patient's cases that have one. Raises InputError
    for a case without a patient.
    """
    clusters = patients.reindex(values.index)
    nameless = clusters.index[clusters.isna()]
    if len(nameless):
        raise InputError(
            f"{len(nameless)} of {len(clusters)} cases have no patient, the first is "
            f"{nameless[0]!r}; name the patient of each case"
        )
    if unit == "case":
        return values, clusters
    means = values.groupby(clusters).mean()
    return means, means.index.to_series()


def _check_patients_are_text(rows: pd.DataFrame) -> None:
    """A patient read as the number 7 would never be found among those seen, {"007"}."""
    for patient in rows["patient"].unique():
        if not isinstance(patient, str):
            raise InputError(
                f"Patient {patient!r} in the rows is no text and cannot be looked up among the "
                "patients that methods have seen; read column patient as text"
            )


def unseen(rows: pd.DataFrame, contestants: Sequence[Contestant]) -> pd.DataFrame:
    """For each method only the rows of patients that it has not seen.

    Methods then have different cases: `by_case` gives NaN where a method has seen the patient, and
    a comparison in pairs uses what both have left. Raises InputError for a method that is no
    contestant, for what it has seen is unknown, and for patients that are not text.
    """
    _check_patients_are_text(rows)
    seen = {contestant.name: contestant.patients_seen for contestant in contestants}
    for method in rows["method"].unique():
        if method not in seen:
            raise InputError(
                f"Method {method!r} has rows but is no contestant, so which patients it has seen "
                "is unknown; describe it as a contestant"
            )
    methods_and_patients = zip(rows["method"], rows["patient"], strict=True)
    return rows.loc[[patient not in seen[method] for method, patient in methods_and_patients]]


def unseen_by_all(rows: pd.DataFrame, contestants: Sequence[Contestant]) -> list[str]:
    """The cases, sorted, whose patient none of these contestants has seen.

    `values.loc[cases, names]` is then a table on which the group can be ranked fairly. Raises
    InputError for patients that are not text.
    """
    _check_patients_are_text(rows)
    seen = {patient for contestant in contestants for patient in contestant.patients_seen}
    return sorted(rows.loc[~rows["patient"].isin(seen), "case"].unique())
