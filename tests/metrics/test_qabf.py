"""Edge transfer: its laws, the values that docstrings promise, the fields' own codes."""

from typing import Any

import numpy as np
import pytest
from edge_kit import flat, noise, smooth, triples
from golden_kit import GoldenRow, each_or_some, having
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, sobel

from radfuse.arrays import Float64Array, UInt8Array
from radfuse.metrics.qabf import EdgeConvention, labf, nabf, qabf

CONVENTIONS: tuple[EdgeConvention, ...] = ("xydeas2000", "liu2012", "kumar2013")
quick = settings(max_examples=20, deadline=None)


@quick
@given(triples(), st.sampled_from(CONVENTIONS))
def test_every_edge_transfer_is_a_fraction_symmetric_in_ct_mr(
    images: tuple[UInt8Array, UInt8Array, UInt8Array], convention: EdgeConvention
) -> None:
    fused, ct, mr = images
    value = qabf(fused, ct, mr, convention=convention)
    assert 0 <= value <= 1
    np.testing.assert_allclose(value, qabf(fused, mr, ct, convention=convention), rtol=1e-12)


@quick
@given(triples())
def test_what_is_preserved_lost_and_added_is_one(
    images: tuple[UInt8Array, UInt8Array, UInt8Array],
) -> None:
    parts = [qabf(*images, convention="kumar2013"), labf(*images), nabf(*images)]
    np.testing.assert_allclose(sum(parts), 1, rtol=1e-12)
    assert min(parts) >= 0
    fused, ct, mr = images
    exchanged = [labf(fused, mr, ct), nabf(fused, mr, ct)]
    np.testing.assert_allclose(exchanged, parts[1:], rtol=1e-12, atol=1e-15)


def written_out(fused: Float64Array, ct: Float64Array, mr: Float64Array) -> float:
    """Q^AB/F of Xydeas and Petrovic by arc tangents, as commonly coded."""
    (g_f, a_f), *sources = (edges(image) for image in (fused, ct, mr))
    above = below = 0.0
    for g, a in sources:
        stronger = np.maximum(g, g_f)
        share = np.divide(np.minimum(g, g_f), stronger, out=np.zeros_like(g), where=stronger > 0)
        share[g == g_f] = g_f[g == g_f]
        angle = 1 - np.abs(a - a_f) * 2 / np.pi
        kept = 0.9994 / (1 + np.exp(-15 * (share - 0.5)))
        kept *= 0.9879 / (1 + np.exp(-22 * (angle - 0.8)))
        above, below = above + (kept * g).sum(), below + g.sum()
    return float(above / below)


def edges(image: Float64Array) -> tuple[Float64Array, Float64Array]:
    across, down = (sobel(image, axis=axis, mode="constant") for axis in (1, 0))
    angle = np.full_like(down, -np.pi / 2)
    np.divide(down, across, out=angle, where=across != 0)
    return np.sqrt(across**2 + down**2), np.arctan(angle, out=angle, where=across != 0)


@quick
@given(triples(), st.sampled_from([1, 4]))
def test_the_metric_is_the_formula_with_arc_tangents(
    images: tuple[UInt8Array, UInt8Array, UInt8Array], divisor: int
) -> None:
    fused, ct, mr = (image / divisor for image in images)
    if any(sobel(image, axis=axis, mode="constant").any() for image in (ct, mr) for axis in (0, 1)):
        np.testing.assert_allclose(qabf(fused, ct, mr), written_out(fused, ct, mr), rtol=1e-10)


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


def test_edges_tilted_either_way_score_alike_but_in_common_code() -> None:
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


@pytest.mark.parametrize("metric", [qabf, labf, nabf])
def test_whole_levels_measure_alike_in_bytes_and_floats(metric: Any) -> None:
    images = [noise(seed) for seed in (21, 22, 23)]
    assert metric(*images) == metric(*(image.astype(np.float64) for image in images))


@each_or_some
def test_edge_transfer_equals_the_fields_own_codes(golden: list[GoldenRow], every: int) -> None:
    for row in golden[::every]:
        found, theirs = qabf(*row.images), row.values["tang.Qabf"]
        np.testing.assert_allclose(found, theirs, rtol=1e-9, err_msg=str(row.values))
    rows = having(golden, "tang.Nabf")
    assert len(rows) == 25
    for row in rows[::every]:
        values = [nabf(*row.images), qabf(*row.images, convention="liu2012")]
        expected = [row.values["tang.Nabf"], row.values["liu.Q_G"]]
        np.testing.assert_allclose(values, expected, rtol=1e-9, err_msg=str(row.values))
