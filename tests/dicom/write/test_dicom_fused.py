"""The fused series: an MR object in the frame of reference of the CT, with its derivation."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom import Dataset
from pydicom.uid import MRImageStorage

from dicom_kit import OBLIQUE, change_all, put, volume, write
from radfuse.dicom.write.derivation_context import GEOMETRY, DerivationContext
from radfuse.dicom.write.fused import FULL_SCALE, SERIES_NUMBER, fused_series
from radfuse.pipeline.read import read
from radfuse.record import NOTICE
from radfuse.series import Series
from radfuse.verdict import Verdict

SHIFT_MM = (1.5, -2.0, 2.4)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Series, Series]:
    ct = write(tmp_path / "ct", volume("CT", OBLIQUE))
    mr = write(tmp_path / "mr", volume("MR", spacing=(1.0, 1.0, 4.0), count=4), "MR")
    change_all(mr, lambda header: setattr(header, "EchoTime", "4.5"))
    return read(ct, "CT"), read(mr, "MR")


def context(pair: tuple[Series, Series], **changes: object) -> DerivationContext:
    shift = sitk.TranslationTransform(3, SHIFT_MM)
    facts = {
        "method": "laplacian", "weights_sha256": None, "verdict": Verdict("pass", 1.5),
        "registration_id": "abc",
        "in_fov": np.ones(len(pair[0].headers) or pair[0].image.GetSize()[2], np.bool_),
        "window": "width 1000, level 500", "alignment_source": "file",
        "moving_range": (0.0, 4000.0),
    } | changes  # fmt: skip
    return DerivationContext(*pair, shift, **facts)  # type: ignore[arg-type]


def fused_on(ct: sitk.Image) -> sitk.Image:
    shape = ct.GetSize()[::-1]
    values = np.linspace(0, FULL_SCALE, int(np.prod(shape))).reshape(shape)
    image = sitk.GetImageFromArray(values.astype(np.uint16))
    image.CopyInformation(ct)
    return image


def headers(folder: Path, pair: tuple[Series, Series], **changes: object) -> list[Dataset]:
    made = context(pair, **changes)
    paths = made.write(fused_series(folder, fused_on(pair[0].image), made))
    return [pydicom.dcmread(path) for path in paths]


def test_values_and_geometry_are_of_the_fused_volume(
    tmp_path: Path, pair: tuple[Series, Series]
) -> None:
    written = headers(tmp_path / "out", pair)
    fused = fused_on(pair[0].image)
    again = read(tmp_path / "out", "MR").image
    np.testing.assert_array_equal(sitk.GetArrayFromImage(again), sitk.GetArrayFromImage(fused))
    np.testing.assert_allclose(again.GetOrigin(), fused.GetOrigin(), atol=1e-9)
    for header, ct_header in zip(written, pair[0].headers, strict=True):
        for keyword in GEOMETRY:
            assert header[keyword].value == ct_header[keyword].value


def test_it_is_an_mr_object_in_study_and_frame_of_the_ct(
    tmp_path: Path, pair: tuple[Series, Series]
) -> None:
    written = headers(tmp_path / "out", pair)
    ct_header = pair[0].headers[0]
    for header in written:
        assert header.SOPClassUID == MRImageStorage
        assert header.Modality == "MR"
        assert header.SeriesNumber == SERIES_NUMBER
        assert header.SeriesInstanceUID == written[0].SeriesInstanceUID
        for keyword in ("StudyInstanceUID", "FrameOfReferenceUID", "PatientID", "PatientName"):
            assert header[keyword].value == ct_header[keyword].value
        assert "RescaleSlope" not in header
        assert header.EchoTime == 4.5
        assert (header.ScanningSequence, header.SequenceVariant) == ("RM", "NONE")
    assert len({header.SOPInstanceUID for header in written}) == len(written)
    assert written[0].SeriesInstanceUID != ct_header.SeriesInstanceUID


def test_acquisition_of_the_mr_is_repeated_if_known(
    tmp_path: Path, pair: tuple[Series, Series]
) -> None:
    change_all(tmp_path / "mr", lambda header: setattr(header, "ScanningSequence", "GR"))
    header = headers(tmp_path / "out", (pair[0], read(tmp_path / "mr", "MR")))[0]
    assert (header.ScanningSequence, header.SequenceVariant) == ("GR", "NONE")


def test_ct_without_deidentification_method_makes_valid_series(
    tmp_path: Path, pair: tuple[Series, Series]
) -> None:
    change_all(tmp_path / "ct", put("PatientIdentityRemoved", "YES"))
    change_all(tmp_path / "ct", put("DeidentificationMethod", ""))
    (header, *_) = headers(tmp_path / "out", (read(tmp_path / "ct", "CT"), pair[1]))
    assert header.PatientIdentityRemoved == "YES"
    assert header.DeidentificationMethod == "NOT STATED IN THE CT"


def test_two_runs_never_share_a_series(tmp_path: Path, pair: tuple[Series, Series]) -> None:
    one, two = (headers(tmp_path / name, pair)[0] for name in ("a", "b"))
    assert one.SeriesInstanceUID != two.SeriesInstanceUID
    assert one.SOPInstanceUID != two.SOPInstanceUID


def test_headers_state_the_intended_use(tmp_path: Path, pair: tuple[Series, Series]) -> None:
    header = headers(tmp_path / "out", pair)[0]
    assert header.SeriesDescription == "FUSED CT+MR laplacian - RESEARCH, NOT FOR DOSE CALC"
    assert NOTICE in header.DerivationDescription
    assert NOTICE in header.ImageComments
    assert "unreviewed; registration QA passed." in header.ImageComments
    assert list(header.ImageType) == ["DERIVED", "SECONDARY", "OTHER"]


def test_failed_registration_qa_is_in_the_description(
    tmp_path: Path, pair: tuple[Series, Series]
) -> None:
    header = headers(tmp_path / "out", pair, verdict=Verdict("refuse", 12.0))[0]
    assert "registration QA FAILED." in header.ImageComments


def test_long_method_name_is_cut_but_the_warning_is_kept(
    tmp_path: Path, pair: tuple[Series, Series]
) -> None:
    header = headers(tmp_path / "out", pair, method="m" * 80)[0]
    assert len(header.SeriesDescription) == 64
    assert header.SeriesDescription.endswith(" - RESEARCH, NOT FOR DOSE CALC")


@pytest.mark.parametrize("weights", [None, "ab" * 32])
def test_equipment_item_names_method_and_weights(
    tmp_path: Path, pair: tuple[Series, Series], weights: str | None
) -> None:
    header = headers(tmp_path / "out", pair, weights_sha256=weights)[0]
    said = header.ContributingEquipmentSequence[0].ContributionDescription
    assert said == "Fusion by laplacian" + (f", weights sha256 {weights}" if weights else "")


def test_every_slice_references_ct_slice_and_intersected_mr(
    tmp_path: Path, pair: tuple[Series, Series]
) -> None:
    ct, mr = pair
    uids = [header.SOPInstanceUID for header in mr.headers]
    for index, header in enumerate(headers(tmp_path / "out", pair)):
        first, *others = header.SourceImageSequence
        assert first.ReferencedSOPInstanceUID == ct.headers[index].SOPInstanceUID
        assert first.SpatialLocationsPreserved == "YES"
        assert all(item.SpatialLocationsPreserved == "NO" for item in others)
        columns, rows, _ = ct.image.GetSize()
        cut = set()
        for column in np.linspace(0, columns - 1, 15):
            for row in np.linspace(0, rows - 1, 15):
                place = ct.image.TransformContinuousIndexToPhysicalPoint(
                    (column, row, float(index))
                )
                at = mr.image.TransformPhysicalPointToContinuousIndex(
                    np.add(place, SHIFT_MM).tolist()
                )
                cut |= {int(np.floor(at[2])), int(np.ceil(at[2]))}
        wanted = [uid for number, uid in enumerate(uids) if number in cut]
        assert [item.ReferencedSOPInstanceUID for item in others] == wanted


def bare(series: Series) -> Series:
    return Series(series.image, series.modality, series.source)


@pytest.mark.parametrize("strip", [(True, True), (True, False), (False, True)])
def test_volumes_without_headers_make_a_series_too(
    tmp_path: Path, pair: tuple[Series, Series], strip: tuple[bool, bool]
) -> None:
    without = tuple(bare(each) if off else each for each, off in zip(pair, strip, strict=True))
    written = headers(tmp_path / "out", without)  # type: ignore[arg-type]
    header = written[len(written) // 2]
    assert header.StudyInstanceUID
    assert header.FrameOfReferenceUID == written[0].FrameOfReferenceUID
    assert header.PatientID == ("" if strip[0] else "T1") or header.PatientID is None
    assert ("SourceImageSequence" in header) is not all(strip)
    assert read(tmp_path / "out", "MR").image.GetSize() == pair[0].image.GetSize()


@pytest.mark.parametrize(
    "edit",
    [
        lambda header: header.__delattr__("FrameOfReferenceUID"),
        lambda header: setattr(header, "SliceThickness", None),
    ],
)
def test_a_ct_that_lacks_an_attribute_gets_a_complete_series(
    tmp_path: Path, pair: tuple[Series, Series], edit: Callable[[Dataset], object]
) -> None:
    change_all(tmp_path / "ct", edit)
    header = headers(tmp_path / "out", (read(tmp_path / "ct", "CT"), pair[1]))[0]
    assert header.FrameOfReferenceUID
    assert header.SliceThickness == 2.5
