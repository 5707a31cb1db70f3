"""The phantom keeps what it promises: one anatomy, two scanners, a known transform."""

from functools import cache

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from radfuse.errors import InputError
from radfuse.modality import CT, MR
from radfuse.phantom import tissues
from radfuse.phantom.head import LABELS, Label, Phantom, make_phantom

SEED = 7
SMALL_MM = 3.0
"""Spacing of the phantoms that are made in under a second."""


SOFT = (Label.GREY, Label.WHITE, Label.TUMOUR, Label.OEDEMA, Label.MUSCLE)


@cache
def small(seed: int) -> Phantom:
    return make_phantom(seed, spacing_mm=SMALL_MM)


@pytest.fixture(scope="module")
def full(full_phantom: Phantom) -> Phantom:
    """The phantom in its default size."""
    assert full_phantom.seed == SEED
    return full_phantom


def values(image: sitk.Image) -> NDArray[np.float32]:
    return sitk.GetArrayFromImage(image)


def dice(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))


def mask_in_ct(phantom: Phantom, transform: sitk.Transform, label: Label) -> NDArray[np.bool_]:
    """One of the MR's labels on the CT's grid, half-way between voxels."""
    mask = sitk.Cast(phantom.labels_mr == int(label), sitk.sitkFloat32)
    return values(sitk.Resample(mask, phantom.labels, transform, sitk.sitkLinear, 0.0)) > 0.5


def seen_by_mr(phantom: Phantom) -> NDArray[np.bool_]:
    """The CT voxels that lie within the MR's field of view."""
    ones = sitk.Cast(phantom.labels_mr * 0 + 1, sitk.sitkFloat32)
    return values(sitk.Resample(ones, phantom.labels, phantom.mr_from_ct, sitk.sitkLinear, 0.0)) > 0


def core(labels: NDArray[np.uint8], label: Label) -> NDArray[np.bool_]:
    """The label's voxels that touch no other."""
    return ndimage.binary_erosion(labels == label, iterations=1)


def test_a_seed_gives_the_same_phantom_twice() -> None:
    first, second = small(SEED), make_phantom(SEED, spacing_mm=SMALL_MM)
    for one, other in (
        (first.ct.image, second.ct.image),
        (first.mr.image, second.mr.image),
        (first.labels, second.labels),
        (first.labels_mr, second.labels_mr),
    ):
        np.testing.assert_array_equal(values(one), values(other))
        assert one.GetOrigin() == other.GetOrigin()
    assert first.mr_from_ct.GetParameters() == second.mr_from_ct.GetParameters()


@pytest.mark.parametrize("label", [Label.SKULL, Label.WHITE, Label.VENTRICLE])
def test_two_seeds_are_two_patients(label: Label) -> None:
    first, second = values(small(SEED).labels), values(small(SEED + 1).labels)
    assert dice(first == label, second == label) < 0.8


def test_two_seeds_have_their_tumour_and_their_offset_elsewhere() -> None:
    first, second = small(SEED), small(SEED + 1)
    assert np.linalg.norm(np.subtract(first.tumour_centre_mm, second.tumour_centre_mm)) > 3
    assert first.mr_from_ct.GetParameters() != second.mr_from_ct.GetParameters()


def test_the_spacing_does_not_change_the_patient(full: Phantom) -> None:
    coarse = small(SEED)
    assert coarse.mr_from_ct.GetParameters() == full.mr_from_ct.GetParameters()
    np.testing.assert_allclose(coarse.tumour_centre_mm, full.tumour_centre_mm, atol=1.0)
    onto = sitk.Resample(full.labels, coarse.labels, sitk.Transform(), sitk.sitkNearestNeighbor)
    brain = (Label.GREY, Label.WHITE, Label.VENTRICLE, Label.OEDEMA, Label.TUMOUR, Label.NECROSIS)
    assert dice(np.isin(values(onto), brain), np.isin(values(coarse.labels), brain)) > 0.93


