"""Corrupted files of every format, for some seconds; benchmarks/fuzz_dicom.py runs longer."""

import resource
import time
from pathlib import Path

import numpy as np
import pytest

import fuzz_kit
from fuzz_kit import Seed, mutated, outcome

ROUNDS = [10, pytest.param(25, marks=pytest.mark.slow)]
"""Corrupted files of each format."""

MEMORY_GROWTH_KIB = 1 << 18
"""Of this process, over all rounds of a kind."""


@pytest.mark.parametrize("seed", fuzz_kit.seeds(), ids=lambda seed: seed.name)
def test_unmodified_file_is_read(tmp_path: Path, seed: Seed) -> None:
    assert outcome(seed, seed.files[seed.target], tmp_path / "in") == "read"


@pytest.mark.parametrize("seed", fuzz_kit.seeds(), ids=lambda seed: seed.name)
@pytest.mark.parametrize("rounds", ROUNDS)
def test_corrupted_file_is_refused_or_read_correctly(
    tmp_path: Path, seed: Seed, rounds: int
) -> None:
    rng = np.random.default_rng([*seed.name.encode()])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, blobs = time.process_time(), set()
    for _ in range(rounds):
        blob = mutated(seed, seed.files[seed.target], rng)
        blobs.add(blob)
        (tmp_path / "corrupted").write_bytes(blob)  # for the inspection of a failure
        outcome(seed, blob, tmp_path / "in")
    assert len(blobs) > rounds / 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEMORY_GROWTH_KIB
    assert time.process_time() - start < rounds
