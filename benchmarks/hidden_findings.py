"""Measure which kinds of findings each method of the catalogue keeps, for its line in the program.

    python benchmarks/hidden_findings.py [--all] [--folder FOLDER]

Inserts findings into synthetic phantoms with seeds for reports, fuses them by the methods whose
images changed since, or by all, and writes `src/radfuse/methods/findings_kept.json`. FOLDER keeps
the experiment, so that it can be resumed; it must be of the same version of the methods.
`make docs` then writes `docs/methods.md`.
"""

import argparse
import json
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from radfuse.arrays import Float32Array
from radfuse.benchmark.experiments.findings_run import FindingsExperiment, run_findings
from radfuse.intensity import window_named
from radfuse.methods import hidden_findings
from radfuse.methods.catalogue import METHODS
from radfuse.methods.head import ArrayHead
from radfuse.methods.hidden_findings import TABLE, measured_table
from radfuse.methods.loading import load_method
from radfuse.metrics.findings_kept import Verdict
from radfuse.pipeline.volume import fuse_head, whole
from radfuse.recipe import DEFAULT_WINDOW
from radfuse.record import digest

PATIENTS, PLACEMENTS, SPACING_MM = 3, 2, 2.0
"""Phantoms, findings of each kind in each, pixel spacing of the CT."""

PATH = Path(hidden_findings.__file__).parent / TABLE
"""The table in the package."""

TOO_SLOW = frozenset(
    ("nsct_sparse", "two_scale_sparse", "sparse_neighbour_energy", "asr", "csr", "csmca")
)
"""Methods that need a quarter of an hour to hours for the table: not measured."""

PROBE_SHAPE, PROBE_MM = (12, 48, 48), 2.0
"""Size and spacing of the head that tells whether a rule changed."""

PROBE_FINDINGS = {24: (70.0, 0.5), 32: (250.0, 0.5), 16: (300.0, 0.05), 38: (-900.0, 0.5)}
"""CT number and MR signal of its findings, by column."""


def fingerprint(name: str) -> list[float] | str:
    """Changes when the images of a method change: the SHA-256 of a graph, grey levels of a rule."""
    weights = METHODS[name].weights
    if weights:
        return digest([weights])
    hu, mr, regions = _probe()
    window = window_named(DEFAULT_WINDOW)
    method = load_method(name, window=window)
    head = ArrayHead(hu, mr, (PROBE_MM, PROBE_MM, PROBE_MM))
    fused = 255 * whole(fuse_head(method, head, window))
    return [round(float(fused[regions == one].mean()), 1) for one in np.unique(regions)]


def _probe() -> tuple[Float32Array, Float32Array, Float32Array]:
    """CT in HU and MR of a small head with a skull and findings, and numbers of its regions."""
    z, y, x = np.ogrid[tuple(slice(size) for size in PROBE_SHAPE)]
    radius = np.hypot(y - 23.5, x - 23.5) + 0 * z
    noise = np.random.default_rng(0).normal(0, 1, (2, *PROBE_SHAPE))
    regions = np.select([radius < 18, radius < 20, radius < 22], [1.0, 2.0, 3.0])
    hu = np.select([regions == 1, regions == 2, regions == 3], [32.0, 900.0, 40.0], -1000.0)
    mr = np.select([regions == 1, regions == 2, regions == 3], [0.5, 0.1, 0.8], 0.0)
    for number, (column, (value, signal)) in enumerate(PROBE_FINDINGS.items()):
        ball = (z - 6) ** 2 + (y - 24) ** 2 + (x - column) ** 2 <= 2**2
        hu[ball], mr[ball], regions[ball] = value, signal, 4 + number
    hu, mr = hu + 4 * noise[0], np.clip(mr + 0.01 * noise[1], 0, 1)
    return hu.astype(np.float32), mr.astype(np.float32), regions.astype(np.float32)


def is_stale(name: str) -> bool:
    """Whether the images of a method changed since it was measured, or it was not measured."""
    stored = measured_table()["methods"].get(name, {}).get("fingerprint")
    now = fingerprint(name)
    if isinstance(now, str) or not isinstance(stored, list):
        return bool(now != stored)
    return not np.allclose(now, stored, rtol=0, atol=0.5)


def experiment_of(folder: Path, names: list[str]) -> FindingsExperiment:
    """The experiment that the table is made from."""
    return FindingsExperiment(folder, PATIENTS, names, placements=PLACEMENTS, spacing_mm=SPACING_MM)


def counts_of(rows: pd.DataFrame) -> dict[str, list[int]]:
    """Numbers of findings of one method by kind: kept, inverted, all."""
    return {
        str(kind): [
            int((found == Verdict.KEPT).sum()), int((found == Verdict.INVERTED).sum()), len(found)
        ]
        for kind, found in rows.groupby("kind", sort=False)["verdict"]
    }  # fmt: skip


def measure(folder: Path, names: list[str]) -> dict[str, Any]:
    """What the named methods keep, by name."""
    experiment = experiment_of(folder, names)
    outcome = run_findings(
        experiment, overwrite=False, report=lambda stage, share: print(stage, share, flush=True)
    )
    if len(outcome.failures):
        raise SystemExit(outcome.failures.to_string())
    rows = outcome.findings.rows
    return {
        name: {"version": version("radfuse"), "fingerprint": fingerprint(name),
               "kinds": counts_of(rows[rows["method"] == name])}
        for name in names
    }  # fmt: skip


def main() -> None:
    """Measure stale methods and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    measurable = [name for name in METHODS if name not in TOO_SLOW]
    names = [name for name in measurable if arguments.all or is_stale(name)]
    measured = dict(measured_table()["methods"])
    with TemporaryDirectory() as temporary:
        if names:
            measured |= measure(arguments.folder or Path(temporary) / "findings", names)
    experiment = experiment_of(Path(), [])
    table = {
        "command": "python benchmarks/hidden_findings.py",
        "phantoms": list(experiment.seeds),
        "placements": list(experiment.placement_seeds),
        "spacing_mm": SPACING_MM,
        "window": DEFAULT_WINDOW,
        "counts": "kept, inverted, inserted",
        "methods": {name: measured[name] for name in measurable},
    }
    PATH.write_text(_lines(table), encoding="utf-8")
    print(f"{PATH}: measured {', '.join(names) or 'nothing, all are up to date'}")


def _lines(table: dict[str, Any]) -> str:
    """JSON with a kind per line."""
    head = {key: value for key, value in table.items() if key != "methods"}
    lines = [f" {json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
    methods = []
    for name, facts in table["methods"].items():
        kinds = ",\n".join(
            f"    {json.dumps(kind)}: {json.dumps(counts)}"
            for kind, counts in facts["kinds"].items()
        )
        marks = ", ".join(f"{json.dumps(key)}: {json.dumps(facts[key])}"
                          for key in ("version", "fingerprint"))  # fmt: skip
        methods.append(f'  {json.dumps(name)}: {{{marks}, "kinds": {{\n{kinds}}}}}')
    return "\n".join(["{", *lines, ' "methods": {', ",\n".join(methods), " }", "}"]) + "\n"


if __name__ == "__main__":
    main()
