"""What region fidelity must tell of a fused image, on made-up, phantom and real heads."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, shift, sobel
from skimage.metrics import structural_similarity

from radfuse.arrays import Float64Array
from radfuse.errors import InputError
from radfuse.intensity import BONE_HU, WINDOWS
from radfuse.io.image_pairs import ImagePair, read_image_pairs
from radfuse.methods.bone_over_mr import BONE_LEVEL as BONE_SHARE
from radfuse.methods.loading import load_method
from radfuse.metrics.region_fidelity import (
    BONE_LEVEL,
    FLAT_SHARE,
    SEAM_PIXELS,
    VISIBLE,
    Region,
    RegionFidelity,
    bone_fidelity,
    region_fidelity,
    region_labels,
    seam_fidelity,
    tissue_fidelity,
)
from radfuse.phantom.head import LABELS, Phantom
from radfuse.pipeline.volume import ScaledPair, scale_volumes

Spoil = Callable[[Float64Array, float], Float64Array]

WINDOW = WINDOWS["fusion"]
PHANTOM_BONE = 255 * WINDOW.threshold(BONE_HU)
SIDE = 96


def head() -> tuple[Float64Array, Float64Array]:
    """CT and MR of a round head: scalp, a bright skull with a dark MR, a brain with structure."""
    radius = np.hypot(*(np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2))
    texture = gaussian_filter(np.random.default_rng(5).standard_normal((SIDE, SIDE)), 2)
    ct = np.select([radius < 30, radius < 38, radius < 42], [95, 255, 20], 0.0)
    mr = np.select([radius < 30, radius < 38, radius < 42], [100, 12, 180], 0.0)
    return ct, np.clip(mr + np.where(radius < 30, texture * 200, 0), 0, 255)


def composite(ct: Float64Array, mr: Float64Array, level: float = BONE_LEVEL) -> Float64Array:
    return np.where(ct > level, ct, mr)


def noisy(image: Float64Array, amount: float) -> Float64Array:
    grain = np.random.default_rng(8).standard_normal(image.shape)
    return np.clip(image + 30 * amount * grain, 0, 255)


def blurred(image: Float64Array, amount: float) -> Float64Array:
    return gaussian_filter(image, 2 * amount)


def ghosted(image: Float64Array, amount: float) -> Float64Array:
    ghost = shift(image, (3, 3), order=0, mode="nearest")
    return (1 - amount / 2) * image + amount / 2 * ghost


def faded(image: Float64Array, amount: float) -> Float64Array:
    return np.asarray(image.mean() + (1 - 0.8 * amount) * (image - image.mean()), np.float64)


def haloed(image: Float64Array, amount: float) -> Float64Array:
    return np.clip(image + 2 * amount * (image - gaussian_filter(image, 2)), 0, 255)


SPOILS = [noisy, blurred, ghosted, faded, haloed]
EDGELESS = [blurred, faded]
AMOUNTS = (0, 0.25, 0.5, 0.75, 1)


@pytest.fixture(scope="module")
def scaled(phantom: Phantom) -> ScaledPair:
    return scale_volumes(phantom.ct, phantom.mr, phantom.mr_from_ct, WINDOW)


@pytest.fixture(scope="module")
def slices(scaled: ScaledPair) -> list[tuple[Float64Array, Float64Array]]:
    """Slices through the brain of the phantom, in grey levels."""
    return [(255 * scaled.ct[z].astype(float), 255 * scaled.mr[z].astype(float)) for z in (22, 30)]


@pytest.fixture(scope="module")
def pairs(shared: Path) -> list[ImagePair]:
    return read_image_pairs(shared / "data/harvard/test")


def values(found: RegionFidelity) -> tuple[float, float, float]:
    return found.bone.fidelity, found.tissue.fidelity, found.seam


def test_copied_ct_keeps_all_bone_copied_mr_all_tissue() -> None:
    ct, mr = head()
    np.testing.assert_allclose(bone_fidelity(ct, ct, mr), 1, rtol=1e-9)
    np.testing.assert_allclose(tissue_fidelity(mr, ct, mr), 1, rtol=1e-9)
    assert tissue_fidelity(ct, ct, mr) < 0.3
    assert bone_fidelity(mr, ct, mr) < 0.3


def test_neither_copy_has_an_edge_that_no_source_has() -> None:
    ct, mr = head()
    np.testing.assert_allclose([seam_fidelity(image, ct, mr) for image in (ct, mr)], 1, rtol=1e-9)


def test_ct_in_bone_and_mr_elsewhere_has_one_in_all_three() -> None:
    ct, mr = head()
    fused = composite(ct, mr)
    functions = (bone_fidelity, tissue_fidelity, seam_fidelity)
    np.testing.assert_allclose([part(fused, ct, mr) for part in functions], 1, rtol=1e-9)


def test_the_three_metrics_are_parts_of_the_whole() -> None:
    ct, mr = head()
    fused = (ct + mr) / 2
    functions = (bone_fidelity, tissue_fidelity, seam_fidelity)
    found = region_fidelity(fused, ct, mr)
    assert values(found) == tuple(part(fused, ct, mr) for part in functions)
    for part in (found.bone, found.tissue):
        np.testing.assert_allclose(part.fidelity, (part.structure * part.contrast) ** 0.5)


def test_metrics_are_equal_for_bytes_and_floats() -> None:
    ct, mr = (np.rint(image) for image in head())
    fused = np.rint((ct + mr) / 2)
    small = [image.astype(np.uint8) for image in (fused, ct, mr)]
    assert region_fidelity(fused, ct, mr) == region_fidelity(small[0], small[1], small[2])


@pytest.mark.parametrize("spoil", SPOILS)
def test_the_worse_a_phantom_is_spoilt_the_lower_its_values(
    slices: list[tuple[Float64Array, Float64Array]], spoil: Spoil
) -> None:
    for ct, mr in slices:
        fused = composite(ct, mr, PHANTOM_BONE)
        assert_falling(
            [
                values(region_fidelity(spoil(fused, amount), ct, mr, bone_level=PHANTOM_BONE))
                for amount in AMOUNTS
            ],
            spoil,
        )


@pytest.mark.parametrize(
    "spoil", [SPOILS[0], *(pytest.param(spoil, marks=pytest.mark.slow) for spoil in SPOILS[1:])]
)
def test_the_worse_a_real_head_is_spoilt_the_lower_its_values(
    pairs: list[ImagePair], spoil: Spoil
) -> None:
    for pair in pairs[::3]:
        fused = composite(pair.ct.astype(float), pair.mr.astype(float))
        assert_falling(
            [values(region_fidelity(spoil(fused, amount), pair.ct, pair.mr)) for amount in AMOUNTS],
            spoil,
        )


def assert_falling(rows: list[tuple[float, float, float]], spoil: Spoil) -> None:
    """Every step lower than the last; what makes no edges never raises the seam's value."""
    bone, tissue, seam = np.diff(rows, axis=0).T
    assert (bone < 0).all(), bone
    assert (tissue < 0).all(), tissue
    assert (seam < (0.002 if spoil in EDGELESS else 0)).all(), seam


