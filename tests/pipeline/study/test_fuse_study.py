"""Several images of one patient on the grid of the CT."""

import base64
import copy
import json
import re
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from click.testing import CliRunner
from numpy.typing import NDArray
from PIL import Image

import radfuse
from radfuse.arrays import image_on, positions_mm
from radfuse.cli import main
from radfuse.dicom.uids import derive_uid
from radfuse.errors import InputError, OutputError
from radfuse.io.volumes import write_volume
from radfuse.modality import CT, PT
from radfuse.phantom.head import Phantom
from radfuse.pipeline.qa.content import _sections
from radfuse.pipeline.read import read_pet_ct
from radfuse.pipeline.result import Result
from radfuse.pipeline.study.choice import chosen_uids
from radfuse.pipeline.study.fuse import fuse_study
from radfuse.recipe import Recipe
from radfuse.registration.qa.assessment import assess
from radfuse.registration.transforms import canonicalize, write_transform
from radfuse.series import Series

SLIGHT_MM = 1.4
"""A motion with which registration QA neither passes nor refuses."""

PARTS = ((-50.0, -60.0, -10.0), (50.0, -60.0, 40.0), (0.0, 60.0, 60.0), (0.0, 0.0, 20.0))
"""Points of the brain, mm of the phantom's CT."""


def described(mr: Series, description: str) -> Series:
    """The MR with the contrast of another sequence."""
    headers = copy.deepcopy(mr.headers)
    for header in headers:
        header.SeriesDescription, header.ContrastBolusAgent = description, ""
    values = sitk.GetArrayFromImage(mr.image)
    if description.startswith("t2"):
        values = np.float32(30) * np.sqrt(values)
    return replace(mr, image=image_on(mr.image, values), headers=headers)


@pytest.fixture(scope="module")
def mrs(pair: tuple[Series, Series]) -> list[Series]:
    return [described(pair[1], name) for name in ("t2_tse", "t1_mprage", "t1_mprage post")]


@pytest.fixture(scope="module")
def study(
    pair: tuple[Series, Series],
    mrs: list[Series],
    given: Recipe,
    tmp_path_factory: pytest.TempPathFactory,
) -> Result:
    output = tmp_path_factory.mktemp("study") / "out"
    return fuse_study(pair[0], mrs, output, recipe=given)


def error_mm(found: sitk.Transform, truth: sitk.Transform) -> float:
    distances = [
        np.linalg.norm(np.subtract(found.TransformPoint(point), truth.TransformPoint(point)))
        for point in PARTS
    ]
    return float(max(distances))


def test_the_enhanced_t1_is_fused_and_the_record_says_why(study: Result) -> None:
    assert study.mr.headers[0].SeriesDescription == "t1_mprage post"
    assert any("T1_Gd is fused with the CT" in note for note in study.record.inputs[1].notes)
    assert [one.label for one in study.further] == ["T2", "T1"]


def test_images_of_one_frame_share_one_registration(study: Result) -> None:
    assert study.alignment is not None
    for one in study.further:
        assert one.alignment.origin == "shared"
        assert error_mm(one.alignment.moving_from_fixed, study.alignment.mr_from_ct) < 1e-9
        assert one.note == "shares the registration of T1_Gd, in whose frame of reference it is"


def stored(folder: Path) -> NDArray[np.float64]:
    files = (pydicom.dcmread(path) for path in sorted(folder.iterdir()))
    return np.stack([one.pixel_array * float(one.get("RescaleSlope", 1)) for one in files])


def test_each_image_is_written_on_the_grid_of_the_ct(study: Result) -> None:
    assert study.written is not None
    for one in study.further:
        expected = sitk.Resample(
            one.series.image, study.ct.image, one.alignment.moving_from_fixed, sitk.sitkLinear, 0.0
        )
        written = stored(study.written.parent / f"{one.label}_on_CT")
        assert np.abs(written - sitk.GetArrayFromImage(expected)).max() <= 0.51
        first = pydicom.dcmread(next((study.written.parent / f"{one.label}_on_CT").iterdir()))
        assert first.FrameOfReferenceUID == study.ct.frame_of_reference_uid


def test_each_image_has_its_registration_object(study: Result) -> None:
    assert study.written is not None
    for one in study.further:
        (path,) = (study.written.parent / f"REG_{one.label}").iterdir()
        items = pydicom.dcmread(path).RegistrationSequence
        assert items[1].FrameOfReferenceUID == one.series.frame_of_reference_uid
        matrix = items[1].MatrixRegistrationSequence[0].MatrixSequence[0]
        ct_from_mr = np.reshape(matrix.FrameOfReferenceTransformationMatrix, (4, 4)).astype(float)
        for point in PARTS:
            moved = one.alignment.moving_from_fixed.TransformPoint(point)
            assert np.allclose((ct_from_mr @ [*moved, 1])[:3], point, atol=1e-3)


