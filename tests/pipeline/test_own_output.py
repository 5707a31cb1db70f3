"""What radfuse wrote is never taken for a source, and derived series of others only last."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

import radfuse
from dicom_kit import change_all, put, volume, write
from radfuse.cli import main
from radfuse.dicom.deidentify.files import deidentify_folder
from radfuse.dicom.read.scan import scan_folder
from radfuse.dicom.read.series import DicomSeries
from radfuse.dicom.uids import derive_uid
from radfuse.errors import InputError, NoImageError
from radfuse.phantom.dicom import write_phantom
from radfuse.phantom.head import make_phantom
from radfuse.pipeline.align import PriorAlignment
from radfuse.pipeline.fuse import fuse_ct_mr
from radfuse.pipeline.inspect import inspect
from radfuse.pipeline.pairing import choose_pair
from radfuse.pipeline.read import check_pair, read
from radfuse.recipe import Recipe

PLAIN = Recipe()
Scanned = tuple[DicomSeries, ...]
FUSED, ON_CT, COLOUR = "FUSED CT+MR", "MR ON CT", "COLOUR CT+MR"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CT and MR of few slices, and beside them the output of their fusion."""
    folder = tmp_path_factory.mktemp("fused") / "study"
    phantom = make_phantom(7, spacing_mm=6.0)
    ct, mr = write_phantom(phantom, folder)
    prior = PriorAlignment(phantom.mr_from_ct, "manual")
    recipe = Recipe(method="bone_blend", accept_registration=True)
    fuse_ct_mr(read(ct, "CT"), read(mr, "MR"), folder / "OUT", recipe=recipe, prior=prior)
    return folder


@pytest.fixture(scope="module")
def scanned(study: Path) -> Scanned:
    return scan_folder(study).series


def titled(scanned: Scanned, title: str) -> DicomSeries:
    (series,) = [one for one in scanned if title in one.description]
    return series


def test_a_study_with_its_output_is_fused_as_before(study: Path) -> None:
    pair = choose_pair(study, PLAIN)
    assert pair.ct.header.SeriesDescription == "CT head, phantom"
    assert pair.mr.header.SeriesDescription == "T1 after contrast, phantom"
    assert f"{FUSED} bone_blend" in pair.sentence()
    assert read(study, "MR").headers[0].SeriesDescription == "T1 after contrast, phantom"


def test_output_without_its_sources_is_no_pair(
    study: Path, scanned: Scanned, tmp_path: Path
) -> None:
    shutil.copytree(study, tmp_path / "study")
    shutil.rmtree(tmp_path / "study/MR")
    with pytest.raises(NoImageError, match="no MR of a head that can be read") as caught:
        choose_pair(tmp_path / "study", PLAIN)
    assert "derived: fused by radfuse" in str(caught.value)
    uid = titled(scanned, ON_CT).uid
    assert f"derived: resampled by radfuse, UID {uid}; --mr-series UID selects it" in str(
        caught.value
    )


def test_a_uid_selects_the_resampled_mr_and_no_fused_image(study: Path, scanned: Scanned) -> None:
    uid = titled(scanned, ON_CT).uid
    assert choose_pair(study, Recipe(mr_series=uid)).mr.volume.uid == uid
    with pytest.raises(InputError, match="an image fused by radfuse; give the CT and the MR that"):
        choose_pair(study, Recipe(mr_series=titled(scanned, FUSED).uid))


def test_a_folder_of_a_fused_image_is_no_source(study: Path, scanned: Scanned) -> None:
    fused = read(titled(scanned, FUSED).files[0].parent, "MR")
    with pytest.raises(InputError, match="an image fused by radfuse; give the CT and the MR that"):
        check_pair(read(study / "CT", "CT"), fused)


def test_info_names_each_output_and_selects_none(study: Path) -> None:
    inspected, _ = inspect(study, pixels=False)
    notes = {one.name: one.notes for one in inspected}
    reasons = {
        FUSED: "derived: fused by radfuse; not a candidate",
        ON_CT: "derived: resampled by radfuse; not selected without --mr-series UID",
        COLOUR: "ignored: derived: fused by radfuse",
    }
    for title, note in reasons.items():
        (found,) = [value for name, value in notes.items() if title in name]
        assert found[0] == note
    assert [one.kind for one in inspected if one.is_volume] == ["CT", "MR"]
    shown = CliRunner().invoke(main, ["info", str(study), "--no-pixels"])
    assert "fuse --study: chosen: CT 'CT head, phantom'" in shown.output


