"""`radfuse.fuse` fuses every pair of an anatomical image and one that is registered to it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import radfuse
from radfuse.errors import InputError
from radfuse.io.volumes import write_volume
from radfuse.phantom.dicom import write_functional
from radfuse.phantom.head import Phantom, draw_layers
from radfuse.phantom.uptake import FDG, FunctionalScan, scan_uptake
from radfuse.pipeline.functional.result import FunctionalResult
from radfuse.recipe import Recipe
from radfuse.registration.transforms import canonicalize, write_transform
from radfuse.series import Series

GREY = np.arange(96, dtype=np.float32).reshape(8, 12)
IMAGES = ("CT", "MR", "PT", "NM")


@pytest.fixture(scope="module")
def scan() -> FunctionalScan:
    return scan_uptake(draw_layers(7, spacing_mm=3.0), FDG, 7, spacing_mm=4.0)


@pytest.fixture(scope="module")
def pet_folder(
    phantom: Phantom, scan: FunctionalScan, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return write_functional(phantom, scan.series, tmp_path_factory.mktemp("pet"))


@pytest.fixture(scope="module")
def known(
    phantom: Phantom, scan: FunctionalScan, tmp_path_factory: pytest.TempPathFactory
) -> Recipe:
    """The true transform from MR to PET; no method is chosen."""
    path = tmp_path_factory.mktemp("truth") / "pet.tfm"
    write_transform(path, canonicalize(scan.functional_from_mr(phantom)))
    return Recipe(transform=path, accept_registration=True)


def slices(codes: tuple[str, str]) -> list[Series]:
    return [radfuse.series_of(GREY, code, value_range=(0, 100)) for code in codes]


@pytest.mark.parametrize("codes", [("CT", "PT"), ("CT", "NM"), ("MR", "PT"), ("MR", "NM")])
def test_a_pet_or_spect_is_fused_in_colour(codes: tuple[str, str]) -> None:
    result = radfuse.fuse(*slices(codes))
    assert isinstance(result, radfuse.ColourResult)
    assert result.image.shape == (8, 12, 3)
    assert result.record.recipe.method == "uptake_over_mr"
    assert [one.role for one in result.record.inputs] == list(codes)


def test_a_method_that_is_chosen_fuses_colours_too() -> None:
    result = radfuse.fuse(*slices(("MR", "PT")), recipe=Recipe(method="maximum"))
    assert isinstance(result, radfuse.ColourResult)
    assert result.record.recipe.method == "maximum"


FUSED = [("CT", "MR"), ("CT", "PT"), ("CT", "NM"), ("MR", "PT"), ("MR", "NM")]


@pytest.mark.parametrize(
    "codes", [(one, two) for one in IMAGES for two in IMAGES if (one, two) not in FUSED]
)
def test_other_pairs_are_refused(codes: tuple[str, str]) -> None:
    with pytest.raises(InputError) as caught:
        radfuse.fuse(*slices(codes))
    assert str(caught.value).startswith(f"{codes[0]} and {codes[1]}: give a CT and an MR, or an MR")


def test_folders_are_what_their_headers_state(
    phantom_folders: tuple[Path, Path], pet_folder: Path, known: Recipe, tmp_path: Path
) -> None:
    result = radfuse.fuse(phantom_folders[1], str(pet_folder), tmp_path / "out", recipe=known)
    assert isinstance(result, FunctionalResult)
    assert (result.anatomical.modality.code, result.functional.modality.code) == ("MR", "PT")
    assert result.record.recipe.method == "uptake_over_mr"
    assert (tmp_path / "out" / "COLOUR_MR_PT").is_dir()


def test_a_folder_of_neither_is_refused_with_its_content(
    phantom_folders: tuple[Path, Path], pet_folder: Path
) -> None:
    with pytest.raises(InputError, match=r"no CT series; the folder contains:\n  PT"):
        radfuse.fuse(pet_folder, pet_folder)
    with pytest.raises(InputError, match=r"no PT series; the folder contains:\n  CT"):
        radfuse.fuse(phantom_folders[1], phantom_folders[0])


def test_files_without_headers_are_a_ct_and_an_mr(tmp_path: Path) -> None:
    for name in ("first.png", "second.png"):
        Image.fromarray(GREY.astype(np.uint8)).save(tmp_path / name)
    result = radfuse.fuse(tmp_path / "first.png", tmp_path / "second.png")
    assert isinstance(result, radfuse.Result)
    assert (result.ct.modality.code, result.mr.modality.code) == ("CT", "MR")
    assert result.record.recipe.method == "signed_detail"


def test_a_file_without_headers_beside_an_mr_is_refused(
    phantom: Phantom, scan: FunctionalScan, tmp_path: Path
) -> None:
    path = tmp_path / "pet.nii.gz"
    write_volume(path, scan.series.image)
    with pytest.raises(InputError, match=r"no header states .* give radfuse.read\(PATH, 'PT'\)"):
        radfuse.fuse(phantom.mr, path)
    with pytest.raises(InputError, match="no such file"):
        radfuse.fuse(phantom.mr, tmp_path / "nowhere.nii.gz")


def test_the_ct_of_a_pet_is_for_volumes_of_pet(phantom: Phantom) -> None:
    with pytest.raises(InputError, match="pet_ct is the CT of a PET's scanner"):
        radfuse.fuse(phantom.ct, phantom.mr, pet_ct=phantom.ct)
    with pytest.raises(InputError, match="the CT of a PET is given with a NM"):
        radfuse.fuse(*slices(("CT", "NM")), pet_ct=phantom.ct)
    with pytest.raises(InputError, match="leave it out for 2-D images"):
        radfuse.fuse(*slices(("CT", "PT")), pet_ct=phantom.ct)
