"""What every metric of the catalogue owes, and every profile."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radfuse.arrays import Float64Array
from radfuse.errors import InputError
from radfuse.metrics.catalogue import METRICS, MetricInfo, load_metric, metric_info
from radfuse.metrics.lesion_contrast import lesion_ring
from radfuse.metrics.measure import CaseFacts, measure, measure_volume
from radfuse.metrics.profiles import PROFILES, columns_of

SIDE = 176
"""The largest of the smallest sides."""

ROUNDING = 1e-9
PICTURES = [name for name, entry in METRICS.items() if entry.in_2d]
VOLUMES = [name for name, entry in METRICS.items() if entry.in_3d]
SYMMETRIC = [name for name, entry in METRICS.items() if entry.symmetric and entry.in_2d]

BETTER_BLURRED = {"mse", "nabf", "psnr", "q_cv", "cc", "scd", "ms_ssim", "ssim"}
"""Metrics that may prefer a blurred mixture: they compare values with both sources at once."""

KINDS = ("noise", "steps", "smooth", "black", "white", "grey", "one bright pixel", "one edge")


def picture(kind: str, rng: np.random.Generator, side: int = SIDE) -> Float64Array:
    """A whole-level image of one kind."""
    flat = {"black": 0, "white": 255, "grey": 90}
    if kind in flat:
        return np.full((side, side), float(flat[kind]))
    if kind == "noise":
        return rng.integers(0, 256, (side, side)).astype(float)
    if kind == "steps":
        coarse = rng.integers(0, 256, (-(-side // 11), -(-side // 11)))
        return np.kron(coarse, np.ones((11, 11)))[:side, :side]
    if kind == "smooth":
        return np.rint(np.add.outer(np.linspace(0, 120, side), np.linspace(5, 130, side)))
    image = np.zeros((side, side))
    if kind == "one edge":
        image[:, side // 3 :] = 200
    else:
        image[side // 2, side // 2] = 255
    return image


def value(name: str, fused: Float64Array, ct: Float64Array, mr: Float64Array) -> float:
    return load_metric(name)(fused, ct, mr)


def in_range(entry: MetricInfo, found: float) -> bool:
    low, high = entry.range
    return low - ROUNDING <= found <= high + ROUNDING


@pytest.mark.parametrize("name", PICTURES)
@settings(max_examples=8, deadline=None)
@given(kinds=st.tuples(*[st.sampled_from(KINDS)] * 3), seed=st.integers(0, 2**32))
def test_metric_is_finite_and_in_range_for_any_image(
    name: str, kinds: tuple[str, str, str], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    found = value(name, *(picture(kind, rng) for kind in kinds))
    assert isinstance(found, float)
    assert np.isfinite(found)
    assert in_range(METRICS[name], found)


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("flat", ["black", "white", "grey"])
def test_three_equal_flat_images_have_a_finite_value(name: str, flat: str) -> None:
    image = picture(flat, np.random.default_rng(0))
    assert in_range(METRICS[name], value(name, image, image, image))


@pytest.mark.parametrize("name", SYMMETRIC)
@settings(max_examples=4, deadline=None)
@given(kinds=st.tuples(*[st.sampled_from(KINDS)] * 3), seed=st.integers(0, 2**32))
def test_a_symmetric_metric_does_not_care_which_source_is_which(
    name: str, kinds: tuple[str, str, str], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    fused, ct, mr = (picture(kind, rng) for kind in kinds)
    np.testing.assert_allclose(
        value(name, fused, ct, mr), value(name, fused, mr, ct), rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("name", PICTURES)
def test_a_metric_is_defined_from_its_smallest_side_on(name: str) -> None:
    rng = np.random.default_rng(5)
    side = METRICS[name].min_side
    images = [picture("noise", rng, side) for _ in range(3)]
    assert in_range(METRICS[name], value(name, *images))


@pytest.mark.parametrize("name", PICTURES)
def test_a_metric_takes_odd_and_oblong_images(name: str) -> None:
    images = [picture("noise", np.random.default_rng(seed), 203)[:, :187] for seed in (1, 2, 3)]
    assert in_range(METRICS[name], value(name, *images))


@pytest.mark.parametrize("name", PICTURES)
def test_eight_bits_and_double_precision_give_one_value(name: str) -> None:
    images = [picture("steps", np.random.default_rng(seed)) for seed in (1, 2, 3)]
    of_bytes = value(name, *(image.astype(np.uint8) for image in images))  # type: ignore[arg-type]
    assert of_bytes == value(name, *images)


@pytest.mark.parametrize("name", PICTURES)
def test_a_metric_leaves_its_images_as_they_were(name: str) -> None:
    images = [picture("noise", np.random.default_rng(seed)) for seed in (1, 2, 3)]
    before = [image.copy() for image in images]
    value(name, *images)
    for image, kept in zip(images, before, strict=True):
        np.testing.assert_array_equal(image, kept)


@pytest.mark.parametrize("name", VOLUMES)
def test_a_metric_of_volumes_takes_a_volume(name: str) -> None:
    rng = np.random.default_rng(7)
    fused, ct, mr = (rng.integers(0, 256, (5, 40, 44)).astype(float) for _ in range(3))
    known = {"lesion": np.zeros(ct.shape, bool)}
    known["lesion"][2, 15:20, 15:20] = True
    known["ring"] = lesion_ring(known["lesion"])
    facts = {key: known[key] for key in METRICS[name].takes if key in known}
    assert in_range(METRICS[name], load_metric(name)(fused, ct, mr, **facts))


@pytest.mark.parametrize("name", [name for name in PICTURES if METRICS[name].in_3d])
def test_one_slice_as_a_volume_has_the_value_of_the_picture(name: str) -> None:
    images = [picture("noise", np.random.default_rng(seed), 60) for seed in (1, 2, 3)]
    of_volume = value(name, *(image[None] for image in images))
    np.testing.assert_allclose(of_volume, value(name, *images), rtol=1e-12)


@pytest.mark.parametrize("name", [name for name in PICTURES if name not in BETTER_BLURRED])
def test_sharp_sources_score_above_the_same_blurred(name: str) -> None:
    """Two images with structure in one half each; the fusion that shows both, and it blurred."""
    rng = np.random.default_rng(3)
    ct, mr = picture("steps", rng), picture("steps", rng)
    ct[:, SIDE // 2 :], mr[:, : SIDE // 2] = 0, 0
    good = np.maximum(ct, mr)
    padded = np.pad(good, 2, mode="edge")
    views = np.lib.stride_tricks.sliding_window_view(padded, (5, 5))
    bad = np.rint(views.mean(axis=(2, 3)))
    sign = 1 if METRICS[name].larger_is_better else -1
    if name in {"en", "sd"}:  # a blur adds levels and takes contrast
        sign = {"en": -1, "sd": 1}[name]
    assert sign * value(name, good, ct, mr) > sign * value(name, bad, ct, mr)


@pytest.mark.parametrize("name", METRICS)
def test_the_catalogue_is_complete(name: str) -> None:
    entry = METRICS[name]
    assert entry.path.endswith(f":{name}")
    assert (load_metric(name).__doc__ or "").strip()
    assert entry.summary[0].islower()
    assert not entry.summary.endswith(".")
    assert entry.source
    assert entry.range[0] < entry.range[1]
    if entry.needs:
        assert entry.needs in entry.takes
    assert entry.in_2d or entry.in_3d


def test_an_unknown_metric_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"no metric 'qabff'; nearest: qabf"):
        metric_info("qabff")


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_column_measures_image_or_volume(profile: str) -> None:
    rng = np.random.default_rng(11)
    images = [rng.integers(0, 256, (3, 64, 64), np.uint8) for _ in range(3)]
    lesion = np.zeros(images[0].shape, bool)
    lesion[1, 20:30, 20:30] = True
    known = CaseFacts(bone_level=128, lesion=lesion, ring=lesion_ring(lesion))
    found = measure_volume(profile, *images, facts=known)
    measured = set(found.slices[0]) | set(found.whole)
    assert measured == set(columns_of(profile))
    assert measure(profile, *(image[0] for image in images), facts=known) == found.slices[0]


def test_voxels_outside_the_field_of_view_do_not_count() -> None:
    rng = np.random.default_rng(12)
    fused, ct, mr = (rng.integers(0, 256, (4, 50, 50), np.uint8) for _ in range(3))
    fov_mask = np.ones(ct.shape, bool)
    fov_mask[0] = fov_mask[:, :5] = False
    other = np.where(fov_mask, fused, 7)
    found, again = (
        measure_volume("mfinet2024", image, ct, mr, fov_mask=fov_mask) for image in (fused, other)
    )
    assert found == again
    assert list(found.slices) == [1, 2, 3]
    thin = measure_volume("mfinet2024", fused, ct, mr, fov_mask=fov_mask, every=2)
    assert list(thin.slices) == [1, 3]


def test_unknown_profile_or_column_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="no profile 'song'; there are mfinet2024, res2fusion2024"):
        columns_of("song")
    with pytest.raises(InputError, match=r"'AG' is neither a column of profile mfinet2024 \(MI"):
        columns_of("mfinet2024", ["AG"])


def test_the_page_of_metrics_names_them_all() -> None:
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
    for name in (*METRICS, *PROFILES):
        assert f"`{name}`" in page