def test_deidentified_output_is_recognised(study: Path, scanned: Scanned, tmp_path: Path) -> None:
    deidentify_folder(titled(scanned, FUSED).files[0].parent, tmp_path / "anonymous", b"key")
    (series,) = scan_folder(tmp_path / "anonymous").series
    assert series.derivation is not None
    assert series.derivation.is_fused


def test_a_source_is_not_evaluated_as_the_fused_volume(study: Path, scanned: Scanned) -> None:
    on_ct = titled(scanned, ON_CT).files[0].parent
    with pytest.raises(InputError, match="a source, not the fused volume"):
        radfuse.evaluate(on_ct, study / "CT", on_ct)


REFORMATTED = ["DERIVED", "SECONDARY", "REFORMATTED"]
SUBTRACTION = ["DERIVED", "PRIMARY", "M", "SUB"]


def series(folder: Path, modality: str, name: str, **values: object) -> str:
    """A small series of another program than radfuse."""
    write(folder / name, volume(modality), modality, name)
    for number, path in enumerate(sorted((folder / name).iterdir())):
        path.rename(path.with_name(f"{name}-{number}.dcm"))
    for keyword, value in values.items():
        change_all(folder / name, put(keyword, value))
    change_all(
        folder / name, lambda header: put("InstanceNumber", header.InstanceNumber + 10)(header)
    )
    return derive_uid("test", modality, name)


@pytest.mark.parametrize("kind", [REFORMATTED, SUBTRACTION, ["DERIVED", "SECONDARY"],
                                  ["DERIVED", "SECONDARY", "SCREEN SAVE"]])  # fmt: skip
@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_a_derived_series_beside_a_primary_one_is_left(
    tmp_path: Path, modality: str, kind: list[str]
) -> None:
    ct, mr = series(tmp_path, "CT", "ct"), series(tmp_path, "MR", "mr")
    other = series(tmp_path, modality, "other", ImageType=kind)
    pair = choose_pair(tmp_path, PLAIN)
    assert (pair.ct.volume.uid, pair.mr.volume.uid) == (ct, mr)
    by_uid = choose_pair(tmp_path, PLAIN.model_copy(update={f"{modality.lower()}_series": other}))
    assert other in {by_uid.ct.volume.uid, by_uid.mr.volume.uid}


def test_the_only_ct_is_fused_although_reformatted(tmp_path: Path) -> None:
    ct, mr = series(tmp_path, "CT", "ct", ImageType=REFORMATTED), series(tmp_path, "MR", "mr")
    pair = choose_pair(tmp_path, PLAIN)
    assert (pair.ct.volume.uid, pair.mr.volume.uid) == (ct, mr)
    assert pair.sentence().startswith("chosen: CT 'ct', 6 images, derived: reformatted, UID")


def test_the_only_mr_that_is_a_subtraction_is_not_fused(tmp_path: Path) -> None:
    series(tmp_path, "CT", "ct")
    mr = series(tmp_path, "MR", "mr", ImageType=SUBTRACTION)
    with pytest.raises(NoImageError, match=r"derived: a subtraction, .*--mr-series .* selects it"):
        choose_pair(tmp_path, PLAIN)
    assert choose_pair(tmp_path, Recipe(mr_series=mr)).mr.volume.uid == mr


def test_a_nearer_derived_series_is_asked_about(tmp_path: Path) -> None:
    """A reformatted CT of today against a plain one of two years ago: the user decides."""
    old = series(tmp_path, "CT", "old", StudyDate="20220101")
    series(tmp_path, "CT", "new", StudyDate="20240101", ImageType=REFORMATTED)
    series(tmp_path, "MR", "mr", StudyDate="20240101")
    with pytest.raises(InputError, match="2 pairs of CT and MR; choose with --ct-series UID"):
        choose_pair(tmp_path, PLAIN)
    assert choose_pair(tmp_path, Recipe(ct_series=old)).days_apart == 730
