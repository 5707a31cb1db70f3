"""PET and SPECT volumes in colour on the grid of an MR or CT."""

import copy
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from click.testing import CliRunner

import radfuse
from radfuse.arrays import image_on
from radfuse.cli import main
from radfuse.colour.maps import COLOUR_MAPS
from radfuse.dicom.read.nuclear.standard_uptake import standard_uptake
from radfuse.errors import InputError, OutputError
from radfuse.io.volumes import write_volume
from radfuse.metrics.functional_kept import functional_kept
from radfuse.phantom.dicom import write_functional
from radfuse.phantom.head import Phantom, draw_layers
from radfuse.phantom.uptake import FDG, FunctionalScan, scan_uptake
from radfuse.pipeline.functional.colours import colour_facts
from radfuse.pipeline.functional.fuse import fuse_functional_volumes
from radfuse.pipeline.functional.result import FunctionalResult
from radfuse.pipeline.functional.volume import colour_scale
from radfuse.pipeline.qa.colour_plane import colour_plane
from radfuse.pipeline.result import FurtherImage
from radfuse.recipe import DEFAULT_FUNCTIONAL_METHOD, Recipe
from radfuse.registration.transforms import canonicalize, matrix_of, write_transform
from radfuse.series import Series

SEED = 7
POINTS = ((-45.0, -50.0, 10.0), (45.0, -50.0, 40.0), (0.0, 55.0, 30.0), (0.0, 0.0, 60.0))
"""Points of the brain, mm of the phantom's CT."""


@pytest.fixture(scope="module")
def scan() -> FunctionalScan:
    return scan_uptake(draw_layers(SEED, spacing_mm=3.0), FDG, SEED, spacing_mm=4.0)


@pytest.fixture(scope="module")
def pet(phantom: Phantom, scan: FunctionalScan, tmp_path_factory: pytest.TempPathFactory) -> Series:
    folder = write_functional(phantom, scan.series, tmp_path_factory.mktemp("pet"))
    return radfuse.read(folder, "PT")


@pytest.fixture(scope="module")
def mr(pair: tuple[Series, Series]) -> Series:
    return pair[1]


@pytest.fixture(scope="module")
def known(
    phantom: Phantom, scan: FunctionalScan, tmp_path_factory: pytest.TempPathFactory
) -> Recipe:
    """The true transform, instead of a search."""
    path = tmp_path_factory.mktemp("truth") / "pet.tfm"
    write_transform(path, canonicalize(scan.functional_from_mr(phantom)))
    return Recipe(method=DEFAULT_FUNCTIONAL_METHOD, transform=path, accept_registration=True)


@pytest.fixture(scope="module")
def fused(
    mr: Series, pet: Series, known: Recipe, tmp_path_factory: pytest.TempPathFactory
) -> FunctionalResult:
    output = tmp_path_factory.mktemp("colour") / "out"
    return fuse_functional_volumes(mr, pet, output, recipe=known)


def test_a_pet_is_registered_to_the_mr(
    phantom: Phantom, mr: Series, pet: Series, scan: FunctionalScan
) -> None:
    result = radfuse.fuse(mr, pet)
    assert isinstance(result, FunctionalResult)
    truth = scan.functional_from_mr(phantom)
    for point in POINTS:
        in_mr = phantom.mr_from_ct.TransformPoint(point)
        found = result.alignment.moving_from_fixed.TransformPoint(in_mr)
        assert np.linalg.norm(np.subtract(found, truth.TransformPoint(in_mr))) < 2.0
    assert result.alignment.quality.grade != "refuse"


def test_the_uptake_is_kept_on_the_grid_of_the_mr(fused: FunctionalResult) -> None:
    assert fused.image.GetSize() == fused.anatomical.image.GetSize()
    assert fused.image.GetOrigin() == fused.anatomical.image.GetOrigin()
    part = tuple(one for one in fused.region.box[::-1])
    grid = fused.anatomical.image[part]
    uptake, _ = fused.scale.uptake(fused.functional.image, grid, fused.alignment.moving_from_fixed)
    colours = sitk.GetArrayFromImage(fused.image[part]).astype(np.float32) / 255
    middle = len(uptake) // 2
    colour_map = COLOUR_MAPS["lightness"]
    kept = functional_kept(colours[middle], colour_map.colours(uptake[middle]), colour_map)
    assert kept.correlation > 0.97
    assert kept.colour_difference < 3


