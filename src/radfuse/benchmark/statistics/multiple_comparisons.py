"""Pairwise comparisons of methods on one metric: paired tests with Holm's correction.

Tests are on cases, as in papers, and on patients' means, which account for the correlation of the
cases of one patient. Intervals resample patients.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from radfuse.arrays import Float64Array
from radfuse.benchmark.statistics.bootstrap import patients_and_interval
from radfuse.benchmark.statistics.observations import ObservationUnit, per_observation_unit
from radfuse.errors import InputError

SPREADLESS = 1e-10
"""Range of differences, relative to the largest, up to which they are equal but for rounding."""

CASES_NOT_INDEPENDENT = (
    "Cases of one patient are not independent. Tests on cases assume that they are, so their p "
    "values are too small; tests on patients' means account for it."
)
"""Note of every table of tests on cases."""

COMPARISON_COLUMNS: Mapping[str, str] = {
    "method": "the first method",
    "against": "the second method, or the reference",
    "unit": "unit of observation: case or patient (mean over the patient's cases)",
    "units": "observations; only cases where both methods have a value",
    "patients": "patients among them",
    "difference": "mean of method minus against over the units; not negated for metrics "
    "where smaller is better",
    "low": "lower end of its 95 % interval, patients resampled; NaN below two patients",
    "high": "upper end of that interval",
    "few_patients": "fewer than five patients: the interval is unreliable",
    "t_p": "paired t-test, two-sided p; NaN below two units; 1 where all differences are 0; NaN "
    "where all are one other number",
    "t_p_holm": "the same after Holm's correction for all comparisons of the table",
    "wilcoxon_p": "Wilcoxon signed-rank test, two-sided p, differences of 0 left out; 1 where all "
    "are 0; NaN without any",
    "wilcoxon_p_holm": "the same after Holm's correction for all comparisons of the table",
    "d_z": "mean difference over the standard deviation of the differences; NaN as t_p; 0 where "
    "all differences are 0",
    "rank_biserial": "matched-pairs rank-biserial correlation in [-1, 1]; 0 where all differences "
    "are 0; NaN without any",
}
"""Columns of `compare` and what they mean."""


def _pairs(methods: Sequence[str], reference: str | None) -> list[tuple[str, str]]:
    """Every pair once, or every other method against the reference."""
    if reference is None:
        return list(combinations(methods, 2))
    if reference not in methods:
        raise InputError(
            f"No method {reference!r} to compare against; there are {', '.join(methods)}"
        )
    return [(method, reference) for method in methods if method != reference]


def _paired_t(differences: Float64Array) -> tuple[float, float]:
    """Two-sided p of the paired t-test, and Cohen's d_z."""
    if len(differences) < 2:
        return float("nan"), float("nan")
    if not differences.any():
        return 1.0, 0.0
    if np.ptp(differences) <= SPREADLESS * np.abs(differences).max():
        return float("nan"), float("nan")
    p = float(stats.ttest_1samp(differences, 0).pvalue)
    return p, float(differences.mean() / differences.std(ddof=1))


def _signed_ranks(differences: Float64Array) -> tuple[float, float]:
    """Two-sided p of Wilcoxon's signed-rank test, and the rank-biserial correlation."""
    if len(differences) == 0:
        return float("nan"), float("nan")
    nonzero = differences[differences != 0]
    if len(nonzero) == 0:
        return 1.0, 0.0
    ranks = stats.rankdata(np.abs(nonzero))
    return float(stats.wilcoxon(nonzero).pvalue), float(
        (np.sign(nonzero) * ranks).sum() / ranks.sum()
    )


def holm(p_values: pd.Series) -> pd.Series:
    """Holm's adjusted p values of a family of tests; NaN stays NaN and is not counted.

    Holm 1979, Scandinavian Journal of Statistics 6: 65-70.
    """
    ascending = p_values.dropna().astype(np.float64).sort_values(kind="stable")
    adjusted = (ascending * np.arange(len(ascending), 0, -1)).cummax().clip(upper=1)
    return adjusted.reindex(p_values.index)


def compare(
    values: pd.DataFrame,
    patients: pd.Series,
    *,
    rng: np.random.Generator,
    unit: ObservationUnit = "case",
    reference: str | None = None,
) -> pd.DataFrame:
    """Compare pairs of methods: a line per comparison with COMPARISON_COLUMNS.

    Compares every pair, or every other method with the `reference` (InputError where there is none
    of that name). The family of Holm's correction is the returned table: all its comparisons on
    this one metric with this unit, each test for itself. `unit="case"` with the paired t-test is
    what Chen et al. 2024 print in Table 2 (doi:10.1186/s12880-024-01329-x), see
    CASES_NOT_INDEPENDENT; `unit="patient"` is the same on patients' means. d_z: Lakens 2013,
    doi:10.3389/fpsyg.2013.00863. Rank-biserial: Kerby 2014, doi:10.2466/11.IT.3.1.
    """
    seed = int(rng.integers(2**63))
    lines = []
    for method, against in _pairs(list(values.columns), reference):
        both = (values[method] - values[against]).dropna().to_frame("difference")
        units, clusters = per_observation_unit(both, patients, unit)
        differences = units["difference"]
        t_p, d_z = _paired_t(differences.to_numpy())
        wilcoxon_p, rank_biserial = _signed_ranks(differences.to_numpy())
        names = {"method": method, "against": against, "unit": unit, "units": len(units)}
        effects = {"difference": differences.mean(), "d_z": d_z, "rank_biserial": rank_biserial}
        line = names | effects | {"t_p": t_p, "wilcoxon_p": wilcoxon_p}
        lines.append(line | patients_and_interval(differences, clusters, seed))
    table = pd.DataFrame(lines, columns=list(COMPARISON_COLUMNS))
    return table.assign(t_p_holm=holm(table["t_p"]), wilcoxon_p_holm=holm(table["wilcoxon_p"]))