def test_one_record_and_one_sheet_have_all_images(study: Result) -> None:
    assert study.written is not None
    record = json.loads((study.written.parent / "record.json").read_text())
    assert [one["label"] for one in record["further"]] == ["T2", "T1"]
    roles = {output["role"] for output in record["outputs"]}
    assert {"T2", "T2 transform", "T2 registration", "T1", "fused"} <= roles
    sheet = (study.written.parent / "qa.html").read_text()
    assert "T2 on the grid of the CT" in sheet
    assert "axial, T2 as MR" in sheet


def test_series_numbers_of_a_study_differ(study: Result) -> None:
    assert study.written is not None
    folders = [path for path in study.written.parent.iterdir() if path.is_dir()]
    numbers = [pydicom.dcmread(next(folder.iterdir())).SeriesNumber for folder in folders]
    assert len(set(numbers)) == len(numbers) == 8


def test_an_mr_whose_patient_moved_is_registered_by_itself(
    pair: tuple[Series, Series], mrs: list[Series], given: Recipe, phantom: Phantom
) -> None:
    motion = sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.05, 0.02, -0.06, (9.0, -6.0, 5.0))
    image = mrs[1].image
    moved = replace(mrs[1], image=sitk.Resample(image, image, motion, sitk.sitkLinear, 0.0))
    strict = given.model_copy(update={"accept_registration": False})
    result = fuse_study(pair[0], [mrs[2], moved], recipe=strict)
    (further,) = result.further
    truth = sitk.CompositeTransform([motion.GetInverse(), phantom.mr_from_ct])
    assert further.note.startswith("registered by itself; that of T1_Gd does not fit")
    assert error_mm(further.alignment.moving_from_fixed, truth) < 1.0


def test_an_mr_to_inspect_is_not_shared_where_a_pass_is_required(
    pair: tuple[Series, Series], mrs: list[Series], given: Recipe, phantom: Phantom
) -> None:
    motion = sitk.TranslationTransform(3, (0.0, SLIGHT_MM, 0.0))
    moved = replace(mrs[1], image=sitk.Resample(mrs[1].image, motion))
    assert assess(pair[0], moved, canonicalize(phantom.mr_from_ct)).grade == "inspect"
    strict = given.model_copy(update={"accept_registration": False, "require_pass": True})
    (further,) = fuse_study(pair[0], [mrs[2], moved], recipe=strict).further
    assert further.note.startswith("registered by itself")
    assert further.alignment.quality.grade == "pass"


@pytest.mark.parametrize("role", ["pet", "pet_ct", "mr"])
def test_no_output_replaces_a_further_image(
    pair: tuple[Series, Series], mrs: list[Series], given: Recipe, tmp_path: Path, role: str
) -> None:
    source = tmp_path / "in.nrrd"
    pet = replace(pair[1], modality=PT, headers=())
    own_ct = replace(pair[0], headers=())
    images = {"pet": pet, "pet_ct": own_ct, "mr": mrs[1]}
    images[role] = replace(images[role], source=source)
    for output in (source, tmp_path):
        with pytest.raises(OutputError, match="overlaps with the input"):
            fuse_study(
                pair[0], [mrs[2], images["mr"]], output, pet=images["pet"],
                pet_ct=images["pet_ct"], recipe=given, overwrite=True,
            )  # fmt: skip


def second_ct(phantom: Phantom, ct_from_pet_ct: sitk.Euler3DTransform) -> Series:
    """A CT of another scanner: another pose, thicker slices, more noise."""
    grid = sitk.Image([70, 80, 56], sitk.sitkFloat32)
    grid.SetSpacing((3.4, 3.4, 4.0))
    grid.SetOrigin((-120.0, -130.0, -110.0))
    image = sitk.Resample(phantom.ct.image, grid, ct_from_pet_ct, sitk.sitkLinear, -1000.0)
    noise = np.random.default_rng(5).normal(0, 10, image.GetSize()[::-1])
    values = (sitk.GetArrayFromImage(image) + noise).astype(np.float32)
    return Series(image_on(image, values), CT, Path("pet-ct"))


