"""The dictionaries that are shipped: as recorded, and of unit atoms."""

import json
import tomllib

import numpy as np
import pytest

from radfuse.methods.sparse_coding.dictionaries import LEARNED, shipped_dictionary
from radfuse.record import digest
from radfuse.settings import SHIPPED

SETTINGS = tomllib.loads((SHIPPED / "dictionaries.toml").read_text())["dictionaries"]
FACTS = json.loads((LEARNED / "dictionaries.json").read_text())

each_name = pytest.mark.parametrize("name", SETTINGS)


def test_files_are_those_of_the_settings() -> None:
    assert {path.stem for path in LEARNED.glob("*.npz")} == SETTINGS.keys() == FACTS.keys()


@each_name
def test_file_is_the_one_that_was_recorded(name: str) -> None:
    assert FACTS[name]["sha256"] == digest([LEARNED / f"{name}.npz"])
    assert FACTS[name]["settings"] == SETTINGS[name]
    assert FACTS[name]["shape"] == list(shipped_dictionary(name).shape)
    assert FACTS[name]["licence"] == "Apache-2.0"


@each_name
def test_atoms_have_unit_length_and_differ(name: str) -> None:
    atoms = shipped_dictionary(name).reshape(len(shipped_dictionary(name)), -1)
    np.testing.assert_allclose((atoms**2).sum(axis=1), 1, rtol=1e-12)
    gram = np.abs(atoms @ atoms.T - np.eye(len(atoms)))
    assert gram.max() < 0.999


@each_name
def test_dictionary_cannot_be_changed(name: str) -> None:
    with pytest.raises(ValueError, match="read-only"):
        shipped_dictionary(name)[0] = 0


def test_sparse_atoms_span_patches_without_their_means() -> None:
    atoms = shipped_dictionary("sparse").reshape(-1, 64)
    np.testing.assert_allclose(atoms.sum(axis=1), 0, atol=1e-5)
    assert np.linalg.matrix_rank(atoms, tol=1e-3) == 63
