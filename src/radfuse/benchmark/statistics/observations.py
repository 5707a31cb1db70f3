"""From the rows of a benchmark to one value per case or patient; cases of unseen patients.

The statistics take two inputs: `values`, a table with a line per case and a column per method, NaN
where a method failed; and `patients`, the patient of each case.
"""

from collections.abc import Sequence
from typing import Literal

import pandas as pd

from radfuse.benchmark.results import ComparedMethod, ProfileMetric

ObservationUnit = Literal["case", "patient"]
"""What counts as one observation: a case, or a patient's mean over the cases."""


def by_case(rows: pd.DataFrame, metric: ProfileMetric) -> tuple[pd.DataFrame, pd.Series]:
    """The `values` and the `patients` of a measure, from rows with ROW_COLUMNS.

    A case's value is the mean over its slices. It is NaN where the method lacks the value of any
    slice that another method has, for means over different slices cannot be compared.
    """
    of_metric = rows[(rows["profile"] == metric.profile) & (rows["metric"] == metric.name)]
    slices = of_metric.pivot(index=["case", "slice"], columns="method", values="value")
    complete = slices.notna().groupby(level="case").all()
    values = slices.groupby(level="case").mean().where(complete)
    patients = of_metric.drop_duplicates("case").set_index("case")["patient"]
    return values[of_metric["method"].unique()], patients.reindex(values.index)


def per_observation_unit(
    values: pd.DataFrame, patients: pd.Series, unit: ObservationUnit
) -> tuple[pd.DataFrame, pd.Series]:
    """The table with a line per unit of observation, and the patient of each line.

    The value of a patient is the mean over those cases that have one.
    """
    clusters = patients.reindex(values.index)
    if unit == "case":
        return values, clusters
    means = values.groupby(clusters).mean()
    return means, means.index.to_series()


def unseen(rows: pd.DataFrame, methods: Sequence[ComparedMethod]) -> pd.DataFrame:
    """For each method only the rows of patients that were not used to develop it.

    Methods then have different cases: `by_case` gives NaN for development patients, and a pairwise
    comparison uses the cases of both.
    """
    development = {method.name: method.development_patients for method in methods}
    methods_and_patients = zip(rows["method"], rows["patient"], strict=True)
    return rows.loc[
        [patient not in development[method] for method, patient in methods_and_patients]
    ]


def unseen_by_all(rows: pd.DataFrame, methods: Sequence[ComparedMethod]) -> list[str]:
    """The cases, sorted, of patients that were not used to develop any of the methods.

    `values.loc[cases, names]` is then a table for a fair ranking.
    """
    development = {patient for method in methods for patient in method.development_patients}
    return sorted(rows.loc[~rows["patient"].isin(development), "case"].unique())