def test_a_pet_is_registered_by_the_ct_of_its_scanner(
    pair: tuple[Series, Series], mrs: list[Series], given: Recipe, phantom: Phantom
) -> None:
    ct_from_pet_ct = sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.1, -0.08, 0.12, (12.0, 7.0, -9.0))
    pet_ct = second_ct(phantom, ct_from_pet_ct)
    pet = Series(pet_ct.image > 0, PT, Path("pet"))
    pet = replace(pet, image=sitk.Cast(pet.image, sitk.sitkFloat32))
    strict = given.model_copy(update={"accept_registration": False})
    result = fuse_study(pair[0], mrs[2:], pet=pet, pet_ct=pet_ct, recipe=strict)
    (further,) = result.further
    assert (further.label, further.note) == ("PT", "registered by the CT of its scanner")
    assert error_mm(further.alignment.moving_from_fixed, ct_from_pet_ct.GetInverse()) < 1.0
    assert "functional_from_anatomical" in result.record.further[0].registration
    recorded = result.record.further[0].registered_by
    assert recorded is not None
    assert (recorded.role, recorded.size) == ("CT of the PET", pet_ct.image.GetSize())
    assert recorded.notes == (
        "a frame of reference is unknown; the PT and the CT of its scanner are taken as aligned",
    )
    (section,) = (facts for name, facts in _sections(result).items() if name.startswith("PT on"))
    assert section["CT of the PET"].startswith("image without files: 70 x 80 x 56")
    assert section["CT of the PET, notes"] == recorded.notes[0]


def test_a_file_of_the_fused_image_has_the_others_beside_it(
    pair: tuple[Series, Series], mrs: list[Series], given: Recipe, tmp_path: Path
) -> None:
    result = fuse_study(pair[0], mrs[1:], tmp_path / "all.nii.gz", recipe=given)
    assert result.further[0].label == "T1"
    names = {path.name for path in tmp_path.iterdir()}
    assert "all_space-CT_desc-resampled_T1.nii.gz" in names
    assert "all_from-T1_to-CT_mode-image_xfm.tfm" in names
    resampled = sitk.ReadImage(tmp_path / "all_space-CT_desc-resampled_T1.nii.gz")
    assert resampled.GetSize() == pair[0].image.GetSize()


def test_the_ct_of_a_pet_in_another_frame_is_refused(
    pair: tuple[Series, Series], mrs: list[Series]
) -> None:
    pet = replace(pair[1], modality=PT)
    with pytest.raises(InputError, match="different frames of reference"):
        fuse_study(pair[0], mrs, pet=pet, pet_ct=pair[0])


def test_a_further_image_of_another_patient_is_refused(
    pair: tuple[Series, Series], mrs: list[Series]
) -> None:
    other = described(mrs[0], "t2_tse")
    for header in other.headers:
        header.PatientID = "OTHER"
    with pytest.raises(InputError, match="different patient IDs"):
        fuse_study(pair[0], [*mrs, other])


@pytest.mark.parametrize("role", ["ct", "mrs", "pet", "pet_ct", "spect"])
def test_a_series_of_another_modality_is_refused(
    pair: tuple[Series, Series], mrs: list[Series], role: str
) -> None:
    images: dict[str, Any] = {"ct": pair[0], "mrs": mrs, "pet": replace(pair[1], modality=PT)}
    wrong = pair[1] if role in ("ct", "pet_ct", "pet") else pair[0]
    images[role] = [*mrs, wrong] if role == "mrs" else wrong
    with pytest.raises(InputError, match=f"a series of {wrong.modality} is given as"):
        fuse_study(**images)


def test_the_ct_of_a_pet_is_chosen_by_its_own_option(
    phantom_folders: tuple[Path, Path], tmp_path: Path
) -> None:
    uids = two_series(phantom_folders[0], tmp_path / "both")
    with pytest.raises(InputError, match=r"choose one with --pet-ct-series UID") as caught:
        read_pet_ct(tmp_path / "both", Recipe())
    assert all(uid in str(caught.value) for uid in uids)
    for uid in uids:
        chosen = read_pet_ct(tmp_path / "both", Recipe(pet_ct_series=uid, ct_series="other"))
        assert {one.SeriesInstanceUID for one in chosen.headers} == {uid}


def two_series(source: Path, folder: Path) -> list[str]:
    """Copies of a series, and of it with another UID; both UIDs."""
    uids = []
    for name in ("1", "2"):
        (folder / name).mkdir(parents=True)
        for path in source.iterdir():
            one = pydicom.dcmread(path)
            if name == "2":
                one.SeriesInstanceUID = derive_uid("test", str(one.SeriesInstanceUID))
                one.SOPInstanceUID = derive_uid("test", str(one.SOPInstanceUID))
                one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
            one.save_as(folder / name / path.name)
        uids.append(str(one.SeriesInstanceUID))
    return uids