def test_the_series_say_what_they_are() -> None:
    phantom = small(SEED)
    assert (phantom.ct.modality, phantom.mr.modality) == (CT, MR)
    assert phantom.seed == SEED
    for series in (phantom.ct, phantom.mr):
        assert series.image.GetPixelID() == sitk.sitkFloat32
        assert str(series.source) == "phantom-7"
        assert series.is_volume
    assert phantom.labels.GetPixelID() == phantom.labels_mr.GetPixelID() == sitk.sitkUInt8


@pytest.mark.parametrize("pair", [("ct", "labels"), ("mr", "labels_mr")])
def test_the_labels_lie_on_their_series_grid(pair: tuple[str, str]) -> None:
    image, labels = getattr(small(SEED), pair[0]).image, getattr(small(SEED), pair[1])
    for name in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(image, name)() == getattr(labels, name)()


def test_every_label_is_somewhere(full: Phantom) -> None:
    assert set(np.unique(values(full.labels))) == set(LABELS.values())
    assert Label.HOLDER not in values(full.labels_mr)


def test_ct_covers_the_vault_and_mr_less_than_the_ct(full: Phantom) -> None:
    labels = values(full.labels)
    for face in (labels[-1], labels[:, 0], labels[:, :, 0], labels[:, :, -1]):
        assert not np.isin(face, (Label.SKULL, *SOFT)).any()
    seen = seen_by_mr(full)
    head = ~np.isin(labels, (Label.AIR, Label.HOLDER))
    assert 0.7 < (seen & head).sum() / head.sum() < 0.95
    assert (seen & (labels == Label.TUMOUR)).sum() == (labels == Label.TUMOUR).sum()


def test_the_mr_has_its_own_grid() -> None:
    phantom = small(SEED)
    ct, mr = phantom.ct.image, phantom.mr.image
    assert ct.GetSpacing() != mr.GetSpacing()
    off_axis = np.abs(np.reshape(mr.GetDirection(), (3, 3)) - np.eye(3)).max()
    assert off_axis > 0.1


@pytest.mark.parametrize("seed", range(4))
def test_the_offset_is_rigid_and_of_a_believable_size(seed: int) -> None:
    transform = make_phantom(seed, spacing_mm=6.0).mr_from_ct
    matrix = np.reshape(transform.GetMatrix(), (3, 3))
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    angle = np.degrees(np.arccos((np.trace(matrix) - 1) / 2))
    assert 0.5 < angle < 13
    assert 2 < np.linalg.norm(transform.GetTranslation()) < 39


def test_the_truth_brings_the_skulls_together(full: Phantom) -> None:
    skull = (values(full.labels) == Label.SKULL) & seen_by_mr(full)
    mapped = mask_in_ct(full, full.mr_from_ct, Label.SKULL)
    assert dice(skull, mapped & seen_by_mr(full)) >= 0.95


@pytest.mark.parametrize("label", [Label.TUMOUR, Label.VENTRICLE, Label.WHITE, Label.EYE])
def test_the_truth_brings_soft_tissue_together(full: Phantom, label: Label) -> None:
    wanted = (values(full.labels) == label) & seen_by_mr(full)
    assert dice(wanted, mask_in_ct(full, full.mr_from_ct, label)) > 0.88


def test_the_inverse_and_no_transform_do_not(full: Phantom) -> None:
    skull = (values(full.labels) == Label.SKULL) & seen_by_mr(full)
    for wrong in (full.mr_from_ct.GetInverse(), sitk.Transform()):
        assert dice(skull, mask_in_ct(full, wrong, Label.SKULL)) < 0.6


