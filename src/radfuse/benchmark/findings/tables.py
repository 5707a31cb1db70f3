"""The tables of findings: what each method keeps of each kind, and the guards."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd

from radfuse.benchmark.findings.results import FindingsResults
from radfuse.benchmark.report.document import Block, Cell, Head, Line, Paragraph, Table, words
from radfuse.benchmark.report.number_format import NO_NUMBER, counted, fixed
from radfuse.benchmark.statistics.bootstrap import (
    FEW_PATIENTS,
    MIN_PATIENTS,
    mean_of_means_interval,
)
from radfuse.metrics.findings_kept import KEPT, WEAKENED, Verdict
from radfuse.modality import CT, MR
from radfuse.phantom.findings import CT_TARGET, FIRST_REPORTING_SEED, KINDS, MR_TARGET, TUNING_SEEDS

MEASURE = (
    "A finding is inserted into one source of an aligned pair, at a random position with room for "
    "it; the pair is fused with it and without it, rounded to 8 bits. The value is the smaller of "
    "two ratios to the source that shows it (of a CT, in the best of its display windows): of "
    "signed contrast, where a quarter of white suffices, and of contrast to noise, where 2 "
    f"suffices. Kept: {KEPT:g} or more; weakened: {WEAKENED:g} or more; inverted: of the opposite "
    "sign and visible; else lost. docs/findings.md has the formulas."
)
"""Explains the values."""

TARGETS = {"CT only": CT_TARGET, "MR only": MR_TARGET}
"""Kinds that one source alone shows and a fused image must keep."""

SHARES = tuple(str(one) for one in Verdict)
"""Columns of `shares`: fractions of the findings, 0 to 1."""


def shares(rows: pd.DataFrame) -> pd.DataFrame:
    """By method and kind: the fraction of each verdict, the median value, the number."""
    groups = rows.groupby(["method", "kind"], sort=False)
    verdicts = {
        name: (rows["verdict"] == name).groupby([rows["method"], rows["kind"]], sort=False).mean()
        for name in SHARES
    }
    return pd.DataFrame({**verdicts, "median": groups["kept"].median(), "findings": groups.size()})


def targets(findings: FindingsResults, seed: int) -> pd.DataFrame:
    """By method and target: the mean over its kinds of the fraction kept, and its interval.

    The interval resamples patients with all their positions; NaN for one patient.
    """
    lines = []
    for name, (target, kinds) in product(findings.measured_methods, TARGETS.items()):
        rows = findings.rows
        rows = rows[(rows["method"] == name) & rows["kind"].isin(kinds)]
        if rows.empty:
            continue
        kept = rows.assign(is_kept=(rows["verdict"] == Verdict.KEPT).astype(float))
        table = kept.pivot(index=["patient", "case", "seed"], columns="kind", values="is_kept")
        patients = table.index.get_level_values("patient").to_series(index=table.index)
        low, high = mean_of_means_interval(table, patients, rng=np.random.default_rng(seed))
        lines.append((name, target, table.mean().mean(), low, high))
    columns = ["method", "target", "kept", "low", "high"]
    return pd.DataFrame(lines, columns=columns).set_index(["method", "target"])


def findings_blocks(findings: FindingsResults, seed: int) -> Iterator[Block]:
    """What was inserted, the means over the kinds with the guards, and the kinds."""
    yield Paragraph(MEASURE)
    yield Paragraph(_seeds_sentence(findings.seeds))
    if findings.rows.empty:
        yield Paragraph("No finding could be measured: there was no room, or every method failed.")
        return
    yield _overview(findings, seed)
    for source in (CT, MR):
        present = set(findings.rows["kind"])
        kinds = [name for name, one in KINDS.items() if one.source == source and name in present]
        if kinds:
            yield _kinds_table(findings, kinds, source.code)


def _seeds_sentence(seeds: Sequence[int]) -> str:
    """Which seeds drew the positions, and what they may be used for."""
    tuning = [seed for seed in seeds if seed in TUNING_SEEDS]
    names = ", ".join(map(str, seeds))
    if tuning:
        return (
            f"Positions are drawn by the seeds {names}. Those from {TUNING_SEEDS[0]} to "
            f"{TUNING_SEEDS[-1]} are for tuning methods: these figures are no result."
        )
    return (
        f"Positions are drawn by the seeds {names}. Seeds from {FIRST_REPORTING_SEED} on are for "
        f"reports; methods of radfuse are tuned with {TUNING_SEEDS[0]} to {TUNING_SEEDS[-1]} only."
    )


def _overview(findings: FindingsResults, seed: int) -> Table:
    found = targets(findings, seed)
    lines = [
        Line(name, tuple(_overview_cells(findings, found, name)))
        for name in findings.measured_methods
    ]
    placements = findings.rows[["case", "seed"]].drop_duplicates()
    patients = findings.rows["patient"].nunique()
    several = patients >= MIN_PATIENTS
    few = f"Fewer than {FEW_PATIENTS} patients: the intervals are unreliable."
    return Table(
        "Findings kept: mean over the kinds of a target, per cent of the findings"
        f"{', with its 95 % interval' if several else ''}; "
        f"{counted(len(placements), 'placement')} in "
        f"{counted(findings.rows['case'].nunique(), 'case')} of {counted(patients, 'patient')}.",
        (
            Head("Method"),
            *(Head(f"{target} ↑", "%") for target in TARGETS),
            Head("inverted ↓", "%"),
            Head("specks ↓", "per 1000 pixels of brain"),
            Head("spill ↓", "% of white"),
            Head("overshoot ↓", "grey levels"),
            Head("flicker ↓", "grey levels"),
        ),
        tuple(lines),
        (
            *(f"{target}: {', '.join(kinds)}." for target, kinds in TARGETS.items()),
            "Specks, overshoot and flicker are of images without findings.",
            *((few,) if several and patients < FEW_PATIENTS else ()),
        ),
    )


def _overview_cells(findings: FindingsResults, found: pd.DataFrame, name: str) -> Iterator[Cell]:
    means = found.to_dict("index")
    for target in TARGETS:
        yield _mean_cell(means.get((name, target)))
    rows = findings.rows[findings.rows["method"] == name]
    guards = findings.guards[findings.guards["method"] == name]
    specks, overshoot, flicker = (guards[key].mean() for key in ("specks", "overshoot", "flicker"))
    yield from words(
        fixed(100 * float((rows["verdict"] == Verdict.INVERTED).mean()), 1),
        fixed(specks, 2),
        fixed(100 * rows["spill"].mean(), 2),
        fixed(overshoot, 2),
        fixed(flicker, 2),
    )


def _mean_cell(found: Mapping[Hashable, float] | None) -> Cell:
    if found is None:
        return Cell((NO_NUMBER,))
    kept, low, high = (fixed(100 * found[key], 0) for key in ("kept", "low", "high"))
    return Cell((kept,) if low == NO_NUMBER else (kept, f"[{low}, {high}]"))


def _kinds_table(findings: FindingsResults, kinds: Sequence[str], code: str) -> Table:
    counts = findings.rows.drop_duplicates(["case", "seed", "kind"])["kind"].value_counts()
    found = shares(findings.rows).to_dict("index")
    return Table(
        f"Findings that the {code} shows, by kind: per cent kept, per cent weakened / lost / "
        "inverted, median value.",
        (Head("Method"), *(Head(kind, f"n = {counts[kind]}") for kind in kinds)),
        tuple(
            Line(name, tuple(_kind_cell(found.get((name, kind))) for kind in kinds))
            for name in findings.measured_methods
        ),
    )


def _kind_cell(found: Mapping[Hashable, float] | None) -> Cell:
    if found is None:
        return Cell((NO_NUMBER,))
    kept, *others = (fixed(100 * found[share], 0) for share in SHARES)
    return Cell((kept, " / ".join(others), fixed(found["median"], 2)))