def test_one_pixel_misregistration_lowers_bone_and_tissue() -> None:
    ct, mr = head()
    moved = np.roll(composite(ct, mr), 1, axis=1)
    found = region_fidelity(moved, ct, mr)
    assert found.bone.fidelity < 0.9
    assert found.tissue.fidelity < 0.99


def test_double_contour_beside_bone_lowers_only_seam_fidelity() -> None:
    ct, mr = head()
    radius = np.hypot(*(np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2))
    found = []
    for height in (0, 20, 40, 80):
        ring = np.where((radius > 28) & (radius < 29), height, 0)
        found.append(values(region_fidelity(composite(ct, mr) + ring, ct, mr)))
    bone, tissue, seam = np.transpose(found)
    np.testing.assert_allclose([bone, tissue], 1, rtol=1e-9)
    assert (np.diff(seam) < 0).all()


def test_bone_metric_ignores_outside_and_tissue_likewise() -> None:
    ct, mr = head()
    labels = region_labels(ct, mr)
    fused = (ct + mr) / 2
    expected = region_fidelity(fused, ct, mr)
    no_tissue = region_fidelity(np.where(labels == Region.BONE, fused, 7), ct, mr)
    no_bone = region_fidelity(np.where(labels == Region.BONE, 7, fused), ct, mr)
    np.testing.assert_allclose(no_tissue.bone.fidelity, expected.bone.fidelity)
    np.testing.assert_allclose(no_bone.tissue.fidelity, expected.tissue.fidelity)


