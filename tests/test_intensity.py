"""Windows, MR scaling and head masks."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from radfuse.errors import InputError
from radfuse.intensity import (
    NEARLY_WHITE,
    WINDOWS,
    Window,
    both_windows,
    head_mask,
    percentile_range,
)
from radfuse.modality import CT, MR
from radfuse.phantom.head import Label, Phantom
from radfuse.pipeline.read import read

WIDTHS = st.floats(0.5, 5000, width=32)
LEVELS = st.floats(-1000, 3000, width=32)
HU = arrays(np.float32, 30, elements=st.floats(-2000, 4000, width=32))
OUTSIDE = (Label.AIR, Label.HOLDER)


@given(WIDTHS, LEVELS, HU)
def test_a_window_is_monotone_and_within_0_and_1(
    width: float, level: float, hu: np.ndarray
) -> None:
    scaled = Window(width, level).scale(np.sort(hu))
    assert scaled.dtype == np.float32
    assert (np.diff(scaled) >= 0).all()
    assert scaled.min() >= 0
    assert scaled.max() <= 1


@given(WIDTHS, LEVELS)
def test_a_window_runs_from_its_lowest_value_to_its_highest(width: float, level: float) -> None:
    window = Window(width, level)
    assert window.lowest == level - width / 2
    ends = np.array([window.lowest, level, window.lowest + width], np.float32)
    rounding = 4 * np.spacing(np.float32(4000)) / width
    np.testing.assert_allclose(window.scale(ends), [0, 0.5, 1], rtol=0, atol=rounding)
    assert window.threshold(window.lowest - 1) == 0
    assert window.threshold(window.lowest + width + 1) == NEARLY_WHITE


@given(WIDTHS, LEVELS, HU)
def test_one_value_is_scaled_like_many(width: float, level: float, hu: np.ndarray) -> None:
    window = Window(width, level)
    single = [window.threshold(float(value)) for value in hu]
    rounding = 4 * np.spacing(np.float32(6000)) / width
    np.testing.assert_allclose(
        np.minimum(window.scale(hu), NEARLY_WHITE), single, rtol=1e-5, atol=rounding
    )


def test_scaling_leaves_its_input_alone() -> None:
    hu = np.array([-1000, 0, 1000], np.float32)
    WINDOWS["bone"].scale(hu)
    np.testing.assert_array_equal(hu, [-1000, 0, 1000])


def test_the_presets_are_those_of_radiology() -> None:
    assert {name: (window.width, window.level) for name, window in WINDOWS.items()} == {
        "brain": (80, 40),
        "subdural": (200, 75),
        "stroke": (30, 30),
        "soft-tissue": (400, 40),
        "bone": (2500, 480),
        "bone-thin": (2000, 500),
        "fusion": (1000, 500),
    }


@pytest.mark.parametrize(
    ("width", "level"), [(0, 40), (-1, 40), (np.nan, 40), (np.inf, 40), (80, np.nan), (80, -np.inf)]
)
def test_a_window_without_a_width_is_refused(width: float, level: float) -> None:
    with pytest.raises(InputError, match=f"window width {width:g} level {level:g}: give a width"):
        Window(width, level)


def test_an_mr_is_scaled_by_its_foreground_alone() -> None:
    values = np.concatenate([np.zeros(5000), np.linspace(100, 900, 1001)]).astype(np.float32)
    low, high = percentile_range(values, values > 0, MR)
    assert MR.percentiles == (1.0, 99.5)
    assert low == pytest.approx(108)
    assert high == pytest.approx(896)


@given(st.floats(0.01, 100), st.floats(-100, 100))
def test_the_scaling_follows_gain_and_offset(gain: float, offset: float) -> None:
    values = np.linspace(0, 1000, 501, dtype=np.float32)
    everywhere = values >= 0
    low, high = percentile_range(values, everywhere, MR)
    changed = percentile_range((values * gain + offset).astype(np.float32), everywhere, MR)
    np.testing.assert_allclose(
        changed, (low * gain + offset, high * gain + offset), rtol=1e-4, atol=1e-2
    )


def test_an_mr_without_foreground_is_refused() -> None:
    values = np.ones(10, np.float32)
    with pytest.raises(InputError, match="MR has no voxel above its background"):
        percentile_range(values, values > 1, MR)


def test_an_mr_without_contrast_is_refused() -> None:
    values = np.full(10, 7, np.float32)
    with pytest.raises(InputError, match="no contrast: the head's values are 7 to 7"):
        percentile_range(values, values > 0, MR)


def on_grid(mask: sitk.Image, grid: sitk.Image) -> np.ndarray:
    return (
        sitk.GetArrayFromImage(
            sitk.Resample(mask, grid, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
        )
        > 0
    )


def coverage(mask: np.ndarray, labels: sitk.Image) -> tuple[float, float, float]:
    """Shares of the head, of the head holder and of the air that a mask holds."""
    truth = sitk.GetArrayViewFromImage(labels)
    head, holder, air = ~np.isin(truth, OUTSIDE), truth == Label.HOLDER, truth == Label.AIR
    return tuple(  # type: ignore[return-value]
        float(mask[part].mean()) if part.any() else 0.0 for part in (head, holder, air)
    )


def assert_is_head(mask: np.ndarray, labels: sitk.Image) -> None:
    head, holder, air = coverage(mask, labels)
    assert head > 0.95
    assert holder < 0.10
    assert air < 0.06


def test_the_cts_mask_is_the_head_without_its_holder(phantom: Phantom) -> None:
    mask = head_mask(phantom.ct.image, CT)
    assert mask.GetPixelID() == sitk.sitkUInt8
    assert_is_head(on_grid(mask, phantom.ct.image), phantom.labels)


def test_the_mrs_mask_is_the_head_on_its_own_oblique_grid(phantom: Phantom) -> None:
    mask = head_mask(phantom.mr.image, MR)
    assert mask.GetSize() == phantom.mr.image.GetSize()
    assert mask.GetDirection() == phantom.mr.image.GetDirection()
    assert_is_head(sitk.GetArrayFromImage(mask) > 0, phantom.labels_mr)


def resampled(image: sitk.Image, fill: float, *, label: bool = False) -> sitk.Image:
    """The same place on a finer, anisotropic and oblique grid."""
    turn = sitk.Euler3DTransform((0.0, 2.0, 0.0), 0.2, -0.15, 0.3)
    size, spacing = [130, 150, 60], [1.8, 1.9, 3.9]
    half = (np.array(size) - 1) / 2 * spacing
    grid = sitk.Image(size, sitk.sitkUInt8)
    grid.SetSpacing(spacing)
    grid.SetDirection(turn.GetMatrix())
    grid.SetOrigin((np.array([0, 2, 0]) - np.reshape(turn.GetMatrix(), (3, 3)) @ half).tolist())
    how = sitk.sitkNearestNeighbor if label else sitk.sitkLinear
    return sitk.Resample(image, grid, sitk.Transform(), how, fill)


def test_the_cts_mask_does_not_hang_on_the_grid(phantom: Phantom) -> None:
    ct = resampled(phantom.ct.image, -1000.0)
    labels = resampled(phantom.labels, 0, label=True)
    assert_is_head(on_grid(head_mask(ct, CT), ct), labels)


def test_a_fine_ct_is_masked_on_a_grid_of_about_two_millimetres(phantom: Phantom) -> None:
    fine = sitk.Expand(phantom.ct.image, [3, 3, 1])
    mask = head_mask(fine, CT)
    np.testing.assert_allclose(mask.GetSpacing(), (2.0, 2.0, 3.6))
    assert_is_head(on_grid(mask, phantom.ct.image), phantom.labels)


@pytest.mark.parametrize("gain", [0.01, 1.0, 50.0])
def test_the_mrs_mask_does_not_hang_on_the_units(phantom: Phantom, gain: float) -> None:
    wanted = sitk.GetArrayFromImage(head_mask(phantom.mr.image, MR))
    found = sitk.GetArrayFromImage(head_mask(phantom.mr.image * gain, MR))
    assert np.mean(found != wanted) < 0.005


def litres(mask: sitk.Image) -> float:
    return float(sitk.GetArrayViewFromImage(mask).sum() * np.prod(mask.GetSpacing()) / 1e6)


def test_the_masks_of_a_real_head_have_a_heads_size_and_place(shared: Path) -> None:
    folder = shared / "data/real/3d_vhf"
    if not folder.is_dir():
        pytest.skip(f"real data is missing: {folder.name}")
    ct = read(folder / "vhf_head_ct_8bit_hu.nii.gz", "CT").image
    mr = read(folder / "vhf_head_mr_t1_8bit.nii.gz", "MR").image
    of_ct = head_mask(sitk.Shrink(ct, [4, 4, 4]), CT)
    of_mr = head_mask(sitk.Shrink(mr, [4, 4, 1]), MR)
    assert 3.0 < litres(of_ct) < 7.5
    assert 2.5 < litres(of_mr) < 6.0
    mr_to_ct = sitk.ReadTransform(str(folder / "mr_to_ct_silver.tfm"))
    moved = sitk.Resample(of_ct, of_mr, mr_to_ct, sitk.sitkNearestNeighbor, 0)
    both = sitk.GetArrayFromImage(moved & of_mr).sum()
    either = sitk.GetArrayViewFromImage(moved).sum() + sitk.GetArrayViewFromImage(of_mr).sum()
    assert 2 * both / either > 0.85


def test_both_windows_show_soft_tissue_and_white_bone() -> None:
    fat, fluid, brain, soft_end, bone, dense = both_windows(
        np.array([-90, 5, 38, 240, 300, 1400], np.float32)
    )
    assert 0.05 < fat < fluid < brain
    assert brain - fluid > 0.04
    assert brain > 0.25
    assert (bone, dense) == (pytest.approx(0.8), 1.0)
    assert soft_end == pytest.approx(0.6)
