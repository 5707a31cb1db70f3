"""Choice of the series of a folder, and the messages for none or several."""

from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest

from dicom_kit import as_nobody, change, change_all, put, put_raw, slices, volume, write
from radfuse.dicom.read.safe_read import is_dicom
from radfuse.dicom.read.scan import scan_folder
from radfuse.dicom.uids import derive_uid
from radfuse.errors import InputError, NoImageError
from radfuse.io.volumes import write_volume
from radfuse.pipeline.inspect import inspect
from radfuse.pipeline.pairing import choose_pair
from radfuse.pipeline.read import read
from radfuse.recipe import Recipe


def test_only_series_of_the_modality_is_chosen(tmp_path: Path) -> None:
    write(tmp_path / "all/a", modality="CT")
    write(tmp_path / "all/b", modality="MR")
    assert read(tmp_path / "all", "CT").headers[0].Modality == "CT"
    assert read(tmp_path / "all", "MR").headers[0].Modality == "MR"


def test_several_series_are_listed_with_the_option(tmp_path: Path) -> None:
    write(tmp_path / "a", name="thin")
    write(tmp_path / "b", name="Tête épaisse")
    write(tmp_path / "c", modality="MR")
    with pytest.raises(InputError) as caught:
        read(tmp_path, "CT")
    first, *listed = str(caught.value).splitlines()
    assert first == f"{tmp_path}: 2 CT series; choose one with --ct-series UID:"
    assert len(listed) == 2
    assert any(line.startswith("  CT 'Tête épaisse', 6 images, UID 2.25.") for line in listed)
    assert f"  CT 'thin', 6 images, UID {derive_uid('test', 'CT', 'thin')}" in listed


def test_series_is_chosen_by_uid(tmp_path: Path) -> None:
    write(tmp_path / "a", name="thin")
    write(tmp_path / "b", volume(count=4), name="thick")
    uid = derive_uid("test", "CT", "thick")
    assert read(tmp_path, "CT", series_uid=uid).image.GetSize()[2] == 4


def test_unknown_series_uid_lists_the_series(tmp_path: Path) -> None:
    write(tmp_path / "a")
    with pytest.raises(
        InputError, match=r"no CT series has UID 1\.2; the folder contains:\n  CT 'head'"
    ):
        read(tmp_path, "CT", series_uid="1.2")


def test_missing_modality_lists_the_series(tmp_path: Path) -> None:
    write(tmp_path / "a")
    with pytest.raises(
        NoImageError, match=r"no MR series; the folder contains:\n  CT 'head', 6 images"
    ):
        read(tmp_path, "MR")


@pytest.mark.parametrize("kind", [["ORIGINAL", "PRIMARY", "LOCALIZER"], "LOCALIZER"])
def test_localizers_are_left_out(tmp_path: Path, kind: list[str] | str) -> None:
    write(tmp_path / "a", name="scout")
    change_all(tmp_path / "a", put("ImageType", kind))
    with pytest.raises(NoImageError, match="'scout', 6 images, localizer, UID"):
        read(tmp_path, "CT")
    write(tmp_path / "b", volume(count=4), name="head")
    assert read(tmp_path, "CT").image.GetSize()[2] == 4


def test_series_without_description_or_image_type_is_read(tmp_path: Path) -> None:
    folder = write(tmp_path / "a")
    change_all(folder, put("SeriesDescription", ""))
    change_all(folder, put("ImageType", ""))
    assert read(folder, "CT").image.GetSize()[2] == 6
    assert "'no description'" in scan_folder(folder).series[0].line


def test_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoImageError, match="no DICOM images among 0 files; give another"):
        read(tmp_path, "CT")


def test_folder_without_dicom_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "zeros.bin").write_bytes(bytes(1000))
    with pytest.raises(NoImageError, match="no DICOM images among 2 files"):
        read(tmp_path, "CT")


@pytest.mark.parametrize("name", ["ct.nii.gz", "CT.NII", "ct.mha"])
def test_folder_with_a_volume_file_suggests_it(tmp_path: Path, name: str) -> None:
    (tmp_path / "sub").mkdir()
    written = tmp_path / "sub" / name.lower()
    write_volume(written, volume())
    written.rename(tmp_path / "sub" / name)
    with pytest.raises(NoImageError) as caught:
        read(tmp_path, "CT")
    assert str(caught.value).endswith(f"did you mean the file {tmp_path / 'sub' / name}?")


def test_folder_of_damaged_slices_names_the_first(tmp_path: Path) -> None:
    folder = write(tmp_path / "a")
    for path in slices(folder):
        path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(InputError, match=r"0001\.dcm and 5 more: damaged"):
        read(folder, "CT")


@pytest.mark.parametrize("count", [1, 3])
def test_damaged_files_of_another_series_are_noted(tmp_path: Path, count: int) -> None:
    write(tmp_path / "a")
    bad = slices(write(tmp_path / "b", name="other"))[:count]
    for path in bad:
        path.write_bytes(path.read_bytes()[:300])
    series = read(tmp_path, "CT", series_uid=derive_uid("test", "CT", "head"))
    assert series.image.GetSize()[2] == 6
    assert series.notes == (f"damaged files left out: {count}; `radfuse info` names them",)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "frames": lambda path: change(path, put_raw("NumberOfFrames", b"x")),
    "rows": lambda path: change(path, put_raw("Rows", b"")),
    "no series": lambda path: change(path, put_raw("SeriesInstanceUID", b"")),
    "meta only": lambda path: path.write_bytes(path.read_bytes()[:300]),
    "half a header": lambda path: path.write_bytes(path.read_bytes()[:600]),
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("not DICOM"),
}
"""Ways to lose a slice, by what can still be read of it."""


