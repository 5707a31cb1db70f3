"""Judge the pose of a PET or SPECT in an MR or CT of the same head, of any origin."""

import SimpleITK as sitk

from radfuse.errors import InputError
from radfuse.registration.functional.measurement import measure
from radfuse.registration.functional.pair import FunctionalPair
from radfuse.registration.functional.quality import FunctionalQuality, judged
from radfuse.registration.optimizer import itk_threads
from radfuse.registration.transforms import canonicalize
from radfuse.series import Series


def assess_functional(
    anatomical: Series, functional: Series, functional_from_anatomical: sitk.Transform
) -> FunctionalQuality:
    """Estimate the error of a pose, which maps anatomical to functional points, LPS mm.

    Raises `InputError` for series that are no volume, constant or without a head, for modalities
    other than MR or CT and PT or NM, and for a transform that is not rigid.
    """
    check_modalities(anatomical, functional)
    pose = canonicalize(functional_from_anatomical).GetInverse()
    pair = FunctionalPair.of(anatomical, functional)
    with itk_threads(single=True):
        codes = anatomical.modality.code, functional.modality.code
        return judged(measure(pair, pose, codes))


def check_modalities(anatomical: Series, functional: Series) -> None:
    """Raise `InputError` unless the series are of an anatomical and a functional modality."""
    if anatomical.modality.role != "anatomical" or functional.modality.role != "functional":
        raise InputError(
            f"{functional.modality} to {anatomical.modality}: a PET or SPECT (PT, NM) is "
            "registered to an MR or CT; give the images in this order"
        )
