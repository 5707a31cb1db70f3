"""PET and SPECT of the phantom: activity is kept, positions are true, chance is the seed's."""

from functools import cache

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage

from radfuse.errors import InputError
from radfuse.modality import NM, PT
from radfuse.phantom.head import Phantom, draw_layers
from radfuse.phantom.layers import TissueLayer
from radfuse.phantom.tissues import Label
from radfuse.phantom.uptake import (
    FDG,
    HMPAO,
    FunctionalScan,
    Tracer,
    UptakeLesion,
    point_spread,
    scan_uptake,
)
from radfuse.registration.transforms import matrix_of

SEED, SMALL_MM = 7, 3.0
IN_WHITE = (24.0, 10.0, 34.0)
"""A point of the phantom's CT inside white matter."""
TRACERS = pytest.mark.parametrize("tracer", [FDG, HMPAO], ids=lambda tracer: tracer.name)


@cache
def layers() -> list[TissueLayer]:
    return draw_layers(SEED, spacing_mm=SMALL_MM)


def values(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(image)


def activity_centroid_mm(scan: FunctionalScan) -> np.ndarray:
    """Of the uptake, as a point of the CT."""
    index = ndimage.center_of_mass(values(scan.series.image))[::-1]
    point = scan.series.image.TransformContinuousIndexToPhysicalPoint([float(i) for i in index])
    return np.array(scan.functional_from_ct.GetInverse().TransformPoint(point))


@pytest.mark.parametrize("fwhm_voxels", [0.0, 1.0, 2.5, 6.0])
def test_blur_keeps_the_total_activity(fwhm_voxels: float):
    uptake = np.random.default_rng(0).random((20, 22, 18)).astype(np.float32)
    assert_allclose(point_spread(uptake, fwhm_voxels).sum(), uptake.sum(), rtol=1e-5)


@pytest.mark.parametrize("fwhm_voxels", [2.5, 6.0])
def test_blur_has_its_full_width_at_half_maximum(fwhm_voxels: float):
    point = np.zeros((41, 41, 41), np.float32)
    point[20, 20, 20] = 1.0
    profile = point_spread(point, fwhm_voxels)[20, 20]
    half = np.interp(fwhm_voxels / 2, np.arange(21), profile[20:] / profile[20])
    assert_allclose(half, 0.5, atol=0.03)


@TRACERS
def test_a_scan_keeps_the_activity_of_its_uptake(tracer: Tracer):
    scan = scan_uptake(layers(), tracer, SEED)
    expected = values(scan.uptake).sum(dtype=np.float64) * tracer.grey_value
    assert_allclose(values(scan.series.image).sum(dtype=np.float64), expected, rtol=2e-3)


@TRACERS
@pytest.mark.parametrize("uptake", [2.0, 0.05])
def test_a_lesion_differs_from_its_surroundings(tracer: Tracer, uptake: float):
    scan = scan_uptake(layers(), tracer, SEED, lesion=UptakeLesion(IN_WHITE, 12.0, uptake))
    without = scan_uptake(layers(), tracer, SEED, functional_from_ct=scan.functional_from_ct)
    image, mask = values(scan.series.image), values(scan.lesion) > 0
    ring = ndimage.binary_dilation(mask, iterations=round(20 / tracer.spacing_mm)) & ~mask
    assert not values(without.lesion).any()
    assert (image[mask].mean() > image[ring].mean()) == (uptake > 1)
    assert (image[mask].mean() > values(without.series.image)[mask].mean()) == (uptake > 1)


@TRACERS
def test_the_lesion_is_where_it_was_asked_for(tracer: Tracer):
    scan = scan_uptake(layers(), tracer, SEED, lesion=UptakeLesion(IN_WHITE, 12.0, 3.0))
    index = np.argwhere(values(scan.lesion)).mean(axis=0)[::-1]
    point = scan.lesion.TransformContinuousIndexToPhysicalPoint(index.tolist())
    in_ct = scan.functional_from_ct.GetInverse().TransformPoint(point)
    assert_allclose(in_ct, IN_WHITE, atol=tracer.spacing_mm / 4)


@TRACERS
def test_the_voxel_size_does_not_move_the_head(tracer: Tracer):
    fine, coarse = (
        scan_uptake(layers(), tracer, SEED, spacing_mm=mm, is_noisy=False) for mm in (2.0, 5.0)
    )
    assert_allclose(activity_centroid_mm(fine), activity_centroid_mm(coarse), atol=0.5)
    on_fine = sitk.Resample(coarse.series.image, fine.series.image)
    shown = values(on_fine) > 0
    assert np.corrcoef(values(on_fine)[shown], values(fine.series.image)[shown])[0, 1] > 0.95


@TRACERS
def test_the_pose_moves_the_image_and_nothing_else(tracer: Tracer):
    poses = [sitk.Euler3DTransform((0, 0, 0), 0.2 * k, -0.1 * k, 0.3 * k, (20.0 * k, -9.0, 4.0))
             for k in (0, 1)]  # fmt: skip
    scans = [
        scan_uptake(layers(), tracer, SEED, functional_from_ct=pose, is_noisy=False)
        for pose in poses
    ]
    straight, thrown = (
        values(
            sitk.Resample(
                one.series.image, scans[0].series.image, one.functional_from_ct, sitk.sitkLinear
            )
        )
        for one in scans
    )
    both = (straight > 0) & (thrown > 0)
    assert np.corrcoef(straight[both], thrown[both])[0, 1] > 0.97


@TRACERS
def test_the_same_seed_gives_the_same_bytes(tracer: Tracer):
    one, again, other = (scan_uptake(layers(), tracer, seed) for seed in (SEED, SEED, SEED + 1))
    assert_array_equal(values(one.series.image), values(again.series.image))
    assert matrix_of(one.functional_from_ct).tobytes() == (
        matrix_of(again.functional_from_ct).tobytes()
    )
    assert not np.array_equal(values(one.series.image), values(other.series.image))


@TRACERS
def test_grey_matter_has_the_ratio_of_the_tracer(tracer: Tracer, phantom: Phantom):
    """The phantom of the default seed has the anatomy of these layers."""
    scan = scan_uptake(layers(), tracer, SEED, fwhm_mm=0.0, is_noisy=False)
    on_ct = sitk.Resample(
        scan.series.image, phantom.ct.image, scan.functional_from_ct, sitk.sitkNearestNeighbor
    )
    labels = values(phantom.labels)
    white, grey = (
        np.median(values(on_ct)[ndimage.binary_erosion(labels == label)])
        for label in (Label.WHITE, Label.GREY)
    )
    assert_allclose(white / tracer.grey_value, tracer.uptake[Label.WHITE], rtol=0.1)
    assert 2 < grey / white < 4


def test_units_are_those_of_the_modality():
    assert FDG.modality is PT
    assert HMPAO.modality is NM
    assert 2.5 <= 1 / HMPAO.uptake[Label.WHITE] <= 3
    assert 3 <= 1 / FDG.uptake[Label.WHITE] <= 4


def test_the_mr_maps_to_the_functional_image(phantom: Phantom):
    scan = scan_uptake(layers(), FDG, SEED)
    point = (10.0, -20.0, 30.0)
    in_mr = phantom.mr_from_ct.TransformPoint(point)
    assert_allclose(
        scan.functional_from_mr(phantom).TransformPoint(in_mr),
        scan.functional_from_ct.TransformPoint(point),
    )


@pytest.mark.parametrize(("spacing_mm", "fwhm_mm"), [(0.0, 5.0), (2.0, -1.0), (np.nan, 5.0)])
def test_a_scanner_without_voxels_is_refused(spacing_mm: float, fwhm_mm: float):
    with pytest.raises(InputError, match="spacing above 0"):
        scan_uptake(layers(), FDG, SEED, spacing_mm=spacing_mm, fwhm_mm=fwhm_mm)
