"""Derived images are recognised by ImageType, equipment and UIDs; plain ones never are."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from dicom_kit import change_all, put, write
from radfuse.dicom.read.derived import SERIES_SUFFIX, common_derivation, derivation
from radfuse.dicom.uids import derive_uid
from radfuse.pipeline.inspect import inspect
from radfuse.pipeline.read import read


def image(**values: object) -> Dataset:
    header = Dataset()
    for keyword, value in values.items():
        setattr(header, keyword, value)
    return header


@pytest.mark.parametrize(
    "kind",
    [
        None, "", "ORIGINAL", r"ORIGINAL\PRIMARY\AXIAL", r"ORIGINAL\PRIMARY\AXIAL\CT_SOM5 SPI",
        r"DERIVED\PRIMARY\AXIAL", r"DERIVED \PRIMARY\AXIAL", r"ORIGINAL\PRIMARY\M\ND\NORM",
        r"ORIGINAL\PRIMARY\MPR", r"ORIGINAL\PRIMARY\M_SE\M\SE", r"ORIGINAL\PRIMARY\T1\NONE",
        r"DERIVED\PRIMARY\M\ND\NORM", r"DERIVED\PRIMARY\VOLUME\NONE", r"ORIGINAL\PRIMARY\AXIAL\ADD",
        r"DERIVED\PRIMARY\OTHER", r"DERIVED\PRIMARY\DIFFUSION\TRACEW\ND",
    ],
)  # fmt: skip
def test_images_of_a_scanner_are_primary(kind: str | None) -> None:
    assert derivation(image(ImageType=kind and kind.split("\\"))) is None


@pytest.mark.parametrize(
    ("kind", "reason", "is_alternative"),
    [
        (r"DERIVED\SECONDARY\REFORMATTED", "reformatted", True),
        (r"DERIVED\SECONDARY\REFORMATTED\AVERAGE", "reformatted", True),
        (r"DERIVED\SECONDARY\MPR\CSA MPR\\CSAPARALLEL\M\ND\NORM", "reformatted", True),
        (r"DERIVED\PRIMARY\AXIAL\CT_SOM5 MPR", "reformatted", True),
        (r"DERIVED\SECONDARY\AXIAL\RESAMPLED", "reformatted", True),
        (r"ORIGINAL\SECONDARY\AXIAL", "a secondary image", True),
        (r"DERIVED\SECONDARY\OTHER", "a secondary image", True),
        (r"DERIVED\SECONDARY", "a secondary image", True),
        (r"DERIVED\SECONDARY\SCREEN SAVE", "a screen capture", False),
        (r"ORIGINAL\SECONDARY\SCREENSAVE", "a screen capture", False),
        (r"DERIVED\PRIMARY\M\SUB\ND", "a subtraction", False),
        (r"DERIVED\SECONDARY\T1\SUBTRACTION", "a subtraction", False),
        (r"DERIVED\SECONDARY\PROJECTION IMAGE\CSA MIP\\M", "a projection or rendering", False),
        (r"DERIVED\SECONDARY\AXIAL\MIN_IP", "a projection or rendering", False),
        (r"DERIVED\SECONDARY\VRT", "a projection or rendering", False),
        (r"DERIVED\PRIMARY\DIFFUSION\ADC\ND", "a map of computed values", False),
        (r"DERIVED\PRIMARY\PERFUSION\RCBF", "a map of computed values", False),
        (r"ORIGINAL\PRIMARY\LOCALIZER\CT_SOM5 TOP", "a localizer", False),
        ("LOCALIZER", "a localizer", False),
    ],
)
def test_derived_images_have_their_reason(kind: str, reason: str, is_alternative: bool) -> None:
    values = kind.split("\\")
    derived = derivation(image(ImageType=values if len(values) > 1 else kind))
    assert derived is not None
    assert (derived.reason, derived.is_alternative) == (reason, is_alternative)
    assert not derived.is_own


def test_captures_and_burned_in_text_are_derived() -> None:
    capture = derivation(image(SOPClassUID=SecondaryCaptureImageStorage))
    assert capture is not None
    assert (capture.reason, capture.is_alternative) == ("a screen capture", False)
    burned = derivation(image(BurnedInAnnotation="YES", ImageType=["ORIGINAL", "PRIMARY"]))
    assert burned is not None
    assert burned.is_alternative
    assert derivation(image(BurnedInAnnotation="NO")) is None


def test_one_primary_image_makes_a_series_primary() -> None:
    """The top of a head that is marked as derived is not taken out of its series."""
    derived, plain = image(ImageType=["DERIVED", "SECONDARY"]), image()
    assert common_derivation([derived, derived, plain]) is None
    assert common_derivation([derived, derived]) == derivation(derived)
    assert common_derivation([]) is None


OWN: dict[str, Callable[[Dataset], object]] = {
    "description": put("SeriesDescription", f"QA FAILED FUSED CT+MR x - {SERIES_SUFFIX}"),
    "caution only": put("SeriesDescription", SERIES_SUFFIX),
    "model": put("ManufacturerModelName", "radfuse"),
    "equipment": put("ContributingEquipmentSequence", [image(ManufacturerModelName="radfuse")]),
    "UID": put("SOPInstanceUID", derive_uid("1.2.3", "6")),
}


@pytest.mark.parametrize("evidence", OWN)
def test_every_evidence_of_our_own_output_counts(evidence: str) -> None:
    header = image(ImageType=["DERIVED", "SECONDARY", "OTHER"], SeriesInstanceUID="1.2.3",
                   InstanceNumber="7")  # fmt: skip
    foreign = derivation(header)
    assert foreign is not None
    assert not foreign.is_own
    OWN[evidence](header)
    own = derivation(header)
    assert own is not None
    assert (own.reason, own.is_own, own.is_fused) == ("fused by radfuse", True, True)


@pytest.mark.parametrize("keyword", ["SeriesDescription", "DerivationDescription"])
def test_the_resampled_mr_is_no_fused_image(keyword: str) -> None:
    header = image(ImageType=["DERIVED", "SECONDARY"], ManufacturerModelName="radfuse")
    text = {"SeriesDescription": "MR ON CT t1", "DerivationDescription": "Rigidly registered MR, "}
    setattr(header, keyword, text[keyword])
    resampled = derivation(header)
    assert resampled is not None
    assert (resampled.reason, resampled.is_own, resampled.is_fused) == (
        "resampled by radfuse", True, False,
    )  # fmt: skip


def test_a_phantom_by_radfuse_is_primary(phantom_folders: tuple[Path, Path]) -> None:
    for one in phantom_folders:
        (series,) = inspect(one)[0]
        assert series.is_volume
        assert not any("derived" in note for note in series.notes)


def test_the_only_series_is_read_although_derived(tmp_path: Path) -> None:
    folder = write(tmp_path / "ct")
    change_all(folder, put("ImageType", ["DERIVED", "SECONDARY", "REFORMATTED"]))
    change_all(folder, put("SOPInstanceUID", None))
    assert any("derived: reformatted" in note for note in read(folder, "CT").notes)
    (series,) = inspect(folder)[0]
    assert "derived: reformatted; selected where there is no primary series" in series.notes
