"""The phantom's tumour can be asked for: size, contrast, without a core, at the bone."""

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from radfuse.phantom.anatomy import BRAINCASE_CENTRE, BRAINCASE_RADII, vault_beside
from radfuse.phantom.head import Label, Phantom, Tumour, make_phantom

SPACING_MM = 3.0


def labels_of(phantom: Phantom) -> NDArray[np.uint8]:
    return np.asarray(sitk.GetArrayFromImage(phantom.labels))


@pytest.fixture(scope="module")
def solid() -> Phantom:
    return make_phantom(7, spacing_mm=SPACING_MM, tumour=Tumour(is_solid=True))


def test_solid_tumour_has_no_core_and_keeps_rest_of_head(solid: Phantom, phantom: Phantom) -> None:
    ours, drawn = labels_of(solid), labels_of(phantom)
    assert not (ours == Label.NECROSIS).any()
    differing = np.unique(drawn[ours != drawn])
    assert set(differing) <= {Label.NECROSIS, Label.CALCIFICATION}
    assert set(np.unique(ours[ours != drawn])) == {Label.TUMOUR}


def test_a_tumour_has_the_radius_that_was_asked_for() -> None:
    small = make_phantom(7, spacing_mm=2.0, tumour=Tumour(is_solid=True, radius_mm=8.0))
    voxels = (labels_of(small) == Label.TUMOUR).sum()
    volume = voxels * np.prod(small.labels.GetSpacing())
    assert (3 * volume / (4 * np.pi)) ** (1 / 3) == pytest.approx(8.0, rel=0.15)


def test_faint_tumour_is_between_tumour_and_oedema_in_ct_and_mr(solid: Phantom) -> None:
    faint = make_phantom(7, spacing_mm=SPACING_MM, tumour=Tumour(is_solid=True, contrast=0.4))
    np.testing.assert_array_equal(labels_of(faint), labels_of(solid))
    np.testing.assert_allclose(_contrast(faint, "ct"), 0.4 * _contrast(solid, "ct"), atol=1.5)
    np.testing.assert_allclose(_contrast(faint, "mr"), 0.4 * _contrast(solid, "mr"), rtol=0.2)


def _contrast(phantom: Phantom, which: str) -> float:
    image, labels = (
        (phantom.ct.image, phantom.labels)
        if which == "ct"
        else (phantom.mr.image, phantom.labels_mr)
    )
    values, kinds = sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(labels)
    means = [np.median(values[kinds == kind]) for kind in (Label.TUMOUR, Label.OEDEMA)]
    return float(means[0] - means[1])


def test_only_bone_tumour_touches_the_skull(solid: Phantom) -> None:
    at_bone = make_phantom(7, spacing_mm=SPACING_MM, tumour=Tumour(is_solid=True, is_at_bone=True))
    for phantom, touching in ((at_bone, True), (solid, False)):
        labels = labels_of(phantom)
        around = binary_dilation(labels == Label.TUMOUR)
        assert (around & (labels == Label.SKULL)).any() == touching


def test_the_vault_is_widest_at_its_middle() -> None:
    _, y0, z0 = BRAINCASE_CENTRE
    assert vault_beside(y0, z0) == pytest.approx(BRAINCASE_RADII[0])
    assert vault_beside(y0 + 30, z0) < 1.06 * vault_beside(y0, z0)
    assert vault_beside(y0, z0 + 40) < vault_beside(y0, z0 + 20) < vault_beside(y0, z0)


def test_calcified_tumour_differs_from_faint_one_in_ct_only(solid: Phantom) -> None:
    tumour = Tumour(is_solid=True, contrast=0.4, hu=120.0)
    faint = make_phantom(7, spacing_mm=SPACING_MM, tumour=Tumour(is_solid=True, contrast=0.4))
    calcified = make_phantom(7, spacing_mm=SPACING_MM, tumour=tumour)
    np.testing.assert_array_equal(labels_of(calcified), labels_of(solid))
    np.testing.assert_allclose(_contrast(calcified, "ct"), 100.0, rtol=0.15)
    np.testing.assert_allclose(_contrast(calcified, "mr"), _contrast(faint, "mr"), rtol=0.05)