def test_a_mirrored_head_has_the_same_values() -> None:
    ct, mr = head()
    fused = noisy((ct + mr) / 2, 0.2)
    mirrored = region_fidelity(fused[:, ::-1], ct[:, ::-1], mr[:, ::-1])
    np.testing.assert_allclose(values(mirrored), values(region_fidelity(fused, ct, mr)))


@pytest.mark.parametrize("share", [0.5, 1.0, 0.8])
def test_dimmed_bone_keeps_its_fraction_of_contrast(share: float) -> None:
    ct, mr = head()
    found = region_fidelity(share * ct, ct, mr).bone.contrast
    gain = (share * 255**2 + VISIBLE**2) / (255**2 + VISIBLE**2)
    np.testing.assert_allclose(found, gain)


def test_contrast_given_to_tissue_counts_like_contrast_taken() -> None:
    ct, mr = head()
    weak, strong = ((mr - 100) * gain + 100 for gain in (0.5, 2))
    lost, gained = (region_fidelity(image, ct, mr).tissue.contrast for image in (weak, strong))
    np.testing.assert_allclose(lost, 0.5, atol=0.02)
    np.testing.assert_allclose(gained, 0.5, atol=0.02)


def test_brightness_added_to_tissue_leaves_its_contrast() -> None:
    ct, mr = head()
    np.testing.assert_allclose(region_fidelity(mr + 30, ct, mr).tissue.contrast, 1)


def test_structure_is_weighted_mean_of_scikit_image_ssim() -> None:
    rng = np.random.default_rng(2)
    source = np.pad(gaussian_filter(rng.uniform(0, 255, (40, 40)), 1), 16, constant_values=120)
    fused = np.pad(source[16:-16, 16:-16] + rng.normal(0, 9, (40, 40)), 16, constant_values=90)
    everywhere = np.full(source.shape, Region.TISSUE)
    _, similarity = structural_similarity(
        fused, source, data_range=255, gaussian_weights=True, use_sample_covariance=False, full=True
    )
    slope = np.hypot(*(sobel(source, axis, mode="nearest") for axis in (0, 1)))
    expected = FLAT_SHARE * similarity.mean()
    expected += (1 - FLAT_SHARE) * (similarity * slope).sum() / slope.sum()
    found = region_fidelity(fused, source, source, labels=everywhere).tissue.structure
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_head_mask_is_largest_body_without_holder() -> None:
    ct, mr = head()
    ct[46:50, 46:50] = mr[46:50, 46:50] = 0
    ct[94, 20:70] = 255
    labels = region_labels(ct, mr)
    assert (labels[94] == Region.OUTSIDE).all()
    assert (labels[46:50, 46:50] == Region.TISSUE).all()
    np.testing.assert_array_equal(labels == Region.BONE, (ct > BONE_LEVEL) & (labels > 0))


def test_the_bone_level_decides_what_bone_is() -> None:
    ct, mr = head()
    ct[40:50, 40:50] = 180
    assert (region_labels(ct, mr)[40:50, 40:50] == Region.TISSUE).all()
    assert (region_labels(ct, mr, bone_level=150)[40:50, 40:50] == Region.BONE).all()
    assert bone_fidelity(mr, ct, mr, bone_level=95) != bone_fidelity(mr, ct, mr)


def test_default_bone_level_is_that_of_the_hard_seam_rule() -> None:
    np.testing.assert_allclose(BONE_SHARE * 255, BONE_LEVEL)


def test_labels_take_the_place_of_the_rule() -> None:
    ct, mr = head()
    fused = (ct + mr) / 2
    labels = region_labels(ct, mr)
    assert region_fidelity(fused, ct, mr, labels=labels) == region_fidelity(fused, ct, mr)
    nothing = np.full(ct.shape, 9)
    found = region_fidelity(fused, ct, mr, labels=nothing)
    assert (found.bone.pixels, found.tissue.pixels, found.seam_pixels) == (0, 0, 0)


def test_the_phantoms_true_labels_and_the_rule_agree(
    phantom: Phantom, scaled: ScaledPair, slices: list[tuple[Float64Array, Float64Array]]
) -> None:
    truth = sitk.GetArrayFromImage(phantom.labels)[scaled.box]
    ct, mr = slices[1]
    bone = truth[30] == LABELS["skull"]
    outside = np.isin(truth[30], [LABELS["air"], LABELS["holder"]])
    labels = np.select([bone, outside], [Region.BONE, Region.OUTSIDE], Region.TISSUE)
    fused = (ct + mr) / 2
    known = region_fidelity(fused, ct, mr, labels=labels)
    derived = region_fidelity(fused, ct, mr, bone_level=PHANTOM_BONE)
    np.testing.assert_allclose(values(derived), values(known), atol=0.05)


