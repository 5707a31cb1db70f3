"""Identities of jobs: by contents and recipe."""

import shutil
from pathlib import Path

import pytest

from radfuse.errors import InputError
from radfuse.jobs import job
from radfuse.jobs.job import IDENTITY_EPOCH, JobImages, identity_of
from radfuse.methods.catalogue import MethodInfo
from radfuse.recipe import Recipe, make_recipe

DEFAULTS_OF_EPOCH_1: dict[str, object] = {
    "method": "signed_detail",
    "options": {},
    "window": "fusion",
    "register_rigidly": True,
    "transform": None,
    "initial_transform": None,
    "roi": None,
    "metric_mask": None,
    "deterministic": False,
    "accept_registration": False,
    "require_pass": False,
    "accept_patients": False,
    "deidentify": False,
    "show_identifiers": False,
    "ct_series": None,
    "mr_series": None,
    "pet_series": None,
    "pet_ct_series": None,
    "spect_series": None,
    "ct_scale": None,
    "ct_offset": None,
    "outputs": None,
    "opacity": 0.5,
    "colour_space": "lab",
    "colour_map": "lightness",
    "device": "cpu",
    "bits": 8,
}
"""With another default, results differ: raise the epoch, and state the defaults here."""


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


def test_an_identity_never_changes(images: JobImages) -> None:
    recipe = Recipe(method="average", window="bone", roi=(0, 10, 0, 10, 0, 10), deterministic=True)
    assert identity_of(images, recipe) == "5a2b9194f1ee93e03e17011a7c3c3b73"


def test_defaults_change_with_the_epoch_only() -> None:
    assert IDENTITY_EPOCH == 1
    assert Recipe().model_dump(mode="json").items() >= DEFAULTS_OF_EPOCH_1.items()


@pytest.mark.parametrize("name", ["transform", "initial_transform", "roi", "metric_mask", "method"])
def test_files_of_a_recipe_count_by_content(images: JobImages, tmp_path: Path, name: str) -> None:
    found = []
    for path, content in (("a.onnx", b"1"), ("b.onnx", b"1"), ("b.onnx", b"2")):
        (tmp_path / path).write_bytes(content)
        found.append(identity_of(images, make_recipe(**{name: str(tmp_path / path)})))
    assert found[0] == found[1] != found[2]


def test_weights_of_a_method_count(
    images: JobImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights, found = tmp_path / "weights.onnx", set()
    info = MethodInfo("a network", "", "network", weights=weights)
    monkeypatch.setattr(job, "method_info", lambda _name: info)
    for content in (b"1", b"2"):
        weights.write_bytes(content)
        found.add(identity_of(images, Recipe()))
    assert len(found) == 2