def test_a_hot_point_of_the_pet_is_hot_at_its_position(
    mr: Series, pet: Series, known: Recipe, phantom: Phantom, scan: FunctionalScan
) -> None:
    truth = scan.functional_from_mr(phantom)
    point = phantom.mr_from_ct.TransformPoint((30.0, -20.0, 35.0))
    index = pet.image.TransformPhysicalPointToIndex(truth.TransformPoint(point))
    values = sitk.GetArrayFromImage(pet.image)
    z, y, x = index[::-1]
    values[z - 1 : z + 2, y - 1 : y + 2, x - 1 : x + 2] = 3 * values.max()
    hot = replace(pet, image=image_on(pet.image, values))
    result = fuse_functional_volumes(mr, hot, recipe=known)
    levels = sitk.GetArrayFromImage(result.image)[
        mr.image.TransformPhysicalPointToIndex(point)[::-1]
    ]
    expected = 255 * COLOUR_MAPS["lightness"].colours(np.float32([1.0]))[0]
    assert np.abs(levels - expected).max() < 25


def test_outside_its_field_of_view_the_mr_is_grey(fused: FunctionalResult) -> None:
    levels = sitk.GetArrayFromImage(fused.image).astype(int)
    outside = np.ones(levels.shape[:3], bool)
    outside[fused.region.box] = ~fused.region.fov_mask
    assert outside.any()
    assert np.ptp(levels[outside], axis=-1).max() == 0


def test_the_pet_is_written_as_pet_with_its_unit(fused: FunctionalResult) -> None:
    assert fused.written is not None
    first = pydicom.dcmread(next((fused.written.parent / "PT_on_MR").iterdir()))
    assert (first.Modality, first.Units) == ("PT", "BQML")
    assert first.FrameOfReferenceUID == fused.anatomical.frame_of_reference_uid


def test_colours_are_written_as_they_are(fused: FunctionalResult) -> None:
    assert fused.written is not None
    files = [pydicom.dcmread(path) for path in sorted(fused.written.iterdir())]
    files.sort(key=lambda one: one.InstanceNumber)
    stored = np.stack([one.pixel_array for one in files])
    assert np.array_equal(stored, sitk.GetArrayFromImage(fused.image))
    assert "fused in colour" in files[0].DerivationDescription


def test_the_registration_object_is_the_alignment(fused: FunctionalResult) -> None:
    assert fused.written is not None
    (path,) = (fused.written.parent / "REG").iterdir()
    item = pydicom.dcmread(path).RegistrationSequence[1]
    matrix = item.MatrixRegistrationSequence[0].MatrixSequence[0]
    found = np.reshape(matrix.FrameOfReferenceTransformationMatrix, (4, 4)).astype(float)
    expected = matrix_of(fused.alignment.moving_from_fixed.GetInverse())
    assert np.allclose(found, expected, atol=1e-4)


def test_record_and_sheet_state_units_and_verdict(fused: FunctionalResult) -> None:
    assert fused.written is not None
    folder = fused.written.parent
    record = json.loads((folder / "record.json").read_text())
    assert record["scaling"]["PT values scaled to 0 and 1"].endswith("Bq/ml")
    assert "g/ml at the highest value" in record["scaling"]["SUVbw"]
    assert {"colour", "resampled", "registration", "transform"} <= {
        one["role"] for one in record["outputs"]
    }
    sheet = (folder / "qa.html").read_text()
    assert "registration and fusion of MR and PT of the head" in sheet
    assert "the outline of the uptake follows the cortex" in sheet
    assert "checkerboard" not in sheet  # it has none
    assert "Research use only" in sheet
    assert sheet.count('alt="colour bar"') == sheet.count('class="plane"')
    assert ">0 Bq/ml</figure>" in sheet


def test_the_unit_of_the_colours_is_that_of_the_headers(fused: FunctionalResult) -> None:
    suv = standard_uptake(fused.functional)
    without = replace(fused.functional, headers=())
    for series, unit in ((fused.functional, " Bq/ml"), (suv, " g/ml (an SUV)"), (without, "")):
        facts = colour_facts(series, fused.scale, fused.record.recipe)
        low, high = fused.scale.uptake_range
        assert facts["PT values scaled to 0 and 1"] == f"{low:g} and {high:g}{unit}"
        plane = colour_plane(
            series, fused.alignment.moving_from_fixed, fused.scale, fused.image,
            fused.region.box, 0, 3,
        )  # fmt: skip
        assert plane.bar.low == f"0{unit}"


def test_a_file_in_colour_is_written_with_its_companions(
    mr: Series, pet: Series, known: Recipe, tmp_path: Path
) -> None:
    result = fuse_functional_volumes(mr, pet, tmp_path / "x.nrrd", recipe=known)
    image = sitk.ReadImage(tmp_path / "x.nrrd")
    assert image.GetNumberOfComponentsPerPixel() == 3
    assert np.array_equal(sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(result.image))
    assert {path.name for path in tmp_path.iterdir()} == {
        "x.nrrd", "x.json", "x_qa.html", "x_from-PT_to-MR_mode-image_xfm.tfm",
        "x_desc-fov_mask.nii.gz",
    }  # fmt: skip
    with pytest.raises(OutputError, match="exists"):
        fuse_functional_volumes(mr, pet, tmp_path / "x.nrrd", recipe=known)


