"""signed_detail without one of its parts: findings kept on phantoms, and the guards.

    python benchmarks/findings_ablation.py [-o runs/findings-ablation] [--phantoms 3]

Prints a Markdown table: shares of the findings of each target that are kept, of infarcts that are
kept or weakened, of all that are inverted, and the means of specks, spill and flicker. Phantoms
and placements are those for reports, from seed 201 on. After an interruption the same command
resumes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import pandas as pd

from radfuse.arrays import Float32Array
from radfuse.benchmark.findings.base import LoadMethod
from radfuse.benchmark.findings.measure import FindingsRun
from radfuse.benchmark.findings.results import FindingsResults
from radfuse.benchmark.load_cases import find_cases
from radfuse.benchmark.settings import BenchmarkSettings
from radfuse.intensity import WINDOWS, Window
from radfuse.methods.head import ArrayHead, Head
from radfuse.methods.learned_detail import LearnedDetail
from radfuse.methods.loading import Method
from radfuse.methods.signed_detail import SignedDetail
from radfuse.metrics.findings_kept import Verdict
from radfuse.phantom.findings import CT_TARGET, FIRST_REPORTING_SEED, KINDS, MR_TARGET

ROOT = Path(__file__).parents[1]
SPACING_MM = 1.2
"""As in `radfuse experiment findings`."""


@dataclass(frozen=True)
class SlicesAlone:
    """Every slice fused without its neighbours."""

    method: SignedDetail

    def __call__(self, ct: Float32Array, mr: Float32Array) -> Float32Array:
        """Images of 8 bits have no neighbours anyway."""
        return self.method(ct, mr)

    def fuse_head(self, head: Head, window: Window) -> Iterator[tuple[slice, Float32Array]]:
        """One slice at a time."""
        for index in range(head.shape[0]):
            part = slice(index, index + 1)
            alone = ArrayHead(head.read_ct(part), head.read_mr(part), head.spacing_mm)
            fused = [image for _, image in self.method.fuse_head(alone, window)]
            yield part, np.concatenate(fused)


ROWS: dict[str, SignedDetail | SlicesAlone] = {
    "complete": SignedDetail(),
    "base alone": SignedDetail(detail=0.0),
    "each slice without neighbours": SlicesAlone(SignedDetail()),
    "detail in the fusion window": SignedDetail(detail_window=WINDOWS["fusion"]),
    "base mfinet": SignedDetail(base="mfinet"),
    "network (learned_detail)": LearnedDetail(),
}
"""Methods by the name of their row."""


def loading(method: Method) -> LoadMethod:
    """What loads a method: it is made already."""
    return lambda _window: method


def table(findings: FindingsResults) -> Iterator[str]:
    """The lines of the table."""
    heads = ("CT only", "MR only", "infarct", "inverted", "specks", "spill, %", "flicker")
    yield f"| signed_detail | {' | '.join(heads)} |"
    yield "|---|" + "--:|" * len(heads)
    for name in ROWS:
        rows = findings.rows[findings.rows["method"] == name]
        guards = findings.guards[findings.guards["method"] == name]
        infarcts = rows[rows["kind"] == "infarct"]["verdict"]
        values = (
            _kept(rows, CT_TARGET), _kept(rows, MR_TARGET),
            infarcts.isin([Verdict.KEPT, Verdict.WEAKENED]).mean(),
            (rows["verdict"] == Verdict.INVERTED).mean(),
            guards["specks"].mean(), 100 * rows["spill"].mean(), guards["flicker"].mean(),
        )  # fmt: skip
        yield f"| {name} | " + " | ".join(f"{value:.2f}" for value in values) + " |"


def _kept(rows: pd.DataFrame, kinds: tuple[str, ...]) -> float:
    return float((rows[rows["kind"].isin(kinds)]["verdict"] == Verdict.KEPT).mean())


@click.command()
@click.option(
    "-o", "--output", type=Path, default=ROOT / "runs" / "findings-ablation", show_default=True
)
@click.option("--phantoms", type=click.IntRange(1), default=3, show_default=True)
def main(output: Path, phantoms: int) -> None:
    """Measure what is missing, then print the table."""
    output.mkdir(parents=True, exist_ok=True)
    seeds = tuple(range(FIRST_REPORTING_SEED, FIRST_REPORTING_SEED + phantoms))
    settings = BenchmarkSettings(methods=(), phantoms=seeds, phantom_spacing_mm=SPACING_MM)
    methods = {name: loading(method) for name, method in ROWS.items()}
    run = FindingsRun(output, tuple(KINDS), (FIRST_REPORTING_SEED,), methods, "rows.csv")
    cases = find_cases(settings)
    run.recover()
    for case in cases:
        if left := run.waiting([case.name]).get(case.name):
            run.measure(case, case.load(), left, lambda name, error: print(f"{name}: {error}"))
    print("\n".join(table(run.collect([case.name for case in cases]))))


if __name__ == "__main__":
    main()
