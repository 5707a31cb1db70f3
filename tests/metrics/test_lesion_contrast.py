"""What lesion contrast must tell of a tumour in the fused image."""

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from radfuse.arrays import BoolArray, Float64Array
from radfuse.errors import InputError
from radfuse.intensity import WINDOWS
from radfuse.methods.loading import load_method
from radfuse.metrics.lesion_contrast import lesion_contrast, lesion_kept, lesion_ring
from radfuse.metrics.region_fidelity import VISIBLE
from radfuse.phantom.head import LABELS, Phantom
from radfuse.pipeline.volume import scale_volumes

SIDE = 40
BRAIN = ("grey", "white")


def disc() -> BoolArray:
    return np.hypot(*(np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2)) < 6


def picture(difference: float, noise: float, seed: int = 1) -> Float64Array:
    """A disc on noisy ground: 100 grey levels, and more or less in the disc."""
    grain = np.random.default_rng(seed).standard_normal((SIDE, SIDE))
    return np.asarray(100 + difference * disc() + noise * grain, np.float64)


@pytest.fixture(scope="module")
def tumour(phantom: Phantom) -> tuple[Float64Array, Float64Array, BoolArray, BoolArray]:
    """CT and MR of the phantom, its tumour, and the brain around it."""
    scaled = scale_volumes(phantom.ct, phantom.mr, phantom.mr_from_ct, WINDOWS["fusion"])
    labels = sitk.GetArrayFromImage(phantom.labels)[scaled.box]
    lesion = labels == LABELS["tumour"]
    others = ~np.isin(labels, [LABELS[name] for name in BRAIN])
    spacing = phantom.ct.image.GetSpacing()[::-1]
    ring = lesion_ring(lesion, others=others, gap=3, width=8, spacing=spacing)
    return 255 * scaled.ct.astype(float), 255 * scaled.mr.astype(float), lesion, ring


def test_cnr_is_mean_difference_over_ring_and_display_noise() -> None:
    lesion, ring = disc(), lesion_ring(disc())
    mr, ct = picture(30, 5), picture(-4, 8, seed=2)
    found = lesion_contrast(mr, ct, mr, lesion=lesion, ring=ring)
    assert found.mr.difference == pytest.approx(mr[lesion].mean() - mr[ring].mean())
    assert found.mr.noise == pytest.approx(mr[ring].std())
    assert found.mr.cnr == pytest.approx(found.mr.difference / np.hypot(found.mr.noise, VISIBLE))
    assert found.mr.cnr == pytest.approx(30 / np.hypot(5, VISIBLE), rel=0.15)
    assert (found.lesion_voxels, found.ring_voxels) == (lesion.sum(), ring.sum())


def test_dark_lesion_has_negative_difference_positive_ratio() -> None:
    lesion, ring = disc(), lesion_ring(disc())
    dark = picture(-40, 5)
    found = lesion_contrast(dark, dark, dark, lesion=lesion, ring=ring)
    assert found.fused.difference < -35
    assert found.fused.cnr < -5
    assert found.cnr_ratio == found.difference_ratio == 1


@settings(max_examples=25, deadline=None)
@given(st.floats(5, 60), st.sampled_from([1, -1]), st.floats(0.3, 1.5))
def test_opposite_sign_of_the_better_source_is_negative(
    contrast: float, sign: int, gain: float
) -> None:
    masks = {"lesion": disc(), "ring": lesion_ring(disc())}
    ct, mr = picture(0, 5, seed=2), picture(sign * contrast, 5)
    inverted = 200 - gain * mr
    found = lesion_contrast(inverted, ct, mr, **masks)
    assert found.reference == found.better == found.mr
    np.testing.assert_allclose(found.difference_ratio, -gain)
    assert found.cnr_ratio < 0
    assert lesion_kept(inverted, ct, mr, **masks) == found.kept < 0


def test_sources_of_opposite_signs_are_told_apart() -> None:
    masks = {"lesion": disc(), "ring": lesion_ring(disc())}
    ct, mr = picture(60, 5, seed=2), picture(-50, 5)
    assert lesion_kept(ct, ct, mr, **masks, shown_by="ct") == 1
    assert lesion_kept(mr, ct, mr, **masks, shown_by="mr") == 1
    assert lesion_kept(mr, ct, mr, **masks, shown_by="ct") < -0.7
    assert lesion_kept(ct, ct, mr, **masks, shown_by="mr") < -1


