"""Calibrate the registration QA: its verdict on pairs whose true pose is known.

    python benchmarks/calibration.py run ROWS.csv [--half testing] [--part 1/2] [--poses OLD.csv]
    python benchmarks/calibration.py report ROWS.csv [MORE.csv]

`run` appends a row for each case and skips those in the file, so it can be stopped and continued;
`--part 1/2` and `--part 2/2` divide the cases between two processes; `--poses` takes the poses of
an earlier file instead of searching, to judge them by other rules.
`report` prints the tables of docs/registration.md. `--data FOLDER` names the folder of the public
data sets; without it the cases of the VHF are skipped with a line.
"""

import argparse
import csv
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from calibration_anatomy import direction_of
from calibration_cases import Case, cases
from calibration_pairs import DATA, Pair, brain_errors
from radfuse.errors import RadfuseError
from radfuse.registration.optimizer import itk_threads
from radfuse.registration.qa.assessment import assess
from radfuse.registration.search import register
from radfuse.registration.transforms import matrix_of, rigid_from_matrix

COLUMNS = (
    "name", "kind", "source", "half", "mean_mm", "worst_mm", "grade", "error_mm", "low_mm",
    "high_mm",
    "displacement_mm", "dilution", "bone_fraction", "mirror_fit", "not_judged", "seconds", "pose",
    "stretch_mm", "worst_region", "warp_located",
)  # fmt: skip
"""One row a case; the pose is the matrix from CT to MR, row by row. `warp_located`: of a local warp
that is judged, whether the region with the largest residual is the warped one or next to it."""

NEXT_DEG = 61.0
"""Angle between the middles of neighbouring regions of the skull, at most."""

FALSE_ACCEPTANCE_MM, GOOD_MM = 2.0, 1.0
"""Mean error above which an accepted registration is a false acceptance, and below which a refusal
is a false alarm."""

Row = dict[str, str]


def judged(case: Case, pair: Pair, poses: dict[str, str]) -> Row:
    """Register and assess one case."""
    began = time.perf_counter()
    pose = pair.pose
    if pose is None and case.name in poses:
        matrix = np.array(poses[case.name].split(), np.float64).reshape(4, 4)
        pose = rigid_from_matrix(matrix, name=case.name)
    row = {"name": case.name, "kind": case.kind, "source": case.source, "half": case.half}
    try:
        if pose is None:
            found = register(pair.ct, pair.mr, deterministic=True)
            pose, quality = found.mr_from_ct, found.quality
        else:
            with itk_threads(single=True):
                quality = assess(pair.ct, pair.mr, pose)
    except RadfuseError as error:
        return row | {"grade": "refuse", "not_judged": str(error)}
    mean_mm, worst_mm = brain_errors(pair, pose)
    values: dict[str, float | str] = {
        "mean_mm": mean_mm,
        "worst_mm": worst_mm,
        "seconds": time.perf_counter() - began,
    }
    values |= {key: value for key, value in quality.as_dict().items() if key in COLUMNS}
    if pair.warped_region and quality.worst_region:
        values["warp_located"] = are_close(pair.warped_region, quality.worst_region)
    texts = {key: v if isinstance(v, str) else f"{v:.4f}" for key, v in values.items()}
    return row | texts | {"pose": " ".join(f"{v:.9g}" for v in matrix_of(pose).ravel())}


def are_close(one: str, other: str) -> str:
    """Whether two regions of the skull are the same or neighbours: `yes` or `no`."""
    cosine = float(direction_of(one) @ direction_of(other))
    return "yes" if cosine > np.cos(np.radians(NEXT_DEG)) else "no"


def read(path: Path | None) -> list[Row]:
    """Rows of a file; none where it does not exist."""
    if path is None or not path.exists():
        return []
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def run(options: argparse.Namespace) -> None:
    """Append a row for each case that the file does not have."""
    file, (part, parts) = options.rows[0], options.part
    done = {row["name"] for row in read(file)}
    poses = {row["name"]: row["pose"] for row in read(options.poses) if row["pose"]}
    for case in cases(options.data)[part - 1 :: parts]:
        if case.name in done or options.half not in (None, case.half):
            continue
        try:
            pair = case.make()
        except FileNotFoundError as missing:
            print(f"skipped {case.name}: {missing} is missing; name the data's folder with --data")
            continue
        row = judged(case, pair, poses)
        is_new = not file.exists()
        with file.open("a", newline="") as stream:
            writer = csv.DictWriter(stream, COLUMNS, restval="")
            if is_new:
                writer.writeheader()
            writer.writerow(row)
        print(case.name, row["grade"], flush=True)


def number(row: Row, column: str) -> float:
    """A number of a row; NaN where it has none."""
    return float(row[column] or "nan")


def false_acceptance(row: Row) -> bool:
    """Whether a pose is accepted that is off, of another head, or of a mirrored one."""
    return row["grade"] != "refuse" and not number(row, "mean_mm") <= FALSE_ACCEPTANCE_MM


