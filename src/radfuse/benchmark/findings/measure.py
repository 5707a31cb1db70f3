"""Measure what methods keep of the findings inserted into cases; can be stopped and resumed.

The output folder contains
    findings.csv    one finding per line, as one method shows it
    guards.csv      specks, overshoot and flicker of each method on each case, without findings
    tiles/          parts of the images around the findings, METHOD/CASE.SEED.npz
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from radfuse.arrays import UInt8Array
from radfuse.benchmark.case import Case, Sources
from radfuse.benchmark.findings.base import Base, LoadMethod, base_of, levels
from radfuse.benchmark.findings.placement import Placed, Placement
from radfuse.benchmark.findings.results import (
    FINDING_COLUMNS,
    GUARD_COLUMNS,
    SOURCE_TILES,
    FindingsResults,
    tile_path,
)
from radfuse.benchmark.run.append_only_table import AppendOnlyTable
from radfuse.errors import InputError, OutputError
from radfuse.io.staging import staging
from radfuse.metrics.findings_kept import finding_kept, overshoot, specks, spill, verdict
from radfuse.metrics.slice_flicker import slice_flicker
from radfuse.phantom.findings import KINDS

Failed = Callable[[str, Exception], None]
"""Records the failure of a method."""


def check_kinds(kinds: tuple[str, ...]) -> tuple[str, ...]:
    """The kinds, each once, all where none is named; `InputError` for unknown ones."""
    if unknown := [name for name in kinds if name not in KINDS]:
        raise InputError(f"no kind of finding '{unknown[0]}'; there are {'; '.join(KINDS)}")
    return tuple(dict.fromkeys(kinds)) or tuple(KINDS)


class Waiting(NamedTuple):
    """What was not measured yet of a method on a case."""

    seeds: list[int]
    needs_guards: bool


@dataclass(frozen=True)
class FindingsRun:
    """Kinds and seeds of findings, the methods that fuse, and the output folder."""

    folder: Path
    kinds: tuple[str, ...]
    seeds: tuple[int, ...]
    methods: Mapping[str, LoadMethod]
    file: str = "findings.csv"

    @property
    def rows(self) -> AppendOnlyTable:
        """Findings; keys are method, case and seed."""
        return AppendOnlyTable(self.folder / self.file, FINDING_COLUMNS, 3)

    @property
    def guards(self) -> AppendOnlyTable:
        """Guards; keys are method and case."""
        return AppendOnlyTable(self.folder / "guards.csv", GUARD_COLUMNS, 2)

    def recover(self) -> None:
        """Remove what a crash may have truncated."""
        self.rows.recover()
        self.guards.recover()

    def waiting(self, cases: Iterable[str]) -> dict[str, dict[str, Waiting]]:
        """What was not measured yet, by case and method."""
        measured, guarded = self.rows.finished_keys(), self.guards.finished_keys()
        left: dict[str, dict[str, Waiting]] = {}
        for case, name in product(cases, self.methods):
            seeds = [seed for seed in self.seeds if (name, case, str(seed)) not in measured]
            one = Waiting(seeds, (name, case) not in guarded)
            if one.seeds or one.needs_guards:
                left.setdefault(case, {})[name] = one
        return left

    def measure(
        self, case: Case, sources: Sources, waiting: Mapping[str, Waiting], failed: Failed
    ) -> None:
        """Fuse a case without and with findings by the waiting methods, and append rows."""
        base = base_of(case.name, case.patient, sources)
        without: dict[str, UInt8Array] = {}
        for name, left in waiting.items():
            with _failures(name, failed):
                without[name] = base.fuse(self.methods[name], base.pair)
                if left.needs_guards:
                    self._guard(base, name, without[name])
        for seed in self.seeds:
            names = [name for name in without if seed in waiting[name].seeds]
            if names:
                placement = Placement.draw(base, self.kinds, seed)
                self._write_tiles(placement, SOURCE_TILES[0], placement.ct_tiles())
                self._write_tiles(
                    placement, SOURCE_TILES[1], placement.tiles(levels(placement.pair.mr))
                )
            for name in names:
                with _failures(name, failed):
                    self._measure(placement, name, without[name])

    def collect(self, cases: list[str]) -> FindingsResults:
        """The results of these cases."""
        rows, guards = self.rows.read(), self.guards.read()
        rows = rows[rows["seed"].isin(self.seeds) & rows["kind"].isin(self.kinds)]
        rows, guards = (
            table[table["method"].isin(self.methods) & table["case"].isin(cases)]
            for table in (rows, guards)
        )
        return FindingsResults(
            rows, guards, tuple(self.methods), self.kinds, self.seeds, self.folder
        )

    def _guard(self, base: Base, name: str, fused: UInt8Array) -> None:
        ct, mr = levels(base.window.scale(base.pair.hu)), levels(base.pair.mr)
        displays = [levels(window.scale(base.pair.hu)) for window in base.displays]
        brain = base.sites.brain
        flicker = slice_flicker(fused, ct, mr) if len(fused) > 1 else None
        over = overshoot(fused, (ct, mr, *displays), brain)
        values = (specks(fused, displays[0], mr, brain), over, flicker)
        self.guards.append([(name, base.name, base.patient, *values)])

    def _measure(self, placement: Placement, name: str, without: UInt8Array) -> None:
        base = placement.base
        fused = base.fuse(self.methods[name], placement.pair)
        self._write_tiles(placement, name, placement.tiles(fused))
        key = (name, base.name, placement.seed, base.patient)
        self.rows.append(
            (*key, one.finding.kind, *_values(fused[one.box], without[one.box], one))
            for one in placement.placed
        )

    def _write_tiles(self, placement: Placement, column: str, tiles: dict[str, UInt8Array]) -> None:
        path = tile_path(self.folder, column, placement.base.name, placement.seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        with staging(path.parent) as stage:
            np.savez_compressed(stage.path_of(path), **tiles)  # type: ignore[arg-type]


def _values(fused: UInt8Array, without: UInt8Array, placed: Placed) -> tuple[Any, ...]:
    """The last columns of a row: images of a box, with and without the finding."""
    found, source = placed.shown(fused, without), placed.reference
    return (
        str(verdict(found, source)),
        finding_kept(found, source),
        found.contrast,
        source.contrast,
        spill(fused, without, placed.finding.near),
    )


@contextmanager
def _failures(name: str, failed: Failed) -> Iterator[None]:
    """Record the failure of a method and continue."""
    try:
        yield
    except OutputError:
        raise
    except Exception as error:  # external graphs raise any exception
        failed(name, error)