UID = derive_uid("test", "CT", "head")
QUICK = {
    "None-0-frames", "UID-29-frames", "UID-0-rows", "None-29-rows", "None-3-no series",
    "UID-29-no series", "UID-3-meta only", "None-29-meta only", "None-0-half a header",
    "UID-3-half a header", "UID-29-empty", "None-3-empty", "UID-0-text", "None-29-text",
}  # fmt: skip
"""Each way with and without a chosen series."""

LOST = [
    pytest.param(uid, index, damage, marks=() if name in QUICK else pytest.mark.slow, id=name)
    for uid, index, damage in product([None, UID], [0, 3, 29], DAMAGE)
    for name in [f"{'UID' if uid else None}-{index}-{damage}"]
]


@pytest.mark.parametrize(("uid", "index", "damage"), LOST)
def test_no_damaged_slice_is_left_out(
    tmp_path: Path, damage: str, index: int, uid: str | None
) -> None:
    """Of 30 slices the lowest, one within, or the top of the head."""
    folder = write(tmp_path / "in", volume(count=30))
    write(tmp_path / "mr", modality="MR")
    bad = slices(folder)[index]
    DAMAGE[damage](bad)
    for choose in (
        lambda: read(tmp_path, "CT", series_uid=uid),
        lambda: choose_pair(tmp_path, Recipe(ct_series=uid)),
    ):
        with pytest.raises(InputError) as caught:
            choose()
        assert str(caught.value).startswith(f"{bad}: ")
        assert "then lacks slices; export again, or move away to read the others" in str(
            caught.value
        )
    inspected, _ = inspect(tmp_path)
    (ct,) = [one for one in inspected if one.kind == "CT"]
    assert any("which then lacks slices" in problem for problem in ct.problems)
    assert read(tmp_path, "MR").image.GetSize()[2] == 6


@pytest.mark.parametrize("keyword", ["SeriesInstanceUID", "Modality"])
def test_a_damaged_file_says_where_it_belongs(tmp_path: Path, keyword: str) -> None:
    """In one folder with a slice that states another series or modality, nothing is missing."""
    folder, uid = write(tmp_path / "in"), derive_uid("test", "CT", "head")
    other = slices(write(tmp_path / "other", name="other"))[0].rename(folder / "other.dcm")
    change(other, put_raw("Rows", b""))
    for stated in (uid, "1.2.3"):
        change(other, put("SeriesInstanceUID", stated))
        with pytest.raises(
            InputError, match=r"other\.dcm: damaged: Rows or Columns is missing; ma"
        ):
            read(tmp_path, "CT", series_uid=uid)
    is_uid = keyword == "SeriesInstanceUID"
    change(other, put(keyword, derive_uid("test", "CT", "other") if is_uid else "MR"))
    assert read(tmp_path, "CT", series_uid=uid).image.GetSize()[2] == 6


def test_a_damaged_slice_may_have_a_series_uid_of_its_own(tmp_path: Path) -> None:
    folder = write(tmp_path / "in")
    for number, path in enumerate(slices(folder)):
        change(path, put("SeriesInstanceUID", f"1.2.{number}"))
    assert read(folder, "CT").image.GetSize()[2] == 6
    change(slices(folder)[5], put_raw("Rows", b""))
    with pytest.raises(InputError, match=r"0006\.dcm: damaged: Rows or Columns is missing; may"):
        read(folder, "CT")


@pytest.mark.parametrize("kept", [0, 100])
def test_extensionless_empty_slice_is_refused(tmp_path: Path, kept: int) -> None:
    folder = write(tmp_path / "in")
    for path in slices(folder):
        path.rename(path.with_suffix(""))
    last = max(folder.iterdir())
    last.write_bytes(last.read_bytes()[:kept])
    with pytest.raises(InputError, match=f"{last}: damaged, or not a DICOM file; may be of the CT"):
        read(folder, "CT")


def test_dicom_is_known_by_its_preamble(tmp_path: Path) -> None:
    path = slices(write(tmp_path / "a"))[0]
    assert is_dicom(path)
    (tmp_path / "short").write_bytes(b"DICM")
    assert not is_dicom(tmp_path / "short")


def test_slice_without_read_permission_is_refused(tmp_path: Path) -> None:
    closed = slices(write(tmp_path / "a"))[2]
    closed.chmod(0)
    with as_nobody(tmp_path / "a"):
        with pytest.raises(InputError, match=r"0003\.dcm: no permission to read"):
            read(tmp_path / "a", "CT")
        with pytest.raises(InputError, match=r"0003\.dcm: no permission to read"):
            inspect(tmp_path / "a")


def test_subfolder_without_read_permission_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a")
    closed = tmp_path / "a" / "rest"
    closed.mkdir(mode=0)
    try:
        with (
            as_nobody(tmp_path / "a"),
            pytest.raises(InputError, match="rest: no permission to read"),
        ):
            read(tmp_path / "a", "CT")
    finally:
        closed.chmod(0o755)


def test_path_in_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    (closed / "ct").mkdir(parents=True)
    closed.chmod(0)
    try:
        with as_nobody(tmp_path):
            with pytest.raises(InputError, match="ct: no permission to read"):
                read(closed / "ct", "CT")
            with pytest.raises(InputError, match="ct: no permission to read"):
                inspect(closed / "ct")
    finally:
        closed.chmod(0o755)