def test_each_mr_gets_the_series_that_it_contains(
    phantom_folders: tuple[Path, Path], pair: tuple[Series, Series], tmp_path: Path
) -> None:
    both, only = tmp_path / "both", phantom_folders[1]
    first, second = two_series(only, both)
    assert chosen_uids([both, both], [second, first]) == [second, first]
    assert chosen_uids([only, both], [second]) == [None, second]
    assert chosen_uids([pair[1], both], [second]) == [None, second]
    assert chosen_uids([pair[1], both], [first, second]) == [first, second]
    assert chosen_uids([only, both], [first, second]) == [first, second]
    assert chosen_uids([only], ["1.2.3"]) == ["1.2.3"]
    assert chosen_uids([only, both], []) == [None, None]
    for mrs, uids in (([only, only], [second]), ([only, both], [second, "1.2.3"])):
        with pytest.raises(InputError, match=f"an MR series with UID {uids[-1]}"):
            chosen_uids(mrs, uids)


def test_no_mr_and_a_pet_ct_alone_are_refused(
    pair: tuple[Series, Series], mrs: list[Series]
) -> None:
    with pytest.raises(InputError, match="no MR; give at least one"):
        fuse_study(pair[0], [])
    with pytest.raises(InputError, match="without the PET"):
        fuse_study(pair[0], mrs, pet_ct=pair[0])
    with pytest.raises(InputError, match="there are 3; give 0 to 2"):
        fuse_study(pair[0], mrs, fused_mr=3)


