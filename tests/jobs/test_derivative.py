"""A BIDS derivative: valid by the reference programs, and without a path or name of a source."""

import json
from pathlib import Path

import pytest
from bids_kit import validation_errors

from radfuse.jobs.bids.dataset import README, write_description
from radfuse.record import digest, read_record

STEM = "sub-7_ses-1"


def sidecar(derivative: Path, ending: str) -> dict[str, object]:
    fields: dict[str, object] = json.loads(
        (derivative / f"sub-7/ses-1/anat/{STEM}_{ending}.json").read_text()
    )
    return fields


def test_a_patient_has_these_files(derivative: Path) -> None:
    anat = derivative / "sub-7/ses-1/anat"
    images = (
        "space-CT_desc-average_fused", "space-CT_desc-fov_mask",
        "ce-gadolinium_space-CT_desc-resampled_T1w", "space-CT_desc-resampled_FLAIR",
    )  # fmt: skip
    transforms = "from-MR_to-CT_mode-image_xfm", "from-FLAIR_to-CT_mode-image_xfm"
    expected = [f"{STEM}_{one}{end}" for one in images for end in (".nii.gz", ".json")]
    expected += [f"{STEM}_{one}{end}" for one in transforms for end in (".tfm", ".json")]
    assert {path.name for path in anat.iterdir()} == set(expected)
    visible = {path.name for path in derivative.iterdir() if not path.name.startswith(".")}
    assert {f"{STEM}.html", "sub-7", "logs", "dataset_description.json", README} < visible


def test_the_validator_finds_no_error(derivative: Path) -> None:
    assert validation_errors(derivative) == []


def test_the_validator_finds_errors_elsewhere(derivative: Path, tmp_path: Path) -> None:
    write_description(tmp_path)
    image = tmp_path / "sub-7/anat/sub-7_space-CT_desc-average_T9w.nii.gz"
    image.parent.mkdir(parents=True)
    image.write_bytes(
        (derivative / f"sub-7/ses-1/anat/{STEM}_space-CT_desc-fov_mask.nii.gz").read_bytes()
    )
    assert validation_errors(tmp_path)


def test_the_validator_skips_folders_of_dicom(tmp_path: Path) -> None:
    write_description(tmp_path)
    for case in ("sub-1", "sub-2/ses-1"):
        path = tmp_path / case / "dicom/FUSED_average/1.dcm"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"DICM")
    assert validation_errors(tmp_path) == []


def test_pybids_finds_the_images(derivative: Path) -> None:
    bids = pytest.importorskip("bids", reason="pybids is missing: pip install radfuse[bids]")
    layout = bids.BIDSLayout(derivative, validate=False, is_derivative=True)
    (fused,) = layout.get(suffix="fused", extension=".nii.gz")
    assert fused.entities["subject"] == "7"
    assert fused.entities["session"] == "1"
    assert fused.entities["desc"] == "average"
    assert fused.get_metadata()["SkullStripped"] is False
    assert len(layout.get(desc="resampled", space="CT", extension=".nii.gz")) == 2
    assert len(layout.get(suffix="xfm", extension=".tfm")) == 2
    validated = bids.BIDSLayout(derivative, validate=True, is_derivative=True)
    assert len(validated.get(suffix="T1w", ceagent="gadolinium", extension=".nii.gz")) == 1


def test_sidecars_name_sources_by_content(derivative: Path) -> None:
    fused, flair = (
        sidecar(derivative, end) for end in
        ("space-CT_desc-average_fused", "space-CT_desc-resampled_FLAIR")
    )  # fmt: skip
    ct, mr = fused["Sources"]
    assert ct == fused["SpatialReference"] == flair["SpatialReference"]
    assert ct.startswith("ni:///sha-256;")
    assert ct != mr
    transform = f"sub-7/ses-1/anat/{STEM}_from-FLAIR_to-CT_mode-image_xfm.tfm"
    assert flair["Sources"] == [mr, f"bids::{transform}"]  # both MR have the same values
    assert (derivative / transform).is_file()


def test_no_file_names_a_source_or_a_path(derivative: Path) -> None:
    texts = [path for path in derivative.rglob("*") if path.suffix in {".json", ".html", ".csv"}]
    texts += [derivative / README, derivative / ".bidsignore"]
    for path in texts:
        text = path.read_text(encoding="utf-8")
        assert "Meier" not in text, path
        assert str(derivative.parent) not in text or path.name == "cases.csv", path


def test_the_sidecar_of_the_image_is_its_record(derivative: Path) -> None:
    path = derivative / f"sub-7/ses-1/anat/{STEM}_space-CT_desc-average_fused.json"
    record = read_record(path)
    assert len(record.outputs) == 7
    for one in record.outputs:
        assert digest([path.parent / one.path]) == one.sha256, one.role


def test_a_readme_of_the_user_is_kept(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    write_description(tmp_path)
    assert not (tmp_path / README).exists()
