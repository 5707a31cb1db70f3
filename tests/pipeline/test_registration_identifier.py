"""The identifier of a registration names its CT, its MR and its matrix."""

import shutil
from pathlib import Path

import pytest
import SimpleITK as sitk

from dicom_kit import change_all, put
from radfuse.phantom.dicom import write_phantom
from radfuse.phantom.head import Phantom, make_phantom
from radfuse.pipeline.align import PriorAlignment, align
from radfuse.pipeline.read import read
from radfuse.recipe import Recipe
from radfuse.series import Series

BY_HEADERS = Recipe(register_rigidly=False, accept_registration=True)

Pair = tuple[Series, Series]


@pytest.fixture(scope="module")
def coarse() -> Phantom:
    return make_phantom(7, spacing_mm=6.0)


@pytest.fixture(scope="module")
def folder(coarse: Phantom, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("coarse")
    write_phantom(coarse, folder)
    return folder


def pair_of(folder: Path) -> Pair:
    return read(folder / "CT", "CT"), read(folder / "MR", "MR")


def identifier(pair: Pair, mr_from_ct: sitk.Transform | None = None) -> str:
    """Of the alignment by the headers, which has the same matrix for everybody, or of a given."""
    prior = PriorAlignment(mr_from_ct, "file") if mr_from_ct else None
    return align(*pair, BY_HEADERS, lambda _: None, prior).identifier


def test_two_patients_by_headers_have_two_identifiers(folder: Path, tmp_path: Path) -> None:
    """Also where an ID in one of the two images is all that differs."""
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    found = [identifier(pair_of(folder)), identifier(pair_of(copy))]
    for role in ("CT", "MR"):
        change_all(copy / role, put("PatientID", "2"))
        found.append(identifier(pair_of(copy)))
    assert found[0] == found[1]
    assert len(set(found)) == 3


def test_images_without_files_have_identifiers_of_values(coarse: Phantom) -> None:
    other = make_phantom(8, spacing_mm=6.0)
    pairs = [(coarse.ct, coarse.mr), (coarse.ct, other.mr), (other.ct, coarse.mr)]
    found = {*map(identifier, pairs), identifier(pairs[0], coarse.mr_from_ct)}
    assert len(found) == 4
