"""Matching pursuit of many signals: its laws, and a plain loop that does the same."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radfuse.methods.sparse_coding.matching_pursuit import (
    encode,
    most_correlated,
    norms_and_residuals,
)


def random_atoms(count: int, samples: int, seed: int = 0) -> np.ndarray:
    atoms = np.random.default_rng(seed).normal(size=(count, samples))
    return atoms / np.linalg.norm(atoms, axis=1, keepdims=True)


def random_signals(count: int, samples: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 30, (count, samples))


def plain_pursuit(signal: np.ndarray, atoms: np.ndarray, epsilon: float) -> np.ndarray:
    """One signal, projected anew in each step."""
    code, residual, chosen = np.zeros(len(atoms)), signal, []
    while np.linalg.norm(residual) > epsilon:
        chosen.append(int(np.abs(atoms @ residual).argmax()))
        values = np.linalg.lstsq(atoms[chosen].T, signal)[0]
        residual = signal - values @ atoms[chosen]
        code[chosen] = values
    return code


@pytest.mark.parametrize(("count", "samples"), [(40, 12), (24, 16), (9, 9)])
@pytest.mark.parametrize("epsilon", [0.1, 20.0, 60.0])
def test_codes_are_those_of_a_plain_loop(count: int, samples: int, epsilon: float) -> None:
    atoms, signals = random_atoms(count, samples), random_signals(70, samples)
    expected = [plain_pursuit(signal, atoms, epsilon) for signal in signals]
    np.testing.assert_allclose(encode(signals, atoms, epsilon), expected, atol=1e-7)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 130), st.integers(2, 20), st.floats(0.01, 100), st.integers(0, 2**32))
def test_residuals_are_short_and_orthogonal_to_their_atoms(
    count: int, samples: int, epsilon: float, seed: int
) -> None:
    atoms, signals = random_atoms(3 * samples, samples, seed), random_signals(count, samples, seed)
    codes = encode(signals, atoms, epsilon)
    residuals = signals - codes @ atoms
    assert np.linalg.norm(residuals, axis=1).max() <= epsilon * (1 + 1e-9)
    correlations = np.where(codes, residuals @ atoms.T, 0)
    np.testing.assert_allclose(correlations, 0, atol=1e-6 * np.abs(signals).max())


def test_a_signal_within_epsilon_has_an_empty_code() -> None:
    atoms = random_atoms(8, 4)
    signals = np.array([[0.0, 0, 0, 0], [0.5, 0, 0, 0], [0.51, 0, 0, 0]])
    assert (encode(signals, atoms, 0.5) != 0).any(axis=1).tolist() == [False, False, True]


def test_a_multiple_of_an_atom_is_coded_by_it_alone() -> None:
    atoms = random_atoms(50, 16)
    np.testing.assert_allclose(encode(-7 * atoms, atoms, 0.01), -7 * np.eye(50), atol=1e-12)


def test_signals_outside_the_span_keep_an_orthogonal_rest() -> None:
    atoms = random_atoms(3, 10)
    signals = random_signals(5, 10)
    residuals = signals - encode(signals, atoms, 0.1) @ atoms
    assert (np.linalg.norm(residuals, axis=1) > 0.1).all()
    np.testing.assert_allclose(residuals @ atoms.T, 0, atol=1e-9)


def test_codes_do_not_depend_on_other_signals() -> None:
    atoms, signals = random_atoms(30, 9), random_signals(150, 9)
    together = encode(signals, atoms, 5.0)
    alone = np.concatenate([encode(signal[None], atoms, 5.0) for signal in signals])
    np.testing.assert_allclose(together, alone, atol=1e-9)


def test_no_signals_have_no_codes() -> None:
    assert encode(np.zeros((0, 9)), random_atoms(12, 9), 0.1).shape == (0, 12)


@pytest.mark.parametrize("epsilon", [0.1, 20.0])
def test_norms_and_residuals_are_those_of_the_codes(epsilon: float) -> None:
    atoms, signals = random_atoms(40, 12), random_signals(70, 12)
    signals[::7] = 0.01
    codes = encode(signals, atoms, epsilon)
    norms, residuals = norms_and_residuals(signals, atoms, epsilon)
    np.testing.assert_allclose(norms, np.abs(codes).sum(axis=1), rtol=1e-12)
    np.testing.assert_allclose(residuals, signals - codes @ atoms, atol=1e-9)


def test_atoms_equal_in_single_precision_are_distinguished() -> None:
    atoms = random_atoms(20, 16)
    near = atoms + 1e-5 * random_atoms(20, 16, seed=2)
    near /= np.linalg.norm(near, axis=1, keepdims=True)
    every = np.concatenate([atoms, near])
    lengths = np.full(40, 30.0)
    best, largest = most_correlated(30 * every, lengths, every, every.astype(np.float32))
    assert best.tolist() == list(range(40))
    np.testing.assert_allclose(largest, 30, rtol=1e-12)
