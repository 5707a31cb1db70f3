"""Metrics of the human eye: their laws, and the numbers of the 2012 comparison's code."""

from collections.abc import Callable

import numpy as np
import pytest
from golden_kit import GoldenRow, having
from hypothesis import given, settings
from hypothesis import strategies as st

from radfuse.arrays import Float64Array
from radfuse.metrics.human_perception import FLOOR, PEAK, REGION, q_cb, q_cv

Triple = tuple[Float64Array, Float64Array, Float64Array]
BOTH: tuple[Callable[..., float], ...] = (q_cv, q_cb)


def pattern(height: int, width: int) -> Triple:
    """Whole numbers that change from pixel to pixel, and their halved sum."""
    y, x = np.mgrid[:height, :width]
    ct, mr = (x * y + 3 * y) % 251, (5 * x + y * y) % 199 + 20
    return (ct + mr) // 2, ct, mr


def waves(height: int, width: int) -> Triple:
    """Slow waves, and the larger of both."""
    y, x = np.mgrid[:height, :width]
    ct = np.floor(100 + 50 * np.sin(x / 3) + 40 * np.cos(y / 5))
    mr = np.floor(120 + 60 * np.sin((x + y) / 7))
    return np.maximum(ct, mr), ct, mr


ORIGINALS: list[tuple[Triple, float, float]] = [
    (pattern(64, 48), 1845.56016167673, 0.560062291106399),
    (pattern(57, 41), 1325.52541881488, 0.575300864472563),
    (waves(64, 48), 313.075688680452, 0.56663368482869),
    (waves(57, 41), 160.708146161526, 0.574819527913575),
]
"""Fused, CT, MR; Q_CV and Q_CB of the code of Liu et al. 2012, run in GNU Octave 7.3 on them
(`freqspace`, `mean2` and `blkproc`, which it lacks, as MATLAB documents them)."""


@pytest.mark.parametrize("metric", BOTH)
@pytest.mark.parametrize("stretched", [True, False])
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), flat=st.sampled_from(["none", "fused", "ct", "both", "all"]))
def test_every_index_is_finite_and_symmetric_in_ct_mr(
    metric: Callable[..., float], stretched: bool, seed: int, flat: str
) -> None:
    rng = np.random.default_rng(seed)
    fused, ct, mr = rng.integers(0, 256, (3, *rng.integers(2, 50, 2))).astype(float)
    fused[:] = 60 if flat in ("fused", "all") else fused
    ct[:] = 60 if flat in ("ct", "both", "all") else ct
    mr[:] = 200 if flat in ("both", "all") else mr
    value = metric(fused, ct, mr, stretched=stretched)
    assert 0 <= value < np.inf
    assert metric is q_cv or value <= 1
    np.testing.assert_allclose(metric(fused, mr, ct, stretched=stretched), value, rtol=1e-9)


@pytest.mark.parametrize("stretched", [True, False])
def test_copy_of_both_sources_has_no_error_and_full_contrast(stretched: bool) -> None:
    image = pattern(48, 48)[0]
    assert q_cv(image, image, image, stretched=stretched) == 0.0
    np.testing.assert_allclose(q_cb(image, image, image, stretched=stretched), 1, rtol=1e-12)


def test_black_images_have_no_error_and_all_of_no_contrast() -> None:
    black, grey = np.zeros((20, 20)), np.full((20, 20), 90)
    for images in ((black, black, black), (grey, grey, black), (black, grey, grey)):
        assert q_cv(*images) == 0.0
        assert q_cb(*images) == 1.0


def test_a_black_image_preserves_no_contrast() -> None:
    _, ct, mr = waves(48, 48)
    assert q_cb(np.zeros_like(ct), ct, mr) == 0.0


def test_stretched_images_may_be_darker_and_weaker_unseen() -> None:
    fused, ct, mr = (2 * image for image in pattern(48, 48))
    weaker = fused / 2 + 7
    assert q_cv(weaker, ct, mr) == q_cv(fused, ct, mr)
    assert q_cb(weaker, ct, mr) == q_cb(fused, ct, mr)
    assert q_cv(weaker, ct, mr, stretched=False) > q_cv(fused, ct, mr, stretched=False)


