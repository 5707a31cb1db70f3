"""The resampled MR: values, geometry, references to its sources."""

import dataclasses
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.uid import MRImageStorage

from dicom_kit import OBLIQUE, change_all, put
from ladder_kit import make_context, make_pair, rigid
from radfuse.dicom.write.derivation_context import GEOMETRY
from radfuse.dicom.write.resampled import rescale_of, write_resampled
from radfuse.pipeline.read import read
from radfuse.record import NOTICE
from radfuse.series import Series
from radfuse.verdict import Verdict

Pair = tuple[Series, Series]


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return make_pair(tmp_path, OBLIQUE)


def on_ct(pair: Pair) -> np.ndarray:
    """The MR resampled onto the grid of the CT by ITK."""
    ct, mr = (series.image for series in pair)
    return sitk.GetArrayFromImage(sitk.Resample(mr, ct, rigid(), sitk.sitkLinear, 0.0))


def written(folder: Path, pair: Pair, **changes: object) -> list[Dataset]:
    paths = write_resampled(folder, make_context(pair, **changes))
    return [pydicom.dcmread(path) for path in paths]


def with_values(series: Series, values: np.ndarray) -> Series:
    image = sitk.GetImageFromArray(values.astype(np.float32))
    image.CopyInformation(series.image)
    return dataclasses.replace(series, image=image)


def test_integers_are_stored_unchanged(tmp_path: Path, pair: Pair) -> None:
    headers = written(tmp_path / "out", pair)
    found = np.array([header.pixel_array for header in headers])
    wanted = on_ct(pair)
    assert (wanted == 0).any()
    assert (wanted > 0).any()
    np.testing.assert_allclose(found, wanted, rtol=0, atol=0.5)
    assert found.dtype == np.uint16
    assert "RescaleSlope" not in headers[0]


@pytest.mark.parametrize("scale", [1e-9, 1e-3, 1.0 / 3, 1e6])
def test_other_values_are_scaled_to_16_bits(tmp_path: Path, pair: Pair, scale: float) -> None:
    ct, mr = pair
    small = with_values(mr, sitk.GetArrayFromImage(mr.image) * scale)
    headers = written(tmp_path / "out", (ct, small))
    found = sitk.GetArrayFromImage(read(tmp_path / "out", "MR").image)
    wanted = on_ct((ct, small))
    slope = float(headers[0].RescaleSlope)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=slope / 2)
    assert slope < 2 * wanted.max() / 65535
    assert headers[0].RescaleIntercept == 0
    np.testing.assert_array_equal(found[wanted == 0], 0)
    assert f"in steps of {slope:g}" in headers[0].DerivationDescription


def test_values_below_zero_keep_their_sign(tmp_path: Path, pair: Pair) -> None:
    ct, mr = pair
    phase = with_values(mr, sitk.GetArrayFromImage(mr.image) / 1000 - 2)
    headers = written(tmp_path / "out", (ct, phase))
    found = sitk.GetArrayFromImage(read(tmp_path / "out", "MR").image)
    slope = float(headers[0].RescaleSlope)
    np.testing.assert_allclose(found, on_ct((ct, phase)), rtol=0, atol=slope)
    assert headers[0].PixelRepresentation == 1


values = st.floats(-(2.0**100), 2.0**100, width=32, allow_subnormal=False)


@settings(deadline=None)
@given(st.lists(values, min_size=2, max_size=6))
def test_every_value_fits_into_16_bits_and_zero_is_zero(values: list[float]) -> None:
    mr = sitk.GetImageFromArray(np.array(values, np.float32).reshape(1, 1, -1))
    rescale = rescale_of(mr)
    if rescale is None:
        assert values == [round(value) for value in values]
        return
    stored = np.rint(np.array(values) / rescale.slope)
    limits = np.iinfo(np.int16 if min(values) < 0 else np.uint16)
    assert limits.min <= stored.min()
    assert stored.max() <= limits.max
    assert max(-stored.min() * 2, stored.max()) >= 32767 - 1
    assert rescale.intercept == 0


def test_it_is_an_mr_object_on_the_grid_of_the_ct(tmp_path: Path, pair: Pair) -> None:
    ct, mr = pair
    for header, of_ct in zip(written(tmp_path / "out", pair), ct.headers, strict=True):
        assert header.SOPClassUID == MRImageStorage
        assert header.Modality == "MR"
        for keyword in (*GEOMETRY, "FrameOfReferenceUID", "StudyInstanceUID", "PatientID"):
            assert header[keyword].value == of_ct[keyword].value
        assert header.EchoTime == mr.headers[0].EchoTime
        assert list(header.ImageType) == ["DERIVED", "SECONDARY", "OTHER"]
        assert (header.WindowCenter, header.WindowWidth) == (2000, 4000)


