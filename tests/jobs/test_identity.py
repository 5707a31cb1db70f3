"""Identities of jobs: by contents and recipe."""

import shutil
from pathlib import Path

import pytest

from radfuse.errors import InputError
from radfuse.jobs.job import JobImages, identity_of
from radfuse.recipe import Recipe


@pytest.fixture
def images(tmp_path: Path) -> JobImages:
    (tmp_path / "CT").mkdir()
    for name in ("1.dcm", "2.dcm"):
        (tmp_path / "CT" / name).write_bytes(name.encode())
    (tmp_path / "mr.nii").write_bytes(b"mr")
    return JobImages(ct=tmp_path / "CT", mrs=(tmp_path / "mr.nii",))


def test_moved_and_renamed_files_have_the_same_identity(images: JobImages, tmp_path: Path) -> None:
    before = identity_of(images, Recipe())
    moved = shutil.move(images.ct, tmp_path / "elsewhere")
    (Path(moved) / "1.dcm").rename(Path(moved) / "z.dcm")
    assert identity_of(images.model_copy(update={"ct": Path(moved)}), Recipe()) == before


def test_contents_roles_and_recipe_change_the_identity(images: JobImages, tmp_path: Path) -> None:
    (tmp_path / "pet.nii").write_bytes(b"pet")
    found = {
        identity_of(images, Recipe()),
        identity_of(images, Recipe(method="average")),
        identity_of(JobImages(ct=images.mrs[0], mrs=(images.ct,)), Recipe()),
        identity_of(images.model_copy(update={"pet": tmp_path / "pet.nii"}), Recipe()),
        identity_of(images.model_copy(update={"spect": tmp_path / "pet.nii"}), Recipe()),
    }
    (images.ct / "1.dcm").write_bytes(b"changed")
    assert len(found | {identity_of(images, Recipe())}) == 6


def test_what_cannot_be_read_is_refused(images: JobImages, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path, match in ((tmp_path / "empty", "without files"), (tmp_path / "no", "cannot be read")):
        with pytest.raises(InputError, match=match):
            identity_of(images.model_copy(update={"ct": path}), Recipe())
