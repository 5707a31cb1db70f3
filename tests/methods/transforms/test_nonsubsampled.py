"""Nonsubsampled contourlets and shearlets: laws, then coefficients of the authors' code."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from radfuse.methods.transforms.fan_filters import PKVA, VK, FanFilters
from radfuse.methods.transforms.nonsubsampled import Nonsubsampled, contourlets, shearlets
from radfuse.methods.transforms.nonsubsampled_pyramid import (
    CDF97,
    MAXFLAT,
    PYREXC,
    PyramidFilters,
    frequency_map,
    merge,
    split,
)
from radfuse.methods.transforms.shear_filters import BAND_COUNTS, ShearFilters, windows

PYRAMIDS = {"pyrexc": PYREXC, "9-7": CDF97, "maxflat": MAXFLAT}
TRANSFORMS = {
    "contourlets": contourlets(),
    "contourlets 9-7 pkva": contourlets(CDF97, PKVA, (2, 2, 2, 2)),
    "shearlets": shearlets(),
}
GOLDEN = {
    "nsct_random64": contourlets(),
    "nsct_real64": contourlets(),
    "nsct_real256": contourlets(),
    "nsct_97_pkva_1111_real256": TRANSFORMS["contourlets 9-7 pkva"],
    "nsst_random64": shearlets((8, 16)),
    "nsst_real64": shearlets((8, 16)),
    "nsst_real256": shearlets(),
}
PARTS = {
    "": np.s_[:, :],
    "_stride8": np.s_[::8, ::8],
    "_lastrow": np.s_[-1],
    "_lastcol": np.s_[:, -1],
}
"""What the golden files have of a band, by the end of its key."""

shapes = st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(1, 40))
transforms = pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)


def noise(shape: tuple[int, ...], seed: int = 1) -> NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal(shape)


@transforms
@settings(max_examples=10)
@given(shape=shapes, seed=st.integers(0, 2**32))
def test_any_size_is_reconstructed(
    transform: Nonsubsampled, shape: tuple[int, int, int], seed: int
) -> None:
    images = noise(shape, seed)
    bands, base = transform.decompose(images)
    assert [of_level.shape for of_level in bands] == [(n, *shape) for n in transform.directions]
    np.testing.assert_allclose(transform.reconstruct(bands, base), images, rtol=0, atol=1e-12)


@transforms
def test_single_precision_is_kept(transform: Nonsubsampled) -> None:
    images = noise((2, 31, 50)).astype(np.float32)
    bands, base = transform.decompose(images)
    back = transform.reconstruct(bands, base)
    assert {array.dtype for array in (*bands, base, back)} == {np.dtype(np.float32)}
    np.testing.assert_allclose(back, images, rtol=0, atol=1e-5)


@transforms
def test_slices_do_not_depend_on_each_other(transform: Nonsubsampled) -> None:
    images = noise((3, 20, 33))
    bands, base = transform.decompose(images)
    bands_1, base_1 = transform.decompose(images[1:2])
    np.testing.assert_allclose(base[1:2], base_1, rtol=0, atol=1e-13)
    for several, single in zip(bands, bands_1, strict=True):
        np.testing.assert_allclose(several[:, 1:2], single, rtol=0, atol=1e-13)


@transforms
def test_constant_image_is_in_the_base_alone(transform: Nonsubsampled) -> None:
    bands, base = transform.decompose(np.full((1, 24, 37), 0.75))
    np.testing.assert_allclose(base, 0.75, rtol=1e-12)
    assert max(np.abs(of_level).max() for of_level in bands) < 1e-12


@transforms
def test_fusion_by_level_equals_fusion_of_all_bands(transform: Nonsubsampled) -> None:
    first, second = noise((2, 24, 30), 1), noise((2, 24, 30), 2)
    fused = transform.fuse(first, second, lambda level, a, b: a * level - b, lambda a, b: a + 2 * b)
    (bands_1, base_1), (bands_2, base_2) = map(transform.decompose, (first, second))
    bands = [level * a - b for level, (a, b) in enumerate(zip(bands_1, bands_2, strict=True))]
    np.testing.assert_allclose(
        fused, transform.reconstruct(bands, base_1 + 2 * base_2), rtol=0, atol=1e-11
    )


@pytest.mark.parametrize("filters", PYRAMIDS.values(), ids=PYRAMIDS)
def test_pyramid_is_self_adjoint_within_its_frame_bounds(filters: PyramidFilters) -> None:
    x, y = noise((1, 19, 26), 1), noise((1, 19, 26), 2)
    (detail_x,), base_x = split(x, filters, 1)
    (detail_y,), base_y = split(y, filters, 1)
    np.testing.assert_allclose((base_x * y).sum(), (x * base_y).sum(), rtol=1e-10)
    np.testing.assert_allclose((detail_x * y).sum(), (x * detail_y).sum(), rtol=1e-10)
    mapped = frequency_map(filters, 0, (19, 26))
    low, high = (np.polynomial.Polynomial(p)(mapped) for p in (filters.low, filters.high))
    bounds = low**2 + high**2
    energy = ((detail_x**2).sum() + (base_x**2).sum()) / (x**2).sum()
    assert 0.4 < bounds.min() <= energy <= bounds.max() < 1.3


@pytest.mark.parametrize("filters", PYRAMIDS.values(), ids=PYRAMIDS)
def test_pyramid_continues_images_by_reflection(filters: PyramidFilters) -> None:
    images = noise((1, 20, 24))
    reflected = np.pad(images, ((0, 0), (20, 20), (24, 24)), mode="symmetric")
    details, base = split(images, filters, 2)
    details_r, base_r = split(reflected, filters, 2)
    for small, large in zip([*details, base], [*details_r, base_r], strict=True):
        np.testing.assert_allclose(large[:, 20:40, 24:48], small, rtol=0, atol=1e-12)
    np.testing.assert_allclose(merge(details, base, filters), images, rtol=0, atol=1e-12)


@pytest.mark.parametrize("fans", [VK, PKVA], ids=["vk", "pkva"])
@pytest.mark.parametrize("count", [1, 2, 4, 8, 16])
def test_fans_and_their_duals_sum_to_one(fans: FanFilters, count: int) -> None:
    analysis, synthesis = fans.responses(count, (21, 32))
    assert analysis.shape == (count, 21, 17)
    np.testing.assert_allclose((analysis * synthesis).sum(axis=0), 1, rtol=1e-12)


@pytest.mark.parametrize("fans", [VK, PKVA], ids=["vk", "pkva"])
def test_waves_of_eight_directions_are_in_eight_bands(fans: FanFilters) -> None:
    angles = np.pi * (np.arange(8) + 0.5) / 8
    steps = np.rint(40 * np.stack([np.sin(angles), np.cos(angles)])).astype(int)
    analysis, synthesis = fans.responses(8, (128, 128))
    shares = (analysis * synthesis)[:, steps[0], np.abs(steps[1])]
    mirrored = (analysis * synthesis)[:, -steps[0], np.abs(steps[1])]
    strongest = np.where(steps[1] >= 0, shares, mirrored).argmax(axis=0)
    assert len(set(strongest.tolist())) == 8


@pytest.mark.parametrize("count", BAND_COUNTS)
@pytest.mark.parametrize("shape", [(64, 64), (9, 50)])
def test_shear_filters_are_a_tight_frame(count: int, shape: tuple[int, int]) -> None:
    analysis, synthesis = ShearFilters().responses(count, shape)
    np.testing.assert_allclose((np.abs(analysis) ** 2).sum(axis=0), 1, rtol=1e-12)
    np.testing.assert_array_equal(synthesis, analysis.conj())
    np.testing.assert_allclose(windows(count).sum(axis=0), 1, rtol=1e-12)


def test_shear_bands_keep_the_energy_of_a_detail() -> None:
    transform = shearlets()
    images = noise((1, 48, 41))
    details, _ = split(images, MAXFLAT, 4)
    bands, _ = transform.decompose(images)
    for detail, of_level in zip(details, bands, strict=True):
        np.testing.assert_allclose((of_level**2).sum(), (detail**2).sum(), rtol=1e-10)


@pytest.mark.parametrize("name", GOLDEN)
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_coefficients_equal_those_of_the_authors_code(
    name: str, kind: type[np.floating], shared: Path
) -> None:
    folder = shared / "golden" / "classical" / "transforms"
    golden = np.load(folder / f"{name}.npz")
    image = np.load(folder / f"{'nsct_real256' if '97' in name else name}.npz")["x"]
    bands, base = GOLDEN[name].decompose(image[None].astype(kind))
    found = {
        f"b{level}_{direction}": band[0]
        for level, of_level in enumerate(bands, 1)
        for direction, band in enumerate(of_level)
    }
    compared = 0
    for key, band in {**found, "low": base[0]}.items():
        for ending, part in PARTS.items():
            if key + ending in golden:
                compared += 1
                np.testing.assert_allclose(
                    band[part], golden[key + ending], rtol=0, atol=1e-5 * np.abs(band).max()
                )
    assert compared == len([key for key in golden if not key.startswith(("x", "stat"))])


@pytest.mark.parametrize("count", [8, 16])
def test_shear_taps_equal_those_of_the_authors_code(count: int, shared: Path) -> None:
    filters = np.load(shared / "golden" / "classical" / "transforms" / "filters.npz")
    taps = np.moveaxis(filters[f"shear{count}_{count}dir"], 2, 0)
    found = np.fft.rfft2(taps, (40, 56))
    found /= np.sqrt((np.abs(found) ** 2).sum(axis=0))
    analysis, _ = ShearFilters().responses(count, (40, 56))
    np.testing.assert_allclose(analysis, found, rtol=0, atol=1e-12)