def test_description_states_the_derivation(tmp_path: Path, pair: Pair) -> None:
    header = written(tmp_path / "out", pair, verdict=Verdict("refuse", 12.0))[0]
    assert header.SeriesDescription == "QA FAILED MR ON CT head - RESEARCH, NOT FOR DOSE CALC"
    assert header.DerivationCodeSequence[0].CodeValue == "113085"
    assert "linearly interpolated" in header.DerivationDescription
    assert NOTICE in header.DerivationDescription
    assert header.BodyPartExamined == "HEAD"
    assert header.BurnedInAnnotation == "NO"
    said = header.ContributingEquipmentSequence[0].ContributionDescription
    assert said == "Registration and resampling"


def test_non_latin_mr_description_is_accepted(tmp_path: Path, pair: Pair) -> None:
    change_all(tmp_path / "mr", put("SeriesDescription", "T1 nach KM, Schädel"))
    header = written(tmp_path / "out", (pair[0], read(tmp_path / "mr", "MR")))[0]
    assert header.SeriesDescription.startswith("MR ON CT T1 nach KM, Sch_del - RESEARCH")


def sources(header: Dataset, series: Series) -> list[tuple[int, str]]:
    """The slices of a series that a header refers to, and SpatialLocationsPreserved of each."""
    numbers = {each.SOPInstanceUID: index for index, each in enumerate(series.headers)}
    return [
        (numbers[item.ReferencedSOPInstanceUID], item.SpatialLocationsPreserved)
        for item in header.get("SourceImageSequence", ())
        if item.ReferencedSOPInstanceUID in numbers
    ]


def test_every_slice_references_ct_slice_and_adjacent_mr_slices(tmp_path: Path, pair: Pair) -> None:
    ct, mr = pair
    for index, header in enumerate(written(tmp_path / "out", pair)):
        assert sources(header, ct) == [(index, "YES")]
        corners = np.array(
            [
                mr.image.TransformPhysicalPointToContinuousIndex(
                    rigid().TransformPoint(
                        ct.image.TransformIndexToPhysicalPoint((column, row, index))
                    )
                )[2]
                for column in (0, ct.image.GetSize()[0] - 1)
                for row in (0, ct.image.GetSize()[1] - 1)
            ]
        )
        cut = range(int(np.floor(corners.min())), int(np.ceil(corners.max())) + 1)
        assert sources(header, mr) == [(k, "NO") for k in range(len(mr.headers)) if k in cut]
        assert {item.PurposeOfReferenceCodeSequence[0].CodeValue
                for item in header.SourceImageSequence} == {"121322"}  # fmt: skip


def test_resampled_ct_references_nearest_source_slices(tmp_path: Path, pair: Pair) -> None:
    ct, mr = pair
    finer = sitk.Resample(
        ct.image, (7, 9, 11), sitk.Transform(), sitk.sitkLinear, ct.image.GetOrigin(),
        (0.9, 1.1, 1.25), ct.image.GetDirection(),
    )  # fmt: skip
    regridded = dataclasses.replace(ct, image=finer, regridded=True)
    headers = written(tmp_path / "out", (regridded, mr), in_fov=np.ones(11, np.bool_))
    for index, header in enumerate(headers):
        between = sorted({index // 2, (index + 1) // 2})
        assert sources(header, ct) == [(k, "NO") for k in between]
        place = finer.TransformIndexToPhysicalPoint((0, 0, index))
        np.testing.assert_allclose(np.array(header.ImagePositionPatient), place, atol=1e-6)


def test_resampled_mr_references_its_own_slices(tmp_path: Path, pair: Pair) -> None:
    ct, mr = pair
    same = written(tmp_path / "a", pair)
    turned = sitk.Flip(mr.image, (False, False, True))
    other = written(tmp_path / "b", (ct, dataclasses.replace(mr, image=turned, regridded=True)))
    for one, two in zip(same, other, strict=True):
        assert sources(one, mr) == sources(two, mr)


def test_slices_outside_the_mr_refer_to_no_mr_slice(tmp_path: Path, pair: Pair) -> None:
    far = sitk.TranslationTransform(3, (0.0, 0.0, 500.0))
    for header in written(tmp_path / "out", pair, moving_from_fixed=far):
        assert sources(header, pair[1]) == []
        assert not header.pixel_array.any()
