"""A benchmark from Python: settings in, tables out."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from radfuse.benchmark.settings import BenchmarkSettings, read_benchmark_settings
from radfuse.errors import needs_extra
from radfuse.pipeline.display.bars import Report, reporting

if TYPE_CHECKING:
    import pandas as pd

    from radfuse.benchmark.results import Results


@dataclass(frozen=True, repr=False)
class Benchmark:
    """The values of a benchmark, and its report; in a notebook the table of the means.

    Examples
    --------
    >>> import radfuse
    >>> settings = radfuse.BenchmarkSettings(
    ...     methods=("average", "laplacian"), phantoms=(1,), phantom_spacing_mm=4.0, slice_step=20
    ... )
    >>> found = radfuse.benchmark(settings, "comparison")
    >>> found
    <Benchmark: 2 methods, 1 case, 0 failures>
    >>> found.means.index.tolist()
    ['average', 'laplacian']
    """

    results: "Results"
    """All of the run: metrics, methods, tables, record."""

    report: Path
    """The report, an HTML file."""

    @property
    def rows(self) -> "pd.DataFrame":
        """One value per row: profile, method, case, patient, slice, metric, value."""
        return self.results.rows

    @property
    def failures(self) -> "pd.DataFrame":
        """What failed, with the message: method, case, message."""
        return self.results.failures

    @property
    def means(self) -> "pd.DataFrame":
        """Means over the cases, of each the mean of its slices: a method a row, a metric a column.

        For intervals and tests that account for within-patient correlation see the report.
        """
        by = ["method", "profile", "metric"]
        of_cases = self.rows.groupby([*by, "case"], observed=True)["value"].mean()
        table = of_cases.groupby(by, observed=True).mean().unstack(["profile", "metric"])
        names = [one.name for one in self.results.methods]
        return table.reindex([name for name in names if name in table.index])

    def __repr__(self) -> str:
        """One line: how many methods, cases and failures."""
        methods, cases = len(self.results.methods), self.rows["case"].nunique()
        counts = ((methods, "method"), (cases, "case"), (len(self.failures), "failure"))
        words = ", ".join(f"{count} {word}{'s' * (count != 1)}" for count, word in counts)
        return f"<Benchmark: {words}>"

    def _repr_html_(self) -> str:
        return self.means.to_html(float_format=lambda value: f"{value:.4g}")


def benchmark(
    settings: BenchmarkSettings | Path | str,
    output: Path | str,
    *,
    overwrite: bool = False,
    report: Report = None,
) -> Benchmark:
    """Compare fusion methods on many cases, with statistics and a report.

    The same call resumes a stopped benchmark.

    Parameters
    ----------
    settings
        Methods, cases, metric profiles; or the path of a TOML file with them.
    output
        A folder for fused images, tables and the report.
    overwrite
        Whether another benchmark in it may be replaced.
    report
        True shows progress, None in a notebook only, False nowhere; or a function that is called
        with the name of a stage and its completed fraction, 0 to 1, or None.

    Raises
    ------
    InputError
        For wrong settings, unknown cases or methods, or without the extra `benchmark`.
    OutputError
        For a folder with other files, in use by another run, or that cannot be written.

    Examples
    --------
    >>> import radfuse
    >>> settings = radfuse.BenchmarkSettings(
    ...     methods=("average", "laplacian"), phantoms=(1,), phantom_spacing_mm=4.0, slice_step=20
    ... )
    >>> found = radfuse.benchmark(settings, "comparison")
    >>> found.report.name, found.rows.columns.tolist()[:3]
    ('report.html', ['profile', 'method', 'case'])
    """
    with needs_extra("benchmark"):
        from radfuse.benchmark import benchmark as run  # noqa: PLC0415  # an extra
    if not isinstance(settings, BenchmarkSettings):
        settings = read_benchmark_settings(Path(settings))
    with reporting(report) as progress:
        found = run.benchmark(settings, Path(output), overwrite=overwrite, report=progress)
    return Benchmark(*found)
