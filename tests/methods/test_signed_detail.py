"""Signed detail: what the CT's brain window shows is in the fused image, with its sign."""

from dataclasses import dataclass

import numpy as np
import pytest
import SimpleITK as sitk

from radfuse.arrays import Float32Array
from radfuse.intensity import WINDOWS
from radfuse.methods import signed_detail
from radfuse.methods.bone_blend import BoneBlend
from radfuse.methods.detail import head_contrast
from radfuse.methods.detail.coarse_grid import CoarseGrid, smoothed
from radfuse.methods.detail.head_contrast import SAMPLED, Background, noise_hu, noise_samples
from radfuse.methods.detail.skull import Skull
from radfuse.methods.detail.tissue import Tissue
from radfuse.methods.head import ArrayHead
from radfuse.methods.signed_detail import SignedDetail
from radfuse.metrics.findings_kept import (
    Verdict,
    finding_kept,
    reference,
    shown,
    specks,
    spill,
    verdict,
)
from radfuse.metrics.region_fidelity import VISIBLE
from radfuse.modality import AIR_HU
from radfuse.phantom.findings import KINDS, Finding, Pair, insert_findings
from radfuse.phantom.head import Label, Phantom
from radfuse.phantom.sites import Sites, find_sites
from radfuse.pipeline.volume import scale_volumes

FUSION, BRAIN = WINDOWS["fusion"], WINDOWS["brain"]
OF_CT = ("calcification 250 HU", "calcification, MR void", "haemorrhage", "air")
OF_MR = ("enhancing lesion", "metastasis", "dural enhancement")
METHOD = SignedDetail(printed_base="bone_blend")
"""A quick base for 2-D images, too: the default one takes seconds to compile."""


def fused(head: ArrayHead, method: SignedDetail = METHOD) -> Float32Array:
    return np.concatenate([part for _, part in method.fuse_head(head, FUSION)])


def levels(image: Float32Array) -> Float32Array:
    return np.rint(image * 255)


@dataclass(frozen=True)
class Example:
    """A phantom with findings, and its fused images with and without them."""

    pair: Pair
    changed: Pair
    found: list[Finding]
    sites: Sites
    labels: np.ndarray
    without: Float32Array
    fused: Float32Array

    def outcome(self, kind: str) -> tuple[float, Verdict]:
        """How much is kept of a finding, and the verdict."""
        (one,) = [each for each in self.found if each.kind == kind]
        masks = {"lesion": one.lesion, "ring": one.ring}

        def of(after: Float32Array, before: Float32Array):
            return shown(levels(after[one.box]), levels(before[one.box]), **masks)

        if KINDS[kind].hu:
            windows = [WINDOWS[name] for name in ("brain", "subdural", "bone")]
            source = reference(
                [of(w.scale(self.changed.hu), w.scale(self.pair.hu)) for w in windows]
            )
        else:
            source = of(self.changed.mr, self.pair.mr)
        of_fused = of(self.fused, self.without)
        return finding_kept(of_fused, source), verdict(of_fused, source)


@pytest.fixture(scope="module")
def example(phantom: Phantom) -> Example:
    scaled = scale_volumes(phantom.ct, phantom.mr, phantom.mr_from_ct, FUSION)
    hu = sitk.GetArrayFromImage(phantom.ct.image)[scaled.box].astype(np.float32)
    pair = Pair(hu, scaled.mr, phantom.ct.image.GetSpacing()[::-1])
    sites = find_sites(hu, pair.spacing_mm, scaled.fov_mask)
    changed, found = insert_findings(pair, sites, (*OF_CT, *OF_MR), np.random.default_rng(2))
    labels = sitk.GetArrayFromImage(phantom.labels)[scaled.box]
    images = [fused(ArrayHead(one.hu, one.mr, one.spacing_mm)) for one in (pair, changed)]
    return Example(pair, changed, found, sites, labels, *images)


