from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from radfuse.arrays import image_on
from radfuse.phantom.head import Phantom
from radfuse.registration.preprocessing import centroid, coarse_head_mask
from radfuse.registration.search import register
from radfuse.registration.shading import corrected, evenly_lit
from radfuse.registration.transforms import with_rotation_centre
from radfuse.series import Series


def shaded(mr: Series) -> Series:
    """The MR of a coil at the front: the signal falls to 20 % at the back."""
    values = sitk.GetArrayFromImage(mr.image)
    fall = np.linspace(1.0, 0.2, values.shape[1], dtype=np.float32)[None, :, None]
    return replace(mr, image=image_on(mr.image, values * fall))


def noisy(mr: Series) -> Series:
    values = sitk.GetArrayFromImage(mr.image)
    noise = np.random.default_rng(3).normal(0, 0.1 * np.percentile(values, 99), (2, *values.shape))
    hypot = np.hypot(values + noise[0], noise[1]).astype(np.float32)
    return replace(mr, image=image_on(mr.image, hypot))


def test_the_fall_of_a_coil_is_removed(phantom: Phantom):
    head = coarse_head_mask(phantom.mr)
    even, uneven = (sitk.GetArrayFromImage(s.image) for s in (phantom.mr, shaded(phantom.mr)))
    after = sitk.GetArrayFromImage(corrected(shaded(phantom.mr), head).image)
    on_mr = sitk.Resample(head, phantom.mr.image, sitk.Transform(), sitk.sitkNearestNeighbor)
    inside = (sitk.GetArrayFromImage(on_mr) > 0) & (even > 100)
    spread = [np.std(np.log(np.maximum(one[inside], 1) / even[inside])) for one in (uneven, after)]
    assert spread[1] < 0.5 * spread[0]


@pytest.mark.parametrize(("change", "is_corrected"), [(shaded, True), (noisy, False)])
def test_the_mr_is_corrected_where_it_then_fits_better(phantom: Phantom, change, is_corrected):
    mr = change(phantom.mr)
    head = coarse_head_mask(mr)
    pose = with_rotation_centre(centroid(head), phantom.mr_from_ct.GetInverse())
    chosen, pair = evenly_lit(phantom.ct, mr, head, pose)
    assert (chosen is not mr) == is_corrected
    assert pair.fit(pose) > 0


def test_a_dark_mr_stays_finite(phantom: Phantom):
    dark = replace(phantom.mr, image=phantom.mr.image * 1e-6)
    image = corrected(dark, coarse_head_mask(phantom.mr)).image
    assert np.isfinite(sitk.GetArrayViewFromImage(image)).all()


@pytest.mark.slow
def test_a_shaded_mr_is_registered(phantom: Phantom):
    found = register(phantom.ct, shaded(phantom.mr)).mr_from_ct
    corners = np.array(list(np.ndindex(2, 2, 2))) * (120.0, 155.0, 110.0) - (60.0, 75.0, 45.0)
    apart = [
        np.subtract(found.TransformPoint(p), phantom.mr_from_ct.TransformPoint(p))
        for p in corners.tolist()
    ]
    assert np.linalg.norm(apart, axis=1).max() < 0.7