@pytest.mark.parametrize(
    ("label", "tissue", "tolerance_hu"),
    [
        (Label.MUSCLE, tissues.MUSCLE, 4),
        (Label.FAT, tissues.FAT, 12),
        (Label.WHITE, tissues.WHITE, 4),
        (Label.VENTRICLE, tissues.VENTRICLE, 4),
        (Label.TUMOUR, tissues.TUMOUR, 5),
        (Label.NECROSIS, tissues.NECROSIS, 5),
        (Label.OEDEMA, tissues.OEDEMA, 4),
        (Label.CAVITY, tissues.CAVITY, 10),
        (Label.AIR, tissues.AIR, 3),
    ],
)
def test_the_ct_shows_each_tissues_number(
    full: Phantom, label: Label, tissue: tissues.Tissue, tolerance_hu: float
) -> None:
    inside = core(values(full.labels), label)
    found = np.median(values(full.ct.image)[inside])
    np.testing.assert_allclose(found, tissue.hu, atol=tolerance_hu)


def test_grey_matter_is_denser_than_white_and_bone_is_densest(full: Phantom) -> None:
    hu, labels = values(full.ct.image), values(full.labels)
    medians = [
        np.median(hu[core(labels, label)])
        for label in (Label.FAT, Label.VENTRICLE, Label.WHITE, Label.GREY, Label.SPINE)
    ]
    assert medians == sorted(medians)
    assert np.percentile(hu[labels == Label.SKULL], 10) > 300
    assert np.percentile(hu[labels == Label.SKULL], 90) > 1100
    assert hu[labels == Label.CALCIFICATION].mean() > 200


def test_the_ct_background_is_air_and_the_range_is_12_bits(full: Phantom) -> None:
    hu = values(full.ct.image)
    assert hu.min() >= -1024
    assert hu.max() <= 3071
    np.testing.assert_allclose(hu[-1].mean(), -1000, atol=1.0)
    np.testing.assert_array_equal(hu, np.rint(hu))


def test_the_ct_noise_is_that_of_a_head_scan(full: Phantom) -> None:
    inside = core(values(full.labels), Label.WHITE)
    inside[:70] = False
    assert 3 < values(full.ct.image)[inside].std() < 6


def test_the_mr_shows_a_t1_contrast(full: Phantom) -> None:
    signal, labels = values(full.mr.image), values(full.labels_mr)
    medians = [
        np.median(signal[core(labels, label)])
        for label in (Label.AIR, Label.VENTRICLE, Label.GREY, Label.WHITE, Label.FAT)
    ]
    assert medians == sorted(medians)
    assert np.all(np.diff(medians) > 50)
    assert np.median(signal[labels == Label.SKULL]) < medians[2]


def test_the_mr_background_is_rician_noise(full: Phantom) -> None:
    air = values(full.mr.image)[core(values(full.labels_mr), Label.AIR)]
    assert air.min() >= 0
    np.testing.assert_allclose(air.mean() / air.std(), np.sqrt(np.pi / (4 - np.pi)), rtol=0.05)


def test_the_tumour_is_where_it_is_said_to_be(full: Phantom) -> None:
    index = full.labels.TransformPhysicalPointToIndex(full.tumour_centre_mm)
    assert full.labels[index] in {Label.TUMOUR, Label.NECROSIS, Label.CALCIFICATION}


@pytest.mark.parametrize("spacing_mm", [0.5, 6.1, float("nan")])
def test_an_absurd_spacing_is_refused(spacing_mm: float) -> None:
    with pytest.raises(InputError, match=r"give 0\.6 to 6"):
        make_phantom(SEED, spacing_mm=spacing_mm)


@pytest.mark.parametrize("seed", range(20, 26))
def test_every_patient_has_a_head_of_human_size(seed: int) -> None:
    phantom = make_phantom(seed, spacing_mm=4.0)
    labels = values(phantom.labels)
    litres = float(np.prod(phantom.labels.GetSpacing())) / 1e6
    inside = ndimage.binary_fill_holes(np.isin(labels, (Label.CSF, Label.GREY, Label.WHITE)))
    assert 1.1 < inside.sum() * litres < 2.0
    assert 0.3 < (labels == Label.SKULL).sum() * litres < 0.9
    assert 0.003 < np.isin(labels, (Label.TUMOUR, Label.NECROSIS)).sum() * litres < 0.06
