"""Findings kept: what the measure must say of copies, inversions, fading, noise and guards."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radfuse.arrays import BoolArray, Float64Array
from radfuse.errors import InputError
from radfuse.metrics.findings_kept import (
    FULL_CNR,
    FULL_CONTRAST,
    KEPT,
    SPECK_LEVELS,
    WEAKENED,
    Shown,
    Verdict,
    finding_kept,
    overshoot,
    reference,
    shown,
    specks,
    spill,
    verdict,
)
from radfuse.metrics.lesion_contrast import lesion_ring
from radfuse.metrics.region_fidelity import VISIBLE

SIDE = 40
CONTRASTS = st.floats(3, 120) | st.floats(-120, -3)


def disc() -> BoolArray:
    return np.hypot(*(np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2)) < 6


def tissue(noise: float = 5, seed: int = 1) -> Float64Array:
    """Tissue without a finding, of 120 grey levels, with an edge beside the finding."""
    grain = np.random.default_rng(seed).normal(0, noise, (SIDE, SIDE))
    return np.asarray(120 + grain + 40 * (np.arange(SIDE) < 6), np.float64)


def display(contrast: float, without: Float64Array) -> Shown:
    """How tissue shows a disc of a contrast."""
    masks = {"lesion": disc(), "ring": lesion_ring(disc())}
    return shown(without + contrast * disc(), without, **masks)


@given(CONTRASTS)
def test_a_copy_of_the_source_keeps_all_or_more(contrast: float) -> None:
    source = display(contrast, tissue())
    assert finding_kept(source, source) >= 1 - 1e-9
    assert verdict(source, source) is Verdict.KEPT


@given(CONTRASTS)
def test_a_copy_of_the_other_source_keeps_nothing(contrast: float) -> None:
    source, other = display(contrast, tissue()), display(0, tissue(seed=2))
    assert finding_kept(other, source) == 0
    assert verdict(other, source) is Verdict.LOST


@given(CONTRASTS)
def test_opposite_contrast_is_inverted(contrast: float) -> None:
    source, negative = display(contrast, tissue()), display(-contrast, tissue(seed=2))
    assert finding_kept(negative, source) == pytest.approx(-max(1, abs(contrast) / FULL_CONTRAST))
    assert verdict(negative, source) is Verdict.INVERTED


@given(CONTRASTS, st.floats(-100, 100))
def test_sign_and_brightness_of_the_tissue_do_not_matter(contrast: float, level: float) -> None:
    fused, source = display(contrast / 2, tissue(seed=2)), display(contrast, tissue())
    dark = display(-contrast / 2, tissue(seed=2) + level), display(-contrast, tissue())
    assert finding_kept(*dark) == pytest.approx(finding_kept(fused, source))


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (1.0, Verdict.KEPT),
        (KEPT, Verdict.KEPT),
        (KEPT - 0.01, Verdict.WEAKENED),
        (WEAKENED, Verdict.WEAKENED),
        (WEAKENED - 0.01, Verdict.LOST),
        (0.0, Verdict.LOST),
        (-0.03, Verdict.LOST),
        (-0.1, Verdict.INVERTED),
    ],
)
def test_verdicts_follow_the_share_of_contrast(sign: int, share: float, expected: Verdict) -> None:
    source = Shown(sign * 40.0, 5.0)
    fused = Shown(sign * 40.0 * share, 5.0)
    assert finding_kept(fused, source) == pytest.approx(share)
    assert verdict(fused, source) is expected


def test_inversion_below_the_visible_is_lost() -> None:
    source = Shown(40.0, 5.0)
    assert verdict(Shown(-VISIBLE, 5.0), source) is Verdict.LOST
    assert verdict(Shown(-VISIBLE - 0.01, 5.0), source) is Verdict.INVERTED


@pytest.mark.parametrize("contrast", [80.0, 150.0, 255.0, -255.0])
def test_a_quarter_of_white_suffices(contrast: float) -> None:
    source, full = Shown(contrast, 5.0), np.sign(contrast) * FULL_CONTRAST
    assert finding_kept(Shown(full, 5.0), source) == 1
    assert finding_kept(Shown(full / 2, 5.0), source) == 0.5


@pytest.mark.parametrize("noise", [2.0, 10.0, 30.0])
def test_a_contrast_of_twice_the_noise_suffices(noise: float) -> None:
    fused = Shown(60.0, noise)
    kept = finding_kept(fused, Shown(60.0, 2.0))
    assert kept == pytest.approx(min(1.0, 60 / noise / FULL_CNR))


def test_noise_lowers_what_is_kept() -> None:
    source = display(40, tissue())
    kept = [
        finding_kept(display(40, tissue(noise, seed=2)), source) for noise in (5, 20, 30, 60, 120)
    ]
    assert kept[0] == pytest.approx(1)
    assert (np.diff(kept[1:]) < 0).all()
    assert kept[-1] < 0.5


def test_an_invisible_finding_of_the_source_has_none_kept() -> None:
    assert finding_kept(Shown(30.0, 5.0), Shown(0.0, 5.0)) == 0


def test_contrast_is_caused_by_the_finding_alone() -> None:
    """Anatomy in the lesion and its ring cancels; so does a change of the whole image."""
    masks = {"lesion": disc(), "ring": lesion_ring(disc())}
    anatomy = tissue() + 70 * (np.arange(SIDE) < SIDE // 2) + 50 * disc()
    found = shown(anatomy + 9 + 25 * disc(), anatomy, **masks)
    assert found.contrast == pytest.approx(25)
    assert found.noise == pytest.approx(np.hypot(anatomy[masks["ring"]].std(), VISIBLE))
    assert found.cnr == found.contrast / found.noise


def test_the_reference_is_the_display_with_most_contrast() -> None:
    windows = Shown(3.0, 1.0), Shown(-60.0, 20.0), Shown(50.0, 2.0)
    assert reference(windows) == windows[1]


@pytest.mark.parametrize("name", ["lesion", "ring"])
def test_a_mask_off_the_grid_or_empty_is_refused(name: str) -> None:
    masks = {"lesion": disc(), "ring": lesion_ring(disc())}
    for wrong in (np.zeros((SIDE, SIDE), np.bool_), np.ones((3, 3), np.bool_)):
        with pytest.raises(InputError, match=rf"the {name} mask is .* images are \(40, 40\)"):
            shown(tissue(), tissue(), **{**masks, name: wrong})


def volume(seed: int = 1) -> Float64Array:
    """Three slices of tissue with edges: straight, oblique, and a disc."""
    y, x = np.mgrid[:SIDE, :SIDE]
    edges = 60 * (x > 30) + 60 * (x + y < 20) + 60 * disc()
    grain = np.random.default_rng(seed).normal(0, 2, (3, SIDE, SIDE))
    return np.asarray(100 + edges + grain)


EVERYWHERE = np.ones((3, SIDE, SIDE), np.bool_)


PIXELS = st.tuples(st.integers(0, 2), st.integers(0, 8), st.sampled_from([28, 35]))
"""Slice, row in steps of 4, and column: away from the edges."""


@given(st.sets(PIXELS), st.sampled_from([1, -1]))
def test_specks_are_exactly_the_planted_pixels(
    planted: set[tuple[int, int, int]], sign: int
) -> None:
    fused, ct = volume(), volume()
    for z, row, x in planted:
        fused[z, 2 + 4 * row, x] += sign * (SPECK_LEVELS + 15)
    found = specks(fused, ct, ct, EVERYWHERE)
    assert found == pytest.approx(1000 * len(planted) / fused.size)


def test_edges_of_the_fused_image_alone_are_no_specks() -> None:
    flat = np.full((3, SIDE, SIDE), 100.0)
    assert specks(volume(), flat, flat, EVERYWHERE) == 0


def test_specks_of_a_source_and_outside_the_brain_are_none() -> None:
    fused, ct, mr = volume(), volume(), volume()
    for image in (fused, ct):
        image[1, 10, 10] += 80
    for image in (fused, mr):
        image[1, 20, 4] -= 80
    fused[2, 35, 35] += 80
    brain = EVERYWHERE.copy()
    brain[:, 30:] = False
    assert specks(fused, ct, mr, brain) == 0
    assert specks(fused, volume(), mr, brain) == pytest.approx(1000 / brain.sum())


@pytest.mark.parametrize(("in_source", "is_speck"), [(0, True), (28, True), (40, False)])
@pytest.mark.parametrize("source", [0, 1])
def test_a_source_with_half_of_a_speck_explains_it(
    source: int, in_source: float, *, is_speck: bool
) -> None:
    images = [np.full((3, SIDE, SIDE), 100.0) for _ in range(3)]
    images[2][1, 10, 10] += 70
    images[source][1, 10, 10] -= in_source
    ct, mr, fused = images
    assert specks(fused, ct, mr, EVERYWHERE) == pytest.approx(is_speck * 1000 / fused.size)


def test_noise_alone_is_no_speck_and_no_brain_has_none() -> None:
    noisy = np.random.default_rng(3).normal(100, 12, (3, SIDE, SIDE))
    flat = np.full((3, SIDE, SIDE), 100.0)
    assert specks(noisy, flat, flat, EVERYWHERE) < 2
    assert specks(noisy, flat, flat, ~EVERYWHERE) == 0


@given(st.floats(0, 80), st.floats(0, 80))
def test_spill_is_the_mean_change_as_a_share_of_white(brighter: float, darker: float) -> None:
    near = lesion_ring(disc(), gap=0, width=4)
    left = near & (np.arange(SIDE) < SIDE // 2)
    before, after = tissue(), tissue()
    after[disc()] += 100
    after[left] += brighter
    after[near & ~left] -= darker
    share = left.sum() / near.sum()
    expected = (share * brighter + (1 - share) * darker) / 255
    assert spill(after, before, near) == pytest.approx(expected)
    assert spill(after, before, np.zeros_like(near)) == 0


@given(st.floats(0, 90), st.sampled_from([1, -1]))
def test_overshoot_is_what_no_source_has(step: float, sign: int) -> None:
    sources = tissue(), tissue(seed=2), tissue(seed=3)
    brain = disc()
    fused = np.mean(sources, axis=0)
    assert overshoot(fused, sources, brain) == 0
    outermost = np.max(sources, axis=0) if sign > 0 else np.min(sources, axis=0)
    assert overshoot(outermost + sign * step, sources, brain) == pytest.approx(step)
    one = np.where(np.arange(SIDE) == SIDE // 2, outermost + sign * step, fused)
    share = brain[:, SIDE // 2].sum() / brain.sum()
    assert overshoot(one, sources, brain) == pytest.approx(step * np.sqrt(share))
    assert overshoot(fused + 500, sources, np.zeros_like(brain)) == 0
