"""The colour blend: colours, geometry, the CT only outside the MR field of view."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from dicom_kit import OBLIQUE
from ladder_kit import make_context, make_pair
from radfuse.dicom.write.colour_blend import ScaledSlice, blend, blend_series, hot
from radfuse.dicom.write.derivation_context import GEOMETRY
from radfuse.intensity import grey_levels
from radfuse.record import NOTICE
from radfuse.series import Series

SHAPE = (9, 7)
"""Of the slices: their bytes are odd, which DICOM's values may not be."""

opacities = st.floats(0, 1)


def planes(index: int) -> ScaledSlice:
    rng = np.random.default_rng(index)
    ct, mr = rng.random((2, *SHAPE), np.float32)
    return ct, mr, rng.random(SHAPE) > 0.5


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Series, Series]:
    return make_pair(tmp_path, OBLIQUE)


def written(folder: Path, pair: tuple[Series, Series], opacity: float = 0.5) -> list[Dataset]:
    context = make_context(pair)
    paths = context.write(blend_series(folder, planes, context, opacity))
    return [pydicom.dcmread(path) for path in paths]


def test_hot_equals_the_hot_of_matplotlib() -> None:
    colormaps = pytest.importorskip("matplotlib").colormaps
    values = np.linspace(0, 1, 256, dtype=np.float32)
    np.testing.assert_allclose(hot(values), colormaps["hot"](values)[:, :3], atol=0.05)


def test_hot_map_runs_from_black_over_red_yellow_to_white() -> None:
    values = np.array([0, 3 / 8, 6 / 8, 1], np.float32)
    wanted = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]]
    np.testing.assert_allclose(hot(values), wanted, atol=1e-6)
    assert (np.diff(hot(np.linspace(0, 1, 999, dtype=np.float32)), axis=0) >= 0).all()


def test_opacity_0_shows_the_ct_and_opacity_1_the_mr() -> None:
    ct, mr, _ = planes(3)
    everywhere = np.ones(SHAPE, np.bool_)
    for channel in range(3):
        np.testing.assert_array_equal(blend(ct, mr, everywhere, 0.0)[..., channel], grey_levels(ct))
    np.testing.assert_array_equal(blend(ct, mr, everywhere, 1.0), grey_levels(hot(mr)))


@settings(deadline=None)
@given(opacities, st.integers(0, 99))
def test_outside_the_mr_field_of_view_there_is_only_the_ct(opacity: float, seed: int) -> None:
    ct, mr, fov_mask = planes(seed)
    found = blend(ct, mr, fov_mask, opacity)
    grey = grey_levels(ct)[..., None].repeat(3, axis=2)
    np.testing.assert_array_equal(found[~fov_mask], grey[~fov_mask])


@settings(deadline=None)
@given(opacities, st.tuples(*[st.tuples(*[st.integers(0, 3)] * 2)] * 2))
def test_air_around_the_head_is_black(opacity: float, margins: tuple[tuple[int, int], ...]) -> None:
    head = planes(7)
    found = blend(*(np.pad(values, margins) for values in head), opacity)
    np.testing.assert_array_equal(found, np.pad(blend(*head, opacity), (*margins, (0, 0))))


def test_a_slice_of_air_is_black() -> None:
    air = np.zeros(SHAPE, np.float32)
    assert not blend(air, air, air == 0, 0.5).any()


@settings(deadline=None)
@given(opacities, st.integers(0, 99))
def test_a_blend_lies_between_its_parts(opacity: float, seed: int) -> None:
    ct, mr, _ = planes(seed)
    found = blend(ct, mr, np.ones(SHAPE, np.bool_), opacity) / 255
    parts = np.stack([ct[..., None].repeat(3, axis=2), hot(mr)])
    assert (found >= parts.min(axis=0) - 0.5 / 255 - 1e-5).all()
    assert (found <= parts.max(axis=0) + 0.5 / 255 + 1e-5).all()


def test_pixels_are_the_blend_on_the_grid_of_the_ct(
    tmp_path: Path, pair: tuple[Series, Series]
) -> None:
    headers = written(tmp_path / "out", pair, 0.3)
    for index, (header, of_ct) in enumerate(zip(headers, pair[0].headers, strict=True)):
        np.testing.assert_array_equal(header.pixel_array, blend(*planes(index), 0.3))
        for keyword in (*GEOMETRY, "FrameOfReferenceUID", "StudyInstanceUID"):
            assert header[keyword].value == of_ct[keyword].value
        assert header.SourceImageSequence[0].ReferencedSOPInstanceUID == of_ct.SOPInstanceUID
        assert len(header.SourceImageSequence) > 1


def test_it_is_a_secondary_capture_in_8_bit_rgb(
    tmp_path: Path, pair: tuple[Series, Series]
) -> None:
    header = written(tmp_path / "out", pair)[0]
    assert header.SOPClassUID == SecondaryCaptureImageStorage
    assert list(header.ImageType) == ["DERIVED", "SECONDARY"]
    assert header.PhotometricInterpretation == "RGB"
    assert (header.BitsStored, header.SamplesPerPixel, header.PlanarConfiguration) == (8, 3, 0)
    assert "WindowCenter" not in header
    assert header.ConversionType == "WSD"


def test_description_states_windows_and_opacity(
    tmp_path: Path, pair: tuple[Series, Series]
) -> None:
    header = written(tmp_path / "out", pair, 0.25)[0]
    assert header.SeriesDescription == "COLOUR CT+MR 25% - RESEARCH, NOT FOR DOSE CALC"
    assert "window width 1000, level 500 HU" in header.DerivationDescription
    assert "from 0 to 4000, opacity 25%" in header.DerivationDescription
    assert NOTICE in header.ImageComments
