"""Findings in a pair: one source changes, where the mask says and by what was asked."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.ndimage import binary_erosion, distance_transform_edt

from radfuse.arrays import Float32Array
from radfuse.intensity import WINDOWS
from radfuse.modality import CT, MR
from radfuse.phantom.findings import (
    DURA_THICKNESS_MM,
    FRACTURE_MM,
    KINDS,
    MIN_RING_VOXELS,
    NOISE_HU,
    NOISE_MR,
    RING_GAP_MM,
    RING_WIDTH_MM,
    SPILL_MM,
    VOID,
    Finding,
    Pair,
    insert_findings,
)
from radfuse.phantom.head import Phantom
from radfuse.phantom.sites import DURA_MM, Site, Sites, find_sites
from radfuse.pipeline.volume import scale_volumes

BRAIN_HU, BONE_HU, BRAIN_MR = 35.0, 1000.0, 0.5
SPACINGS_MM = ((1.2, 1.2, 1.2), (4.0, 0.9, 0.9), (2.0, 1.5, 0.8))
VOIDS = [name for name, kind in KINDS.items() if kind.shape == "void"]
BALLS = [name for name, kind in KINDS.items()
         if kind.shape != "plate" and kind.site is not Site.BRAIN_AT_BONE]  # fmt: skip


@dataclass(frozen=True)
class Inserted:
    """A pair without and with findings, these, and the sites of the pair."""

    pair: Pair
    changed: Pair
    found: list[Finding]
    sites: Sites

    def change(self, one: Finding) -> Float32Array:
        """What a finding adds to the source that shows it."""
        name = "hu" if KINDS[one.kind].source == CT else "mr"
        return np.asarray((getattr(self.changed, name) - getattr(self.pair, name))[one.box])

    def largest(self, one: Finding) -> float:
        """The change of a full voxel, with its sign."""
        change = self.change(one)
        return float(change[np.unravel_index(np.abs(change).argmax(), change.shape)])

    def volume_mm3(self, one: Finding) -> float:
        """Sum of the shares of the voxels that a finding fills."""
        share = self.change(one) / self.largest(one)
        return float(share.sum() * np.prod(self.pair.spacing_mm))


def inserted_into(pair: Pair, sites: Sites, names: list[str], seed: int) -> Inserted:
    changed, found = insert_findings(pair, sites, names, np.random.default_rng(seed))
    return Inserted(pair, changed, found, sites)


@pytest.fixture(scope="module")
def inserted(phantom: Phantom) -> Inserted:
    scaled = scale_volumes(phantom.ct, phantom.mr, phantom.mr_from_ct, WINDOWS["fusion"])
    hu = sitk.GetArrayFromImage(phantom.ct.image)[scaled.box].astype(np.float32)
    pair = Pair(hu, scaled.mr, phantom.ct.image.GetSpacing()[::-1])
    sites = find_sites(hu, pair.spacing_mm, scaled.fov_mask)
    return inserted_into(pair, sites, list(KINDS), seed=4)


@cache
def sphere_head(spacing_mm: tuple[float, float, float]) -> tuple[Pair, Sites]:
    """A brain of 40 mm radius in 16 mm of bone, without noise."""
    axes = [np.arange(-60, 60.1, step) for step in spacing_mm]
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
    radius = np.sqrt(z**2 + y**2 + x**2)
    hu = np.where(radius < 40, BRAIN_HU, np.where(radius < 56, BONE_HU, -1000.0))
    mr = np.where(radius < 56, BRAIN_MR, 0.0)
    pair = Pair(hu.astype(np.float32), mr.astype(np.float32), spacing_mm)
    return pair, find_sites(pair.hu, spacing_mm)


@pytest.fixture(scope="module")
def spheres() -> list[dict[str, Inserted]]:
    """For each spacing, a head for each kind."""
    return [
        {name: inserted_into(*head, [name], seed=5) for name in KINDS}
        for head in map(sphere_head, SPACINGS_MM)
    ]


def test_most_kinds_find_room_in_a_coarse_phantom(inserted: Inserted) -> None:
    assert len(inserted.found) >= len(KINDS) - 3


def test_only_the_source_of_a_finding_changes(inserted: Inserted) -> None:
    for one in inserted.found:
        kind = KINDS[one.kind]
        changes = [
            (after[one.box] != before[one.box])[one.lesion].any()
            for before, after in (
                (inserted.pair.hu, inserted.changed.hu),
                (inserted.pair.mr, inserted.changed.mr),
            )
        ]
        assert changes == [kind.source == CT, kind.source == MR or kind.shape == "void"], one.kind


def test_nothing_changes_outside_the_findings(inserted: Inserted) -> None:
    outside = np.ones(inserted.pair.hu.shape, np.bool_)
    for one in inserted.found:
        outside[one.box] = False
    for before, after in (
        (inserted.pair.hu, inserted.changed.hu),
        (inserted.pair.mr, inserted.changed.mr),
    ):
        np.testing.assert_array_equal(after[outside], before[outside])
        for one in inserted.found:
            for mask in (one.ring, one.near):
                np.testing.assert_array_equal(after[one.box][mask], before[one.box][mask])


def test_no_finding_is_in_the_ring_of_another(inserted: Inserted) -> None:
    taken = np.zeros(inserted.pair.hu.shape, np.int64)
    for one in inserted.found:
        taken[one.box] += one.lesion | one.ring | one.near
        assert one.ring.sum() >= MIN_RING_VOXELS
    for one in inserted.found:
        assert (taken[one.box][one.lesion] == 1).all()


def test_findings_are_in_the_tissue_of_their_site(inserted: Inserted) -> None:
    for one in inserted.found:
        tissue = inserted.sites.tissue(KINDS[one.kind].site)[one.box]
        assert tissue[one.ring].all()
        assert tissue[one.lesion].mean() > (0.3 if one.kind == "dural enhancement" else 0.8)


@pytest.mark.parametrize("name", ["haemorrhage", "infarct", "lytic hole", "air"])
def test_a_full_voxel_has_the_ct_number_of_the_kind(
    spheres: list[dict[str, Inserted]], name: str
) -> None:
    kind = KINDS[name]
    assert kind.hu is not None
    before = 0.0 if kind.relative else BONE_HU if kind.site is Site.SKULL else BRAIN_HU
    for head in spheres:
        after = before + head[name].largest(head[name].found[0])
        assert kind.hu[0] - 1 <= after <= kind.hu[1] + 1


@pytest.mark.parametrize("name", ["enhancing lesion", "oedema", "marrow infiltration"])
def test_a_full_voxel_has_the_mr_signal_of_the_kind(
    spheres: list[dict[str, Inserted]], name: str
) -> None:
    signal = KINDS[name].mr
    assert signal is not None
    for head in spheres:
        largest = head[name].largest(head[name].found[0])
        assert signal[0] - 1e-6 <= largest <= signal[1] + 1e-6


@pytest.mark.parametrize("name", VOIDS)
def test_a_void_is_black_in_the_mr(spheres: list[dict[str, Inserted]], name: str) -> None:
    for head in spheres:
        (one,) = head[name].found
        assert head[name].largest(one) > 0
        assert head[name].changed.mr[one.box].min() == pytest.approx(VOID, abs=0.01)


@pytest.mark.parametrize("name", BALLS)
def test_a_ball_has_its_diameter_on_every_grid(
    spheres: list[dict[str, Inserted]], name: str
) -> None:
    """Partial volumes add up to the ball, and it reaches no farther than its radius."""
    for head in (head[name] for head in spheres if head[name].found):
        (one,) = head.found
        diameter_mm = 2 * (0.75 * head.volume_mm3(one) / np.pi) ** (1 / 3)
        low, high = KINDS[name].diameter_mm
        assert 0.95 * low <= diameter_mm <= 1.05 * high
        changed = np.argwhere(head.change(one) != 0) * head.pair.spacing_mm
        across_mm = changed.max(axis=0) - changed.min(axis=0)
        assert (across_mm <= 1.05 * diameter_mm + np.array(head.pair.spacing_mm)).all()


@pytest.mark.parametrize(
    ("name", "thickness_mm"), [("fracture", FRACTURE_MM), ("dural enhancement", DURA_THICKNESS_MM)]
)
def test_a_plate_is_as_thin_as_asked(
    spheres: list[dict[str, Inserted]], name: str, thickness_mm: tuple[float, float]
) -> None:
    for head in (head[name] for head in spheres):
        (one,) = head.found
        radii_mm = np.array(KINDS[name].diameter_mm) / 2
        thinnest, thickest = np.pi * radii_mm**2 * thickness_mm
        assert 0.7 * thinnest <= head.volume_mm3(one) <= 1.1 * thickest


@pytest.mark.parametrize(
    ("name", "nearest_mm"),
    [("lesion at bone", (0.0, 2.5)), ("dural enhancement", (0.0, DURA_MM[1] + 1))],
)
def test_a_finding_at_the_skull_is_near_bone(
    spheres: list[dict[str, Inserted]], name: str, nearest_mm: tuple[float, float]
) -> None:
    for head in (head[name] for head in spheres):
        (one,) = head.found
        step = max(head.pair.spacing_mm)
        to_bone_mm = head.sites.to_bone_mm[one.box][one.lesion]
        assert 0 < to_bone_mm.min() <= max(nearest_mm[1], step)


@pytest.mark.parametrize("name", list(KINDS))
def test_a_finding_is_either_inside_bone_or_outside(
    spheres: list[dict[str, Inserted]], name: str
) -> None:
    in_skull = KINDS[name].site is Site.SKULL
    for head in (head[name] for head in spheres):
        for one in head.found:
            is_bone = head.sites.to_bone_mm[one.box] == 0
            assert (is_bone[head.change(one) != 0] == in_skull).all()
            assert (is_bone[one.lesion] == in_skull).all()


def test_masks_are_in_millimetres(spheres: list[dict[str, Inserted]]) -> None:
    for head in (head["haemorrhage"] for head in spheres):
        (one,) = head.found
        distance_mm = distance_transform_edt(~one.lesion, head.pair.spacing_mm)
        assert distance_mm[one.ring].min() > RING_GAP_MM
        assert distance_mm[one.ring].max() <= RING_GAP_MM + RING_WIDTH_MM
        assert distance_mm[one.near].max() <= SPILL_MM
        beyond = (distance_mm > RING_GAP_MM + RING_WIDTH_MM) & (distance_mm < 6.5)
        assert not (one.ring & beyond).any()
        assert not (one.near & one.lesion).any()


def test_noise_of_the_tissue_stays_in_a_finding() -> None:
    pair, _ = sphere_head(SPACINGS_MM[0])
    grain = np.random.default_rng(1).normal(0, 5, pair.hu.shape).astype(np.float32)
    noisy = replace(pair, hu=pair.hu + grain)
    sites = find_sites(noisy.hu, noisy.spacing_mm)
    head = inserted_into(noisy, sites, ["haemorrhage"], seed=5)
    (one,) = head.found
    full = head.change(one) > 0.9 * head.largest(one)
    assert head.changed.hu[one.box][full].std() == pytest.approx(5, rel=0.1)


@pytest.mark.parametrize("seed", range(5))
def test_no_finding_is_outside_the_field_of_view(seed: int) -> None:
    pair, _ = sphere_head(SPACINGS_MM[2])
    z, y, x = np.indices(pair.hu.shape, sparse=True)
    fov_mask = z + 0.2 * x + 0.1 * y > len(pair.hu) * 0.7
    assert 0.3 < fov_mask.mean() < 0.8
    head = inserted_into(pair, find_sites(pair.hu, pair.spacing_mm, fov_mask), list(KINDS), seed)
    assert len(head.found) > 8
    for changed, before in ((head.changed.hu, pair.hu), (head.changed.mr, pair.mr)):
        np.testing.assert_array_equal(changed[~fov_mask], before[~fov_mask])
    assert all(fov_mask[one.box][one.ring].all() for one in head.found)


@pytest.mark.parametrize("name", ["lytic hole", "haemorrhage", "air", VOIDS[0]])
def test_anatomy_does_not_remain_in_a_finding(name: str) -> None:
    """Bone of layers, or brain with edges: a full voxel has the value, but for the noise."""
    pair, sites = sphere_head(SPACINGS_MM[0])
    layers = 600 * np.sign(np.sin(np.arange(pair.hu.shape[2]) * 1.5)).astype(np.float32)
    is_bone = pair.hu == BONE_HU
    rough = replace(
        pair,
        hu=np.where(is_bone, pair.hu + layers, pair.hu + layers / 20).astype(np.float32),
        mr=(pair.mr + layers / 2000 * (pair.mr > 0)).astype(np.float32),
    )
    head = inserted_into(rough, sites, [name], seed=5)
    (one,) = head.found
    inner = binary_erosion(one.lesion, iterations=2)
    assert inner.any()
    low, high = KINDS[name].hu or (0.0, 0.0)
    values = head.changed.hu[one.box][inner]
    assert low - NOISE_HU - 1 <= values.min() <= values.max() <= high + NOISE_HU + 1
    if name in VOIDS:
        assert head.changed.mr[one.box][inner].max() <= VOID + NOISE_MR + 1e-6


def test_a_brain_without_bone_takes_what_needs_none() -> None:
    pair, _ = sphere_head(SPACINGS_MM[0])
    soft = replace(pair, hu=np.where(pair.hu > BRAIN_HU, -1000, pair.hu).astype(np.float32))
    head = inserted_into(soft, find_sites(soft.hu, soft.spacing_mm), list(KINDS), seed=5)
    sites = {KINDS[one.kind].site for one in head.found}
    assert sites == {Site.BRAIN}


def test_an_image_of_air_takes_no_finding() -> None:
    hu = np.full((8, 40, 40), -1000, np.float32)
    pair = Pair(hu, np.zeros_like(hu), (3.0, 1.0, 1.0))
    head = inserted_into(pair, find_sites(hu, pair.spacing_mm), list(KINDS), seed=1)
    assert head.found == []
    np.testing.assert_array_equal(head.changed.hu, hu)


@pytest.mark.parametrize("seed", range(3))
def test_a_printed_slice_takes_findings(seed: int) -> None:
    """Levels of a printed slice are HU in its window, and white is bone."""
    whole, _ = sphere_head(SPACINGS_MM[0])
    window, middle = WINDOWS["brain"], len(whole.hu) // 2
    white = window.lowest + window.width
    printed = np.clip(whole.hu[middle : middle + 1], window.lowest, white)
    pair = Pair(printed, whole.mr[middle : middle + 1], (1.0, *whole.spacing_mm[1:]))
    sites = find_sites(printed, pair.spacing_mm, bone_hu=white - 1)
    names = ["calcification 250 HU", "haemorrhage"]
    head = inserted_into(pair, sites, names, seed)
    assert [one.kind for one in head.found] == names
    for one in head.found:
        low, high = KINDS[one.kind].hu or (0, 0)
        assert low - 1 <= BRAIN_HU + head.largest(one) <= high + 1
        area_mm2 = head.volume_mm3(one)
        diameters_mm = np.array(KINDS[one.kind].diameter_mm)
        smallest, largest = np.pi / 4 * diameters_mm**2
        assert 0.9 * smallest <= area_mm2 <= 1.1 * largest


def test_a_seed_gives_the_same_findings_twice(inserted: Inserted) -> None:
    again = inserted_into(inserted.pair, inserted.sites, list(KINDS), seed=4)
    np.testing.assert_array_equal(again.changed.hu, inserted.changed.hu)
    np.testing.assert_array_equal(again.changed.mr, inserted.changed.mr)
    other = inserted_into(inserted.pair, inserted.sites, list(KINDS), seed=5)
    assert (other.changed.hu != inserted.changed.hu).any()
