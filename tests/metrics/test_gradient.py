"""Edge and detail metrics: their laws, the papers' formulas written out, the fields' own codes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from radfuse.io.images import read_grey
from radfuse.metrics.gradient import EdgeConvention, ag, labf, nabf, q_sf, qabf, sf

Grey = NDArray[np.uint8]
CONVENTIONS: tuple[EdgeConvention, ...] = ("xydeas2000", "liu2012", "kumar2013")
quick = settings(max_examples=20, deadline=None)


def noise(seed: int, high: int = 256, shape: tuple[int, ...] = (24, 31)) -> Grey:
    return np.random.default_rng(seed).integers(0, high, shape, dtype=np.uint8)


def flat(level: int = 90) -> Grey:
    return np.full((24, 31), level, np.uint8)


def smooth(seed: int, shape: tuple[int, int] = (40, 44)) -> Grey:
    blurred = gaussian_filter(noise(seed, shape=shape).astype(float), 2)
    return np.rint((blurred - blurred.min()) / np.ptp(blurred) * 255).astype(np.uint8)


@st.composite
def triples(draw: st.DrawFn) -> tuple[Grey, Grey, Grey]:
    """Three images of one size, of few or many levels, so that flat patches occur, too."""
    shape = draw(st.integers(2, 12)), draw(st.integers(2, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    highs = draw(st.tuples(*[st.sampled_from([1, 2, 5, 256])] * 3))
    first, second, third = (rng.integers(0, high, shape, dtype=np.uint8) for high in highs)
    return first, second, third


@pytest.fixture(scope="module")
def golden(shared: Path) -> list[tuple[dict[str, Any], Grey, Grey, Grey]]:
    """Values of the field's own codes with the fused image, the CT and the MR."""
    sources, rows = shared / "data/harvard/test", []
    for line in (shared / "golden/metrics.jsonl").read_text().splitlines():
        theirs = json.loads(line)
        name = theirs["image"]
        fused = shared / "golden/fused" / theirs["method"] / name
        paths = fused, sources / "CT" / name, sources / "MRI" / name
        first, second, third = (read_grey(path) for path in paths)
        rows.append((theirs, first, second, third))
    return rows


def test_a_volume_of_one_slice_has_the_detail_of_that_slice() -> None:
    image = noise(1)
    assert sf(image[None], image, image) == sf(image, image, image)
    for differences in ("forward", "central"):
        of_slice = ag(image, image, image, differences=differences)
        assert ag(image[None], image, image, differences=differences) == of_slice


def test_equal_slices_add_no_spatial_frequency_and_different_ones_do() -> None:
    image = noise(2)
    stack = np.stack([image] * 3)
    np.testing.assert_allclose(sf(stack, stack, stack), sf(image, image, image), rtol=1e-12)
    stairs = stack * np.uint8(0) + 10 * np.arange(3, dtype=np.uint8)[:, None, None]
    np.testing.assert_allclose(sf(stairs, stack, stack), 10)


@pytest.mark.parametrize("differences", ["forward", "central"])
def test_the_detail_of_a_volume_does_not_depend_on_the_order_of_its_axes(differences: Any) -> None:
    volume = noise(3, shape=(5, 7, 9))
    turned = volume.transpose(2, 0, 1)
    np.testing.assert_allclose(sf(turned, volume, volume), sf(volume, volume, volume))
    expected = ag(volume, volume, volume, differences=differences)
    np.testing.assert_allclose(ag(turned, volume, volume, differences=differences), expected)


def test_the_average_gradient_of_a_ramp_is_its_slope_over_the_root_of_two() -> None:
    ramp = np.tile(np.arange(0, 60, 3, dtype=np.uint8), (12, 1))
    np.testing.assert_allclose(ag(ramp, ramp, ramp), 3 / np.sqrt(2))
    over_all_pixels = 3 / np.sqrt(2) * (12 * 20) / (11 * 19)
    np.testing.assert_allclose(ag(ramp, ramp, ramp, differences="central"), over_all_pixels)