@pytest.mark.parametrize(
    "name", ["copy_mr", "bone_over_mr", pytest.param("mfinet", marks=pytest.mark.slow)]
)
def test_white_calcification_shown_as_a_black_hole(phantom: Phantom, name: str) -> None:
    """The CT shows it white, the MR black: a copy of the MR shows the void."""
    window = WINDOWS["fusion"]
    scaled = scale_volumes(phantom.ct, phantom.mr, phantom.mr_from_ct, window)
    labels = sitk.GetArrayFromImage(phantom.labels)[scaled.box]
    lesion = labels == LABELS["calcification"]
    heights = np.flatnonzero(lesion.any(axis=(1, 2)))
    part = slice(heights[0], heights[-1] + 1)
    ring = lesion_ring(lesion, others=~np.isin(labels, [LABELS[one] for one in BRAIN]), width=8)
    ct, mr = scaled.ct[part], scaled.mr[part]
    fused = load_method(name, window=window)(ct, mr)
    images = (255 * image.astype(float) for image in (fused, ct, mr))
    masks = {"lesion": lesion[part], "ring": ring[part]}
    found = lesion_contrast(*images, **masks, shown_by="ct")
    assert found.ct.difference > 20
    assert found.mr.difference < -20
    assert found.fused.difference < -20
    assert found.kept < -0.5


def test_a_copy_of_the_source_that_shows_it_better_keeps_all(
    tumour: tuple[Float64Array, Float64Array, BoolArray, BoolArray],
) -> None:
    ct, mr, lesion, ring = tumour
    found = lesion_contrast(mr, ct, mr, lesion=lesion, ring=ring)
    assert found.better == found.mr
    assert found.cnr_ratio == found.difference_ratio == found.kept == 1


def test_averaging_halves_tumour_contrast_but_not_its_cnr(
    tumour: tuple[Float64Array, Float64Array, BoolArray, BoolArray],
) -> None:
    ct, mr, lesion, ring = tumour
    found = lesion_contrast((ct + mr) / 2, ct, mr, lesion=lesion, ring=ring)
    assert found.fused.difference == pytest.approx((found.ct.difference + found.mr.difference) / 2)
    assert 0.5 < found.difference_ratio < 0.6
    assert found.cnr_ratio > 0.9
    assert found.kept == found.difference_ratio


def test_averaging_with_noisy_empty_source_costs_cnr() -> None:
    lesion, ring = disc(), lesion_ring(disc())
    mr, ct = picture(30, 5), picture(0, 15, seed=2)
    ratio = lesion_contrast((ct + mr) / 2, ct, mr, lesion=lesion, ring=ring).cnr_ratio
    assert ratio == pytest.approx(
        15 / np.hypot(np.hypot(5, 15) / 2, VISIBLE) / (30 / np.hypot(5, VISIBLE)), rel=0.15
    )


def test_agreeing_sources_make_average_better_than_both() -> None:
    lesion, ring = disc(), lesion_ring(disc())
    ct, mr = picture(30, 8), picture(30, 8, seed=2)
    ratio = lesion_contrast((ct + mr) / 2, ct, mr, lesion=lesion, ring=ring).cnr_ratio
    assert ratio == pytest.approx(np.sqrt(2), rel=0.1)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.3, 3), st.floats(-60, 60))
def test_gain_changes_only_grey_levels_and_offset_nothing(gain: float, offset: float) -> None:
    lesion, ring = disc(), lesion_ring(disc())
    ct, mr = picture(10, 6, seed=2), picture(60, 20)
    found = lesion_contrast(gain * mr + offset, ct, mr, lesion=lesion, ring=ring)
    np.testing.assert_allclose(found.difference_ratio, gain)
    noise = found.mr.noise
    expected = gain * np.hypot(noise, VISIBLE) / np.hypot(gain * noise, VISIBLE)
    np.testing.assert_allclose(found.cnr_ratio, expected)
    np.testing.assert_allclose(found.cnr_ratio, 1, atol=0.06)


def test_two_invisible_grey_levels_do_not_make_better_source() -> None:
    lesion, ring = disc(), lesion_ring(disc())
    ct, mr = picture(2, 0.5, seed=2), picture(50, 20)
    found = lesion_contrast(mr, ct, mr, lesion=lesion, ring=ring)
    assert found.ct.difference / found.ct.noise > found.mr.difference / found.mr.noise
    assert found.better == found.mr


def test_better_source_has_higher_cnr_not_more_grey_levels() -> None:
    lesion, ring = disc(), lesion_ring(disc())
    ct, mr = picture(30, 20, seed=2), picture(20, 2)
    masks = {"lesion": lesion, "ring": ring}
    assert lesion_kept(mr, ct, mr, **masks) == 1
    assert lesion_contrast(ct, ct, mr, **masks).difference_ratio > 1
    assert lesion_kept(ct, ct, mr, **masks) == lesion_contrast(ct, ct, mr, **masks).cnr_ratio < 0.3


