"""RTSTRUCT of any writer on the grid of its series: read right, or refused with a reason."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike
from pydicom import Dataset

from dicom_kit import put, put_raw
from radfuse.dicom.rtstruct import parse
from radfuse.dicom.rtstruct.read import StructureSet, read_structure_set
from radfuse.dicom.rtstruct.write import write_structure_set
from radfuse.errors import GeometryError, InputError
from radfuse.pipeline.read import read
from radfuse.series import Series
from structure_kit import array, series_on_disk, structure

STEP_MM = 3.0


@pytest.fixture(scope="module")
def ct(tmp_path_factory: pytest.TempPathFactory) -> Series:
    """Pixel (c, r) of slice k lies at (c, r, 3 k) mm."""
    return series_on_disk(
        tmp_path_factory.mktemp("plain") / "CT",
        size=(20, 16, 8),
        spacing=(1.0, 1.0, STEP_MM),
        origin=(0.0, 0.0, 0.0),
    )


@pytest.fixture
def rt(ct: Series, tmp_path: Path) -> Path:
    """A structure set with one empty structure, to draw into."""
    nothing = structure(np.zeros((8, 16, 20)), ct, "GTVp")
    write_structure_set(tmp_path / "rt.dcm", ct, [nothing])
    return tmp_path / "rt.dcm"


def square(low: float, high: float, z_mm: float) -> np.ndarray:
    corners = [(low, low), (high, low), (high, high), (low, high)]
    return np.array([(x, y, z_mm) for x, y in corners])


def contour(points: ArrayLike, kind: str = "CLOSED_PLANAR") -> Dataset:
    item = Dataset()
    item.ContourGeometricType = kind
    item.NumberOfContourPoints = len(np.asarray(points))
    item.ContourData = [f"{part:.4f}" for part in np.ravel(points)]
    return item


def edit(path: Path, change: Callable[[Dataset], object]) -> Path:
    header = pydicom.dcmread(path)
    change(header)
    header.save_as(path)
    return path


def draw(path: Path, *contours: Dataset) -> Path:
    return edit(path, lambda h: put("ContourSequence", list(contours))(h.ROIContourSequence[0]))


def only(found: StructureSet) -> np.ndarray:
    (part,) = found.structures()
    return array(part.mask)


def block(low: int, high: int) -> np.ndarray:
    mask = np.zeros((16, 20), bool)
    mask[low : high + 1, low : high + 1] = True
    return mask


def test_a_contour_on_a_slice_fills_it_and_no_other(rt: Path, ct: Series) -> None:
    found = read_structure_set(draw(rt, contour(square(1.5, 9.5, 6))), ct)
    assert found.notes == ()
    mask = only(found)
    np.testing.assert_array_equal(mask[2], block(2, 9))
    assert mask.sum() == mask[2].sum()


def test_separate_contours_are_joined_and_nested_is_a_hole(rt: Path, ct: Series) -> None:
    contours = [
        square(3.5, 7.5, 6),
        square(1.5, 9.5, 6),
        square(4.5, 5.5, 6),
        square(10.5, 12.5, 6),
    ]
    mask = only(read_structure_set(draw(rt, *map(contour, contours)), ct))[2]
    np.testing.assert_array_equal(mask, (block(2, 9) & ~block(4, 7)) | block(5, 5) | block(11, 12))


def test_plain_contours_that_overlap_are_joined(rt: Path, ct: Series) -> None:
    contours = [contour(square(1.5, 6.5, 6)), contour(square(4.5, 9.5, 6))]
    np.testing.assert_array_equal(
        only(read_structure_set(draw(rt, *contours), ct))[2], block(2, 6) | block(5, 9)
    )


def test_xor_contours_that_overlap_exclude_each_other(rt: Path, ct: Series) -> None:
    contours = [contour(square(*ends, 6), "CLOSEDPLANAR_XOR") for ends in ((1.5, 6.5), (4.5, 9.5))]
    np.testing.assert_array_equal(
        only(read_structure_set(draw(rt, *contours), ct))[2], block(2, 6) ^ block(5, 9)
    )


def test_a_keyhole_of_some_width_leaves_its_hole(rt: Path, ct: Series) -> None:
    ring = [(1.5, 1.5), (5.2, 1.5), (5.2, 3.5), (3.5, 3.5), (3.5, 7.5), (7.5, 7.5), (7.5, 3.5),
            (5.4, 3.5), (5.4, 1.5), (9.5, 1.5), (9.5, 9.5), (1.5, 9.5)]  # fmt: skip
    points = np.column_stack([ring, np.full(len(ring), 6.0)])
    np.testing.assert_array_equal(
        only(read_structure_set(draw(rt, contour(points)), ct))[2], block(2, 9) & ~block(4, 7)
    )


def test_the_same_contour_again_is_no_hole(rt: Path, ct: Series) -> None:
    found = read_structure_set(draw(rt, *[contour(square(1.5, 9.5, 6))] * 2), ct)
    np.testing.assert_array_equal(only(found)[2], block(2, 9))
    assert found.notes == ("'GTVp': 1 of 2 contours skipped: points, open lines or duplicates",)


@pytest.mark.parametrize("kind", ["POINT", "OPEN_PLANAR", "OPEN_NONPLANAR", ""])
def test_points_and_open_lines_are_passed_over_with_a_note(kind: str, rt: Path, ct: Series) -> None:
    points = square(1.5, 9.5, 6)[: 1 if kind == "POINT" else 4]
    found = read_structure_set(draw(rt, contour(points, kind)), ct)
    assert not only(found).any()
    assert "1 of 1 contours skipped" in found.notes[0]


@pytest.mark.parametrize(("z_mm", "index"), [(4.6, 2), (7.4, 2), (-1.4, 0), (22.4, 7)])
def test_contour_between_slices_snaps_to_nearest_with_note(
    z_mm: float, index: int, rt: Path, ct: Series
) -> None:
    found = read_structure_set(draw(rt, contour(square(1.5, 9.5, z_mm))), ct)
    assert only(found)[index].any()
    assert found.notes == (
        "'GTVp': contours up to 1.40 mm from a slice were assigned to the nearest",
    )


def test_of_several_planes_at_one_slice_the_nearest_counts(rt: Path, ct: Series) -> None:
    contours = [contour(square(1.5, 2.5 + z, z)) for z in (5.0, 6.0, 7.0)]
    found = read_structure_set(draw(rt, *contours), ct)
    np.testing.assert_array_equal(only(found)[2], block(2, 8))
    assert found.notes == ("'GTVp': 2 contours left out, others are nearer to the same slice",)


def test_contours_beyond_the_image_are_told(rt: Path, ct: Series) -> None:
    found = read_structure_set(
        draw(rt, contour(square(1.5, 40, 21)), contour(square(1.5, 9.5, 24))), ct
    )
    assert only(found)[7, 2:, 2:].all()
    assert found.notes == (
        "'GTVp': 1 of 2 contours are outside the first or last slice",
        "'GTVp': 1 contours clipped at the edge of the image",
    )


def test_slices_without_a_contour_between_others_are_told(rt: Path, ct: Series) -> None:
    found = read_structure_set(
        draw(rt, contour(square(1.5, 9.5, 3)), contour(square(1.5, 9.5, 12))), ct
    )
    assert found.notes == ("'GTVp': no contour on 2 slices between its first and last",)


def test_a_structure_wholly_beyond_the_image_is_refused(rt: Path, ct: Series) -> None:
    with pytest.raises(GeometryError, match=r"'GTVp' extends from 60.0 to 60.0 mm .* 0.0 to 21.0"):
        read_structure_set(draw(rt, contour(square(1.5, 9.5, 60))), ct)


def test_a_contour_across_the_slices_is_refused(rt: Path, ct: Series) -> None:
    sagittal = np.roll(square(1.5, 9.5, 6), 1, axis=1)
    with pytest.raises(GeometryError, match=r"'GTVp', contour 1: its points extend over 8.0 mm"):
        read_structure_set(draw(rt, contour(sagittal)), ct)


def test_another_frame_of_reference_is_refused_unless_accepted(rt: Path, ct: Series) -> None:
    draw(rt, contour(square(1.5, 9.5, 6)))
    edit(rt, lambda h: put("ReferencedFrameOfReferenceUID", "1.2.3")(h.StructureSetROISequence[0]))
    with pytest.raises(GeometryError, match=r"'GTVp' is in frame of reference 1\.2\.3, but"):
        read_structure_set(rt, ct)
    assert only(read_structure_set(rt, ct, accept_frame=True)).any()


def test_another_patient_is_refused_unless_accepted(rt: Path, ct: Series) -> None:
    edit(draw(rt, contour(square(1.5, 9.5, 6))), put("PatientID", "Q77"))
    with pytest.raises(InputError, match=r"the patient .* differs") as refusal:
        read_structure_set(rt, ct)
    assert "Q77" not in str(refusal.value)
    assert only(read_structure_set(rt, ct, accept_patients=True)).any()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"1\\2\\3\\4", "4 numbers in ContourData are not points"),
        (b"1\\2\\nan", "3 numbers in ContourData are not points"),
        (b"1\\2\\1e300", "3 numbers in ContourData are not points"),
        (b"1\\2\\-inf", "3 numbers in ContourData are not points"),
        (b"1\\x\\3", "could not convert string to float: 'x'"),
        (b"1\\\\3", "could not convert string to float: ''"),
        (b"1\\2\\3", "1 points, but NumberOfContourPoints is 4"),
        (b"1\\2\\\xff", "could not convert"),
    ],
)
def test_damaged_numbers_are_refused_with_structure_name(
    data: bytes, words: str, rt: Path, ct: Series
) -> None:
    item = contour(square(1.5, 9.5, 6))
    put_raw("ContourData", data)(item)
    with pytest.raises(InputError, match=r"structure 'GTVp', contour 1: .*damaged") as refusal:
        read_structure_set(draw(rt, item), ct)
    assert words in str(refusal.value)


def test_contour_with_million_crossings_is_refused_by_name(rt: Path, ct: Series) -> None:
    count = 4000
    zigzag = np.column_stack(
        [np.arange(count) % 19, np.where(np.arange(count) % 2, -900, 900), np.full(count, 6)]
    )
    found = read_structure_set(draw(rt, contour(zigzag)), ct)
    with pytest.raises(InputError, match="structure 'GTVp': a contour of 4000 points crosses"):
        only(found)


def test_names_are_kept_apart(ct: Series, tmp_path: Path) -> None:
    masks = np.zeros((3, 8, 16, 20))
    masks[:, 4, 5:9, 5:9] = 1
    parts = [structure(mask, ct, name) for mask, name in zip(masks, "abc", strict=True)]
    write_structure_set(tmp_path / "rt.dcm", ct, parts)

    def rename(header: Dataset) -> None:
        for roi, name in zip(header.StructureSetROISequence, ("PTV", "PTV", ""), strict=True):
            roi.ROIName = name

    found = read_structure_set(edit(tmp_path / "rt.dcm", rename), ct)
    assert [part.name for part in found.structures()] == ["PTV", "PTV_2", "ROI_3"]
    assert found.notes == ("'PTV': the name of two structures; number 2 is now 'PTV_2'",)


def test_a_colour_that_is_none_is_replaced(rt: Path, ct: Series) -> None:
    for colour in (None, [1, 2], [300, 0, 0]):
        edit(rt, lambda h, c=colour: put("ROIDisplayColor", c)(h.ROIContourSequence[0]))
        (part,) = read_structure_set(rt, ct).structures()
        assert part.colour == (238, 68, 51)


def test_an_item_of_contours_is_not_needed(rt: Path, ct: Series) -> None:
    found = read_structure_set(edit(rt, put("ROIContourSequence", [])), ct)
    assert not only(found).any()


def again(keyword: str) -> Callable[[Dataset], None]:
    return lambda header: header[keyword].value.append(header[keyword].value[0])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda h: h.pop("StructureSetROISequence"),
            "a structure set without StructureSetROISequence",
        ),
        (lambda h: h.pop("ROIContourSequence"), "a structure set without ROIContourSequence"),
        (again("StructureSetROISequence"), "'GTVp' and 'GTVp' have the same ROINumber 1"),
        (again("ROIContourSequence"), "the contours of ROINumber 1 occur twice"),
        (
            lambda h: put("ReferencedROINumber", 9)(h.ROIContourSequence[0]),
            "the contours of ROINumber 9 belong to no structure",
        ),
        (lambda h: h.ROIContourSequence[0].pop("ReferencedROINumber"), "damaged structure set"),
        (
            lambda h: put_raw("ROINumber", b"one")(h.StructureSetROISequence[0]),
            "damaged structure set",
        ),
        (put_raw("ROIContourSequence", b"12345678"), "damaged"),
        (
            put("SOPClassUID", "1.2.840.10008.5.1.4.1.1.2"),
            r"not an RT Structure Set \(modality RTSTRUCT\)",
        ),
    ],
)
def test_a_damaged_structure_set_is_refused(
    change: Callable[[Dataset], object], words: str, rt: Path, ct: Series
) -> None:
    with pytest.raises(InputError, match=words):
        read_structure_set(edit(rt, change), ct)


def test_truncated_rtstruct_is_refused_unless_contours_complete(rt: Path, ct: Series) -> None:
    draw(rt, *[contour(square(1.5, 9.5, 3 * index)) for index in range(8)])
    whole = rt.read_bytes()
    full = only(read_structure_set(rt, ct))
    for length in range(0, len(whole), 61):
        rt.write_bytes(whole[:length])
        try:
            mask = only(read_structure_set(rt, ct))
        except InputError as error:
            assert str(rt) in str(error)  # noqa: PT017  # either is right
        else:
            np.testing.assert_array_equal(mask, full)


def test_other_files_are_refused(rt: Path, ct: Series, tmp_path: Path) -> None:
    (tmp_path / "junk.dcm").write_bytes(b"\x08\x00junk" * 90)
    with pytest.raises(
        InputError, match=r"not an RT Structure Set \(modality CT\); give the RTSTRUCT file"
    ):
        read_structure_set(ct.files[0], ct)
    with pytest.raises(InputError, match=r"junk\.dcm"):
        read_structure_set(tmp_path / "junk.dcm", ct)


def test_absurd_amounts_are_refused(rt: Path, ct: Series, monkeypatch: pytest.MonkeyPatch) -> None:
    draw(rt, *[contour(square(1.5, 9.5, 6))] * 4)
    with monkeypatch.context() as patch:
        patch.setattr(parse, "MAX_CONTOURS", 3)
        with pytest.raises(InputError, match="4 contours, above the limit of 3"):
            read_structure_set(rt, ct)
    draw(rt, *[contour(square(0, 15 + step / 900, 6)) for step in range(1200)])
    with pytest.raises(InputError, match="1200 contours that cover the image 115 times"):
        read_structure_set(rt, ct)
    with (tmp := rt.with_name("large.dcm")).open("wb") as stream:
        stream.truncate(parse.MAX_FILE_BYTES + 1)
    with pytest.raises(InputError, match="256 MiB, above the limit of 256 MiB for a structure set"):
        read_structure_set(tmp, ct)


def test_an_image_that_is_no_dicom_is_refused(rt: Path, ct: Series) -> None:
    with pytest.raises(InputError, match="give the DICOM folder of the series"):
        read_structure_set(rt, dataclasses.replace(ct, headers=()))


def test_a_structure_set_of_rt_utils_has_a_frame_of_its_own(odd: Path) -> None:
    series = read(odd / "rtstruct", "CT")
    path = odd / "rtstruct" / "rt.dcm"
    with pytest.raises(GeometryError, match="'ROI-1' is in frame of reference"):
        read_structure_set(path, series)
    found = read_structure_set(path, series, accept_frame=True)
    (part,) = found.structures()
    mask = array(part.mask)
    assert (part.name, part.colour, found.notes) == ("ROI-1", (162, 136, 95), ())
    assert mask[0].any()
    assert not mask[1].any()  # both contours lie on the slice at 60 mm


def test_a_structure_set_of_slices_that_are_missing_says_so(odd: Path) -> None:
    series = read(odd / "rtstruct", "CT")
    found = read_structure_set(odd / "rtstruct" / "invalid_reference_rt.dcm", series)
    volumes = {part.name: array(part.mask).sum((1, 2)).tolist() for part in found.structures()}
    assert list(volumes) == ["ROI-1", "ROI-2", "ROI-3", "ROI-4"]
    assert all(min(counts) > 0 for counts in volumes.values())
    assert found.notes == tuple(
        f"'{name}': 1 of 3 contours are outside the first or last slice" for name in volumes
    )


def test_a_structure_set_without_preamble_is_read(odd: Path, tmp_path: Path) -> None:
    path = odd / "pydicom" / "rtstruct.dcm"
    series = series_on_disk(
        tmp_path / "CT", size=(90, 70, 4), spacing=(5.0, 5.0, 10.0), origin=(-222.5, -172.5, -200)
    )
    with pytest.raises(InputError, match=r"the patient .* differs"):
        read_structure_set(path, series)
    with pytest.raises(GeometryError, match="'patient' is in frame of reference"):
        read_structure_set(path, series, accept_patients=True)
    found = read_structure_set(path, series, accept_patients=True, accept_frame=True)
    patient, *points = found.structures()
    counts = array(patient.mask).sum((1, 2)) * 25  # mm2
    np.testing.assert_allclose(counts[0], 400 * 300)
    assert counts[3] == 0
    assert [(part.name, part.volume_cm3) for part in points] == [
        ("Isocenter 1", 0), ("Isocenter 2", 0),
    ]  # fmt: skip
    assert [note[:13] for note in found.notes] == ["'Isocenter 1'", "'Isocenter 2'"]


@settings(max_examples=60, deadline=None)
@given(
    damage=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=12)
)
def test_flipped_bytes_give_masks_or_a_clear_error(
    damage: list[tuple[float, int]], ct: Series, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "flipped.dcm"
    mask = np.zeros((8, 16, 20))
    mask[2:4, 3:9, 3:9] = 1
    mask[2:4, 5:7, 5:7] = 0
    write_structure_set(path, ct, [structure(mask, ct)])
    content = bytearray(path.read_bytes())
    for place, value in damage:
        content[int(place * len(content))] = value
    path.write_bytes(content)
    try:
        found = read_structure_set(path, ct, accept_frame=True, accept_patients=True)
        for part in found.structures():
            assert part.mask.GetSize() == ct.image.GetSize()
    except InputError as error:
        assert "flipped.dcm" in str(error)  # noqa: PT017  # either is right
