"""The brain's mask: that of the phantom's labels, in an MR and a CT."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from radfuse.arrays import image_on
from radfuse.phantom.head import Phantom
from radfuse.phantom.tissues import Label
from radfuse.registration.functional.brain import BRAIN_CM3, brain_mask
from radfuse.series import Series

OF_BRAIN = (Label.CSF, Label.GREY, Label.WHITE, Label.VENTRICLE, Label.DURA, Label.BLOOD,
            Label.TUMOUR, Label.NECROSIS, Label.OEDEMA, Label.CALCIFICATION)  # fmt: skip


def true_brain(labels: sitk.Image) -> np.ndarray:
    return np.isin(sitk.GetArrayFromImage(labels), OF_BRAIN)


def with_values(series: Series, values: np.ndarray) -> Series:
    return replace(series, image=image_on(series.image, values.astype(np.float32)))


@pytest.mark.parametrize("code", ["MR", "CT"])
def test_the_mask_is_that_of_the_labels(phantom: Phantom, code: str):
    series, labels = {
        "MR": (phantom.mr, phantom.labels_mr), "CT": (phantom.ct, phantom.labels)
    }[code]  # fmt: skip
    mask = brain_mask(series)
    assert mask is not None
    on_labels = sitk.Resample(mask, labels, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    found, truth = sitk.GetArrayFromImage(on_labels) > 0, true_brain(labels)
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.93
    cm3 = found.sum() * np.prod(labels.GetSpacing()) / 1000
    assert BRAIN_CM3[0] < cm3 < BRAIN_CM3[1]


@pytest.mark.parametrize("scale", [0.01, 300.0])
def test_the_unit_of_an_mr_does_not_matter(phantom: Phantom, scale: float):
    scaled = with_values(phantom.mr, sitk.GetArrayFromImage(phantom.mr.image) * scale)
    mask, expected = brain_mask(scaled), brain_mask(phantom.mr)
    assert mask is not None
    assert expected is not None
    differs = sitk.GetArrayFromImage(mask) != sitk.GetArrayFromImage(expected)
    assert differs.mean() < 1e-3


def test_of_a_stripped_mr_the_brain_is_all(phantom: Phantom):
    brain = true_brain(phantom.labels_mr)
    mask = brain_mask(with_values(phantom.mr, sitk.GetArrayFromImage(phantom.mr.image) * brain))
    assert mask is not None
    assert (sitk.GetArrayFromImage(mask) > 0).sum() > 0.9 * brain.sum()


def test_a_ct_of_the_jaw_has_no_brain(phantom: Phantom):
    assert brain_mask(replace(phantom.ct, image=phantom.ct.image[:, :, :8])) is None


def test_a_ball_without_a_skull_of_a_few_mm_has_no_brain(phantom: Phantom):
    values = sitk.GetArrayFromImage(phantom.mr.image) * 0
    values[20:24, 30:34, 30:34] = 100
    assert brain_mask(with_values(phantom.mr, values)) is None