def test_noisier_fused_image_keeps_less_of_the_tumour(
    tumour: tuple[Float64Array, Float64Array, BoolArray, BoolArray],
) -> None:
    ct, mr, lesion, ring = tumour
    grain = np.random.default_rng(3).standard_normal(mr.shape)
    found = [
        lesion_contrast(mr + a * grain, ct, mr, lesion=lesion, ring=ring) for a in (0, 10, 20, 40)
    ]
    assert (np.diff([one.cnr_ratio for one in found]) < -0.05).all()
    assert (np.diff([one.kept for one in found]) < -0.05).all()


def test_the_fainter_the_tumour_the_less_of_it_is_kept(
    tumour: tuple[Float64Array, Float64Array, BoolArray, BoolArray],
) -> None:
    ct, mr, lesion, ring = tumour
    mean = mr[ring].mean()
    for share in (0.75, 0.5, 0.0):
        faded = np.where(lesion, mean + share * (mr - mean), mr)
        options = {"lesion": lesion, "ring": ring}
        found = lesion_contrast(faded, ct, mr, **options)
        ratios = found.cnr_ratio, found.difference_ratio, lesion_kept(faded, ct, mr, **options)
        np.testing.assert_allclose(ratios, share, atol=1e-12)


def test_a_ring_without_any_noise_has_that_of_the_display() -> None:
    lesion, ring = disc(), lesion_ring(disc())
    image = picture(2, 0)
    found = lesion_contrast(image, image, image, lesion=lesion, ring=ring)
    assert found.fused.noise == 0
    assert found.fused.cnr == pytest.approx(2 / VISIBLE)


def test_where_neither_source_shows_it_nothing_could_be_lost() -> None:
    lesion, ring = disc(), lesion_ring(disc())
    flat = picture(0, 0)
    for fused in (flat, picture(30, 0)):
        found = lesion_contrast(fused, flat, flat, lesion=lesion, ring=ring)
        assert found.cnr_ratio == found.difference_ratio == 1


def test_ring_holds_everything_between_gap_and_gap_plus_width() -> None:
    lesion = np.zeros((12, 14), np.bool_)
    lesion[5, 6] = True
    distance = np.hypot(*(np.mgrid[:12, :14] - np.array([5, 6])[:, None, None]))
    expected = (distance > 1.5) & (distance <= 4)
    np.testing.assert_array_equal(lesion_ring(lesion, gap=1.5, width=2.5), expected)


def test_the_ring_is_as_wide_in_thick_slices_as_in_thin_ones() -> None:
    lesion = np.zeros((9, 20, 20), np.bool_)
    lesion[4, 10, 10] = True
    ring = lesion_ring(lesion, gap=0, width=6, spacing=(3, 1, 1.5))
    z, y, x = (np.flatnonzero(ring.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1)))
    assert [z.min(), z.max(), y.min(), y.max(), x.min(), x.max()] == [2, 6, 4, 16, 6, 14]


def test_a_ring_at_the_images_corner_is_cut_by_it() -> None:
    lesion = np.zeros((6, 6), np.bool_)
    lesion[0, 0] = True
    ring = lesion_ring(lesion, gap=0, width=2)
    np.testing.assert_array_equal(np.argwhere(ring), [[0, 1], [0, 2], [1, 0], [1, 1], [2, 0]])


def test_other_labels_are_left_out_of_the_ring() -> None:
    others = np.arange(SIDE) < SIDE // 2
    ring = lesion_ring(disc(), others=np.broadcast_to(others, (SIDE, SIDE)))
    assert not ring[:, : SIDE // 2].any()
    assert ring[:, SIDE // 2 :].any()


def test_an_empty_lesion_is_refused() -> None:
    with pytest.raises(InputError, match=r"lesion mask \(4, 4\) is empty"):
        lesion_ring(np.zeros((4, 4), np.bool_))


@pytest.mark.parametrize("name", ["lesion", "ring"])
def test_a_mask_that_is_empty_or_elsewhere_is_refused(name: str) -> None:
    image, masks = picture(5, 1), {"lesion": disc(), "ring": lesion_ring(disc())}
    for wrong in (np.zeros((SIDE, SIDE), np.bool_), np.ones((3, 3), np.bool_)):
        with pytest.raises(InputError, match=rf"the {name} mask is .* images are \(40, 40\)"):
            lesion_contrast(image, image, image, **{**masks, name: wrong})