def false_alarm(row: Row) -> bool:
    """Whether a pose is refused that is right."""
    return row["grade"] == "refuse" and number(row, "mean_mm") < GOOD_MM


FAULTS = {"false acceptance": false_acceptance, "false alarm": false_alarm}


def is_known(row: Row) -> bool:
    """Whether a verdict has an estimate, and the case a truth."""
    return not row["not_judged"] and bool(np.isfinite(number(row, "worst_mm")))


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Print a table in Markdown."""
    lines = [list(head), ["---"] * len(list(head)), *rows]
    print("\n".join(f"| {' | '.join(map(str, line))} |" for line in lines), end="\n\n")


def summary(rows: list[Row]) -> list[object]:
    """Counts of a set of rows, the cells of `SUMMARY`."""
    errors = [e for row in rows if np.isfinite(e := number(row, "mean_mm"))]
    grades = [row["grade"] for row in rows]
    return [
        len(rows),
        f"{np.median(errors):.2f} / {max(errors):.1f}" if errors else "wrong",
        *(grades.count(grade) for grade in ("pass", "inspect", "refuse")),
        sum(bool(row["not_judged"]) for row in rows),
        sum(map(false_acceptance, rows)),
        sum(map(false_alarm, rows)),
    ]


SUMMARY = ("cases", "median / largest mean error, mm", "pass", "inspect", "refuse", "not judged",
           "false acceptance", "false alarm")  # fmt: skip


def report(options: argparse.Namespace) -> None:
    """Print the figures of either half, by kind, and every false acceptance and false alarm."""
    rows = [row for file in options.rows for row in read(file)]
    for half in ("calibration", "testing"):
        part = [row for row in rows if row["half"] == half]
        print(f"#### The {half} half\n")
        kinds = dict.fromkeys(row["kind"] for row in part)
        of_kind = [[kind, *summary([row for row in part if row["kind"] == kind])] for kind in kinds]
        table(("kind", *SUMMARY), [*of_kind, ["all", *summary(part)]])
        figures(part)
    table(
        ("half", "case", "mean error", "grade", "estimated error and interval, mm", "fault"),
        [
            [row["half"], row["name"], row["mean_mm"], row["grade"],
             f"{row['error_mm']} ({row['low_mm']} to {row['high_mm']})", fault]
            for fault, holds in FAULTS.items()
            for row in rows if holds(row)
        ],
    )  # fmt: skip


def figures(rows: list[Row]) -> None:
    """Print the shares that QA promises, and how well it estimates."""
    known = [row for row in rows if is_known(row)]
    accepted = [row for row in rows if row["grade"] != "refuse"]
    passed = [row for row in rows if row["grade"] == "pass"]
    good = [row for row in rows if number(row, "mean_mm") < GOOD_MM]
    judgeable = [row for row in good if not row["not_judged"]]
    held = [
        number(row, "low_mm") <= number(row, "worst_mm") <= number(row, "high_mm") for row in known
    ]
    estimated, true = (
        np.array([number(row, column) for row in known]) for column in ("error_mm", "worst_mm")
    )
    located = [answer for row in rows if (answer := row.get("warp_located"))]
    over = sum(number(row, "mean_mm") > GOOD_MM for row in passed)
    table(
        ("what", "measured"),
        [
            ["false acceptance, of accepted",
             f"{sum(map(false_acceptance, rows))} of {len(accepted)}"],
            ["passed with a mean error above 1 mm", f"{over} of {len(passed)}"],
            ["false alarm, of good", f"{sum(map(false_alarm, rows))} of {len(good)}"],
            ["the same, of good and judged",
             f"{sum(map(false_alarm, judgeable))} of {len(judgeable)}"],
            ["90 % interval holds the worst error", f"{sum(held)} of {len(held)}"],
            ["local warp of 4 mm located, of judged",
             f"{located.count('yes')} of {len(located)}"],
            ["Spearman, estimated and worst error", f"{spearmanr(estimated, true).statistic:.2f}"],
        ],
    )  # fmt: skip


def part(text: str) -> tuple[int, int]:
    """Which of how many parts, as `1/2`."""
    which, parts = map(int, text.split("/"))
    if not 1 <= which <= parts:
        raise ValueError(text)
    return which, parts


def case_options() -> argparse.ArgumentParser:
    """The command and the options that select cases."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("command", choices=("run", "report"))
    parser.add_argument("--half", choices=("calibration", "testing"))
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the data sets")
    return parser


def main() -> int:
    """Run the cases, or report them."""
    description = str(__doc__).splitlines()[0]
    parser = argparse.ArgumentParser(description=description, parents=[case_options()])
    parser.add_argument("rows", type=Path, nargs="+", help="files with one row a case, CSV")
    parser.add_argument("--part", type=part, default=(1, 1), help="which of how many parts: 1/2")
    parser.add_argument("--poses", type=Path, help="rows whose poses are judged")
    options = parser.parse_args()
    {"run": run, "report": report}[options.command](options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
