"""Folders of registered pairs: complete, of one size, or refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from radfuse.errors import InputError, NoImageError
from radfuse.io.image_pairs import ImagePairFiles, read_image_pairs


def write(
    folder: Path, kind: str, name: str, level: int = 7, size: tuple[int, int] = (5, 4)
) -> None:
    (folder / kind).mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(size, level, np.uint8)).save(folder / kind / f"{name}.png")


def test_pairs_are_sorted_by_name(tmp_path: Path) -> None:
    for name in ("2004", "16009", "16010"):
        write(tmp_path, "CT", name, level=int(name[-2:]))
        write(tmp_path, "MRI", name, level=100 + int(name[-2:]))
    (tmp_path / "CT" / "notes.txt").write_text("not an image")
    pairs = read_image_pairs(tmp_path)
    assert [pair.name for pair in pairs] == ["16009", "16010", "2004"]
    assert [pair.patient for pair in pairs] == ["16", "16", "2"]
    for pair in pairs:
        assert pair.ct.dtype == pair.mr.dtype == np.uint8
        np.testing.assert_array_equal(pair.ct, np.full((5, 4), int(pair.name[-2:])))
        np.testing.assert_array_equal(pair.mr, pair.ct + 100)


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("16009", "16"), ("2004", "2"), ("004", "004"), ("12", "12"), ("img001", "img001"),
        ("img_001", "img_001"), ("P7_012", "P7"), ("P7_axial_012", "P7"),
        ("sub-01_ses-1_slice-003", "sub-01"), ("sub-01", "sub-01"), ("jane_slice_12", "jane"),
        ("jane-slice7", "jane"), ("16009a", "16009a"),
    ],
)  # fmt: skip
def test_only_a_stem_that_states_a_patient_names_one(name: str, patient: str) -> None:
    assert ImagePairFiles(Path(f"CT/{name}.png"), Path(f"MRI/{name}.png")).patient == patient


@pytest.mark.parametrize("kind", ["CT", "MRI"])
def test_image_without_counterpart_is_named(tmp_path: Path, kind: str) -> None:
    write(tmp_path, "CT", "2001")
    write(tmp_path, "MRI", "2001")
    write(tmp_path, kind, "2002")
    with pytest.raises(InputError, match=r"only in one of CT/ and MRI/: 2002\.png; add the other"):
        read_image_pairs(tmp_path)


def test_at_most_five_single_images_are_named(tmp_path: Path) -> None:
    for slice_number in range(7):
        write(tmp_path, "CT", f"200{slice_number}")
    with pytest.raises(InputError, match=r"2000\.png, .*2004\.png; add the other"):
        read_image_pairs(tmp_path)


@pytest.mark.parametrize("kinds", [(), ("MRI",)])
def test_folder_without_ct_images_is_refused(tmp_path: Path, kinds: tuple[str, ...]) -> None:
    for kind in kinds:
        write(tmp_path, kind, "2001")
    with pytest.raises(NoImageError, match=r"give a folder with CT/ and MRI/"):
        read_image_pairs(tmp_path)


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoImageError):
        read_image_pairs(tmp_path / "nowhere")


def test_images_of_different_sizes_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "CT", "2001")
    write(tmp_path, "MRI", "2001", size=(6, 4))
    with pytest.raises(InputError, match=r"2001\.png has .* \(5, 4\) in CT/ and \(6, 4\) in MRI/"):
        read_image_pairs(tmp_path)


def test_harvard_pairs_are_complete(shared: Path) -> None:
    patients = set()
    for part, count in (("train", 160), ("test", 24)):
        pairs = read_image_pairs(shared / "data/harvard" / part)
        assert len(pairs) == count
        assert {pair.ct.shape for pair in pairs} == {(256, 256)}
        patients |= {pair.patient for pair in pairs}
    assert patients == {"2", "16", "20", "21", "28", "32", "33", "34", "37", "41"}
