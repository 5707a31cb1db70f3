"""Hurt files of every kind, for some seconds; benchmarks/fuzz_dicom.py does it for longer."""

import resource
import time
from pathlib import Path

import numpy as np
import pytest

import fuzz_kit
from fuzz_kit import Seed, mutated, outcome

ROUNDS = 25
"""Hurt files of each kind."""

MEMORY_GROWTH_KIB = 1 << 18
"""Of this process, over all rounds of a kind."""


@pytest.mark.parametrize("seed", fuzz_kit.seeds(), ids=lambda seed: seed.name)
def test_a_whole_file_is_read(tmp_path: Path, seed: Seed) -> None:
    assert outcome(seed, seed.files[seed.victim], tmp_path / "in") == "read"


@pytest.mark.parametrize("seed", fuzz_kit.seeds(), ids=lambda seed: seed.name)
def test_a_hurt_file_is_refused_or_read_right(tmp_path: Path, seed: Seed) -> None:
    rng = np.random.default_rng([*seed.name.encode()])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, blobs = time.process_time(), set()
    for _ in range(ROUNDS):
        blob = mutated(seed, seed.files[seed.victim], rng)
        blobs.add(blob)
        (tmp_path / "hurt").write_bytes(blob)  # what a test that fails leaves to look at
        outcome(seed, blob, tmp_path / "in")
    assert len(blobs) > ROUNDS / 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEMORY_GROWTH_KIB
    assert time.process_time() - start < ROUNDS
