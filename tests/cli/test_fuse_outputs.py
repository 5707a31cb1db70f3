"""`radfuse fuse --outputs`: what the words on the command line become."""

from pathlib import Path

import pytest
import SimpleITK as sitk
from cli_kit import refused_in_a_line, run

from radfuse.phantom.head import Phantom
from radfuse.registration.transforms import write_transform


@pytest.fixture(scope="module")
def phantom(coarse_phantom: Phantom) -> Phantom:
    return coarse_phantom


@pytest.fixture(scope="module")
def phantom_folders(coarse_folders: tuple[Path, Path]) -> tuple[Path, Path]:
    return coarse_folders


@pytest.fixture
def truth(phantom: Phantom, tmp_path: Path) -> Path:
    write_transform(tmp_path / "truth.tfm", phantom.mr_from_ct)
    return tmp_path / "truth.tfm"


def test_outputs_are_given_with_commas_or_one_by_one(
    phantom_folders: tuple[Path, Path], truth: Path, tmp_path: Path
) -> None:
    ct, mr = phantom_folders
    done = run(
        "fuse", "--ct", ct, "--mr", mr, "-o", tmp_path / "out", "--transform", truth,
        "--accept-registration", "--method", "average", "--outputs", "mr,registration",
        "--outputs", "colour", "--opacity", "0.3",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    folders = {path.name for path in (tmp_path / "out").iterdir() if path.is_dir()}
    assert folders == {"MR_on_CT", "REG", "COLOUR_CT_MR"}
    assert str(tmp_path / "out") in done.stdout
    assert "no registration object" not in done.stdout


def test_a_missing_registration_object_is_explained(
    phantom: Phantom, truth: Path, tmp_path: Path
) -> None:
    for series in (phantom.ct, phantom.mr):
        sitk.WriteImage(series.image, str(tmp_path / f"{series.modality}.mha"))
    done = run(
        "fuse", "--ct", tmp_path / "CT.mha", "--mr", tmp_path / "MR.mha", "-o", tmp_path / "out",
        "--transform", truth, "--accept-registration", "--method", "average",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "no registration object: the CT and the MR lack a frame of reference UID" in done.stdout


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--outputs", "mr,everything", "recipe: outputs.1: Input should be 'fused', 'mr'"),
        ("--outputs", "", "recipe: outputs.0: Input should be"),
        ("--opacity", "50", "recipe: opacity: Input should be less than or equal to 1"),
    ],
)
def test_wrong_values_are_refused_in_a_line(
    tmp_path: Path, option: str, value: str, words: str
) -> None:
    result = run("fuse", "--ct", "a", "--mr", "b", "-o", tmp_path / "out", option, value)
    refused_in_a_line(result, words)
