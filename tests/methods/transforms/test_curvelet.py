"""The curvelet transform is a tight frame, whose coefficients are those of its authors' code."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radfuse.methods.transforms.curvelet import MIN_SIDE, decompose, reconstruct, scales_of

sides = st.integers(MIN_SIDE, 90)
quick = settings(max_examples=25, deadline=None)


def images_of(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


@quick
@given(st.tuples(sides, sides), st.integers(2, 6), st.integers(0, 2**32))
def test_energy_of_coefficients_is_that_of_the_image(
    shape: tuple[int, int], scales: int, seed: int
) -> None:
    image = images_of((1, *shape), seed)
    bands, base = decompose(image, scales)
    energy = sum(float((values**2).sum()) for values in (*bands, base))
    np.testing.assert_allclose(energy, (image**2).sum(), rtol=1e-10)


@quick
@given(st.tuples(sides, sides), st.integers(2, 5), st.integers(0, 2**32))
def test_reconstruction_is_the_adjoint(shape: tuple[int, int], scales: int, seed: int) -> None:
    image = images_of((1, *shape), seed)
    bands, base = decompose(image, scales)
    other = [images_of(band.shape, seed + k) for k, band in enumerate((base, *bands))]
    product = sum(float((one * two).sum()) for one, two in zip((base, *bands), other, strict=True))
    back = reconstruct(other[1:], other[0], shape)
    np.testing.assert_allclose((back * image).sum(), product, atol=1e-9 * np.abs(image).sum())


@pytest.mark.parametrize(
    ("side", "scales"), [(9, 2), (17, 2), (18, 3), (36, 4), (71, 4), (72, 5), (256, 5), (4, 2)]
)
def test_image_has_as_many_scales_as_fit(side: int, scales: int) -> None:
    assert scales_of((side, 300), 5) == scales
    bands, base = decompose(images_of((1, side, 40), 1), 5)
    back = reconstruct(bands, base, (side, 40))
    np.testing.assert_allclose(back, images_of((1, side, 40), 1), atol=1e-10)


def test_wedges_double_at_every_second_scale() -> None:
    bands, base = decompose(images_of((1, 144, 144), 1), 6)
    assert len(bands) == 64 + 64 + 32 + 32 + 16
    assert base.shape == (1, 7, 7)


def test_a_line_is_in_the_wedges_across_it() -> None:
    image = np.zeros((1, 128, 128))
    image[:, 60] = 1  # a horizontal line: vertical frequencies, in the upper 16 wedges
    finest = decompose(image, 5)[0][:32]
    energy = [float((band**2).sum()) for band in finest]
    assert sum(energy[7:9]) > 0.999 * sum(energy) > 0


@pytest.mark.parametrize(("name", "scales"), [("random64", 4), ("real64", 4), ("real256", 5)])
def test_coefficients_are_those_of_the_authors(name: str, scales: int, shared: Path) -> None:
    path = shared / f"golden/classical/transforms/cvt_{name}.npz"
    if not path.is_file():
        pytest.skip(f"golden coefficients are missing: {path.name}")
    golden = np.load(path)
    bands, base = decompose(golden["x"][None].astype(float), scales)
    found = {"real_s1_1": base[0]}
    for scale in range(scales, 1, -1):
        count = 16 * 2 ** ((scale - 1) // 2)
        for wedge in range(count):
            found[f"real_s{scale}_{wedge + 1}"] = bands.pop(0)[0]
    assert bands == []
    for key, values in found.items():
        stride = 1 if key in golden else 2
        expected = golden[key if stride == 1 else f"{key}_stride2"]
        limit = 1e-6 * np.abs(expected).max()
        np.testing.assert_allclose(values[::stride, ::stride], expected, atol=limit)
