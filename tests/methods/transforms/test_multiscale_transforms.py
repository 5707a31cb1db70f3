"""Transforms take images of any size apart and put them together; coefficients are the author's."""

from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radfuse.methods.transforms import curvelet, dual_tree, haar, mst_pyramids


@dataclass(frozen=True)
class Transform:
    """The functions of a transform."""

    decompose: Any
    reconstruct: Any
    gain: float = field(default=1.0)
    """Of a constant image at each level's base."""

    linear: bool = True


def of_module(module: ModuleType, gain: float = 1.0) -> Transform:
    return Transform(module.decompose, module.reconstruct, gain)


TRANSFORMS = {
    "laplacian": Transform(mst_pyramids.laplacian_decompose, mst_pyramids.laplacian_reconstruct),
    "ratio": Transform(mst_pyramids.ratio_decompose, mst_pyramids.ratio_reconstruct, linear=False),
    "haar": of_module(haar, gain=2),
    "dual_tree": of_module(dual_tree),
    "curvelet": of_module(curvelet),
}
LINEAR = [name for name, transform in TRANSFORMS.items() if transform.linear]

each = pytest.mark.parametrize("name", TRANSFORMS)
shapes = st.tuples(st.integers(1, 3), st.integers(1, 50), st.integers(1, 50))
levels = st.integers(1, 5)
quick = settings(max_examples=25, deadline=None)


def images_of(shape: tuple[int, ...], seed: int, dtype: str = "f8") -> np.ndarray:
    return np.random.default_rng(seed).random(shape).astype(dtype) * 255


@each
@pytest.mark.parametrize(("dtype", "tolerance"), [("f4", 2e-3), ("f8", 1e-9)])
@quick
@given(shape=shapes, depth=levels, seed=st.integers(0, 2**32))
def test_images_of_any_size_are_reconstructed(
    name: str, dtype: str, tolerance: float, shape: tuple[int, ...], depth: int, seed: int
) -> None:
    images = images_of(shape, seed, dtype)
    transform = TRANSFORMS[name]
    bands, base = transform.decompose(images, depth)
    assert {band.real.dtype for band in (*bands, base)} == {np.dtype(dtype)}
    back = transform.reconstruct(bands, base, shape[1:])
    assert back.dtype == images.dtype
    np.testing.assert_allclose(back, images, atol=tolerance)


@each
def test_each_image_is_transformed_by_itself(name: str) -> None:
    images = images_of((3, 21, 34), 3)
    transform = TRANSFORMS[name]
    bands, base = transform.decompose(images, 3)
    alone, base_alone = transform.decompose(images[1:2], 3)
    for whole, single in zip((*bands, base), (*alone, base_alone), strict=True):
        np.testing.assert_allclose(whole[1:2], single, atol=1e-11)


@pytest.mark.parametrize("name", LINEAR)
@quick
@given(shape=shapes, depth=levels, seed=st.integers(0, 2**32))
def test_coefficients_are_linear_in_the_image(
    name: str, shape: tuple[int, ...], depth: int, seed: int
) -> None:
    first, second = images_of(shape, seed), images_of(shape, seed + 1)
    decompose = TRANSFORMS[name].decompose
    results = [decompose(images, depth) for images in (first, second, 2 * first - second)]
    for one, other, both in zip(*([*bands, base] for bands, base in results), strict=True):
        np.testing.assert_allclose(both, 2 * one - other, atol=1e-9)


@pytest.mark.parametrize("name", ["haar", "dual_tree", "curvelet"])
def test_constant_image_has_a_base_alone(name: str) -> None:
    transform = TRANSFORMS[name]
    bands, base = transform.decompose(np.full((1, 40, 24), 7.0), 3)
    for band in bands:
        np.testing.assert_allclose(band, 0, atol=1e-11)
    np.testing.assert_allclose(base, 7 * transform.gain**3 if name == "haar" else base[0, 0, 0])


def test_haar_keeps_the_inner_product_of_even_images() -> None:
    first, second = images_of((1, 48, 32), 1), images_of((1, 48, 32), 2)
    results = [haar.decompose(images, 4) for images in (first, second)]
    product = sum(
        float((one * other).sum())
        for one, other in zip(*([*bands, base] for bands, base in results), strict=True)
    )
    np.testing.assert_allclose(product, (first * second).sum())


def test_haar_of_integers_has_no_rounding() -> None:
    images = np.random.default_rng(1).integers(0, 256, (1, 32, 32)).astype(float)
    bands, base = haar.decompose(images, 4)
    for values in (*bands, base):
        np.testing.assert_array_equal(values * 16, np.rint(values * 16))
    np.testing.assert_array_equal(haar.reconstruct(bands, base, (32, 32)), images)


def test_dual_tree_energy_hardly_depends_on_a_shift() -> None:
    edge = np.zeros((1, 64, 64))
    edge[:, :, 30:] = 1
    energies = {
        name: [
            [float((np.abs(band) ** 2).sum()) for band in transform.decompose(shifted, 3)[0]][-3]
            for shifted in (np.roll(edge, shift, 2)[:, :, 8:-8] for shift in range(8))
        ]
        for name, transform in TRANSFORMS.items()
        if name in {"haar", "dual_tree"}
    }
    spread = {name: np.std(values) / np.mean(values) for name, values in energies.items()}
    assert spread["dual_tree"] < 0.3 * spread["haar"]


def test_dual_tree_bands_have_an_orientation_each() -> None:
    rows, columns = np.mgrid[:64, :64]
    strongest = []
    for of_rows, of_columns in ((1, 3), (3, 3), (3, 1), (3, -1), (3, -3), (1, -3)):
        wave = np.cos(0.35 * (of_rows * rows + of_columns * columns))
        bands = dual_tree.decompose(wave[None], 2)[0][6:]
        strongest.append(int(np.argmax([np.abs(band[0, 3:-3, 3:-3]).sum() for band in bands])))
    assert sorted(strongest) == list(range(6))


@pytest.mark.parametrize("name", ["random64", "real64", "real256"])
def test_dual_tree_coefficients_are_those_of_the_author(name: str, shared: Path) -> None:
    path = shared / f"golden/classical/transforms/dtcwt_{name}.npz"
    if not path.is_file():
        pytest.skip(f"golden coefficients are missing: {path.name}")
    golden = np.load(path)
    bands, base = dual_tree.decompose(golden["x"][None].astype(float), 4)
    low = golden["legall_qshift06_low"]
    np.testing.assert_allclose(base[0], low, atol=1e-6 * np.abs(low).max())
    for level in range(4):
        expected = golden[f"legall_qshift06_high{level + 1}"]
        found = np.stack([band[0] for band in bands[6 * level : 6 * level + 6]], -1)
        np.testing.assert_allclose(found, expected, atol=1e-6 * np.abs(expected).max())
