"""Headers of the phantom, perturbed at random: the same volume, or refused, never a part of it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import Dataset
from pydicom.uid import generate_uid

from dicom_kit import change, slices
from radfuse.dicom.read.slice_plane import CORNER_TOLERANCE_MM
from radfuse.errors import InputError
from radfuse.phantom.dicom import write_phantom
from radfuse.phantom.head import make_phantom
from radfuse.pipeline.pairing import choose_pair
from radfuse.pipeline.read import read
from radfuse.recipe import Recipe

FAST, ALL = 12, 200
"""Perturbed studies of `make test` and of `make study`."""

Edit = Callable[[Dataset], None]
"""A change of one header."""


def small(rng: np.random.Generator) -> float:
    """A number between rounding and a gross error, of either sign."""
    return float(rng.choice([-1, 1]) * 10 ** rng.uniform(-6, 0))


def spacing(rng: np.random.Generator) -> Edit:
    factors = 1 + np.array([small(rng), small(rng) * rng.integers(2)])

    def edit(header: Dataset) -> None:
        header.PixelSpacing = [f"{part:.10g}" for part in np.abs(header.PixelSpacing * factors)]

    return edit


def orientation(rng: np.random.Generator) -> Edit:
    axis = rng.normal(size=3)
    axis, angle, growth = axis / np.linalg.norm(axis), small(rng) * np.pi, rng.integers(2)

    def edit(header: Dataset) -> None:
        turn = sitk.VersorTransform(axis.tolist(), angle * int(header.InstanceNumber) ** growth)
        if not header.ImageOrientationPatient or len(header.ImageOrientationPatient) != 6:
            return
        cosines = np.reshape(header.ImageOrientationPatient, (2, 3))
        turned = [turn.TransformVector(part, (0.0, 0.0, 0.0)) for part in cosines.tolist()]
        header.ImageOrientationPatient = [f"{part:.10f}" for part in np.ravel(turned)]

    return edit


def plane_of_another_kind(rng: np.random.Generator) -> Edit:
    planes = [[1, 0, 0, 0, 0, -1], [0, 1, 0, 0, 0, -1], [-1, 0, 0, 0, -1, 0], [1, 0, 0], None]
    plane = planes[rng.integers(len(planes))]
    return lambda header: setattr(header, "ImageOrientationPatient", plane)


def rows(rng: np.random.Generator) -> Edit:
    """With the pixels, or as a lie."""
    keyword = str(rng.choice(["Rows", "Columns"]))
    is_lie = rng.integers(2)

    def edit(header: Dataset) -> None:
        pixels = header.pixel_array[:-1] if keyword == "Rows" else header.pixel_array[:, :-1]
        setattr(header, keyword, header[keyword].value - 1)
        if not is_lie:
            header.PixelData = pixels.tobytes()

    return edit


def uid(rng: np.random.Generator) -> Edit:
    """Frame of reference, series or study: another one for all, or for each slice."""
    keyword = str(rng.choice(["FrameOfReferenceUID", "SeriesInstanceUID", "StudyInstanceUID"]))
    one = generate_uid(entropy_srcs=[str(rng.integers(1 << 30))])
    kind = rng.integers(3)

    def edit(header: Dataset) -> None:
        each = generate_uid(entropy_srcs=[one, str(header.SOPInstanceUID)])
        setattr(header, keyword, [one, each, "" if keyword.startswith("F") else one][kind])

    return edit


TIMES = ("AcquisitionTime", "ContentTime", "SeriesTime", "StudyTime", "TriggerTime",
         "AcquisitionNumber", "StudyDate", "AcquisitionDate", "InstanceNumber")  # fmt: skip


def time(rng: np.random.Generator) -> Edit:
    keyword = str(rng.choice(TIMES))
    value = "20240116" if keyword.endswith("Date") else str(100000 + rng.integers(60))
    is_missing = rng.integers(3) == 0
    return lambda header: setattr(header, keyword, None if is_missing else value)


def body_part(rng: np.random.Generator) -> Edit:
    part = str(rng.choice(["CHEST", "WHOLEBODY", "CSPINE", "UNKNOWN", "", "HEADNECK"]))
    return lambda header: setattr(header, "BodyPartExamined", part)


def bits(rng: np.random.Generator) -> Edit:
    """More bits than the values need, or a sign that they do not use."""
    stored = int(rng.integers(12, 17))

    def edit(header: Dataset) -> None:
        header.BitsStored, header.HighBit = stored, stored - 1
        header.PixelRepresentation = int(stored > 12) and int(stored % 2)

    return edit


def kind(rng: np.random.Generator) -> Edit:
    keyword, value = [
        ("Modality", "MR"), ("Modality", None), ("ImageType", ["ORIGINAL", "PRIMARY", "LOCALIZER"]),
        ("ImageType", ["DERIVED", "SECONDARY"]), ("SeriesNumber", 99), ("SeriesDescription", "x"),
        ("SOPInstanceUID", "1.2.3"), ("EchoTime", 20),
    ][rng.integers(8)]  # fmt: skip
    return lambda header: setattr(header, keyword, value)


PERTURBATIONS = (
    spacing, orientation, plane_of_another_kind, rows, uid, uid, time, body_part, bits, kind,
)  # fmt: skip


def subset(rng: np.random.Generator, count: int) -> list[int]:
    """The bottom, the top, every second slice, or slices anywhere; never all."""
    part = int(rng.integers(1, count - 1))
    return [
        list(range(part)),
        list(range(part, count)),
        list(range(0, count, 2)),
        rng.choice(count, part, replace=False).tolist(),
    ][rng.integers(4)]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    write_phantom(make_phantom(7, spacing_mm=6.0), folder)
    return folder


@pytest.fixture(scope="module")
def whole(study: Path) -> sitk.Image:
    return read(study / "CT", "CT").image


def corners_mm(image: sitk.Image) -> np.ndarray:
    far = np.array(image.GetSize()) - 1
    points = [(far * corner).tolist() for corner in np.ndindex(2, 2, 2)]
    return np.array([image.TransformContinuousIndexToPhysicalPoint(one) for one in points])


def assert_whole_or_refused(path: Path, whole: sitk.Image, *, as_study: bool) -> None:
    """Every voxel is where it was, or `InputError`, which is status 2 on the command line."""
    try:
        chosen = choose_pair(path, Recipe()).ct.volume.uid if as_study else None
        image = read(path if as_study else path / "CT", "CT", series_uid=chosen).image
    except InputError:
        return
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(whole))
    distances_mm = np.linalg.norm(corners_mm(image) - corners_mm(whole), axis=1)
    assert distances_mm.max() <= CORNER_TOLERANCE_MM


@pytest.mark.parametrize(
    "seed", [*range(FAST), *(pytest.param(one, marks=pytest.mark.slow) for one in range(FAST, ALL))]
)
def test_perturbed_headers_lose_no_slice(
    tmp_path: Path, study: Path, whole: sitk.Image, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    folder = tmp_path / "study"
    shutil.copytree(study, folder)
    files = slices(folder / "CT")
    for perturbation in rng.choice(np.array(PERTURBATIONS), rng.integers(1, 3), replace=False):
        edit = perturbation(rng)
        for index in subset(rng, len(files)):
            change(files[index], edit)
    for as_study in (False, True):
        assert_whole_or_refused(folder, whole, as_study=as_study)
