"""Colour images and registrations of other pairs than CT and MR."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.uid import SecondaryCaptureImageStorage

from dicom_kit import volume, write
from ladder_kit import errors_by_dciodvfy, make_context, matrix, needs, rigid
from nuclear_kit import pet, spect
from radfuse.dicom.read.scan import scan_folder
from radfuse.dicom.write.colour_blend import blend_series, colour_series
from radfuse.dicom.write.derivation_context import DerivationContext
from radfuse.dicom.write.fused import FULL_SCALE, fused_series
from radfuse.dicom.write.spatial_registration import read_registration, write_registration
from radfuse.modality import MR, NM, PT
from radfuse.pipeline.read import read

PAIRS = ("PT", "NM", "MR")
"""The moving series; the fixed one is an MR."""


@pytest.fixture(params=PAIRS)
def context(request: pytest.FixtureRequest, tmp_path: Path) -> DerivationContext:
    fixed = read(write(tmp_path / "fixed", volume("MR"), "MR"), MR)
    folder = tmp_path / "moving"
    match request.param:
        case "PT":
            moving = read(pet(folder), PT)
        case "NM":
            moving = read(spect(folder), NM)
        case _:
            moving = read(write(folder, volume("MR", spacing=(1, 1, 4)), "MR", "second"), MR)
    return make_context((fixed, moving), window="0 to 4000")


def colours(index: int) -> np.ndarray:
    return np.random.default_rng(index).integers(0, 255, (9, 7, 3)).astype(np.uint8)


def test_given_colours_are_written(tmp_path: Path, context: DerivationContext) -> None:
    written = colour_series(
        tmp_path / "out", colours, context, label="uptake_over_mr",
        contribution="Fusion by uptake_over_mr", derivation="Luminance of the MR, colour of the PT",
    )  # fmt: skip
    paths = context.write(written)
    moving = context.moving.modality
    for index, path in enumerate(paths):
        header = pydicom.dcmread(path)
        np.testing.assert_array_equal(header.pixel_array, colours(index))
        assert header.SOPClassUID == SecondaryCaptureImageStorage
        assert header.FrameOfReferenceUID == context.fixed.frame_of_reference_uid
        assert header.SeriesNumber == 303
    description = f"COLOUR MR+{moving} uptake_over_mr"
    assert header.SeriesDescription.startswith(description[:35])
    assert f"MR only outside the {moving} field of view" in header.DerivationDescription
    (series,) = scan_folder(tmp_path / "out").series
    assert series.derivation is not None
    assert series.derivation.is_fused


def test_a_blend_names_its_modalities(tmp_path: Path, context: DerivationContext) -> None:
    grey, mask = np.zeros((9, 7), np.float32), np.ones((9, 7), np.bool_)
    scaled = (grey, grey, mask)
    paths = context.write(blend_series(tmp_path / "out", lambda _: scaled, context, 0.5))
    header = pydicom.dcmread(paths[0])
    moving = context.moving.modality
    assert header.DerivationDescription.startswith(
        f"MR in grey, window 0 to 4000; over it the rigidly registered {moving} in hot colours"
    )


def test_a_registration_is_read_back(tmp_path: Path, context: DerivationContext) -> None:
    path = write_registration(tmp_path / "reg", context, matrix(rigid().GetInverse()))
    header = pydicom.dcmread(path)
    moving = context.moving.modality
    assert header.SeriesDescription.startswith(f"REG {moving} TO MR rigid")
    assert header.ContentDescription.startswith(f"Rigid, {moving} to MR, id abc")
    if moving is not MR:  # the kit gives both MR one frame of reference
        found = read_registration(path, context.fixed, context.moving)
        np.testing.assert_allclose(matrix(found), matrix(rigid()), atol=1e-9)


def test_fused_text_names_the_modalities(tmp_path: Path, context: DerivationContext) -> None:
    stored = sitk.Cast(context.fixed.image * 0 + FULL_SCALE, sitk.sitkUInt16)
    paths = context.write(fused_series(tmp_path / "out", stored, context))
    header = pydicom.dcmread(paths[0])
    moving = context.moving.modality
    assert header.SeriesDescription.startswith(f"FUSED MR+{moving} laplacian")
    assert header.DerivationDescription.startswith(f"MR and rigidly registered {moving} fused by")
    assert "MR window 0 to 4000; MR only outside" in header.DerivationDescription


@needs("dciodvfy")
def test_another_program_finds_no_error(tmp_path: Path, context: DerivationContext) -> None:
    texts = {"label": "x", "contribution": "x", "derivation": "x"}
    context.write(colour_series(tmp_path / "colour", colours, context, **texts))
    write_registration(tmp_path / "reg", context, np.eye(4))
    for folder in ("colour", "reg"):
        assert errors_by_dciodvfy(tmp_path / folder) == []