def test_names_and_options_that_do_not_fit_are_refused(
    mr: Series, pet: Series, known: Recipe, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"written to \.nrrd, \.mha or a folder"):
        fuse_functional_volumes(mr, pet, tmp_path / "x.nii.gz", recipe=known)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("outputs", ("fused",)),
        ("window", (80.0, 40.0)),
        ("opacity", 0.3),
        ("bits", 16),
        ("roi", (0.0, 1.0, 0.0, 1.0, 0.0, 1.0)),
        ("metric_mask", Path("mask.nii.gz")),
    ],
)
def test_settings_without_effect_are_refused(
    mr: Series, pet: Series, known: Recipe, setting: str, value: object
) -> None:
    chosen = known.model_copy(update={setting: value})
    option = setting.replace("_", "-")
    with pytest.raises(InputError, match=f"--{option} is for a CT with an MR"):
        fuse_functional_volumes(mr, pet, recipe=chosen)


def test_a_pet_without_attenuation_correction_is_warned_of(
    mr: Series, pet: Series, known: Recipe
) -> None:
    headers = copy.deepcopy(pet.headers)
    for header in headers:
        header.CorrectedImage = ["DECY"]
    result = fuse_functional_volumes(mr, replace(pet, headers=headers), recipe=known)
    assert "the PET has no attenuation correction" in result.record.warnings[-1]
    further = FurtherImage("PT", result.functional, result.alignment, "")
    assert further.warnings[-1].startswith("PT: the PET has no attenuation correction")


def test_a_removed_suv_is_said_to_be_removed(pet: Series, fused: FunctionalResult) -> None:
    headers = copy.deepcopy(pet.headers)
    for header in headers:
        header.PatientWeight = None
    bare, recipe = replace(pet, headers=headers), fused.record.recipe
    facts = colour_facts(bare, fused.scale, recipe.model_copy(update={"deidentify": True}))
    assert facts["SUVbw"].startswith("not computed: de-identification removes what it needs")
    facts = colour_facts(bare, fused.scale, recipe)
    assert facts["SUVbw"].startswith("not computed: PatientWeight")


def test_a_pet_of_another_patient_is_refused(mr: Series, pet: Series, known: Recipe) -> None:
    headers = tuple(pydicom.Dataset() for _ in pet.headers)
    for header in headers:
        header.PatientID = "OTHER"
    with pytest.raises(InputError, match="MR and PT have different patient IDs"):
        fuse_functional_volumes(mr, replace(pet, headers=headers), recipe=known)


def test_without_uptake_in_the_head_it_is_refused(mr: Series, pet: Series, known: Recipe) -> None:
    cold = replace(pet, image=pet.image * -1.0)
    with pytest.raises(InputError, match="no value of the PT above 0 in the head of the MR"):
        colour_scale(mr, cold, sitk.Euler3DTransform(), known)


def test_the_command_fuses_volumes_in_colour(
    mr: Series, scan: FunctionalScan, known: Recipe, tmp_path: Path
) -> None:
    write_volume(tmp_path / "mr.nii.gz", mr.image)
    write_volume(tmp_path / "pet.nii.gz", scan.series.image)
    arguments = [
        "fuse", "--mr", tmp_path / "mr.nii.gz", "--pet", tmp_path / "pet.nii.gz",
        "--transform", known.transform, "-o", tmp_path / "out", "--quiet",
    ]  # fmt: skip
    done = CliRunner().invoke(main, [str(one) for one in arguments])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "out" / "COLOUR_MR_PT").is_dir()
    assert not (tmp_path / "out" / "REG").exists()


def test_no_written_object_has_an_identifier(
    mr: Series, pet: Series, known: Recipe, tmp_path: Path
) -> None:
    recipe = known.model_copy(update={"deidentify": True})
    fuse_functional_volumes(mr, pet, tmp_path / "out", recipe=recipe)
    identifiers = {str(pet.headers[0].PatientName), pet.headers[0].PatientID} - {""}
    uids = {one.SOPInstanceUID for one in (*mr.headers, *pet.headers)}
    assert identifiers
    for path in (path for path in (tmp_path / "out").rglob("*") if path.is_file()):
        content = path.read_bytes()
        assert not [one for one in (*identifiers, *uids) if str(one).encode() in content], path


def test_no_output_replaces_the_ct_of_a_pet(
    pair: tuple[Series, Series], pet: Series, known: Recipe, tmp_path: Path
) -> None:
    own_ct = replace(pair[0], source=tmp_path / "ct.nrrd")
    for output in (tmp_path / "ct.nrrd", tmp_path):
        with pytest.raises(OutputError, match="overlaps with the input"):
            fuse_functional_volumes(
                pair[0], pet, output, own_ct=own_ct, recipe=known, overwrite=True
            )