def test_a_ramp_through_a_volume_counts_one_axis_in_three() -> None:
    ramp = np.zeros((6, 5, 4), np.uint8) + 6 * np.arange(6, dtype=np.uint8)[:, None, None]
    np.testing.assert_allclose(ag(ramp, ramp, ramp), 6 / np.sqrt(3))


def test_the_average_gradient_is_the_formula_written_out() -> None:
    image = noise(4).astype(float)
    rows, columns = image.shape
    total = 0.0
    for i in range(rows - 1):
        for j in range(columns - 1):
            down, right = image[i + 1, j] - image[i, j], image[i, j + 1] - image[i, j]
            total += np.sqrt((down**2 + right**2) / 2)
    expected = total / ((rows - 1) * (columns - 1))
    np.testing.assert_allclose(ag(image, image, image), expected, rtol=1e-12)


@pytest.mark.parametrize("differences", ["forward", "central"])
def test_the_average_gradient_grows_with_contrast_and_not_with_brightness(
    differences: Any,
) -> None:
    image = noise(5, high=100)
    value = ag(image, image, image, differences=differences)
    brighter = ag(image + np.uint8(50), image, image, differences=differences)
    stronger = ag(image * np.uint8(2), image, image, differences=differences)
    np.testing.assert_allclose([brighter, stronger], [value, 2 * value])
    assert ag(flat(), image, image, differences=differences) == 0


@quick
@given(triples())
def test_no_error_of_spatial_frequency_is_below_minus_one_or_depends_on_the_order_of_sources(
    images: tuple[Grey, Grey, Grey],
) -> None:
    fused, ct, mr = images
    assert q_sf(fused, ct, mr) >= -1
    np.testing.assert_allclose(q_sf(fused, ct, mr), q_sf(fused, mr, ct), rtol=1e-12)


def test_a_copy_of_equal_sources_has_no_error_of_spatial_frequency() -> None:
    image = noise(6)
    assert q_sf(image, image, image) == 0


def test_blur_has_a_negative_error_of_spatial_frequency_and_contrast_a_positive_one() -> None:
    image = smooth(7) // 2
    assert q_sf(gaussian_filter(image, 1.5), image, image) < -0.05
    np.testing.assert_allclose(q_sf(image * np.uint8(2), image, image), 1, rtol=1e-12)


def test_flat_sources_ask_for_a_flat_fused_image() -> None:
    assert q_sf(flat(7), flat(), flat(80)) == 0
    assert q_sf(noise(8), flat(), flat(80)) == 1
    assert q_sf(flat(), noise(8), flat()) == -1


def test_the_error_of_spatial_frequency_is_the_formula_written_out() -> None:
    images = [noise(seed, shape=(9, 7)).astype(float) for seed in (9, 10, 11)]
    sums = np.zeros(2)
    for di, dj, weight in ((0, 1, 1), (1, 0, 1), (1, 1, 0.5**0.5), (1, -1, 0.5**0.5)):
        for i in range(9 - di):
            for j in range(max(0, -dj), 7 - max(0, dj)):
                steps = [abs(image[i + di, j + dj] - image[i, j]) for image in images]
                sums += weight * np.array([steps[0], max(steps[1:])]) ** 2
    expected = (np.sqrt(sums[0]) - np.sqrt(sums[1])) / np.sqrt(sums[1])
    np.testing.assert_allclose(q_sf(*images), expected, rtol=1e-12)


@quick
@given(triples(), st.sampled_from(CONVENTIONS))
def test_every_edge_transfer_is_a_share_and_the_same_with_ct_and_mr_exchanged(
    images: tuple[Grey, Grey, Grey], convention: EdgeConvention
) -> None:
    fused, ct, mr = images
    value = qabf(fused, ct, mr, convention=convention)
    assert 0 <= value <= 1
    np.testing.assert_allclose(value, qabf(fused, mr, ct, convention=convention), rtol=1e-12)