def test_error_grows_with_squared_scale_contrast_is_invariant() -> None:
    images = waves(48, 48)
    doubled = [2 * image for image in images]
    error, kept = (metric(*images, stretched=False) for metric in BOTH)
    np.testing.assert_allclose(q_cv(*doubled, stretched=False), 4 * error, rtol=1e-9)
    np.testing.assert_allclose(q_cb(*doubled, stretched=False), kept, rtol=1e-9)


def test_the_eye_hardly_sees_that_the_whole_image_is_brighter() -> None:
    image = pattern(48, 64)[0]
    seen = PEAK * FLOOR * 10
    found = q_cv(image + 10, image, image, stretched=False)
    np.testing.assert_allclose(found, seen**2, rtol=1e-9)


def test_error_counts_at_source_edges_or_everywhere_if_none() -> None:
    quiet, spoilt = np.full((64, 64), 0.0), np.zeros((64, 64))
    spoilt[8::4, 8::4] = 50
    spoilt[:, 32:] = 0
    with_edges = quiet.copy()
    with_edges[24:40, 8:24] = 200
    elsewhere = with_edges[:, ::-1]
    on_edges = q_cv(with_edges + spoilt, with_edges, with_edges, stretched=False)
    off_edges = q_cv(elsewhere + spoilt, elsewhere, elsewhere, stretched=False)
    everywhere = q_cv(spoilt, quiet, quiet, stretched=False)
    assert on_edges > everywhere > off_edges > 0


def test_a_larger_alpha_leaves_only_the_most_salient_region() -> None:
    source = np.zeros((32, 32))
    source[4:12, 4:12], source[20:28, 20:28] = 200, 100
    fused = source.copy()
    fused[20:28, 20:28] = 0
    values = [q_cv(fused, source, source, alpha=alpha, stretched=False) for alpha in (1, 5, 15)]
    assert values == sorted(values, reverse=True)
    assert values[2] < 0.01 * values[0]


def test_more_noise_means_more_error_and_less_contrast_kept() -> None:
    source = waves(64, 64)[1]
    noise = np.random.default_rng(1).normal(0, 1, source.shape)
    images = [source + sigma * noise for sigma in (0, 10, 40)]
    errors = [q_cv(image, source, source, stretched=False) for image in images]
    kept = [q_cb(image, source, source, stretched=False) for image in images]
    assert errors == sorted(errors)
    assert kept == sorted(kept, reverse=True)


def test_an_incomplete_region_counts_as_one_filled_up_with_black() -> None:
    """Of a constant difference, one pixel of a region shows the 256th part."""
    image = np.zeros((REGION + 1, 1))
    seen = (PEAK * FLOOR * 10) ** 2
    per_region = np.mean([1 / REGION, 1 / REGION**2])
    found = q_cv(image + 10, image, image, stretched=False)
    np.testing.assert_allclose(found, seen * per_region, rtol=1e-9)


@pytest.mark.parametrize(("images", "error", "contrast"), ORIGINALS)
def test_original_code_has_same_values_without_black(
    images: Triple, error: float, contrast: float
) -> None:
    np.testing.assert_allclose(q_cv(*images), error, rtol=1e-12)
    np.testing.assert_allclose(q_cb(*images), contrast, rtol=1e-12)


def test_the_original_has_the_same_error_on_slices_of_the_head(golden: list[GoldenRow]) -> None:
    rows = having(golden, "liu.Q_CV")
    assert len(rows) == 25
    for row in rows:
        found, theirs = q_cv(*row.images), row.values["liu.Q_CV"]
        np.testing.assert_allclose(found, theirs, rtol=1e-9, err_msg=str(row.values))


def test_original_code_has_same_contrast_but_for_its_rounding(golden: list[GoldenRow]) -> None:
    """In wide black margins it divides by rounding errors: transposed images move it by 6.5e-5."""
    rows = having(golden, "liu.Q_CB")
    deviations = [abs(q_cb(*row.images) / row.values["liu.Q_CB"] - 1) for row in rows]
    assert len(deviations) == 25
    assert np.median(deviations) < 1e-6
    assert np.max(deviations) < 1e-4