def test_without_detail_it_is_the_base(example: Example) -> None:
    head = ArrayHead(example.pair.hu, example.pair.mr, example.pair.spacing_mm)
    base = BoneBlend(bone_level=FUSION.threshold(300.0))(FUSION.scale(head.hu), head.mr)
    np.testing.assert_allclose(fused(head, SignedDetail(detail=0.0)), base, atol=1e-4)


@pytest.mark.parametrize("kind", [*OF_CT, *OF_MR])
def test_a_finding_is_kept_with_its_sign(example: Example, kind: str) -> None:
    if kind not in {one.kind for one in example.found}:
        pytest.fail(f"no room for {kind}: choose another seed")
    kept, result = example.outcome(kind)
    assert result in {Verdict.KEPT, Verdict.WEAKENED}, kept


def test_the_calcification_of_the_tumour_is_white(example: Example) -> None:
    dense = (example.labels == Label.CALCIFICATION) & (example.pair.hu > 150)
    assert dense.any()
    assert example.without[dense].mean() > 0.8


def test_bone_is_not_darker_than_the_tissue_around_it(example: Example) -> None:
    bone = (example.pair.hu >= 300) & (example.labels == Label.SKULL)
    soft = (example.labels == Label.FAT) | (example.labels == Label.SKIN)
    assert example.without[bone].mean() > example.without[soft].mean()
    assert example.without[bone & (example.pair.hu < 500)].mean() > 0.6


def test_brain_follows_the_mr(example: Example) -> None:
    white = (example.labels == Label.WHITE) & example.sites.brain
    assert np.corrcoef(example.without[white], example.pair.mr[white])[0, 1] > 0.9


def test_noise_makes_no_specks(example: Example) -> None:
    """A CT of 16 HU noise in steps of 16 HU, on the grid of the phantom."""
    pair = example.pair
    noise = np.random.default_rng(1).normal(0, 16, pair.hu.shape)
    hu = (np.rint((pair.hu + noise) / 16) * 16).astype(np.float32)
    image = fused(ArrayHead(hu, pair.mr, pair.spacing_mm))
    assert noise_hu(ArrayHead(hu, pair.mr, pair.spacing_mm)) > 10
    brain = example.sites.in_brain_mm > 4
    assert specks(levels(image), levels(BRAIN.scale(hu)), levels(pair.mr), brain) < 1