def test_the_command_fuses_the_mr_that_is_named(coarse_phantom: Phantom, tmp_path: Path) -> None:
    ct, mr, truth = coarse_phantom.ct, coarse_phantom.mr, tmp_path / "truth.tfm"
    write_transform(truth, coarse_phantom.mr_from_ct)
    for name, image in (("ct", ct), ("t1_gd", mr), ("t2", mr)):
        write_volume(tmp_path / f"{name}.nii.gz", image.image)
    command = [
        "fuse", "--ct", "ct.nii.gz", "--mr", "t1_gd.nii.gz", "--mr", "t2.nii.gz",
        "--fused-mr", "t2.nii.gz", "--transform", truth, "-o", "out", "--json",
        "--accept-registration",
    ]  # fmt: skip
    arguments = [
        str(tmp_path / str(one)) if str(one).endswith(".nii.gz") or one == "out" else str(one)
        for one in command
    ]
    done = CliRunner().invoke(main, [*arguments, "--method", "bone_blend", "--quiet"])
    assert done.exit_code == 0, done.output
    record = radfuse.Record.model_validate_json((tmp_path / "out" / "record.json").read_text())
    assert [one.label for one in record.further] == ["T1_Gd"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--mr", "a", "--mr", "b"], "add --ct, or give one --mr: alone it is fused with --pet"),
        (["--mr", "a", "--mr", "b", "--pet", "p"], "add --ct, or give one --mr"),
        (["--mr", "a", "--mr", "b", "--spect", "p"], "add --ct, or give one --mr"),
        (["--ct", "c", "--mr", "a", "--mr", "b", "--fused-mr", "x"], "not one of --mr"),
        (["--ct", "c", "--mr", "a", "--pet-ct", "p"], "--pet-ct needs"),
        (["--study", "s", "--pet-ct", "p"], "--pet-ct needs"),
        (["--ct", "c", "--pet", "p", "--pet-ct-series", "1.2"], "--pet-ct-series needs --pet-ct"),
        (["--ct", "c", "--mr", "a", "--mr-series", "1", "--mr-series", "2"], "2 --mr-series, 1 "),
        (["--study", "s", "--mr", "a", "--mr", "b"], "--study is one CT with one MR"),
        (["--study", "s", "--ct", "c", "--mr", "a", "--mr", "b"], "give --ct and each --mr"),
        (["--study", "s", "--ct", "c", "--mr", "a", "--pet", "p"], "give --ct and each --mr"),
    ],
)
def test_options_of_several_images_that_do_not_fit(arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(main, ["fuse", *arguments, "-o", "out"])
    assert done.exit_code == 2
    assert message in done.output
    assert len(done.output.splitlines()) == 1


@pytest.fixture(scope="module")
def pet(pair: tuple[Series, Series], phantom: Phantom) -> Series:
    """Uptake that is highest at the centre of the CT, on its grid."""
    centre = phantom.ct.image.TransformContinuousIndexToPhysicalPoint(
        [size / 2 for size in phantom.ct.image.GetSize()]
    )
    positions = positions_mm(pair[0].image, np.argwhere(np.ones(pair[0].image.GetSize()[::-1])))
    distance = np.linalg.norm(positions - centre, axis=-1)
    values = 25_000 * np.exp(-((distance / 40) ** 2)).reshape(pair[0].image.GetSize()[::-1])
    return Series(image_on(pair[0].image, values.astype(np.float32)), PT, Path("pet"))


@pytest.fixture(scope="module")
def by_headers(given: Recipe) -> Recipe:
    return given.model_copy(
        update={"register_rigidly": False, "transform": None, "colour_map": "hot"}
    )


@pytest.fixture(scope="module")
def with_pet(
    pair: tuple[Series, Series],
    mrs: list[Series],
    pet: Series,
    by_headers: Recipe,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    folder = tmp_path_factory.mktemp("pet") / "out"
    fuse_study(pair[0], mrs[2:], folder, pet=pet, recipe=by_headers)
    return folder


@pytest.mark.slow
def test_a_pet_is_also_written_in_colour(pair: tuple[Series, Series], with_pet: Path) -> None:
    files = sorted((with_pet / "COLOUR_CT_PT").iterdir())
    middle = pydicom.dcmread(files[len(files) // 2]).pixel_array.astype(int)
    assert len(files) == pair[0].image.GetSize()[2]
    assert np.ptp(middle, axis=-1).max() > 100
    assert middle.reshape(-1, 3).min(axis=-1).max() > 200  # the white of `hot`


def test_the_sheet_shows_a_pet_in_its_colours(with_pet: Path) -> None:
    html = (with_pet / "qa.html").read_text()
    found = re.findall(r'<img alt="([^"]+)" src="data:image/png;base64,([^"]+)"', html)
    levels = {
        name: np.asarray(Image.open(BytesIO(base64.b64decode(data)))).astype(int)
        for name, data in found
    }
    for plane in ("axial", "coronal", "sagittal"):
        for shown, is_coloured in (("CT", False), ("PT", True), ("fused", True)):
            spread = np.ptp(levels[f"{plane}, PT in colour, {shown}"], axis=-1)
            assert (spread.max() > 100) == is_coloured
    bar = levels["colour bar"][:, 0]
    assert (bar[0].tolist(), bar[-1].tolist()) == ([255, 255, 255], [0, 0, 0])
    assert html.count('class="bar"') == 3
    assert re.search(r">2\d{4}<img", html)  # without headers no unit
    assert "as MR" not in html
    assert "outline of the uptake follows the cortex" in html


def test_the_record_states_the_colours_of_a_pet(with_pet: Path) -> None:
    scaling = json.loads((with_pet / "record.json").read_text())["scaling"]
    assert scaling["Colours of the PT"].startswith("hot: ")
    assert scaling["PT values scaled to 0 and 1"] == "0 and 25000"  # without headers no unit
    assert scaling["SUVbw"] == "not computed: no DICOM headers"


def test_a_file_in_colour_is_beside_the_fused_one(
    pair: tuple[Series, Series], mrs: list[Series], pet: Series, by_headers: Recipe,
    tmp_path: Path,
) -> None:  # fmt: skip
    result = fuse_study(pair[0], mrs[2:], tmp_path / "all.nrrd", pet=pet, recipe=by_headers)
    colours = sitk.ReadImage(tmp_path / "all_space-CT_desc-colour_PT.nrrd")
    assert result.further[0].colours is not None
    expected = sitk.GetArrayFromImage(result.further[0].colours.image)
    assert np.array_equal(sitk.GetArrayFromImage(colours), expected)
    assert colours.GetOrigin() == pair[0].image.GetOrigin()
    outputs = {one.role: one.path for one in result.record.outputs}
    assert outputs["PT in colour"] == "all_space-CT_desc-colour_PT.nrrd"
    assert result.record.left_out == ()


def test_beside_nifti_no_colours_are_written_and_it_says_so(
    pair: tuple[Series, Series], mrs: list[Series], pet: Series, by_headers: Recipe, tmp_path: Path
) -> None:
    result = fuse_study(pair[0], mrs[2:], tmp_path / "all.nii.gz", pet=pet, recipe=by_headers)
    assert not [path for path in tmp_path.iterdir() if "colour" in path.name]
    (note,) = result.record.left_out
    assert note.startswith("no PT in colour: programs differ in how they read colour from NIfTI")
    assert note.endswith("write to .nrrd, .mha or a folder for it")
