"""Images to try radfuse with."""

from pathlib import Path

import numpy as np
import pytest

from radfuse import datasets, read
from radfuse.errors import InputError, OutputError


def test_a_seed_gives_the_same_head() -> None:
    first, again, other = (datasets.phantom(seed, spacing_mm=6.0) for seed in (3, 3, 4))
    assert np.array_equal(first.ct.array, again.ct.array)
    assert first.ct.array.shape == other.ct.array.shape
    assert not np.array_equal(first.ct.array, other.ct.array)


def test_dicom_has_the_values_of_the_phantom(tmp_path: Path) -> None:
    head = datasets.phantom(3, spacing_mm=6.0)
    folders = datasets.phantom_dicom(str(tmp_path), 3, spacing_mm=6.0)
    for folder, series in zip(folders, (head.ct, head.mr), strict=True):
        stored = read(folder, series.modality)
        assert np.abs(stored.array - series.array).max() <= 1.0
    with pytest.raises(OutputError):
        datasets.phantom_dicom(tmp_path, 3, spacing_mm=6.0)


def test_a_spacing_outside_the_limits_is_refused() -> None:
    for function in (datasets.phantom, datasets.phantom_pet, datasets.phantom_spect):
        with pytest.raises(InputError, match="spacing"):
            function(spacing_mm=20.0)


@pytest.mark.slow
def test_uptake_is_that_of_the_head() -> None:
    for function, code in ((datasets.phantom_pet, "PT"), (datasets.phantom_spect, "NM")):
        first, other = (function(seed, spacing_mm=6.0) for seed in (3, 4))
        assert str(first.modality) == code
        assert not np.array_equal(first.array, other.array)
