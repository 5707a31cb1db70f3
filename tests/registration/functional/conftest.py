"""PET and SPECT of the phantom of the other tests."""

import pytest

from radfuse.phantom.head import DEFAULT_SEED, draw_layers
from radfuse.phantom.uptake import FDG, HMPAO, FunctionalScan, scan_uptake


@pytest.fixture(scope="session")
def scans() -> dict[str, FunctionalScan]:
    """By the code of the modality."""
    layers = draw_layers(DEFAULT_SEED, spacing_mm=3.0)
    return {
        tracer.modality.code: scan_uptake(layers, tracer, DEFAULT_SEED) for tracer in (FDG, HMPAO)
    }