def test_slices_in_parts_are_those_of_the_whole(
    example: Example, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = example.changed
    monkeypatch.setattr(signed_detail, "SLICES_AT_ONCE", 1000)
    whole = fused(ArrayHead(pair.hu, pair.mr, pair.spacing_mm))
    apart = np.abs(whole - example.fused)
    assert apart.mean() < 1e-3
    assert np.quantile(apart, 0.999) < 0.05


def test_a_printed_slice_shows_blood(example: Example) -> None:
    middle = example.pair.hu.shape[0] // 2
    ct, mr = (
        BRAIN.scale(example.pair.hu[middle : middle + 1]),
        example.pair.mr[middle : middle + 1],
    )
    inside = example.sites.in_brain_mm[middle]
    row, column = np.unravel_index(inside.argmax(), inside.shape)
    bleed = ct.copy()
    bleed[0, row - 2 : row + 3, column - 2 : column + 3] = 0.9
    change = METHOD(bleed, mr) - METHOD(ct, mr)
    assert change[0, row, column] > 0.2
    assert np.array_equal(METHOD(np.concatenate([ct, bleed]), np.concatenate([mr, mr]))[:1],
                          METHOD(ct, mr))  # fmt: skip


def test_coarse_blocks_expand_to_where_they_were() -> None:
    grid = CoarseGrid.over((9, 20, 30), (1.0, 0.5, 0.5), 2.0)
    assert grid.factors == (2, 4, 4)
    ramp = np.broadcast_to(np.arange(30, dtype=np.float32), (9, 20, 30)).copy()
    region = slice(2, 7), slice(0, 20), slice(4, 24)
    expanded = grid.expand(grid.reduce(ramp), region)
    np.testing.assert_allclose(expanded, ramp[region], atol=1e-4)


@pytest.mark.parametrize("sigma_mm", [1.0, 7.0, 25.0])
def test_a_mean_by_matrices_is_that_of_scipy(sigma_mm: float) -> None:
    grid = CoarseGrid.over((30, 80, 90), (1.0, 0.5, 0.5), 2.0)
    blocks = np.random.default_rng(1).normal(0, 50, (15, 20, 23)).astype(np.float32)
    expected = smoothed(blocks, sigma_mm, grid.spacing_mm)
    np.testing.assert_allclose(grid.smoothed(blocks, sigma_mm), expected, atol=1e-4)


def test_air_around_a_head_changes_next_to_nothing(example: Example) -> None:
    """Only what is near tissue is computed; the widest means are mirrored elsewhere."""
    changed = example.changed
    margin = ((0, 0), (16, 8), (8, 24))
    wide = ArrayHead(
        np.pad(changed.hu, margin, constant_values=AIR_HU), np.pad(changed.mr, margin),
        changed.spacing_mm,
    )  # fmt: skip
    rows, columns = (slice(before, -after) for before, after in margin[1:])
    inner = fused(wide)[:, rows, columns]
    np.testing.assert_allclose(inner, example.fused, atol=0.25 / 255)


def test_noise_of_coarse_pixels_is_sampled_beside_air_too() -> None:
    """As over all pixels, though only what is near tissue is computed."""
    hu = np.full((3, 40, 40), np.float32(AIR_HU))
    hu[:, 9:30, 9:30] = np.random.default_rng(4).normal(30, 2, (3, 21, 21))
    head = ArrayHead(hu, np.zeros_like(hu), (6.0, 6.0, 6.0))
    grid = CoarseGrid.over(head.shape, head.spacing_mm, 2.0)
    whole = slice(0, len(hu))
    skull = Skull.of(grid, 300.0, [hu])
    found = Background(head.spacing_mm, grid, noise_hu(head), skull)
    found.gather(head, [(whole, head.read_mr(whole))])
    near = Tissue.of(head, (whole, slice(0, 40), slice(0, 40)), skull, found.fine_mm)
    expected = noise_samples(near.smooth_hu, near.brain)[::SAMPLED]
    np.testing.assert_array_equal(found.fine_apart[0], expected)


SPACING_MM = (1.0, 1.0, 1.0)


def skull_of(hu: Float32Array, part: slice) -> Float32Array:
    """The skull's mask in some slices, found from all of them."""
    grid = CoarseGrid.over(hu.shape, SPACING_MM, 2.0)
    blocks = [hu[start : start + 4] for start in range(0, len(hu), 4)]
    region = part, slice(0, hu.shape[1]), slice(0, hu.shape[2])
    return Skull.of(grid, 300.0, blocks).mask(hu[part], region)


def test_a_small_section_of_the_skull_is_skull_in_every_slice() -> None:
    """A clinoid process: a few pixels in its slice, connected to the skull slices away."""
    hu = np.zeros((24, 32, 32), np.float32)
    hu[:6, 4:28, 4:28] = 900  # the base of the skull
    hu[6:20, 15:18, 15:18] = 700
    assert skull_of(hu, slice(18, 20))[:, 15:18, 15:18].all()
    np.testing.assert_array_equal(skull_of(hu, slice(0, 24)), hu >= 300)


def test_a_calcification_is_not_skull() -> None:
    hu = np.zeros((24, 32, 32), np.float32)
    hu[:6, 4:28, 4:28] = 900
    hu[12:18, 12:18, 12:18] = 420
    assert not skull_of(hu, slice(10, 20)).any()


def test_an_infarct_that_the_mr_does_not_show_is_darker(example: Example) -> None:
    changed, found = insert_findings(
        example.pair, example.sites, ("infarct",), np.random.default_rng(3)
    )
    (one,) = found
    image = fused(ArrayHead(changed.hu, changed.mr, changed.spacing_mm))
    masks = {"lesion": one.lesion, "ring": one.ring}
    change = shown(levels(image[one.box]), levels(example.without[one.box]), **masks)
    assert change.contrast < -2 * VISIBLE


def test_blood_changes_nothing_far_from_it(example: Example) -> None:
    (one,) = [each for each in example.found if each.kind == "haemorrhage"]
    far = np.ones(example.pair.hu.shape, np.bool_)
    for each in example.found:
        far[tuple(slice(max(s.start - 8, 0), s.stop + 8) for s in each.box)] = False
    assert np.abs(example.fused - example.without)[far].max() < 0.03
    assert spill(levels(example.fused[one.box]), levels(example.without[one.box]), one.near) < 0.03


def from_middle_mm(example: Example) -> np.ndarray:
    """Distance of each voxel from the middle of the brain."""
    inside_mm = example.sites.in_brain_mm
    centre = np.array(np.unravel_index(inside_mm.argmax(), inside_mm.shape))
    offsets = np.moveaxis(np.indices(inside_mm.shape), 0, -1) - centre
    return np.asarray(np.linalg.norm(offsets * example.pair.spacing_mm, axis=-1))


@pytest.mark.parametrize("diameter_mm", [20.0, 50.0])
def test_the_middle_of_a_haemorrhage_is_as_bright_as_its_edge(
    example: Example, diameter_mm: float
) -> None:
    pair, distance_mm = example.pair, from_middle_mm(example)
    blood = (distance_mm <= diameter_mm / 2) & example.sites.brain
    hu = pair.hu.copy()
    hu[blood] = np.random.default_rng(1).normal(70, 4, blood.sum())
    change = fused(ArrayHead(hu, pair.mr, pair.spacing_mm)) - example.without
    edge = blood & (distance_mm > diameter_mm / 4)
    assert change[distance_mm < 5].mean() > 0.25
    assert change[edge].mean() > 0.25


def ball(example: Example, diameter_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """Masks in the middle of the brain: a ball, and its surroundings."""
    outside_mm = from_middle_mm(example) - diameter_mm / 2
    return outside_mm <= 0, (outside_mm > 2) & (outside_mm < 8) & example.sites.brain


def test_blood_in_a_dense_noisy_brain_is_kept() -> None:
    """Brain of 46 HU, blood of 66 HU, and noise of 8 HU, in steps of 16 HU."""
    z, y, x = (1.2 * np.arange(-size, size) for size in (20, 50, 50))
    radius_mm = np.sqrt(z[:, None, None] ** 2 + y[:, None] ** 2 + x**2)
    noise = np.random.default_rng(3).normal(0, 8, radius_mm.shape)
    across_mm = np.hypot(y[:, None], x) + 0 * radius_mm
    without = np.select([across_mm < 48, across_mm < 54], [46.0, 900.0], -1000.0)
    with_blood = np.where(radius_mm < 6, 66.0, without)
    mr = np.where(across_mm < 48, 0.5, 0.1).astype(np.float32)
    images = [
        fused(ArrayHead((16 * np.rint((hu + noise) / 16)).astype(np.float32), mr, (1.2,) * 3))
        for hu in (without, with_blood)
    ]
    ring = (radius_mm > 8) & (radius_mm < 14)
    change = images[1] - images[0]
    assert change[radius_mm < 6].mean() - change[ring].mean() > 0.8 * 0.25


def test_a_calcification_is_not_shown_as_blood(
    example: Example, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair, masks = example.pair, ball(example, 5.0)
    head = ArrayHead(np.where(masks[0], np.float32(150.0), pair.hu), pair.mr, pair.spacing_mm)
    image = fused(head)
    monkeypatch.setattr(head_contrast, "BLOOD_GAIN", 0.0)
    assert np.abs(fused(head) - image)[masks[0] | masks[1]].max() < 1e-3
