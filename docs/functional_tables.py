"""Write the tables of methods into functional.md, from the reports on PET-MR and SPECT-MR pairs.

A test fails when they are stale.
"""

import csv
from pathlib import Path

DOCS = Path(__file__).parent
DOCUMENT = DOCS / "functional.md"

SETS = {"PET": "harvard-pet", "SPECT": "harvard-spect"}
"""Folders of the reports."""

FIRST, LAST = "<!-- from the reports: python docs/functional_tables.py -->", "<!-- end -->"
"""The tables are between these lines."""

COLUMNS = (
    ("colour1", "correlation", 3), ("colour1", "error", 3), ("colour1", "CIEDE2000", 1),
    ("colour1", "MR edges", 2), ("mfinet2024-y", "MI", 3), ("mfinet2024-y", "SF", 2),
    ("mfinet2024-y", "VIF", 3), ("mfinet2024-y", "Qabf", 3),
)  # fmt: skip
"""Profile, metric, decimals."""

CONTROLS = ("copy_functional", "copy_mr")
"""First lines of a table."""

DEFAULT = "uptake_over_mr"


def means_of(folder: str) -> dict[str, dict[tuple[str, str], float]]:
    """Means by method, profile and metric."""
    means: dict[str, dict[tuple[str, str], float]] = {}
    with (DOCS / "benchmarks" / folder / "tables/summary.csv").open(newline="") as stream:
        for row in csv.DictReader(stream):
            of_method = means.setdefault(row["method"], {})
            of_method[row["profile"], row["metric"]] = float(row["mean"])
    return means


def table(name: str, folder: str) -> str:
    """The methods of a report: copies, the default, then by the error of uptake."""
    means = means_of(folder)
    others = sorted(means.keys() - {*CONTROLS, DEFAULT}, key=lambda one: means[one][COLUMNS[1][:2]])
    lines = [
        f"| {name} | {' | '.join(metric for _, metric, _ in COLUMNS)} |",
        f"|---|{'--:|' * len(COLUMNS)}",
    ]
    for method in (*CONTROLS, DEFAULT, *others):
        cells = (f"{means[method][kind, one]:.{digits}f}" for kind, one, digits in COLUMNS)
        lines.append(f"| `{method}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def document() -> str:
    """The document with the tables of the reports."""
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(FIRST)
    tables = "\n\n".join(table(name, folder) for name, folder in SETS.items())
    return f"{before}{FIRST}\n\n{tables}\n\n{LAST}{rest.partition(LAST)[2]}"


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