@quick
@given(triples())
def test_what_is_preserved_lost_and_added_is_one(images: tuple[Grey, Grey, Grey]) -> None:
    parts = [qabf(*images, convention="kumar2013"), labf(*images), nabf(*images)]
    np.testing.assert_allclose(sum(parts), 1, rtol=1e-12)
    assert min(parts) >= 0
    fused, ct, mr = images
    exchanged = [labf(fused, mr, ct), nabf(fused, mr, ct)]
    np.testing.assert_allclose(exchanged, parts[1:], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_edges_that_moved_by_a_pixel_transfer_less(convention: EdgeConvention) -> None:
    image = smooth(12)
    value = qabf(image, image, image, convention=convention)
    moved = np.roll(image, 1, axis=1)
    assert qabf(moved, image, image, convention=convention) < value - 0.05
    assert value > 0.9


def test_an_edge_of_opposite_contrast_is_the_same_edge() -> None:
    fused, ct, mr = smooth(13), smooth(14), smooth(15)
    for metric in (labf, nabf):
        np.testing.assert_allclose(metric(255 - fused, ct, mr), metric(fused, ct, mr), rtol=1e-9)


def test_edges_tilted_to_either_side_of_the_vertical_are_alike_but_in_the_common_code() -> None:
    down, across = np.mgrid[:24, :24]
    image = 8.0 * down + across / 8
    mirrored = image[:, ::-1]
    for convention in CONVENTIONS:
        value = qabf(mirrored, image, image, convention=convention)
        assert (value > 0.9) == (convention != "xydeas2000")


def test_a_copy_of_a_source_has_no_artefacts_and_noise_on_it_has() -> None:
    ct, mr = smooth(16), smooth(17)
    assert nabf(ct, ct, mr) == nabf(mr, ct, mr) == 0
    slight, strong = (ct // 2 + noise(18, high, ct.shape) for high in (20, 120))
    assert 0 < nabf(slight, ct, mr) < nabf(strong, ct, mr)


def test_blur_loses_edges_and_adds_none() -> None:
    ct, mr = smooth(19), smooth(20)
    sharp, blurred = np.maximum(ct, mr), gaussian_filter(np.maximum(ct, mr), 3)
    assert labf(blurred, ct, mr) > labf(sharp, ct, mr) + 0.1
    assert nabf(blurred, ct, mr) < 0.01


def test_flat_images_have_the_values_that_the_docstrings_promise() -> None:
    images = flat(7), flat(), flat(200)
    assert nabf(*images) == 0
    np.testing.assert_allclose(labf(*images), 0.991, atol=5e-4)
    np.testing.assert_allclose(qabf(*images, convention="kumar2013"), 0.009, atol=5e-4)
    inner = [np.zeros((24, 31), np.uint8)] * 3
    np.testing.assert_allclose(qabf(*inner, convention="liu2012"), 0.987, atol=5e-4)
    assert qabf(*inner) == 0


@pytest.mark.parametrize("metric", [ag, sf, q_sf, qabf, labf, nabf])
def test_whole_levels_measure_the_same_as_eight_bits_and_as_floats(metric: Any) -> None:
    images = [noise(seed) for seed in (21, 22, 23)]
    assert metric(*images) == metric(*(image.astype(np.float64) for image in images))


def test_edges_and_detail_equal_the_fields_own_codes(
    golden: list[tuple[dict[str, Any], Grey, Grey, Grey]],
) -> None:
    compared = 0
    for theirs, *images in golden:
        found = {
            "tang.AG": ag(*images, differences="central"),
            "tang.SF": sf(*images),
            "tang.Qabf": qabf(*images),
        }
        if "tang.Nabf" in theirs:
            found["tang.Nabf"] = nabf(*images)
            found["liu.Q_G"] = qabf(*images, convention="liu2012")
            found["liu.Q_SF"] = q_sf(*images)
        for name, value in found.items():
            np.testing.assert_allclose(value, theirs[name], rtol=1e-9, err_msg=f"{name} {theirs}")
            compared += 1
    assert compared > 280
