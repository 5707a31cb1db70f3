"""Programs that others wrote find the written objects valid, and where the CT lies."""

import re
from itertools import product
from pathlib import Path

import highdicom
import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from dicom_kit import AXIAL, CORONAL, OBLIQUE, SAGITTAL
from ladder_kit import (
    FEET_FIRST,
    errors_by_dciodvfy,
    make_context,
    make_pair,
    needs,
    run_tool,
    write_ladder,
)
from radfuse.record import NOTICE
from radfuse.series import Series

GRIDS = {
    "axial": AXIAL, "oblique": OBLIQUE, "feet first": FEET_FIRST, "sagittal": SAGITTAL,
    "coronal": CORONAL,
}  # fmt: skip
IMAGES = ["fused", "mr", "colour"]
GREY = ["fused", "mr"]
Ladder = tuple[Series, dict[str, Path]]


@pytest.fixture(scope="module", params=GRIDS)
def ladder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ladder:
    folder = tmp_path_factory.mktemp("ladder")
    pair = make_pair(folder, GRIDS[request.param])
    return pair[0], write_ladder(folder / "out", make_context(pair))


def corners_mm(image: sitk.Image) -> np.ndarray:
    """Centres of the eight corner voxels, LPS."""
    ends = product(*((0, size - 1) for size in image.GetSize()))
    return np.array([image.TransformIndexToPhysicalPoint(end) for end in ends])


def assert_same_corners(found: np.ndarray, ct: Series, atol: float) -> None:
    """The corners in any order: programs turn axes round as they like."""
    wanted = corners_mm(ct.image)
    apart = np.linalg.norm(found[:, None] - wanted[None], axis=-1)
    assert len(found) == len(wanted)
    assert max(apart.min(axis=0).max(), apart.min(axis=1).max()) < atol


@pytest.mark.parametrize("kind", [*IMAGES, "registration"])
@needs("dciodvfy")
def test_the_validator_finds_no_error(ladder: Ladder, kind: str) -> None:
    assert errors_by_dciodvfy(ladder[1][kind]) == []


@pytest.mark.parametrize("kind", GREY)
def test_simpleitk_finds_the_grid_of_the_ct(ladder: Ladder, kind: str) -> None:
    ct, folders = ladder
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folders[kind])))
    found = reader.Execute()
    for geometry in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
        np.testing.assert_allclose(
            getattr(found, geometry)(), getattr(ct.image, geometry)(), atol=1e-6
        )


@pytest.mark.parametrize("kind", IMAGES)
def test_highdicom_finds_the_grid_of_the_ct(ladder: Ladder, kind: str) -> None:
    ct, folders = ladder
    slices = [pydicom.dcmread(path) for path in folders[kind].iterdir()]
    found = highdicom.get_volume_from_series(slices)
    ends = product(*((0, size - 1) for size in found.spatial_shape))
    corners = np.array([*ends]) @ found.affine[:3, :3].T + found.affine[:3, 3]
    assert_same_corners(corners, ct, 1e-6)


@pytest.mark.parametrize("kind", IMAGES)
@needs("dcm2niix")
def test_dcm2niix_finds_the_grid_of_the_ct(ladder: Ladder, kind: str, tmp_path: Path) -> None:
    ct, folders = ladder
    said = run_tool("dcm2niix", "-z", "n", "-b", "n", "-f", "x", "-o", tmp_path, folders[kind])
    assert (tmp_path / "x.nii").is_file(), said
    nifti = nibabel.load(tmp_path / "x.nii")
    ends = product(*((0, size - 1) for size in nifti.shape[:3]))
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ nifti.affine
    assert_same_corners(np.array([*ends]) @ lps[:3, :3].T + lps[:3, 3], ct, 1e-3)


@pytest.mark.parametrize("kind", GREY)
@needs("gdcminfo")
def test_gdcm_finds_the_position_of_every_slice(ladder: Ladder, kind: str) -> None:
    ct, folders = ladder
    for index, path in enumerate(sorted(folders[kind].iterdir())):
        said = run_tool("gdcminfo", path)
        place, spacing, cosines = (
            np.array(re.search(rf"{word}: \(([^)]*)\)", said)[1].split(","), np.float64)
            for word in ("Origin", "Spacing", "DirectionCosines")
        )
        wanted = ct.image.TransformIndexToPhysicalPoint((0, 0, index))
        axes = np.reshape(ct.image.GetDirection(), (3, 3))
        np.testing.assert_allclose(place, wanted, atol=1e-2)  # it prints six digits
        np.testing.assert_allclose(spacing, ct.image.GetSpacing(), atol=1e-5)
        np.testing.assert_allclose(cosines, axes.T[:2].ravel(), atol=1e-5)


@pytest.mark.parametrize("kind", GREY)
@needs("plastimatch")
def test_plastimatch_finds_the_grid_of_the_ct(ladder: Ladder, kind: str, tmp_path: Path) -> None:
    ct, folders = ladder
    copied = tmp_path / "x.mha"
    said = run_tool("plastimatch", "convert", "--input", folders[kind], "--output-img", copied)
    assert copied.is_file(), said
    assert_same_corners(corners_mm(sitk.ReadImage(str(copied))), ct, 1e-3)


def test_one_run_writes_four_series_of_one_study_and_frame(ladder: Ladder) -> None:
    ct, folders = ladder
    headers = [pydicom.dcmread(min(folder.iterdir())) for folder in folders.values()]
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID"):
        assert {header[keyword].value for header in headers} == {ct.headers[0][keyword].value}
    assert len({header.SeriesInstanceUID for header in headers}) == len(headers) == 4
    numbers = [header.SeriesNumber for header in headers]
    assert len(set(numbers)) == 4
    assert min(numbers) > 300
    for header in headers:
        assert header.SeriesDescription.endswith("RESEARCH, NOT FOR DOSE CALC")
        (maker,) = header.ContributingEquipmentSequence
        said = header.get("ImageComments", maker.ContributionDescription)
        assert said.startswith("Registration abc unreviewed")
        assert said.endswith(NOTICE)


def test_volumes_without_headers_share_one_new_study_and_frame(tmp_path: Path) -> None:
    pair = make_pair(tmp_path)
    bare = tuple(Series(each.image, each.modality, each.source) for each in pair)
    context = make_context(bare)  # type: ignore[arg-type]
    headers = [context.series_header(number, "A", "b", "c") for number in (301, 302)]
    assert headers[0].StudyInstanceUID == headers[1].StudyInstanceUID
    assert headers[0].FrameOfReferenceUID == headers[1].FrameOfReferenceUID
    assert headers[0].SeriesInstanceUID != headers[1].SeriesInstanceUID