def test_labels_on_another_grid_are_refused() -> None:
    ct, mr = head()
    with pytest.raises(InputError, match=r"label image is \(5, 5\), the CT \(96, 96\); resample"):
        region_fidelity(mr, ct, mr, labels=np.zeros((5, 5), np.uint8))


def test_without_a_head_nothing_can_be_lost() -> None:
    black = np.zeros((20, 20), np.uint8)
    found = region_fidelity(black + 99, black, black)
    assert values(found) == (1, 1, 1)
    assert (found.bone.pixels, found.tissue.pixels, found.seam_pixels) == (0, 0, 0)


def test_no_bone_gives_no_seam_and_no_tissue_no_tissue() -> None:
    flat = np.full((20, 20), 90, np.uint8)
    no_bone = region_fidelity(flat, flat, flat)
    assert (no_bone.bone.pixels, no_bone.tissue.pixels, no_bone.seam_pixels) == (0, 400, 0)
    assert values(no_bone) == pytest.approx((1, 1, 1))
    white = np.full((20, 20), 255, np.uint8)
    all_bone = region_fidelity(flat, white, flat)
    assert (all_bone.bone.pixels, all_bone.tissue.pixels, all_bone.seam_pixels) == (400, 0, 0)
    assert all_bone.tissue.fidelity == all_bone.seam == 1
    assert all_bone.bone.fidelity < 0.8


def test_a_flat_image_has_no_false_edges_and_almost_nothing_else() -> None:
    ct, mr = head()
    rounding = 1e-13 * np.random.default_rng(1).standard_normal(ct.shape)
    for fused in (np.full_like(ct, 60), 60 + rounding):
        found = region_fidelity(fused, ct, mr)
        assert found.seam == 1
        assert found.tissue.fidelity < 0.2


def test_the_seam_lies_on_both_sides_of_the_border() -> None:
    ct = np.full((30, 40), 90.0)
    ct[:, 20:] = 255
    found = region_fidelity(ct, ct, ct)
    assert found.seam_pixels == 30 * 2 * SEAM_PIXELS
    assert found.tissue.pixels == 30 * (20 - SEAM_PIXELS)
    assert found.bone.pixels == 30 * 20


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 2**32),
    st.tuples(*[st.sampled_from(["noise", "steps", "flat"])] * 3),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
)
def test_every_value_lies_between_zero_and_one(
    seed: int, kinds: tuple[str, str, str], shape: tuple[int, int]
) -> None:
    rng = np.random.default_rng(seed)
    made = {
        "noise": lambda: rng.uniform(0, 255, shape),
        "steps": lambda: rng.choice([0.0, 255.0], shape),
        "flat": lambda: np.full(shape, rng.uniform(0, 255)),
    }
    fused, ct, mr = (made[kind]() for kind in kinds)
    found = values(region_fidelity(fused, ct, mr))
    assert np.isfinite(found).all()
    assert np.greater_equal(found, 0).all()
    assert np.less_equal(found, 1 + 1e-12).all()


def test_the_rules_stand_in_the_order_that_their_purpose_says(pairs: list[ImagePair]) -> None:
    names = ("bone_over_mr", "laplacian", "average", "dwt", "copy_ct", "copy_mr")
    ct, mr = (np.stack([getattr(p, kind) for p in pairs[::3]]) for kind in ("ct", "mr"))
    of = {}
    for name in names:
        fused = 255 * load_method(name)(ct / np.float32(255), mr / np.float32(255))
        rows = [values(region_fidelity(f, c, m)) for f, c, m in zip(fused, ct, mr, strict=True)]
        of[name] = dict(zip(("bone", "tissue", "seam"), np.mean(rows, axis=0), strict=True))

    def order(region: str, *, owner: str) -> list[str]:
        return sorted({*names} - {owner}, key=lambda name: -of[name][region])

    assert order("bone", owner="copy_ct") == [
        "bone_over_mr", "laplacian", "average", "dwt", "copy_mr",
    ]  # fmt: skip
    assert order("tissue", owner="copy_mr") == [
        "bone_over_mr", "laplacian", "dwt", "average", "copy_ct",
    ]  # fmt: skip
    assert of["dwt"]["seam"] < of["laplacian"]["seam"] < of["bone_over_mr"]["seam"]
