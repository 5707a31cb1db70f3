"""Convolutional codes: optimal, periodic, and those of a plain dictionary of shifts."""

from dataclasses import replace

import numpy as np
import pytest

from radfuse.methods.sparse_coding.convolutional import Solver, encode, synthesized

SOLVER = Solver(weight=0.05, penalty=1.0, steps=300, adaptive=False, tolerance=0.0)
RNG = np.random.default_rng(2)


def random_filters(count: int = 5, size: int = 4, seed: int = 0) -> np.ndarray:
    filters = np.random.default_rng(seed).normal(size=(count, size, size)).astype(np.float32)
    return filters / np.linalg.norm(filters, axis=(1, 2), keepdims=True)


def random_image(rows: int = 13, columns: int = 16, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.3, (rows, columns)).astype(np.float32)


def shifts_of(filters: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Every filter at every position: (filters, rows, columns, *shape)."""
    padded = np.zeros((len(filters), *shape))
    padded[:, : filters.shape[1], : filters.shape[2]] = filters
    return np.stack(
        [
            np.stack([np.roll(padded, (r, c), (1, 2)) for c in range(shape[1])], axis=1)
            for r in range(shape[0])
        ],
        axis=1,
    )


def test_synthesis_is_a_sum_of_shifted_filters() -> None:
    filters, code = random_filters(), RNG.normal(size=(5, 9, 12)).astype(np.float32)
    expected = np.einsum("krc,krcij->ij", code, shifts_of(filters, (9, 12)))
    np.testing.assert_allclose(synthesized(code, filters), expected, atol=1e-4)


@pytest.mark.parametrize("shape", [(13, 16), (8, 5)])
def test_codes_are_optimal(shape: tuple[int, int]) -> None:
    """The correlations with the residual are the weight's subgradient of the L1 norm."""
    filters, image = random_filters(), random_image(*shape)
    code = encode(image, filters, SOLVER)
    residual = image - synthesized(code, filters)
    correlations = np.einsum("ij,krcij->krc", residual, shifts_of(filters, shape))
    assert np.abs(correlations).max() <= SOLVER.weight * 1.01
    has = code != 0
    assert 0 < has.mean() < 0.5
    expected = SOLVER.weight * np.sign(code[has])
    np.testing.assert_allclose(correlations[has], expected, atol=0.01 * SOLVER.weight)


def cost(code: np.ndarray, filters: np.ndarray, image: np.ndarray) -> float:
    rest = image - synthesized(code, filters)
    return float((rest**2).sum() / 2 + SOLVER.weight * np.abs(code).sum())


def test_penalty_that_adapts_is_as_good_from_a_bad_start() -> None:
    filters, image = random_filters(), random_image()
    bad = replace(SOLVER, penalty=500.0, steps=100)
    adapted = encode(image, filters, replace(bad, adaptive=True, tolerance=1e-4))
    best = cost(encode(image, filters, SOLVER), filters, image)
    assert cost(adapted, filters, image) < 1.02 * best
    assert cost(encode(image, filters, bad), filters, image) > 1.1 * best


def test_a_larger_weight_leaves_fewer_coefficients() -> None:
    filters, image = random_filters(), random_image()
    counts = [
        np.count_nonzero(encode(image, filters, replace(SOLVER, weight=weight)))
        for weight in (0.01, 0.1, 0.3)
    ]
    assert counts == sorted(counts, reverse=True)


@pytest.mark.parametrize("weight", [1e-6, 10.0])
def test_an_image_that_no_filter_explains_has_an_empty_code(weight: float) -> None:
    image = np.zeros((8, 8), np.float32) if weight < 1 else random_image()
    code = encode(image, random_filters(), replace(SOLVER, weight=weight))
    assert code.shape == (5, *image.shape)
    assert not code.any()


def test_codes_of_a_shifted_image_are_shifted() -> None:
    filters, image = random_filters(), random_image()
    shifted = np.roll(image, (3, 5), (0, 1))
    expected = np.roll(encode(image, filters, SOLVER), (3, 5), (1, 2))
    np.testing.assert_allclose(encode(shifted, filters, SOLVER), expected, atol=2e-4)


def test_no_more_steps_are_taken_than_allowed() -> None:
    filters, image = random_filters(), random_image()
    few = [encode(image, filters, replace(SOLVER, steps=steps)) for steps in (3, 4)]
    assert np.abs(few[0] - few[1]).max() > 1e-4
    loose = encode(image, filters, replace(SOLVER, tolerance=1e9))
    one = encode(image, filters, replace(SOLVER, steps=1))
    np.testing.assert_array_equal(loose, one)
